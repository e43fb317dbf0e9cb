"""How often something may happen: a token bucket, and pauses that grow while it fails."""

import math
from random import Random

from core.limits.fair import SITE_OWNERS
from core.limits.table import BoundedTable
from core.scope import network, site

MAX_DOUBLINGS = 60  # of a pause; far beyond any greatest pause, and far under the 1024 that a float can hold


class TokenBucket:
    """`rate` tokens a second, at most `burst` at once; it starts full. Times are the caller's monotone seconds."""

    def __init__(self, rate: float, burst: float) -> None:
        """Raises ValueError unless both are above 0."""
        if not rate > 0 or not burst > 0:
            raise ValueError("a token bucket needs a rate and a burst above 0")
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at = -math.inf

    def tokens(self, now: float) -> float:
        """Return what is left; below 0 after a `charge` of more than there was."""
        if now > self._at:
            if self._at > -math.inf:
                self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
            self._at = now
        return self._tokens

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """Take tokens and return True, or take none and return False."""
        if self.tokens(now) < tokens:
            return False
        self._tokens -= tokens
        return True

    def charge(self, now: float, tokens: float) -> None:
        """Take tokens that were used already, even if there are fewer."""
        self.tokens(now)
        self._tokens -= tokens

    def wait(self, now: float, tokens: float = 1.0) -> float:
        """Return in how many seconds `take` of that many succeeds; inf for more than the burst."""
        if tokens > self.burst:
            return math.inf
        return max(0.0, (tokens - self.tokens(now)) / self.rate)


class HostRates:
    """A bucket for each host, and one for each site, which has what some hosts have together (`core.limits.fair`)."""

    def __init__(self, rate: float, burst: float, hosts: int) -> None:
        """Of so many `hosts` and sites the one that took longest ago is forgotten. Raises ValueError as buckets do."""
        self._rate, self._burst = rate, burst
        self._buckets: BoundedTable[str, TokenBucket] = BoundedTable(hosts)

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, host: str, now: float) -> bool:
        """Take a token of a host, and of its site; False: one of them has none, and nothing was taken."""
        mine, place = [self._bucket(network(host), 1)], site(host)
        if place is not None:
            mine.append(self._bucket(place, SITE_OWNERS))
        if any(bucket.tokens(now) < 1.0 for bucket in mine):
            return False
        for bucket in mine:
            bucket.charge(now, 1.0)
        return True

    def _bucket(self, whose: str, hosts: int) -> TokenBucket:
        return self._buckets.use(whose, lambda: TokenBucket(hosts * self._rate, hosts * self._burst))


class Backoff:
    """Pauses that double from `least` to `most` seconds while something fails.

    `random` spreads each pause over its upper half, so that many who failed together do not return together.
    """

    def __init__(self, least: float, most: float, random: Random | None = None, *, patience: int = 0) -> None:
        """`patience`: further pauses of `least` before they grow. Raises ValueError unless 0 < least <= most."""
        if not 0 < least <= most:
            raise ValueError("a back-off needs 0 < least <= most")
        self._least = least
        self._most = most
        self._random = random
        self._patience = patience
        self.failures = 0  # in a row

    def pause(self) -> float:
        """Return the pause in seconds that the next failure brings, before it is spread."""
        doublings = min(max(0, self.failures - self._patience), MAX_DOUBLINGS)
        return float(min(self._most, self._least * 2**doublings))

    def failed(self) -> float:
        """Note a failure; return the pause in seconds before the next try."""
        pause = self.pause()
        self.failures += 1
        return pause if self._random is None else pause * self._random.uniform(0.5, 1.0)

    def succeeded(self) -> None:
        """Begin with the shortest pause again."""
        self.failures = 0
