"""Chunks of a connection that are handed over in few pieces."""

from typing import Final

JOINED_MAX: Final = 128 * 1024  # bytes handed over at once: what a wake-up of the socket brings, and half as much again


def joined(chunks: list[bytes]) -> list[bytes]:
    """Return the same bytes in few pieces, each of JOINED_MAX at the most, or one chunk."""
    pieces: list[bytes] = []
    start = size = 0
    for number, chunk in enumerate(chunks):
        if size + len(chunk) > JOINED_MAX and number > start:
            pieces.append(b"".join(chunks[start:number]))
            start, size = number, 0
        size += len(chunk)
    pieces.append(b"".join(chunks[start:]))
    return pieces
