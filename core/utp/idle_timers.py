"""How long a connection has been silent on either side, and when that means something. Times are seconds.

A machine that was suspended finds hours gone by at once. What it did not hear in them proves nothing, so a sleep, known
by a timer of ours that fires far too late, leaves every peer enough time to be heard.
"""

from core.utp.config import UtpConfig


class IdleTimers:
    """`heard_at`: something came. `data_at`: data went either way. `speak_at`: our next keepalive is due."""

    __slots__ = ("_config", "data_at", "every", "heard_at", "speak_at")

    def __init__(self, config: UtpConfig, now: float) -> None:
        self._config = config
        self.every = config.keepalive  # seconds between what we say into the silence; the owner may change it
        self.heard_at = self.data_at = now
        self.speak_at = now + config.first_keepalive  # a SYN or its answer has left, or does now

    @property
    def gone_at(self) -> float:
        """When the peer is given up if nothing comes."""
        return self.heard_at + self._config.idle_timeout

    @property
    def ends_at(self) -> float:
        """When a side that should end, the peer's or our reader's, is given up if no data goes."""
        return self.data_at + self._config.half_closed_timeout

    def sooner(self, at: float) -> float:
        """Return `at`, or when we speak next or give the peer up, if that is sooner. (`min` takes far longer.)"""
        gone_at = self.gone_at
        at = gone_at if gone_at < at else at
        return self.speak_at if self.speak_at < at else at

    def spoke(self, now: float, *, followed: bool) -> None:
        """Something leaves: choose when to speak next.

        `followed`: the peer follows us to a new address, once it hears from there. If our NAT rebinds while it sends,
        we would hear nothing more and say nothing, so we speak after 1, 2, 4, 8 and 16 s as well.
        """
        config = self._config
        wait = min(max(now - self.data_at, config.first_keepalive), self.every) if followed else self.every
        self.speak_at = now + wait

    def slept(self, now: float, *, speaks: bool) -> bool:
        """Tell whether a timer of ours is so late that we slept; if so, speak now, and wait once more.

        `speaks`: that timer is the keepalive's; who only waits for its reader sends none.
        """
        config = self._config
        if now <= (self.speak_at if speaks else self.ends_at) + config.rto_max:
            return False
        self.heard_at = max(self.heard_at, now - config.idle_timeout + config.wake_grace)
        self.data_at = max(self.data_at, now - config.half_closed_timeout + config.wake_grace)
        self.speak_at = now
        return True
