"""The rule for probing ports at random: at hosts that have proved themselves only, one pair at a time, and slowly.

A probe goes to a port that nobody named, so that many of them at a host that never asked would be an attack. A pair
is tried only when `proved` holds of the other side's host: two that see it there, and its own signed word.
"""

import ipaddress
import math
from collections.abc import Collection

from core.frozen import frozen
from core.limits.rate import TokenBucket
from core.scope import Scope, scope


@frozen
class ProbingConfig:
    """Bounds, of one peer (NAT.md 7.3)."""

    rate: float = 100.0  # probes a second in all
    burst: float = 5.0  # at once: a timer's lateness
    apart: float = 20.0  # seconds from the beginning of one try of many ports to that of the next; HyperDHT's
    witnesses: int = 2  # that see a host where a peer says that it is; its own signed word is one
    networks: int = 2  # of nodes of the public DHT that have to list it there, where no broker does: /24, none its own


class Probing:
    """Places for tries of many ports, and for each of their packets."""

    def __init__(self, config: ProbingConfig | None = None) -> None:
        self.config = config or ProbingConfig()
        self._rate = TokenBucket(self.config.rate, self.config.burst)
        self._began_at = -math.inf
        self._busy = False
        self.refused = 0

    def begin(self, now: float) -> bool:
        """Take the one place, or return False."""
        if self._busy or now - self._began_at < self.config.apart:
            self.refused += 1
            return False
        self._busy, self._began_at = True, now
        return True

    def end(self) -> None:
        """Give the place back."""
        self._busy = False

    def probe(self, now: float) -> bool:
        """Take the place for one packet, or return False."""
        return self._rate.take(now)

    def outside(self, host: str) -> bool:
        """Return whether a host is beyond private networks: nothing else is probed."""
        return scope(host) in (Scope.PUBLIC, Scope.CARRIER)

    def proved(self, host: str, said: str, seen_by: Collection[str]) -> bool:
        """Return whether a host may be probed: it says itself, signed, that it is there, and others see it there.

        `said`: the host in its signed word. `seen_by`: hosts of brokers, or grapes, that have it at `host`.
        """
        if said != host or not self.outside(host):
            return False
        return 1 + len(set(seen_by)) >= self.config.witnesses

    def attested(self, host: str, said: str, nodes: Collection[str]) -> bool:
        """Return whether a host may be probed that no broker sees, but nodes of the public DHT.

        `nodes`: hosts of those that list `host` where only the peer that says so would have itself listed. A node lists
        who sent it a token that it had given to that host (BEP 5): that is the second path.
        """
        own = _network(host)
        networks = {_network(each) for each in nodes} - {own}
        return len(networks) >= self.config.networks and self.proved(host, said, networks)


def _network(host: str) -> str:
    """Return the /24 of a host (the /48 of IPv6): one owner may have all of it."""
    address = ipaddress.ip_address(host)
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))
