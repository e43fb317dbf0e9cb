"""When a node looks after its table: bootstrap with back-off, liveness, refresh. Times only, no sending."""

from core.dht.config import DhtConfig
from core.limits.rate import Backoff

CHECKS_PER_LIVENESS = 4  # a silent node is pinged at most a quarter of `node_liveness` late
QUIET_TIMES = 5  # so much longer is the time between two searches for ourselves of a node that is to be quiet
MAX_CHECK_INTERVAL = 10.0  # seconds; aged peers and items are forgotten no later than this


class Upkeep:
    """The timers of a node, as absolute times."""

    def __init__(self, config: DhtConfig, now: float) -> None:
        self._config = config
        self._check_interval = min(MAX_CHECK_INTERVAL, config.node_liveness / CHECKS_PER_LIVENESS)
        self._retry = Backoff(config.bootstrap_first_retry, config.bootstrap_last_retry)
        self.check_at = now + self._check_interval
        self.refresh_at = now + config.refresh_interval
        self.join_at: float | None = None  # None: no bootstrap node is known, or joining right now
        self.patience_at: float | None = None  # when operations stop waiting for the first attempt to join

    def checked(self, now: float) -> None:
        """Note that silent nodes were looked for."""
        self.check_at = now + self._check_interval

    def refreshed(self, now: float) -> None:
        """Note that the table was refreshed."""
        self.refresh_at = now + self._config.refresh_interval

    def joined(self, alone: bool, now: float, *, quiet: bool = False) -> None:
        """Note the end of an attempt to join: again with back-off while alone, else now and then (two halves heal)."""
        if alone:
            self.join_at = now + self._retry.failed()
        else:
            self.join_at = now + self._config.bootstrap_interval * (QUIET_TIMES if quiet else 1)
            self._retry.succeeded()

    def left_alone(self, now: float) -> None:
        """Note that the last node left the table: try to join soon."""
        if self.join_at is not None:
            self.join_at = min(self.join_at, now + self._retry.pause())

    def begin_again(self, now: float) -> None:
        """Have everything be due now, whatever failed before."""
        self._retry.succeeded()
        self.check_at = self.refresh_at = now
        if self.join_at is not None:
            self.join_at = now

    def deadline(self) -> float:
        """Return the earliest of them."""
        earliest = min(self.check_at, self.refresh_at)  # asked for with each datagram: no list, no generator
        if self.join_at is not None and self.join_at < earliest:
            earliest = self.join_at
        if self.patience_at is not None and self.patience_at < earliest:
            earliest = self.patience_at
        return earliest
