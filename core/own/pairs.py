"""The secrets that we share with people we know, one for each: made of our key and theirs when first needed."""

from collections.abc import Callable, Iterable

from core.errors import LocalError
from core.limits.table import BoundedTable
from core.own.identity import OwnIdentity
from core.peer_id import PeerId

MOST = 1024  # secrets that are remembered
AT_ONCE = 16  # that are made in one call, at 1 ms each; the others at the next


class Pairs:
    """`people()` returns who is known, the most wanted first; `purpose` is what the secrets are for."""

    def __init__(self, identity: OwnIdentity, people: Callable[[], Iterable[PeerId]], purpose: bytes = b"lan") -> None:
        self._purpose = purpose
        self._identity = identity
        self._people = people
        self._made: BoundedTable[PeerId, bytes | None] = BoundedTable(MOST)
        self._of: PeerId | None = None  # whose they are

    def secrets(self) -> dict[PeerId, bytes]:
        """Return the secrets that are there."""
        own = self._identity.identity
        if own is None:
            return {}
        if own.peer_id != self._of:
            self._made.clear()
            self._of = own.peer_id
        left, found = AT_ONCE, {}
        for peer_id in self._people():
            if peer_id not in self._made and left:
                left -= 1
                try:
                    self._made[peer_id] = own.agree(peer_id, self._purpose)
                except LocalError:
                    self._made[peer_id] = None
            secret = self._made.get(peer_id)
            if secret is not None:
                found[peer_id] = secret
        return found
