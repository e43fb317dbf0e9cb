"""The people that we meet by the public DHT: those we know, those who have an invitation of ours, an inviter."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from core.limits.table import BoundedTable
from core.peer_id import PeerId
from core.signal.keys import INVITER, JOINER
from core.signal.wishes import Contact

EXPECTED: Final = 8  # inviters that are looked for at once
INVITED: Final = 16  # invitations of ours whose joiners are awaited; of more, the newest


class Invited(NamedTuple):
    """The name of a contact that has an invitation of ours; nobody calls it."""

    secret: bytes


class People:
    """`known()` returns people with the secret that we share with each, `invited()` the secrets of our invitations."""

    def __init__(
        self, own: Callable[[], PeerId | None], known: Callable[[], Mapping[PeerId, bytes]],
        invited: Callable[[], Iterable[bytes]],
    ) -> None:  # fmt: skip
        self._own = own
        self._known = known
        self._invited = invited
        self._expected: BoundedTable[PeerId, bytes] = BoundedTable(EXPECTED)

    @contextmanager
    def expecting(self, peer_id: PeerId, secret: bytes) -> Iterator[None]:
        """Meet somebody by an invitation's secret for a while, who may not be known yet."""
        self._expected[peer_id] = secret
        try:
            yield
        finally:
            self._expected.pop(peer_id, None)

    def own(self) -> PeerId | None:
        """Return our Peer ID, None while there is none."""
        return self._own()

    def awaited(self) -> bool:
        """Return whether somebody has an invitation of ours."""
        return any(True for _ in self._invited())

    def contacts(self) -> list[Contact]:
        """Return everybody, those first who are waited for."""
        own = self._own()
        if own is None:
            return []
        found: dict[Hashable, Contact] = {}
        for peer_id, secret in self._expected.items():
            found[peer_id] = Contact(peer_id, secret, JOINER, INVITER)
        for secret in list(self._invited())[-INVITED:]:
            name = Invited(secret)
            found[name] = Contact(name, secret, INVITER, JOINER)
        for peer_id, secret in self._known().items():
            found.setdefault(peer_id, Contact(peer_id, secret, own.key, peer_id.key))
        return list(found.values())
