"""A local UDP port whose datagrams come out at a port that another peer shares: one stream for each local program."""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from core.aio.tasks import TaskSet
from core.errors import LocalError, PeerError
from core.kinds.udp import IDLE, put
from core.limits.table import BoundedTable
from core.tunnel.stream import ByteStream
from core.values import Address
from core.wire.stream_opening import carries_datagrams, parse_details

LOOPBACK: Final = "127.0.0.1"
PROGRAMS: Final = 64  # local programs, by their address; the one that has been silent for longest makes room
WAITING: Final = 16  # datagrams of one program that wait until its stream is open; the oldest goes

_log = logging.getLogger(__name__)

OpenStream = Callable[[], Awaitable[ByteStream]]  # raises PeerError


class _Program:
    """One local program and its stream, once that is open."""

    def __init__(self) -> None:
        self.stream: ByteStream | None = None
        self.waiting: deque[bytes] = deque(maxlen=WAITING)
        self.heard_at = 0.0
        self.gone = False


class UdpUse(asyncio.DatagramProtocol):
    """Listens on loopback. `on_problem` hears why a program's datagrams are not carried, or None when they are."""

    def __init__(
        self, open_stream: OpenStream, *, port: int = 0, on_problem: Callable[[PeerError | None], None] = lambda e: None
    ) -> None:
        self._open_stream = open_stream
        self._port = port
        self._on_problem = on_problem
        self._transport: asyncio.DatagramTransport | None = None
        self._programs: BoundedTable[Address, _Program] = BoundedTable(PROGRAMS, self._evicted)
        self._tasks = TaskSet("local UDP port")

    @property
    def address(self) -> Address:
        """Where local programs send to."""
        if self._transport is None:
            raise LocalError("this port is not open")
        host, port = self._transport.get_extra_info("sockname")[:2]
        return Address(host, port)

    async def start(self) -> None:
        """Begin to listen. Raises LocalError when the port is taken."""
        loop = asyncio.get_running_loop()
        local = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # uvloop's own leaks where the port is taken
        local.setblocking(False)
        try:
            local.bind((LOOPBACK, self._port))
            self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=local)
        except OSError as error:
            local.close()
            taken = f"UDP port {self._port} of this machine cannot be used: {error.strerror or error}"
            raise LocalError(taken, name="ERR_PORT_TAKEN") from None

    async def aclose(self) -> None:
        """Stop listening and end the streams there are."""
        if self._transport is not None:
            self._transport.close()
        await self._tasks.aclose()

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        """Pass on what a local program sends; the first opens a stream for it."""
        source = Address(address[0], address[1])
        program = self._programs.get(source)
        if program is None:
            program = self._programs[source] = _Program()
            self._tasks.spawn(self._carry(source, program), name=f"carry datagrams of {source}")
        else:
            self._programs.use(source, _Program)
        program.heard_at = asyncio.get_running_loop().time()
        if program.stream is not None:
            program.stream.send_datagram(data)
        else:
            program.waiting.append(data)

    def error_received(self, error: Exception) -> None:
        """Ignore it: a local program has closed its port."""

    def _evicted(self, source: Address, program: _Program) -> None:
        program.gone = True
        if program.stream is not None:
            program.stream.reset()

    async def _carry(self, source: Address, program: _Program) -> None:
        try:
            stream = program.stream = await self._open_stream()
            if carries_datagrams(parse_details(await stream.accepted())):
                stream.carry_datagrams()
        except PeerError as error:
            if program.stream is not None:
                program.stream.reset()
            _log.info("datagrams of %s cannot be carried: %s", source, error)
            self._forget(source, program)
            self._on_problem(error)
            return
        self._on_problem(None)
        try:
            while program.waiting:
                stream.send_datagram(program.waiting.popleft())
            await self._receive(source, program, stream)
        finally:
            self._forget(source, program)
            stream.reset()  # without effect when it is over

    async def _receive(self, source: Address, program: _Program, stream: ByteStream) -> None:
        loop = asyncio.get_running_loop()
        while not program.gone:
            try:
                async with asyncio.timeout(IDLE):
                    datagrams = await stream.read_datagrams()
            except TimeoutError:
                if loop.time() - program.heard_at >= IDLE:
                    return
                continue
            except PeerError:
                return
            if self._transport is not None:
                for data in datagrams:
                    put(self._transport, data, source)

    def _forget(self, source: Address, program: _Program) -> None:
        if self._programs.get(source) is program:
            del self._programs[source]
