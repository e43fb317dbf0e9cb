"""What the path delivers: bytes per second and the share that is lost, one value for each round trip."""

from typing import Final

_ROUNDS: Final = 10  # whose best rate counts; the bandwidth filter of BBR (draft-cardwell-iccrg-bbr, BtlBwFilterLen)
_SMOOTHING: Final = 1 / 4  # of the loss share over rounds; a round of twenty packets tells little
_TELLING: Final = 5  # packets lost, from which a round alone tells the share; BBR's start takes 6 gaps
_FLATNESS: Final = 1.02  # a rate above the best by less is the same rate


class DeliveryRate:
    """Counts acknowledged and lost bytes in rounds of one round trip."""

    __slots__ = ("_acked", "_began", "_lost", "_lost_packets", "_rates", "best", "flat", "loss", "newest")

    def __init__(self) -> None:
        self._rates: list[float] = []  # a deque would take 760 bytes
        self._began: float | None = None
        self._acked = 0
        self._lost = 0
        self._lost_packets = 0
        self.best = 0.0  # bytes per second, of the last rounds
        self.newest = 0.0  # of the last round
        self.loss = 0.0  # share of the bytes sent that were lost, smoothed
        self.flat = 0  # rounds in a row that were no faster than those before

    def acked(self, size: int, now: float, round_trip: float) -> None:
        """`size` bytes were acknowledged; `round_trip` is how long they took, seconds."""
        began = self._began
        if began is None:
            self._began = now
            return
        self._acked += size
        if now - began >= round_trip > 0.0:
            self._close(now - began)
            self._began = now

    def rest(self) -> None:
        """Nothing was waiting: how fast that went says nothing of the path. The round under way does not count."""
        if self._began is not None:
            self._began = None
            self._acked = self._lost = self._lost_packets = 0

    def lost(self, packets: int, size: int) -> None:
        """So many packets, `size` bytes in all, were found lost."""
        self._lost_packets += packets
        self._lost += size

    def loss_now(self) -> float:
        """Return the share lost in the round that is not over, if it lost enough to tell, or the smoothed one."""
        if self._lost_packets < _TELLING:
            return self.loss
        return max(self.loss, self._lost / (self._acked + self._lost))

    def _close(self, seconds: float) -> None:
        self.newest = self._acked / seconds
        share = self._lost / max(1, self._acked + self._lost)
        self.loss += _SMOOTHING * (share - self.loss)
        self.flat = 0 if self.newest > self.best * _FLATNESS else self.flat + 1
        self._rates.append(self.newest)
        del self._rates[:-_ROUNDS]
        self.best = max(self._rates)
        self._acked = self._lost = self._lost_packets = 0
