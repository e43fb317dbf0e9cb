"""How often somebody may try to join: of one host, of one Peer ID, and in all. Time is handed in, seconds."""

from typing import Final

from core.limits.rate import TokenBucket
from core.limits.table import BoundedTable
from core.peer_id import PeerId

# A secret has 128 bits, so that no number of tries finds one: the bounds are for our work, 0.3 ms and a look at a file.
PER_HOST: Final = (1 / 10, 20.0)  # tries a second, and at once: some people behind one router, and each one's retries
PER_PEER: Final = (1 / 10, 10.0)
IN_ALL: Final = (20.0, 200.0)  # of those who name an invitation of ours, and as many of all others
REMEMBERED: Final = 4096  # hosts and peers each; the one that tried longest ago is forgotten


class Tries:
    """Counts tries. One that was right is given back: `forgive`."""

    def __init__(self) -> None:
        self._hosts: BoundedTable[str, TokenBucket] = BoundedTable(REMEMBERED)
        self._peers: BoundedTable[PeerId, TokenBucket] = BoundedTable(REMEMBERED)
        self._invited, self._strangers = TokenBucket(*IN_ALL), TokenBucket(*IN_ALL)
        self.refused = 0

    def take(self, host: str, peer_id: PeerId, now: float, *, invited: bool) -> float:
        """Count a try; return 0.0, or in how many seconds the next one may come: then it is not counted.

        `invited`: it names an invitation of ours, which only those can who have the link. So strangers, however many,
        use up nothing of what is there for those who are expected.
        """
        buckets = self._of(host, peer_id, invited)
        wait = max(bucket.wait(now) for bucket in buckets)
        if wait > 0.0:
            self.refused += 1
            return wait
        for bucket in buckets:
            bucket.charge(now, 1.0)
        return 0.0

    def forgive(self, host: str, peer_id: PeerId, now: float) -> None:
        """Give a try back that was right."""
        for bucket in self._of(host, peer_id, True):
            bucket.charge(now, -min(1.0, bucket.burst - bucket.tokens(now)))

    def _of(self, host: str, peer_id: PeerId, invited: bool) -> tuple[TokenBucket, ...]:
        return (
            self._hosts.use(host, lambda: TokenBucket(*PER_HOST)),
            self._peers.use(peer_id, lambda: TokenBucket(*PER_PEER)),
            self._invited if invited else self._strangers,
        )
