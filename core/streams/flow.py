"""One stream: what waits to be sent, what the other side may still send, and which directions are over."""

from collections import deque
from typing import Final

from core.streams.config import FIRST_WINDOW, StreamConfig
from core.wire.stream_frame import DATA_MAX, HEADER_BYTES, Kind, pack_header

JOINED: Final = 1024  # bytes up to which pieces that wait are joined: single bytes would hold 200 times what they are


class Outbound:
    """Bytes of one stream on their way out: bounded by the send buffer here and by the credit of the other side."""

    __slots__ = ("_chunks", "_config", "_offset", "credit", "ended", "ending", "queued", "short")

    def __init__(self, config: StreamConfig) -> None:
        self._config = config
        self._chunks: deque[bytes] = deque()  # nothing but what waits: a part of a long read is copied out of it
        self._offset = 0  # sent of the first chunk
        self.queued = 0
        self.credit = FIRST_WINDOW
        self.ending = False  # END follows what is queued
        self.ended = False  # END was sent
        self.short = False  # a write did not fit: tell when half is free

    @property
    def free(self) -> int:
        """Bytes that `add` would take."""
        return max(0, self._config.send_buffer - self.queued)

    @property
    def ready(self) -> bool:
        """Whether something can be sent now."""
        return (self.queued > 0 and self.credit > 0) or (self.ending and not self.queued and not self.ended)

    def add(self, data: bytes, most: int) -> int:
        """Queue what fits, and what leaves at most `most` waiting; return how many bytes that is."""
        size = max(0, min(len(data), self.free, most - self.queued))
        if size < len(data):
            self.short = True
            data = data[:size]
        if size:
            if self._chunks and len(self._chunks[-1]) + size <= JOINED:
                self._chunks[-1] += data
            else:
                self._chunks.append(data)
            self.queued += size
        return size

    def room(self, most: int) -> int:
        """Return how many bytes to read for `add`: 0 for less than a record, and the writer is told when to go on."""
        free = min(self.free, most - self.queued)
        if free >= min(self._config.quantum, self._config.send_buffer // 2):
            return free
        self.short = True
        return 0

    def clear(self) -> None:
        """Drop what waits."""
        self._chunks.clear()
        self.queued = self._offset = 0
        self.ending = self.ended = True

    def take(self, stream: int, most: int, out: list[bytes | memoryview]) -> int:
        """Put the next DATA frame, or END, or both, on `out`: up to `most` bytes with headers; return how many.

        `most` has room for a header and one byte.
        """
        size, left = min(self.queued, self.credit, most - HEADER_BYTES, DATA_MAX), most
        if size:
            left -= HEADER_BYTES + size
            out.append(pack_header(Kind.DATA, stream, size))
            self._move(size, out)
            self.queued -= size
            self.credit -= size
            if not self.credit and self._offset * 2 >= len(self._chunks[0] if self._chunks else b"."):
                self._chunks[0] = self._chunks[0][self._offset :]  # it waits now: without what has gone
                self._offset = 0
        if self.ending and not (self.queued or self.ended) and left >= HEADER_BYTES:
            out.append(pack_header(Kind.END, stream, 0))
            self.ended = True
            left -= HEADER_BYTES
        return most - left

    def _move(self, size: int, out: list[bytes | memoryview]) -> None:
        while size:
            first = self._chunks[0]
            piece = memoryview(first)[self._offset : self._offset + size]
            out.append(piece)
            size -= len(piece)
            self._offset += len(piece)
            if self._offset == len(first):
                self._chunks.popleft()
                self._offset = 0

    def woke(self) -> bool:
        """Return, once, whether a writer that was cut short can go on."""
        if self.short and self.free * 2 >= self._config.send_buffer:
            self.short = False
            return True
        return False


class Inbound:
    """Bytes of one stream on their way in: what the other side may still send, and what nobody has taken yet."""

    __slots__ = ("_since", "_taken", "_window", "allowed", "ended", "unread")

    def __init__(self, now: float) -> None:
        self.allowed = FIRST_WINDOW  # bytes that may still come
        self.unread = 0  # bytes that came and were not consumed
        self.ended = False
        self._window = FIRST_WINDOW
        self._taken = 0  # consumed since the last CREDIT
        self._since = now

    def consumed(self, size: int, now: float, config: StreamConfig, room: int) -> tuple[int, int]:
        """Note bytes that a reader took; return the CREDIT to give (0: none yet) and how much the window grew.

        `room` is what all windows of the session may still grow.
        """
        self.unread -= size
        self._taken += size
        if self.ended or self._taken * 2 < self._window:
            return 0, 0
        grown = 0
        if now - self._since <= config.grow_within:
            grown = max(0, min(self._window, config.window_max - self._window, room))
        credit, self._taken, self._since = self._taken + grown, 0, now
        self._window += grown
        self.allowed += credit
        return credit, grown

    @property
    def grown(self) -> int:
        """Bytes by which the window is over the first one."""
        return self._window - FIRST_WINDOW
