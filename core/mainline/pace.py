"""How much leaves for the public DHT: few packets to one host, few new hosts a minute, few packets in all.

libtorrent bans a host above 5 packets a second over 10 s. And each new destination is an entry in our router's table,
which small routers have too few of: torrent clients are known to overflow it.
"""

from typing import Final

from core.frozen import frozen
from core.limits.rate import TokenBucket
from core.limits.table import BoundedTable
from core.values import Address

HOSTS: Final = 2048  # whose packets are counted; full: the one sent to longest ago is forgotten
RECENT: Final = 1024  # destinations that count as open in our router; likewise
RECENT_FOR: Final = 60.0  # seconds for which they do; routers keep UDP for 30 to 180 s


@frozen
class PaceConfig:
    """Rates in packets a second, bursts in packets."""

    host: float = 0.8  # to one IP address; with the burst 1.8 a second over 10 s, a third of what libtorrent bans for
    host_burst: float = 10.0
    new: float = 1.0  # destinations a second that were not sent to in the last minute: 60 a minute in the long run ...
    new_burst: float = 160.0  # ... and a call at once: three searches and what they write
    all: float = 4.0  # packets a second in the long run; 345,600 a day
    all_burst: float = 400.0
    reserve: float = 0.7  # part of both bursts that is left to what somebody waits for: not to fill our table with


class Pace:
    """Counts packets. Times are the caller's seconds."""

    def __init__(self, config: PaceConfig | None = None) -> None:
        self._config = config or PaceConfig()
        self._hosts: BoundedTable[str, TokenBucket] = BoundedTable(HOSTS)
        self._recent: BoundedTable[Address, float] = BoundedTable(RECENT)
        self._new = TokenBucket(self._config.new, self._config.new_burst)
        self._all = TokenBucket(self._config.all, self._config.all_burst)
        self.destinations = 0  # new ones so far
        self.held_back = 0  # packets that had to wait, each time they did

    def ready(self, to: Address, now: float, *, urgent: bool = True) -> bool:
        """Return whether a packet to `to` may leave now; `urgent`: somebody waits for it."""
        config = self._config
        left = 0.0 if urgent else config.reserve
        least, least_new = 1 + left * config.all_burst, 1 + left * config.new_burst
        is_new = not self._is_recent(to, now)
        scarce = self._all.tokens(now) < least or (is_new and self._new.tokens(now) < least_new)
        if scarce or self._host(to).tokens(now) < 1:
            self.held_back += 1
            return False
        return True

    def count(self, to: Address, now: float) -> None:
        """Count a packet that leaves."""
        self._host(to).charge(now, 1)
        self._all.charge(now, 1)
        if not self._is_recent(to, now):
            self._new.charge(now, 1)
            self.destinations += 1
        self._recent[to] = now

    def _host(self, to: Address) -> TokenBucket:
        return self._hosts.use(to.host, lambda: TokenBucket(self._config.host, self._config.host_burst))

    def _is_recent(self, to: Address, now: float) -> bool:
        return now - self._recent.get(to, -RECENT_FOR) < RECENT_FOR
