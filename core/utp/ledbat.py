"""The congestion window: LEDBAT (RFC 6817, BEP 29 "congestion control") and what it does about loss.

Up to the target delay the window grows, past it it shrinks; see docs/congestion.md for the whole and its sources.
"""

import math
from typing import Final

from core.utp.config import UtpConfig
from core.utp.delays import DelayHistory
from core.utp.delivery_rate import DeliveryRate

_MIN_PACKETS: Final = 2  # RFC 6817 section 2.4.2, MIN_CWND
_LOW: Final = 1 / 4  # of the target; a shorter queue says that the path has room
_EXIT: Final = 1 / 2  # of the target; a longer queue ends slow start
_RECOVERY: Final = 1 / 4  # growth of the window in a round trip, while it is below what the path delivered lately
_PROBING: Final = 1 / 4  # the same, past it
_HEADROOM: Final = 1.25  # times what the path delivers in a round trip: how far fast growth goes
_PROBES: Final = 3  # rounds of fast growth that brought no speed; then it pauses
_PAUSE: Final = 10  # rounds
_HEAVY: Final = 0.1  # share lost, from which loss is congestion even without a queue
_DRAIN_AFTER: Final = 60.0  # seconds in which no queue was short: one slot of the base history without a true minimum
_HALF: Final = 0.5  # the most that loss, or a queue in one round trip, takes from the window (RFC 5681, LEDBAT++)


class Ledbat:
    """How many bytes may be in flight: `window`, between two packets (one after a timeout) and what fits in flight."""

    __slots__ = (
        "_delivery",
        "_hold_until",
        "_increase",
        "_one_way",
        "_packets",
        "_round_trips",
        "_short_at",
        "_target",
        "_threshold",
        "packet",
        "window",
    )

    def __init__(self, config: UtpConfig) -> None:
        self.packet = config.payload_bytes  # of a full packet; the path may take longer or shorter ones
        self._packets = config.in_flight_packets
        self._target = config.target_delay
        self._increase = config.increase_bytes
        self._threshold = math.inf  # slow start below it, bytes
        self._one_way = DelayHistory()
        self._round_trips = DelayHistory()
        self._delivery = DeliveryRate()
        self._short_at: float | None = None  # when the queue was short last
        self._hold_until = -math.inf  # the window stays while the queue drains
        self.window: float = float(config.initial_window_packets * self.packet)

    @property
    def loss(self) -> float:
        """The share of the bytes sent lately that was lost."""
        return self._delivery.loss_now()

    def starting(self) -> bool:
        """Whether this is slow start."""
        return self.window < self._threshold

    def queuing(self) -> float:
        """Return how long our packets wait in queues now, seconds.

        The round trip bounds it. That is measured by one clock, so a peer's clock that drifts or steps harms little.
        """
        queuing = self._one_way.queuing
        return min(queuing, self._round_trips.queuing) if self._round_trips else queuing

    @property
    def delivered(self) -> float:
        """The best rate of the last rounds, bytes per second."""
        return self._delivery.best

    def unhurried(self, delay: int, round_trip: float, now: float) -> bool:
        """Take the ack of a packet that flew alone, with nothing waiting; False: nothing was done, see `acked`.

        Such an ack leaves the window as it is, unless there is a queue or a new minimum, so most of them cost little.
        """
        took = int(round_trip * 1e6)
        trips = self._round_trips
        if not delay or took - trips.base > self._target * _LOW * 1e6 or now < self._hold_until:
            return False
        if not (trips.stands(took, now) and self._one_way.stands(delay, now)):
            return False
        self._short_at = now
        self._delivery.rest()
        return True

    def acked(self, size: int, delay: int, round_trip: float | None, now: float, *, limited: bool) -> None:
        """`size` bytes were acknowledged; `limited`: this window, and nothing else, held back more of them.

        `delay` is the peer's timestamp difference, 0 when it had none; `round_trip` a sample, seconds.
        What is not used does not grow (RFC 6817 section 2.4.2).
        """
        if delay:
            self._one_way.add(delay, now)
        if round_trip is not None:
            self._round_trips.add(int(round_trip * 1e6), now)
        queuing = self.queuing()
        self._delivery.acked(size, now, self._base_round_trip() + queuing)
        if now < self._hold_until:
            return
        self._drain(queuing, now)
        if self.window < self._threshold and queuing > self._target * _EXIT:
            self._threshold = self.window = self._filling(self._target * _EXIT)
        if limited or queuing > self._target:
            part = min(size, self.window) / max(size, self.window)
            self._resize(self.window + part * self._per_round_trip(queuing))

    def lost(self) -> None:
        """Packets were lost and others got through; told once per round trip.

        Loss without a queue is the radio's or the line's: what the path delivers goes on, as in TCP Westwood (Mascolo
        et al., 2001). Much loss, or loss with a queue, is ours.
        """
        loss = self._delivery.loss_now()
        if loss <= _HEAVY and self.window < self._threshold and self.queuing() <= self._target * _LOW:
            return
        rate = self._delivery.best if loss <= _HEAVY else self._delivery.newest
        self._resize(min(self.window, max(rate * self._base_round_trip(), self.window * _HALF)))
        self._threshold = self.window

    def dropped(self, packets: int) -> None:
        """So many packets were found lost."""
        self._delivery.lost(packets, packets * self.packet)

    def timed_out(self, *, again: bool) -> None:
        """Nothing got through: one packet, and slow start up to half of what was (BEP 29, RFC 5681 section 3.1).

        `again`: nothing was acknowledged since the timeout before, whose half still counts.
        """
        if not again:
            self._threshold = max(self.window * _HALF, self._least)
        self.window = float(self.packet)

    def _drain(self, queuing: float, now: float) -> None:
        """Let the queue run empty for a round trip when it has not been short for long, as LEDBAT++ does more often.

        Otherwise the base delay is forgotten after ten minutes, what we queue ourselves becomes the base, and the queue
        grows by the target every ten minutes; faster when the peer's clock drifts. Slow start leads back.
        """
        if self._short_at is None or queuing < self._target * _LOW:
            self._short_at = now
        elif now - self._short_at > _DRAIN_AFTER and self.window > self._least:
            self._short_at = now
            self._hold_until = now + self._base_round_trip() + queuing
            self._threshold = self.window
            self.window = float(self._least)

    @property
    def _least(self) -> int:
        return _MIN_PACKETS * self.packet

    def _base_round_trip(self) -> float:
        return self._round_trips.base / 1e6

    def _filling(self, queue: float) -> float:
        """Return the window that fills the path and leaves a queue of so many seconds."""
        wanted = self._delivery.best * (self._base_round_trip() + queue)
        return min(self.window, max(wanted, self._least))

    def _per_round_trip(self, queuing: float) -> float:
        """Return by how many bytes the window changes in a round trip."""
        if self.window < self._threshold:
            return self.window
        if queuing > self._target:
            return -self.window * min(_HALF, queuing / self._target - 1)
        slow = self._increase * (1 - queuing / self._target)
        return slow + self.window * self._fast(queuing)

    def _fast(self, queuing: float) -> float:
        """Return the part of the window by which it grows as well, while the path shows that it has room."""
        room = 1 - queuing / (self._target * _LOW)
        if room <= 0.0:
            return 0.0
        delivered = self._delivery.best * self._base_round_trip()
        if self.window < delivered:
            return _RECOVERY * room
        if self.window < delivered * _HEADROOM and self._delivery.flat % _PAUSE < _PROBES:
            return _PROBING * room
        return 0.0

    def _resize(self, window: float) -> None:
        """Set the window. What is below the least after a timeout grows up to it, and nothing shrinks to below it."""
        if window < self.window:
            window = min(self.window, max(window, self._least))
        self.window = min(window, self._packets * self.packet)
