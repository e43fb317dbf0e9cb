"""In-memory streams with the contract of `core.rpc.stream.Stream`, and a network of RPC servers made of them."""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Awaitable, Callable

from core.aio.tasks import TaskSet
from core.errors import PeerError, TransportClosed
from core.peer_id import PeerId
from core.rpc.server import RpcServer
from core.rpc.stream import Listener
from core.values import Address

CLIENT = Address("198.51.100.7", 40001)
SERVER = Address("203.0.113.9", 1337)


class MemoryStream:
    """One end of a pair. Writes wait while the other end has `buffer` bytes unread, as a full window does."""

    def __init__(self, remote: Address, *, buffer: int = 1 << 20, packet: int = 1 << 30) -> None:
        self.remote = remote
        self.peer_id: PeerId | None = None
        self.peer: MemoryStream = self
        self.packet = packet  # bytes of a packet: a message is split into such pieces
        self.aborted = self.closed = self.broken = self.ended = False
        self.written: list[tuple[bytes, bool]] = []
        self.soon: list[bool] = []  # of each offer that was taken
        self.heard_at = math.inf  # it cannot tell
        self.lost = False  # what is written gets nowhere, and nothing is heard of it
        self._buffer = buffer
        self._inbox: deque[bytes] = deque()
        self._unread = 0
        self._changed = asyncio.Event()
        self._listener: Listener | None = None
        self.paused = self.kept = False
        self._waiting: deque[tuple[bytes, bool, asyncio.Future[None]]] = deque()

    def buffered(self) -> tuple[int, int]:
        return self.peer._unread + sum(len(data) for data, _, _ in self._waiting), self._unread

    def keep(self) -> None:
        self.kept = True

    def listen(self, listener: Listener) -> None:
        self._listener = listener
        self._hand_over()

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        self._hand_over()

    def _hand_over(self) -> None:
        listener = self._listener
        while listener is not None and self._inbox and not (self.paused or self.closed or self.broken):
            chunk = self._inbox.popleft()
            self._unread -= len(chunk)
            self._signal()
            listener.received(chunk)
        over = self.broken or self.ended
        if self._listener is not None and (self.closed or (over and not self._inbox and not self.paused)):
            self._listener = None
            if listener is not None:
                listener.ended(TransportClosed("the stream broke") if self.broken and not self.closed else None)

    def lose(self) -> None:
        """From now on nothing gets through, either way, and nobody is told."""
        self.lost = self.peer.lost = True
        self.heard_at = asyncio.get_running_loop().time()

    def offer(self, data: bytes, *, soon: bool = False) -> bool:
        if not self._has_room():
            return False
        self.soon.append(soon)
        self._put(data, boundary=True)
        return True

    def room(self) -> int:
        return 1 << 30 if self._has_room() else 0

    def put(self, data: bytes, *, urgent: bool) -> bool:
        if not self._has_room():
            return False
        self._put(data, boundary=urgent)
        return True

    def _wake(self) -> None:
        self._signal()
        for end in (self, self.peer):
            if end._listener is not None:  # as an engine: not within the other's call, but before any task's next
                asyncio.get_running_loop().call_soon(end._hand_over)

    def _signal(self) -> None:
        for end in (self, self.peer):
            end._changed.set()
            end._changed = asyncio.Event()
            if end._waiting:
                asyncio.get_running_loop().call_soon(end._write_waiting)

    async def peek(self) -> bytes:
        while not self._inbox:
            if self.broken:
                raise TransportClosed("the stream broke")
            if self.ended or self.closed:
                return b""
            await self._changed.wait()
        return self._inbox[0]

    async def read(self) -> bytes:
        if not await self.peek():
            return b""
        chunk = self._inbox.popleft()
        self._unread -= len(chunk)
        self._wake()
        return chunk

    async def write(self, data: bytes, *, boundary: bool = True) -> None:
        if self.broken or self.closed:
            raise TransportClosed("the stream is over")
        if self._has_room():
            self._put(data, boundary=boundary)
            return
        done = asyncio.get_running_loop().create_future()
        message = (data, boundary, done)
        self._waiting.append(message)
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            if message in self._waiting and message is not self._waiting[0]:
                self._waiting.remove(message)  # what is under way goes whole, as with an engine's channel
            raise

    def _has_room(self) -> bool:
        return not (self.broken or self.closed or self._waiting or self.peer._unread >= self._buffer)

    def _write_waiting(self) -> None:
        while self._waiting and (self.broken or self.closed or self.peer._unread < self._buffer):
            data, boundary, done = self._waiting.popleft()
            if self.broken or self.closed:
                done.set_exception(TransportClosed("the stream is over"))
                done.exception()  # nobody may be waiting
            else:
                done.set_result(None)
                self._put(data, boundary=boundary)

    def _put(self, data: bytes, *, boundary: bool) -> None:
        self.written.append((data, boundary))
        if self.lost:
            return
        for at in range(0, len(data), self.packet):
            self.peer._inbox.append(data[at : at + self.packet])
        self.peer._unread += len(data)
        self._wake()

    async def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.peer.ended = self.peer.ended or not self.lost
            self._wake()
        await asyncio.sleep(0)

    def abort(self) -> None:
        self.aborted = True
        self.broken = self.peer.broken = True
        self.peer._inbox.clear()
        self._wake()


def pair(*, buffer: int = 1 << 20, packet: int = 1 << 30) -> tuple[MemoryStream, MemoryStream]:
    """Return the client's end and the server's end of a connection."""
    client, server = (
        MemoryStream(SERVER, buffer=buffer, packet=packet),
        MemoryStream(CLIENT, buffer=buffer, packet=packet),
    )
    client.peer, server.peer = server, client
    return client, server


class Network:
    """What a client's `connect` reaches: a server at every address, unless `refuse` says otherwise."""

    def __init__(self, serve: Callable[[MemoryStream], Awaitable[None]], *, delay: float = 0.0) -> None:
        self.serve = serve
        self.delay = delay
        self.refuse: list[PeerError | None] = []  # one for each of the next attempts to connect
        self.attempts: list[Address] = []
        self.clients: list[MemoryStream] = []
        self.servers: list[MemoryStream] = []
        self.packet = 1 << 30
        self._tasks = TaskSet("servers")

    @classmethod
    def of(cls, server: RpcServer, *, delay: float = 0.0) -> "Network":
        """Return a network where `server` answers at every address."""
        return cls(server.serve, delay=delay)

    async def connect(self, address: Address, timeout: float) -> MemoryStream:
        self.attempts.append(address)
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.refuse and (error := self.refuse.pop(0)) is not None:
            raise error
        client, server = pair(packet=self.packet)
        client.remote = address
        self.clients.append(client)
        self.servers.append(server)
        self._tasks.spawn(self._run(server), name="serve")
        return client

    async def _run(self, server: MemoryStream) -> None:
        await self.serve(server)

    @property
    def serving(self) -> int:
        """Streams whose server still runs."""
        return len(self._tasks)

    async def close(self) -> None:
        await self._tasks.aclose()


async def read_all(stream: MemoryStream) -> bytes:
    """Return everything until the end, however it ends."""
    data = b""
    with contextlib.suppress(TransportClosed):
        while chunk := await stream.read():
            data += chunk
    return data
