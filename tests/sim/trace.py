"""What happened in a world: the newest entries, and a digest of all of them."""

import hashlib
from collections import deque
from typing import NamedTuple

from core.values import Address

_KEPT = 20_000  # entries; the digest covers the older ones too


class Entry(NamedTuple):
    """One thing that happened to one datagram. `what` says what: sent, lost, refused, unrouted, delivered, unheard."""

    at: float
    what: str
    source: Address
    to: Address
    data: bytes

    def __str__(self) -> str:
        shown = self.data[:12].hex() + ("..." if len(self.data) > 12 else "")
        return f"{self.at:10.6f} {self.what:9} {self.source} > {self.to} {len(self.data)} B {shown}"


class Trace:
    """A bounded list of entries. `str(trace)` is for the message of a failed assertion."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=_KEPT)
        self.count: dict[str, int] = {}
        self._digest = hashlib.blake2b(digest_size=16)

    def add(self, at: float, what: str, source: Address, to: Address, data: bytes) -> None:
        """Append one entry."""
        self.entries.append(Entry(at, what, source, to, data))
        self.count[what] = self.count.get(what, 0) + 1
        self._digest.update(f"{at!r} {what} {source} {to} {len(data)} ".encode() + data)

    def digest(self) -> str:
        """Return a digest of everything that happened: equal for equal runs."""
        return self._digest.hexdigest()

    def __str__(self) -> str:
        return "\n".join(map(str, self.entries))
