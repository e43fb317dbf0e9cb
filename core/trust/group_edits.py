"""Changes of the groups in the list of known peers, each a value of its own, as in `core.trust.edits`."""

from dataclasses import replace

from core.errors import LocalError
from core.frozen import frozen
from core.peer_id import PeerId
from core.trust.book import Book
from core.trust.entries import MAX_SERVICES, Group
from core.trust.groups import BAD


@frozen
class Regroup:
    """These peers join a group, which is made if there is none of that name, and those leave it."""

    group: str
    join: frozenset[PeerId] = frozenset()
    leave: frozenset[PeerId] = frozenset()

    def apply(self, book: Book) -> None:
        """Make it. Who is not known, or is blocked, joins nothing. A group that nobody needs is gone."""
        if self.group not in book.groups and self.join:
            book.keep_group(Group(self.group))
        group = book.groups.get(self.group)
        if group is None:
            return
        for peer_id in self.join | self.leave:
            known = book.peers.get(peer_id)
            if known is None or known.blocked:
                continue
            others = frozenset(each for each in known.groups if each.name != self.group)
            book.peers[peer_id] = replace(known, groups=others | {group} if peer_id in self.join else others)
        book.settle()
        if not group.services and not any(peer.in_group(self.group) for peer in book.peers.values()):
            book.drop_group(self.group)


@frozen
class OpenTo:
    """All in a group may call these services, and no longer those."""

    group: str
    more: frozenset[str] = frozenset()
    less: frozenset[str] = frozenset()

    def apply(self, book: Book) -> None:
        """Make it. Raises LocalError for too many services, or a group that is gone."""
        group = book.groups.get(self.group)
        if group is None:
            raise LocalError(f"the group {self.group} is gone", name=BAD)
        services = group.services - self.less | self.more
        if len(services) > MAX_SERVICES:
            raise LocalError(
                f"{MAX_SERVICES} services are open to the group {self.group}, the most there can be", name=BAD
            )
        book.keep_group(replace(group, services=services))
        book.settle()


@frozen
class Ungroup:
    """This group is removed; nobody is."""

    group: str

    def apply(self, book: Book) -> None:
        """Make it."""
        book.drop_group(self.group)
