"""Our address as the others see it (BEP 42 `ip`): a majority of the latest votes, one per node."""

from collections import Counter, OrderedDict

from core.scope import scope, usable
from core.values import Address

MAX_VOTERS = 32  # the latest; old ones make room, so that a new address wins within as many replies


class Votes:
    """Counts what other nodes say our address is."""

    def __init__(self) -> None:
        self._votes: OrderedDict[Address, Address] = OrderedDict()  # voter -> our address
        self._winner: Address | None = None  # counted when a vote changes: asked for with each datagram

    def add(self, voter: Address, observed: Address) -> None:
        """Take the `ip` of a reply from `voter`; it replaces what that node said before."""
        if not usable(observed):
            return
        changed = self._votes.get(voter) != observed
        self._votes[voter] = observed
        self._votes.move_to_end(voter)
        if len(self._votes) > MAX_VOTERS:
            self._votes.popitem(last=False)
        if changed:
            self._winner = self._count()

    def winner(self) -> Address | None:
        """Return our address as most nodes see it, or None without a majority.

        Those who see us furthest from outside decide: a neighbour in our own network cannot know the address that the
        rest of the world sees. The host needs more than half of their votes; its commonest port comes with it (a
        symmetric NAT shows each node another port).
        """
        return self._winner

    def _count(self) -> Address | None:
        widest = max((scope(vote.host) for vote in self._votes.values()), default=None)
        votes = [vote for vote in self._votes.values() if scope(vote.host) == widest]
        if not votes:
            return None
        host, count = Counter(vote.host for vote in votes).most_common(1)[0]
        if 2 * count <= len(votes):
            return None
        return Counter(vote for vote in votes if vote.host == host).most_common(1)[0][0]
