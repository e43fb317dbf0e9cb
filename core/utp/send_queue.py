"""What was written and never sent yet, cut into packets: boundaries are kept, plain writes are joined (Nagle)."""

from collections import deque

from core.values import Buffer


class SendQueue:
    """Payloads in order. Bounded in packets here, in bytes by the `room` that the caller allows."""

    def __init__(self, payload_bytes: int, packets: int) -> None:
        self._payload = payload_bytes
        self._packets = packets
        self._pieces: deque[bytes | bytearray] = deque()
        self._open = False  # the last piece may grow
        self._unfinished = False  # a boundary write was accepted in part, or not at all
        self.size = 0  # bytes

    def __len__(self) -> int:
        return len(self._pieces)

    def push(self, data: Buffer, room: int, *, boundary: bool) -> int:
        """Take up to `room` bytes and return how many.

        A boundary write that fits one packet is taken whole or not at all, and a longer one in whole packets until
        its end, so that a full buffer never adds a packet border. What follows a short boundary write, boundary or
        not, is its rest, and is closed off when it ends.
        """
        view = memoryview(data).cast("B")
        own_packets = boundary or self._unfinished
        if own_packets:
            self._open = False
        taken = self._fill(view, room)
        taken += self._cut(view[taken:], room - taken, whole=own_packets)
        if own_packets:
            self._unfinished = taken < len(view)
            self._open = False
        self.size += taken
        return taken

    def _fill(self, view: memoryview, room: int) -> int:
        """Let the open last packet grow."""
        if not (self._open and self._pieces):
            return 0
        last = self._pieces[-1]
        taken = min(self._payload - len(last), len(view), room)
        if not isinstance(last, bytearray):
            self._pieces[-1] = last = bytearray(last)
        last += view[:taken]
        return taken

    def _cut(self, view: memoryview, room: int, *, whole: bool) -> int:
        """Append packets; the last may be short, if `whole` only when it ends the data."""
        taken = 0
        while taken < min(len(view), room) and len(self._pieces) < self._packets:
            piece = min(self._payload, len(view) - taken)
            if taken + piece > room:
                if whole:
                    break
                piece = room - taken
            self._pieces.append(bytes(view[taken : taken + piece]))
            self._open = True
            taken += piece
        return taken

    def next_size(self, *, idle: bool) -> int | None:
        """Return the size of the packet to send next, or None to wait; `idle`: nothing is in flight, or all is written.

        A short last packet of plain writes waits while something is in flight (RFC 896), as libutp does.
        """
        if not self._pieces:
            return None
        size = len(self._pieces[0])
        if len(self._pieces) == 1 and self._open and size < self._payload and not idle:
            return None
        return size

    def pop(self) -> bytes:
        """Remove and return the first packet's payload. Raises IndexError when there is none."""
        piece = bytes(self._pieces.popleft())
        self.size -= len(piece)
        return piece

    def clear(self) -> None:
        """Forget everything."""
        self._pieces.clear()
        self.size = 0
