"""Where people are on our networks: those that were recognised there, and those that were met there in earlier runs.

Nothing here is proven: it says where somebody is tried first, and TLS says who is there.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from core.lan.instance import Instance
from core.lan.kept import Kept
from core.lan.tags import tag
from core.limits.table import BoundedTable
from core.peer_id import PeerId
from core.values import Address

MOST_INSTANCES = 128  # heard of and kept, to be recognised when somebody new is known; the oldest goes
MOST_ADDRESSES = 4  # of one peer; two computers may have one identity, each with two networks
MOST_EXPECTED = 16  # people who are looked for by an invitation at once

_Key = tuple[str, str]  # the host of ours where it was heard, the instance's name


class Places:
    """Addresses by Peer ID. `kept` has those of earlier runs."""

    def __init__(self, kept: Kept | None = None) -> None:
        self.kept = kept or Kept()
        self.expected: BoundedTable[PeerId, bytes] = BoundedTable(MOST_EXPECTED)  # with the secret of each
        self._instances: BoundedTable[_Key, Instance] = BoundedTable(MOST_INSTANCES, lambda key, _: self._forget([key]))
        self._people: dict[PeerId, bytes] = {}
        self._here: dict[PeerId, dict[Address, _Key]] = {}

    # -- asking -----------------------------------------------------------------------------------------------------

    def here(self, peer_id: PeerId) -> list[Address]:
        """Return where this peer is on our networks now, the newest first."""
        return list(self._here.get(peer_id, ()))[::-1]

    def before(self, peer_id: PeerId) -> list[Address]:
        """Return where it was met on a network in earlier runs, and is not known to be now."""
        here = self._here.get(peer_id, {})
        return [each for each in self.kept.of(peer_id) if each not in here]

    def present(self) -> list[PeerId]:
        """Return who is on our networks."""
        return list(self._here)

    @contextmanager
    def expecting(self, peer_id: PeerId, secret: bytes) -> Iterator[None]:
        """Recognise somebody by this secret for a while, who is not known yet."""
        self.expected[peer_id] = secret
        self.know(self._people)
        try:
            yield
        finally:
            self.expected.pop(peer_id, None)

    # -- what is heard ------------------------------------------------------------------------------------------------

    def know(self, people: dict[PeerId, bytes]) -> None:
        """Take who is known, with the secret that we share with each, and look at all instances again."""
        self._people = people
        self._here.clear()
        for key, instance in list(self._instances.items()):
            self._recognise(key, instance)

    def add(self, instance: Instance, via: str) -> None:
        """Take an instance heard of on our host `via`; it may have other addresses and tags than before."""
        self.remove(instance.name, via)
        if instance.tags and instance.places:
            self._instances[via, instance.name] = instance
            self._recognise((via, instance.name), instance)

    def remove(self, name: str, via: str) -> None:
        """Forget an instance that has left."""
        if self._instances.pop((via, name), None) is not None:
            self._forget([(via, name)])

    def leave(self, via: str) -> None:
        """Forget all that was heard on a host of ours: that network is gone."""
        gone = [key for key in self._instances if key[0] == via]
        for key in gone:
            self._instances.pop(key, None)
        self._forget(gone)

    def _recognise(self, key: _Key, instance: Instance) -> None:
        people = [*self._people.items(), *self.expected.items()]
        for peer_id in {who for who, secret in people if tag(secret, instance.name) in instance.tags}:
            here = self._here.setdefault(peer_id, {})
            for address in instance.places:
                here.pop(address, None)
                here[address] = key
            for oldest in list(here)[:-MOST_ADDRESSES]:
                del here[oldest]

    def _forget(self, keys: Iterable[_Key]) -> None:
        gone = frozenset(keys)
        for peer_id, here in list(self._here.items()):
            left = {address: key for address, key in here.items() if key not in gone}
            if left:
                self._here[peer_id] = left
            else:
                del self._here[peer_id]
