"""Where open peers gather in the public DHT, and which of them two peers choose without a word. Pure.

An open peer is announced (BEP 5) under one of SHARDS well-known hashes of the day. Its Peer ID says which, so that one
identity is in one list. The hashes are others every day: who wants to hide a gathering has to put nodes beside new
places each day.

Who can be met is met at the open peers that are nearest to its *place*. A place comes of its Peer ID and the day, and
nearness is of networks: of the first 24 bits of a host, not of its port, nor of an ID that somebody can make at will.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from core.values import Address

DAY: Final = 86_400  # seconds of a gathering's day, and of a place's
SHARDS: Final = 4  # lists of a day; a node of the public DHT keeps 200 or so of one list, and tells 50 to 100 at once
OVERLAP: Final = 3600  # seconds before and after midnight (UTC) in which both days count: clocks may be an hour wrong
KEY_BYTES: Final = 20  # of what a DHT looks up
_GATHERING: Final = b"grapevine open peers 1"
_PLACE: Final = b"grapevine open place 1"


def gathering(day: int, shard: int) -> bytes:
    """Return the 20 bytes under which the open peers of one shard are announced on a day since 1970."""
    return hashlib.sha256(_GATHERING + day.to_bytes(8) + bytes([shard])).digest()[:KEY_BYTES]


def shard_of(key: bytes) -> int:
    """Return the shard of an open peer, by the 32 bytes of its Peer ID."""
    return hashlib.sha256(_GATHERING + key).digest()[0] % SHARDS


def days(clock: float) -> tuple[int, ...]:
    """Return the days that count at a Unix time: one, or two around midnight (UTC)."""
    today, into = divmod(int(clock), DAY)
    if into < OVERLAP:
        return today, today - 1
    return (today, today + 1) if into >= DAY - OVERLAP else (today,)


def network(host: str, parts: int) -> str:
    """Return the first so many of the four parts of a host."""
    return ".".join(host.split(".")[:parts])


def place(key: bytes, day: int) -> bytes:
    """Return the place of a peer on a day, by the 32 bytes of its Peer ID."""
    return hashlib.sha256(_PLACE + day.to_bytes(8) + key).digest()


def nearness(at: bytes, host: str) -> int:
    """Return how near a host's network is to a place; less is nearer."""
    return int.from_bytes(hashlib.sha256(at + network(host, 3).encode()).digest()[:8])


def nearest(found: Iterable[Address], at: bytes, count: int) -> list[Address]:
    """Return the nearest to a place, one of each network of 16 bits first; others only where those are too few."""
    ordered = sorted(found, key=lambda each: (nearness(at, each.host), each))
    first: dict[str, Address] = {}
    for each in ordered:
        first.setdefault(network(each.host, 2), each)
    chosen = list(first.values())[:count]
    return chosen + [each for each in ordered if each not in chosen][: count - len(chosen)]
