"""Our address as the others see it (BEP 42 `ip`): a majority of the latest votes, one per node."""

from collections import Counter
from collections.abc import Callable

from core.limits.fair import FairTable
from core.scope import Scope, is_six, network, scope, usable
from core.values import Address

MAX_VOTERS = 32  # the latest; old ones make room, so that a new address wins within as many replies
MAX_VOTERS_PER_HOST = 4  # a hundred nodes on one host have four votes


class Votes:
    """Counts what other nodes say our address is."""

    def __init__(self) -> None:
        self._votes: FairTable[Address, Address, str] = FairTable(MAX_VOTERS, MAX_VOTERS_PER_HOST)  # by voter
        self._winner: Address | None = None  # counted when a vote changes: asked for with each datagram

    def add(self, voter: Address, observed: Address) -> None:
        """Take the `ip` of a reply from `voter`; it replaces what that node said before."""
        if not usable(observed) or is_six(observed.host) != is_six(voter.host):
            return
        changed = self._votes.get(voter) != observed
        gone = self._votes.put(voter, observed, network(voter.host))
        if changed or gone:
            self._winner = self._count()

    def winner(self) -> Address | None:
        """Return our address as most nodes see it, or None without a majority.

        Those who see us furthest from outside decide: a neighbour in our own network cannot know the address that the
        rest of the world sees. The host needs more than half of their votes; its commonest port comes with it (a
        symmetric NAT shows each node another port).
        """
        return self._winner

    def _count(self) -> Address | None:
        cast = [vote for voter in self._votes if (vote := self._votes.get(voter)) is not None]
        widest = max((scope(vote.host) for vote in cast), default=None)
        votes = [vote for vote in cast if scope(vote.host) == widest]
        if not votes:
            return None
        host, count = Counter(vote.host for vote in votes).most_common(1)[0]
        if 2 * count <= len(votes):
            return None
        return Counter(vote for vote in votes if vote.host == host).most_common(1)[0][0]


class OwnHosts:
    """The hosts of this machine, as itself and as others see it. `local(requester)`: our own toward that one."""

    def __init__(self, local: Callable[[Address], str | None]) -> None:
        self.votes = Votes()
        self.local = local

    def observed(self) -> str | None:
        """Return our host as most others see it."""
        return None if (seen := self.votes.winner()) is None else seen.host

    def toward(self, requester: Address) -> tuple[str | None, str | None]:
        """Return both, as one other node may know us."""
        return self.local(requester), self.observed()

    def translated(self) -> bool:
        """Return whether others on the Internet see us at a host that is none of this machine's."""
        seen = self.votes.winner()
        return seen is not None and scope(seen.host) is Scope.PUBLIC and seen.host != self.local(seen)
