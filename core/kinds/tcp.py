"""A TCP port, of this machine or of another in the home: every stream becomes one connection to it."""

import asyncio
import socket
from typing import ClassVar, Final

from core.aio.names import look_up
from core.errors import LocalError, reason_of_os
from core.kinds.base import Check, Shared
from core.kinds.share import BAD, Share, text_option
from core.tunnel.splice import Splice
from core.tunnel.stream import ByteStream
from core.values import Address, Caller
from core.wire.stream_opening import Opening, pack_details

CONNECT_TIMEOUT: Final = 10.0  # seconds; a machine of the home that is on answers within milliseconds
CHECK_TIMEOUT: Final = 2.0  # seconds; the owner looks at a dialog meanwhile
PORT_CLOSED: Final = "ERR_PORT_CLOSED"
_SENSITIVE: Final = {
    22: "This is usually SSH. Everybody who may use it can try to log in.",
    23: "This is usually Telnet, which sends passwords in the clear.",
    445: "This is usually Windows file sharing, with all that it shares.",
    3389: "This is usually Remote Desktop. Everybody who may use it can try to log in.",
    5900: "This is usually VNC, a view of the whole screen.",
}


def target_of(text: str) -> Address:
    """Read `PORT`, `HOST:PORT` or `[HOST]:PORT`; without a host it is this machine. Raises ValueError."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        text = f"127.0.0.1:{text}"
    return Address.parse(text)


def target_option(share: Share) -> Address:
    """Return the option `target`. Raises LocalError."""
    try:
        return target_of(text_option(share, "target"))
    except ValueError as error:
        raise LocalError(f"{share.name}: {error}", name=BAD) from None


class TcpService(Shared):
    """Options: `target`, as `target_of` reads it."""

    kind: ClassVar[str] = "tcp"
    options: ClassVar[frozenset[str]] = frozenset({"target"})

    def __init__(self, share: Share) -> None:
        super().__init__(share)
        self.target = target_option(share)

    @property
    def description(self) -> str:
        """Name the port's number, which tells what it is, and no address of the home."""
        return f"a TCP port ({self.target.port})"

    def warnings(self) -> list[str]:
        """Name what is known of this port."""
        known = _SENSITIVE.get(self.target.port)
        return [known] if known else []

    async def check(self) -> Check:
        """Try to connect."""
        try:
            local = await self._connect(CHECK_TIMEOUT)
        except LocalError as error:
            return Check(False, f"Nothing answers there yet: {error}.")
        local.close()
        return Check(True, f"Something answers on {self.target}.")

    async def serve(self, stream: ByteStream, opening: Opening, caller: Caller) -> None:
        """Join the stream to a new connection. Raises LocalError (ERR_PORT_CLOSED) when nothing answers."""
        local = await self._connect(CONNECT_TIMEOUT)
        if stream.over:
            local.close()
            return
        stream.accept(pack_details({"k": self.kind}))
        _, splice = await asyncio.get_running_loop().create_connection(lambda: Splice(stream), sock=local)
        await splice.wait_over()

    async def _connect(self, seconds: float) -> socket.socket:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                transport = await _first_that_connects(loop, self.target)
        except TimeoutError:
            raise self._closed(f"no answer within {seconds:g} s") from None
        except OSError as error:
            raise self._closed(reason_of_os(error)) from None
        return transport

    def _closed(self, reason: str) -> LocalError:
        where = "this machine" if self.target.host.startswith("127.") else "that machine"
        return LocalError(f"nothing answers on port {self.target.port} of {where}: {reason}", name=PORT_CLOSED)


async def _first_that_connects(loop: asyncio.AbstractEventLoop, target: Address) -> socket.socket:
    """Return a connected socket of the first address of a host that connects. Raises OSError."""
    found = await look_up(target.host, target.port, socket.AF_UNSPEC, socket.SOCK_STREAM)
    failure: OSError = OSError(f"{target.host} has no address")
    for family, kind, protocol, _, address in found:
        local = socket.socket(family, kind, protocol)
        local.setblocking(False)
        try:
            await loop.sock_connect(local, address)
        except OSError as error:
            local.close()
            failure = error
        except BaseException:
            local.close()
            raise
        else:
            return local
    raise failure
