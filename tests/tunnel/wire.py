"""Two connections joined by memory, as `core.rpc.stream.Stream` has them, each with a bounded buffer."""

import asyncio

from core.errors import PeerError, TransportClosed
from core.peer_id import PeerId
from core.rpc.stream import Listener
from core.values import Address

ROOM = 256 * 1024  # bytes under way, as a send buffer has them


class End:
    """One end. What is written reaches the other end in a later turn of the loop."""

    def __init__(self, port: int, peer_id: PeerId | None = None) -> None:
        self.remote = Address("192.0.2.1", port)
        self.peer_id = peer_id
        self.other: End
        self.paused = False
        self.closed = False
        self._listener: Listener | None = None
        self._arrived: list[bytes] = []
        self._room = asyncio.Event()
        self.written = 0

    def listen(self, listener: Listener) -> None:
        self._listener = listener
        self.hand_over()

    def buffered(self) -> tuple[int, int]:
        return self.other.waiting, self.waiting

    def keep(self) -> None: ...

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        self.hand_over()

    def offer(self, data: bytes, *, soon: bool = False) -> bool:
        if self.closed or self.other.waiting + len(data) > ROOM:
            return False
        self._send(data)
        return True

    def put(self, data: bytes, *, urgent: bool) -> bool:
        return self.offer(data)

    async def write(self, data: bytes, *, boundary: bool = True) -> None:
        while not self.closed and self.other.waiting > ROOM:
            self._room.clear()
            await self._room.wait()
        if self.closed:
            raise TransportClosed("closed")
        self._send(data)

    def _send(self, data: bytes) -> None:
        self.written += len(data)
        self.other._arrived.append(data)
        asyncio.get_running_loop().call_soon(self.other.hand_over)

    @property
    def waiting(self) -> int:
        return sum(map(len, self._arrived))

    def hand_over(self) -> None:
        while self._arrived and not self.paused and self._listener is not None:
            self._listener.received(self._arrived.pop(0))
        self.other._room.set()

    async def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            self._room.set()
            asyncio.get_running_loop().call_soon(self.other.end, TransportClosed("cut"))

    def end(self, error: PeerError | None) -> None:
        listener, self._listener = self._listener, None
        self.closed = True
        self._room.set()
        if listener is not None:
            listener.ended(error)


def wire(peer_id: PeerId | None = None) -> tuple[End, End]:
    """Return both ends; each knows `peer_id` as the other side."""
    a, b = End(1, peer_id), End(2, peer_id)
    a.other, b.other = b, a
    return a, b
