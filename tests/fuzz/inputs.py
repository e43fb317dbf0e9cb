"""An input of a fuzzer read as decisions: the same bytes always mean the same, and any bytes mean something."""

import itertools
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Input:
    """Bytes that are taken from the front; what is missing at the end is 0, or nothing."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def byte(self) -> int:
        """Take one byte."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def number(self, limit: int) -> int:
        """Take two bytes, and return a number below `limit`."""
        return (self.byte() << 8 | self.byte()) % limit

    def take(self, size: int) -> bytes:
        """Take up to `size` bytes."""
        self._at += size
        return self._data[self._at - size : self._at]

    def block(self) -> bytes:
        """Take a byte that says how many follow, and those."""
        return self.take(self.byte())

    def long_block(self) -> bytes:
        """Take two bytes that say how many follow, up to 2047, and those."""
        return self.take(self.number(2048))

    def rest(self) -> bytes:
        """Take all that is left."""
        return self.take(max(0, len(self._data) - self._at))

    def choose(self, choices: Sequence[T]) -> T:
        """Take a byte, and return one of these."""
        return choices[self.byte() % len(choices)]

    def cuts(self) -> list[int]:
        """Take up to seven places where to cut something."""
        return [self.number(1 << 16) for _ in range(self.byte() % 8)]


def split(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Return `data` cut there; the places are taken modulo its size."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[at:end] for at, end in itertools.pairwise(places) if end > at]


def sized(*blocks: bytes) -> bytes:
    """Return what `Input.block` takes apart again: for seeds."""
    return b"".join(bytes((len(block),)) + block for block in blocks)


def long_sized(*blocks: bytes) -> bytes:
    """Return what `Input.long_block` takes apart again: for seeds."""
    return b"".join(len(block).to_bytes(2, "big") + block for block in blocks)
