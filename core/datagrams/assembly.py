"""Datagrams that are too long for the path: cut into equal pieces, and joined again in whatever order they come."""

from collections import OrderedDict

from core.datagrams.config import DatagramConfig
from core.wire.datagram_packet import PIECE_BYTES, PIECES_MAX, SEALED_BYTES, Piece


def fits(length: int, size: int) -> bool:
    """Tell whether a datagram of `length` bytes can be cut for a path of `size` bytes."""
    return length <= PIECES_MAX * (size - SEALED_BYTES - PIECE_BYTES)


def cut(stream: int, message: int, data: bytes, size: int) -> list[Piece]:
    """Return a datagram that `fits`, in as few pieces as datagrams of `size` bytes take."""
    room = size - SEALED_BYTES - PIECE_BYTES
    count = -(-len(data) // room)
    length = -(-len(data) // count)
    parts = [data[at : at + length] for at in range(0, len(data), length)]
    return [Piece(stream, message, index, len(parts), part) for index, part in enumerate(parts)]


class _Partial:
    __slots__ = ("left", "parts", "size")

    def __init__(self, count: int) -> None:
        self.parts: list[bytes | None] = [None] * count
        self.left = count
        self.size = 0


class Assembly:
    """Bounded by number and bytes: the datagram that waits for longest makes room."""

    __slots__ = ("_config", "_partials", "bytes", "dropped")

    def __init__(self, config: DatagramConfig) -> None:
        self._config = config
        self._partials: OrderedDict[tuple[int, int], _Partial] = OrderedDict()
        self.bytes = 0  # of the pieces that wait
        self.dropped = 0  # datagrams of which a piece came, and that made room

    def add(self, piece: Piece) -> bytes | None:
        """Take a piece; return the datagram that it makes whole. A piece that fits no other is dropped."""
        key = (piece.stream, piece.message)
        partial = self._partials.get(key)
        if partial is None:
            partial = self._partials[key] = _Partial(piece.parts)
        if len(partial.parts) != piece.parts or partial.parts[piece.part] is not None:
            return None
        partial.parts[piece.part] = piece.data
        partial.left -= 1
        partial.size += len(piece.data)
        self.bytes += len(piece.data)
        if not partial.left:
            del self._partials[key]
            self.bytes -= partial.size
            return b"".join(part for part in partial.parts if part is not None)
        while len(self._partials) > self._config.partial or self.bytes > self._config.partial_bytes:
            _, oldest = self._partials.popitem(last=False)
            self.bytes -= oldest.size
            self.dropped += 1
        return None
