"""What was written and never sent yet, cut into packets when they leave: boundaries are kept, plain writes joined.

What is written as `bytes` is not copied before that.
"""

from collections import deque
from typing import Final

from core.values import Buffer

# shared by the empty: a deque of one's own takes 760 bytes
_NONE: Final[deque[tuple[bytes, bool | None]]] = deque(maxlen=0)


class SendQueue:
    """Writes in order. Bounded in entries here, in bytes by the `room` that the caller allows."""

    __slots__ = (
        "_entries", "_most", "_offset", "_open", "_unfinished", "_urgent", "payload_bytes", "size", "whole_bytes",
    )  # fmt: skip

    def __init__(self, payload_bytes: int, entries: int) -> None:
        self.payload_bytes = payload_bytes  # of a full packet
        self.whole_bytes = payload_bytes  # boundary writes up to this leave whole, however short packets became
        self._most = entries
        # bytes, and whether they may share a packet with those before: None, and they leave whole if they may
        self._entries = _NONE
        self._offset = 0  # what was sent of the first
        self._open = False  # what comes next may share a packet with the last
        self._unfinished = False  # a boundary write was accepted in part, or not at all
        self._urgent = False  # what is here leaves without waiting for more
        self.size = 0  # bytes

    def __len__(self) -> int:
        return len(self._entries)

    def push(self, data: Buffer, room: int, *, boundary: bool, urgent: bool = False) -> int:
        """Take up to `room` bytes and return how many. A memoryview must be one of bytes.

        A boundary write that fits one packet is taken whole or not at all, and a longer one in whole packets until
        its end, so that a full buffer never adds a packet border. What follows a short boundary write, boundary or
        not, is its rest, and is closed off when it ends. What is `urgent` may
        share a packet, but is not kept back for more to come.
        """
        size, packet = len(data), max(self.payload_bytes, self.whole_bytes)
        if boundary and not self._unfinished:
            self._open = False
        own_packets = boundary or self._unfinished
        taken = min(size, room) if len(self._entries) < self._most else 0
        if own_packets and taken < size:
            taken = taken // self.payload_bytes * self.payload_bytes if size > packet else 0
        if taken:
            self._urgent |= urgent
            message = own_packets and taken == size and not self._open
            self._append(bytes(data if taken == size else memoryview(data)[:taken]), message=message)
            self._open = True
        if own_packets:
            self._unfinished = taken < size
            self._open = self._open and self._unfinished
        return taken

    def _append(self, piece: bytes, *, message: bool) -> None:
        """Keep `piece`; in one entry with the last where both are small, so that tiny writes cost little."""
        self.size += len(piece)
        if self._open and self._entries:
            last, joined = self._entries[-1]
            if len(last) + len(piece) <= self.payload_bytes:
                self._entries[-1] = (last + piece, joined)
                return
        if not self._entries:
            self._entries = deque()
        self._entries.append((piece, None if message else self._open))

    def next_size(self, *, idle: bool) -> int | None:
        """Return the size of the packet to send next, or None to wait; `idle`: nothing is in flight, or all is written.

        A short last packet of plain writes waits while something is in flight (RFC 896), as libutp does.
        """
        if not self._entries:
            return None
        size = len(self._entries[0][0]) - self._offset
        if self._is_whole():
            return size
        if size >= self.payload_bytes:
            return self.payload_bytes
        for number in range(1, len(self._entries)):
            data, joined = self._entries[number]
            if not joined:
                return size
            size += len(data)
            if size >= self.payload_bytes:
                return self.payload_bytes
        return None if self._open and not (idle or self._urgent) else size

    def take_only(self, most: int) -> bytes | None:
        """Remove and return all there is, if that is one packet of up to `most` bytes; None: nothing was done."""
        if self.size > most or self.size > self.payload_bytes or len(self._entries) != 1 or self._offset:
            return None
        payload = self._entries[0][0]
        self._entries = _NONE
        self.size = 0
        self._urgent = False
        return payload

    def pop(self) -> bytes:
        """Remove and return the next packet's payload. Raises IndexError when there is none."""
        piece = self._take(self.whole_bytes if self._is_whole() else self.payload_bytes)
        while len(piece) < self.payload_bytes and self._entries and self._entries[0][1]:
            piece += self._take(self.payload_bytes - len(piece))
        self.size -= len(piece)
        self._urgent = self._urgent and bool(self._entries)
        return piece

    def _is_whole(self) -> bool:
        """Whether the first entry leaves in one packet, though it may be longer than packets are now."""
        data, joined = self._entries[0]
        return joined is None and len(data) <= self.whole_bytes

    def _take(self, most: int) -> bytes:
        """Remove and return bytes of the first entry."""
        data = self._entries[0][0]
        start, end = self._offset, self._offset + most
        if end < len(data):
            self._offset = end
            return data[start:end]
        self._offset = 0
        if len(self._entries) == 1:
            self._entries = _NONE
        else:
            self._entries.popleft()
        return data[start:] if start else data

    def clear(self) -> None:
        """Forget everything."""
        self._entries = _NONE
        self._offset = self.size = 0
        self._urgent = False
