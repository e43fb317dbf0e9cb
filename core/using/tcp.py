"""A local port whose connections come out at a port that another peer shares."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, cast

from core.aio.listening import listening
from core.aio.tasks import TaskSet
from core.errors import LocalError, PeerError
from core.tunnel.splice import Splice
from core.tunnel.stream import ByteStream
from core.values import Address

LOOPBACK: Final = "127.0.0.1"
MAX_WAITING: Final = 256  # local connections whose stream is not open yet; more are closed at once

_log = logging.getLogger(__name__)

OpenStream = Callable[[], Awaitable[ByteStream]]  # raises PeerError


class TcpUse:
    """Listens on loopback. `on_problem` hears why a connection could not be carried, or None when one was."""

    def __init__(
        self, open_stream: OpenStream, *, port: int = 0, on_problem: Callable[[PeerError | None], None] = lambda e: None
    ) -> None:
        self._open_stream = open_stream
        self._port = port
        self._on_problem = on_problem
        self._server: asyncio.Server | None = None
        self._tasks = TaskSet("local port")

    @property
    def address(self) -> Address:
        """Where local programs connect to."""
        if self._server is None:
            raise LocalError("this port is not open")
        host, port = self._server.sockets[0].getsockname()[:2]
        return Address(host, port)

    async def start(self) -> None:
        """Begin to listen. Raises LocalError when the port is taken."""
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: _Arrival(self._join), sock=listening(LOOPBACK, self._port)
            )
        except OSError as error:
            taken = f"port {self._port} of this machine cannot be used: {error.strerror or error}"
            raise LocalError(taken, name="ERR_PORT_TAKEN") from None

    async def aclose(self) -> None:
        """Stop listening and end the connections there are."""
        if self._server is not None:
            self._server.close()
        await self._tasks.aclose()

    def _join(self, arrival: "_Arrival") -> None:
        if len(self._tasks) >= MAX_WAITING:
            arrival.transport.abort()
            return
        self._tasks.spawn(self._carry(arrival), name="carry a local connection")

    async def _carry(self, arrival: "_Arrival") -> None:
        transport = arrival.transport
        try:
            stream = await self._open_stream()
        except PeerError as error:
            _log.info("a local connection could not be carried: %s", error)
            transport.abort()
            self._on_problem(error)
            return
        except BaseException:
            transport.abort()
            raise
        self._on_problem(None)
        try:
            if not arrival.gone:
                await arrival.hand_over(Splice(stream)).wait_over()
        finally:
            stream.reset()  # without effect when it is over
            transport.abort()


class _Arrival(asyncio.Protocol):
    """A local connection that waits for its stream: it is held up until then.

    uvloop begins to read after `connection_made`, whatever that does: what it reads is kept, one read at most.
    """

    def __init__(self, join: Callable[["_Arrival"], None]) -> None:
        self._join = join
        self._kept = b""
        self._ended = False
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hold the program up, and open a stream for it."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self.transport.pause_reading()
        self._join(self)

    def data_received(self, data: bytes) -> None:
        """Keep what came, and hold the program up."""
        self._kept += data
        self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Keep that the program has ended its direction; it may still read."""
        self._ended = True
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """The program has gone."""
        self.gone = True

    def hand_over(self, splice: Splice) -> Splice:
        """Let the program and its stream talk, what was kept first; return the splice."""
        self.transport.set_protocol(splice)
        splice.connection_made(self.transport)
        self.transport.resume_reading()
        if self._kept:
            splice.feed(self._kept)
        if self._ended:
            splice.eof_received()
        return splice
