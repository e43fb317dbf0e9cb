"""A UDP port, of this machine or of another in the home: every stream has the datagrams of one caller's program."""

import asyncio
import socket
from typing import Any, ClassVar, Final

from core.aio.names import look_up
from core.errors import LocalError, PeerError
from core.kinds.base import Check, Shared
from core.kinds.share import Share
from core.kinds.tcp import PORT_CLOSED, target_option
from core.tunnel.stream import ByteStream
from core.values import Address, Caller, JsonValue
from core.wire.stream_opening import DATAGRAMS, DATAGRAMS_VERSION, Opening, carries_datagrams, pack_details

BUFFER: Final = 256 * 1024  # bytes that may wait for a full buffer of the system; further datagrams are dropped
IDLE: Final = 180.0  # seconds without a datagram either way: over the 120 s of RFC 4787 REQ-5 for a NAT's mapping


class UdpService(Shared):
    """Options: `target`, as of a TCP share."""

    kind: ClassVar[str] = "udp"
    options: ClassVar[frozenset[str]] = frozenset({"target"})

    def __init__(self, share: Share) -> None:
        super().__init__(share)
        self.target = target_option(share)

    @property
    def description(self) -> str:
        """Name the port's number, which tells what it is, and no address of the home."""
        return f"a UDP port ({self.target.port})"

    async def check(self) -> Check:
        """Say what can be said: a UDP port answers only in its own protocol."""
        return Check(True, f"Datagrams go to {self.target}. Whether something listens there cannot be seen.")

    async def serve(self, stream: ByteStream, opening: Opening, caller: Caller) -> None:
        """Carry datagrams both ways until nobody sends any more."""
        loop = asyncio.get_running_loop()
        try:
            found = await look_up(self.target.host, self.target.port, socket.AF_UNSPEC, socket.SOCK_DGRAM)
            transport, flow = await loop.create_datagram_endpoint(lambda: Flow(stream), remote_addr=_address(found))
        except OSError as error:
            reason = error.strerror or str(error)
            raise LocalError(
                f"nothing can be sent to UDP port {self.target.port}: {reason}", name=PORT_CLOSED
            ) from None
        answer: dict[str, JsonValue] = {"k": self.kind}
        if carries_datagrams(opening.details) and stream.carry_datagrams():
            answer[DATAGRAMS] = DATAGRAMS_VERSION
        stream.accept(pack_details(answer))
        try:
            await carry(stream, flow, transport)
        finally:
            transport.close()


def _address(found: list[tuple[Any, Any, int, str, Any]]) -> tuple[str, int]:
    host, port = found[0][4][:2]
    return str(host), int(port)


class Flow(asyncio.DatagramProtocol):
    """What a local program sends goes into the stream. What finds no room there is dropped, the oldest first."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.heard_at = asyncio.get_running_loop().time()

    def datagram_received(self, data: bytes, address: object) -> None:
        """Pass a datagram on."""
        self.heard_at = asyncio.get_running_loop().time()
        self._stream.send_datagram(data)

    def error_received(self, error: Exception) -> None:
        """Ignore it: nobody listened at that moment, and that may pass (ICMP; WinError 10054)."""


async def carry(stream: ByteStream, flow: Flow, transport: asyncio.DatagramTransport) -> None:
    """Give a local program what the stream brings, until the stream is over or both have been silent for long."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            async with asyncio.timeout(IDLE):
                datagrams = await stream.read_datagrams()
        except TimeoutError:
            if loop.time() - flow.heard_at >= IDLE:
                return
            continue
        except PeerError:
            return
        for data in datagrams:
            put(transport, data)


def put(transport: asyncio.DatagramTransport, data: bytes, to: Address | None = None) -> None:
    """Send a datagram, or drop it where too many wait: asyncio would keep them all."""
    waiting: int = transport.get_write_buffer_size()  # type: ignore[attr-defined]  # all loops' transports have it
    if waiting < BUFFER:
        transport.sendto(data, to)
