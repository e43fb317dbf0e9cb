"""A byte stream as an asyncio transport, so that protocols written for sockets, aiohttp's above all, run on it."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any, Final, cast

from core.errors import PeerError
from core.tunnel.stream import ByteStream

HIGH_WATER: Final = 64 * 1024  # bytes that wait before the protocol is told to pause; as asyncio's own
LOW_WATER: Final = 16 * 1024


class StreamTransport(asyncio.Transport):
    """Joins a stream to a protocol, until either closes. Make it, then `begin`."""

    def __init__(self, stream: ByteStream, protocol: asyncio.Protocol) -> None:
        super().__init__({"peername": (stream.remote.host, stream.remote.port), "peer_id": stream.peer_id})
        self._stream = stream
        self._protocol = protocol
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._high, self._low = HIGH_WATER, LOW_WATER
        self._held = False  # the protocol was told to pause
        self._eof = False  # we end our direction after what waits
        self._closing = False
        self._lost = False
        self._reading = True

    def begin(self) -> None:
        """Tell the protocol that it is connected, and hand over what the stream has."""
        self._protocol.connection_made(self)
        if not self._lost:
            self._stream.listen(self)

    # -- asyncio.Transport --------------------------------------------------------------------------------------------

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Put another protocol in its place."""
        self._protocol = cast(asyncio.Protocol, protocol)

    def is_closing(self) -> bool:
        """Return whether it is closing, or closed."""
        return self._closing

    def is_reading(self) -> bool:
        """Return whether what comes is handed over."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """Hand over nothing; the other side is soon held up."""
        self._reading = False
        self._stream.pause()

    def resume_reading(self) -> None:
        """Hand over again."""
        self._reading = True
        self._stream.resume()

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        """Send bytes; what the stream does not take waits here, and the protocol is told to pause."""
        if self._closing or self._eof or not data:
            return
        piece = bytes(data)
        taken = 0 if self._waiting else self._stream.offer(piece)
        if taken < len(piece):
            self._waiting.append(piece[taken:])
            self._hold(len(piece) - taken)
            if self._size > self._high and not self._held:
                self._held = True
                self._protocol.pause_writing()

    def writelines(self, list_of_data: "Iterable[bytes | bytearray | memoryview[Any]]") -> None:
        """Send them joined."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Return that one direction can be ended by itself."""
        return True

    def write_eof(self) -> None:
        """End our direction after what waits."""
        if not self._eof:
            self._eof = True
            self._end_if_written()

    def close(self) -> None:
        """Send what waits, end our direction, and stop reading."""
        if self._closing:
            return
        self._closing = True
        self._stream.resume()  # what still comes is dropped, so that the other side can finish
        if not self._waiting:
            self._finish()

    def abort(self) -> None:
        """Give the stream up at once."""
        self._closing = True
        self._waiting.clear()
        self._hold(-self._size)
        self._stream.reset()
        self._lose(None)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set at which size the protocol is told to pause, and to go on."""
        self._high = HIGH_WATER if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return these sizes, the lower one first."""
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait here."""
        return self._size

    # -- the stream (`core.tunnel.stream.Listener`) -------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """Hand over what came."""
        if not self._closing:
            self._protocol.data_received(data)

    def ended(self) -> None:
        """Tell the protocol that nothing more comes; it may keep its own direction open."""
        if not self._closing and not self._protocol.eof_received():
            self.close()

    def closed(self, error: PeerError | None) -> None:
        """Tell the protocol that the connection is gone."""
        self._closing = True
        self._lose(None if error is None else ConnectionResetError(str(error)))

    def writable(self) -> None:
        """Send more of what waits."""
        while self._waiting:
            piece = self._waiting.popleft()
            taken = self._stream.offer(piece)
            self._hold(-taken)
            if taken < len(piece):
                self._waiting.appendleft(piece[taken:])
                break
        if self._held and self._size <= self._low:
            self._held = False
            self._protocol.resume_writing()
        self._end_if_written()
        if self._closing and not self._waiting:
            self._finish()

    # -- within -------------------------------------------------------------------------------------------------------

    def _hold(self, more: int) -> None:
        self._size += more
        self._stream.behind = self._size

    def _end_if_written(self) -> None:
        if self._eof and not self._waiting:
            self._stream.end()

    def _finish(self) -> None:
        """Everything is written: end, and let the protocol go; the stream is over once the other side has ended."""
        self._stream.end()
        self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, error)
