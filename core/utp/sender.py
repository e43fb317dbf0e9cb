"""The sending half of a connection: what may leave now, and the retransmission timer.

The same timer is the zero-window probe: while the peer's window lets nothing out, one packet is sent each time it
runs out, so that a lost window update cannot stop the stream.
"""

from math import inf

from core.utp.config import UtpConfig
from core.utp.ledbat import Ledbat
from core.utp.pacer import Pacer
from core.utp.rtt import RoundTrip
from core.utp.send_queue import SendQueue
from core.utp.send_window import Segment, SendWindow
from core.utp.statistics import Counters
from core.values import Buffer
from core.wire.utp_packet import DATA, FIN, STATE, Packet, seq_diff

_FORCED = 2  # packets after a timeout; RFC 9002 section 6.2.4 allows two, so that one more loss costs no doubled wait
_REPAIRS = 2  # most packets that one ack lets out past the window; acks of two packets are the rule (RFC 5681)
_PACING = 1.25  # times the window in a round trip; as in BBR's and Linux's pacing, so that the window stays the limit
_PACING_START = 2.0  # the same in slow start, whose window doubles meanwhile (Linux's tcp_pacing_ss_ratio)
_TRIES = 3  # timeouts without an answer before silence means death: a clock that jumped hours ahead proves nothing
_REPEAT_FROM = 2  # consecutive timeouts after which a lone packet fills both of those places


class Sender:
    """Queue, window, round trip and congestion of the bytes that we send. Times are seconds."""

    __slots__ = (
        "_allowance", "_config", "_congestion", "_counters", "_fin_sent", "_finishing", "_force", "_limited",
        "_paced", "_pacer", "_probe_at", "_probed", "_probing", "_progress_at", "_queue", "_repairs", "_resume_at",
        "_retransmit_at", "_window", "peer_window", "round_trip", "short",
    )  # fmt: skip

    def __init__(self, config: UtpConfig, first_seq: int, counters: Counters) -> None:
        self._config = config
        self._counters = counters
        self._queue = SendQueue(config.payload_bytes, config.send_packets)
        self._window = SendWindow(first_seq)
        self._congestion = Ledbat(config)
        self._pacer = Pacer()
        self._resume_at = inf  # when the pacer lets more out; it holds nothing back
        self._finishing = False  # writing is over; FIN after the queue
        self._fin_sent = False
        self._force = 0  # packets that may leave whatever the windows say
        self._repairs = 0  # the same for packets found lost only
        self._limited = False  # when we sent last, the congestion window was what held back more
        self._probing = False  # what is in flight was sent into a closed window
        self._retransmit_at = inf
        self._probe_at = inf  # once it was sent, the retransmission timer is next
        self._probed = False  # since the peer took something, or since a timeout
        self._progress_at: float | None = None  # last time the peer took something; None while nothing waits
        self._paced = False  # the pacer held something back in the last call of `segments`
        self._allowance = 0.0  # bytes that the pacer lets out in this call of `segments`
        self.round_trip = RoundTrip(config)
        self.peer_window = 0  # bytes, as last advertised
        self.short = False  # a write was not taken whole and nobody was told of space since

    @property
    def next_seq(self) -> int:
        """The sequence number of the next new packet: what STATE packets carry."""
        return self._window.next_seq

    @property
    def loss(self) -> float:
        """The share of the bytes sent lately that was lost."""
        return self._congestion.loss

    @property
    def fin_acked(self) -> bool:
        """Everything, our FIN included, is acknowledged."""
        return self._fin_sent and not len(self._window)

    @property
    def only_fin_left(self) -> bool:
        """Everything but our FIN is acknowledged."""
        return self._fin_sent and not self._window.unacked_bytes

    @property
    def empty(self) -> bool:
        """Nothing waits to be sent for the first time."""
        return not len(self._queue)

    @property
    def outstanding(self) -> int:
        """Bytes that wait or are not acknowledged."""
        return self._queue.size + self._window.unacked_bytes

    @property
    def delivered(self) -> float:
        """Bytes per second that lately got through, at best."""
        return self._congestion.delivered

    def resize(self, payload_bytes: int) -> None:
        """Cut full packets to this size from now on."""
        self._queue.payload_bytes = self._congestion.packet = payload_bytes

    def split_messages(self) -> None:
        """The peer reads messages however split: those longer than packets are now need no fragments."""
        self._queue.whole_bytes = 0

    def stuck_bytes(self, timeouts: int) -> int:
        """Return the payload of the oldest packet, if so many timeouts in a row brought nothing through; else 0."""
        lost = self._window.next_lost()
        if lost is None or self._probing or self.round_trip.backed_off < timeouts:
            return 0
        return len(lost.payload)

    def push(self, data: Buffer, *, boundary: bool, urgent: bool = False) -> int:
        """Take bytes to send; return how many there was room for."""
        if isinstance(data, memoryview):
            data = data.cast("B")
        taken = self._queue.push(data, self.room(), boundary=boundary, urgent=urgent)
        self.short = self.short or taken < len(data)
        return taken

    def room(self) -> int:
        """Return the free bytes of the send buffer."""
        if len(self._queue) >= self._config.send_packets:
            return 0
        return max(0, self._config.send_buffer - self._queue.size - self._window.unacked_bytes)

    def roomy(self) -> bool:
        """Whether half of the send buffer is free, in bytes and in packets."""
        return self.room() * 2 >= self._config.send_buffer and len(self._queue) * 2 <= self._config.send_packets

    def finish(self) -> None:
        """Send FIN once the queue is empty; nothing more is pushed."""
        self._finishing = True

    def give_up(self) -> None:
        """Forget everything: the connection is over, or its last ack will not come."""
        self._queue.clear()
        self._window = SendWindow(self._window.next_seq)
        self._retransmit_at = self._probe_at = inf

    @property
    def oldest(self) -> int:
        """The sequence number of the oldest packet that is not acknowledged; the one before was."""
        return self._window.base

    def new_path(self, round_trip: float, now: float) -> None:
        """The peer is elsewhere: nothing that was known of the path holds (RFC 9000 section 9.4).

        What was in flight is taken for lost. `round_trip` is a first measurement, seconds.
        """
        self._window.lose_all()
        self._congestion = Ledbat(self._config)
        self._congestion.packet = self._queue.payload_bytes
        self._pacer = Pacer()
        self.round_trip = RoundTrip(self._config)
        self.round_trip.sample(round_trip)
        self._retransmit_at = self._probe_at = inf
        self._progress_at = None
        self._probed = False
        self._arm(now)

    def behind(self, ack: int) -> int:
        """Return how many packets an ack lags behind the newest that was told; negative for news."""
        return seq_diff(self._window.base, ack) - 1

    def is_forged(self, ack: int, slack: int) -> bool:
        """Whether an ack is for what was never sent, or lags more than `slack` packets."""
        return not -self._window.span <= self.behind(ack) <= slack

    def is_usual(self, packet: Packet) -> bool:
        """Whether a packet is data, and tells of ours at most that the one packet in flight arrived."""
        if packet.type is not DATA or packet.selective_ack or packet.extensions or self._probing:
            return False
        if packet.ack == self._window.base - 1 & 0xFFFF:
            return packet.window == self.peer_window
        return not self._limited and self._window.is_last(packet.ack)

    def answered(self, packet: Packet, now: float) -> None:
        """Take the ack of a packet that `is_usual`."""
        if packet.ack != self._window.base - 1 & 0xFFFF:
            self._acknowledge_last(packet, now)

    def acknowledge(self, packet: Packet, now: float) -> None:
        """Take the ack and the advertised window of a packet whose ack is not forged."""
        if not (self._limited or self._probing or packet.selective_ack) and self._window.is_last(packet.ack):
            self._acknowledge_last(packet, now)
            return
        behind = self.behind(packet.ack)
        if behind > 0:
            return  # overtaken by a newer one, or a keepalive
        # a window that grew is news of the reader; one that shrank, of packets kept past a gap
        duplicate = packet.type is STATE and behind == 0 and packet.window <= self.peer_window
        duplicate = duplicate and not packet.extensions  # a probe, or the answer to one, is no sign of data
        smoothed = self.round_trip.smoothed or 0.0
        acked = self._window.acknowledge(
            packet.ack, packet.selective_ack, now, duplicate=duplicate, round_trip=smoothed
        )
        self._widen(packet.window, now)
        if acked.lost:
            self._counters.fast_losses += acked.lost
            self._congestion.dropped(acked.lost)
            if acked.fresh_loss:
                self._congestion.lost()
                self._window.halved()
                self._repairs = max(self._repairs, 1)  # the first repair does not wait for the halved window (RFC 5681)
        if acked.packets:
            # one repair for one arrival, even if what is in flight by our count fills the window (RFC 6937)
            self._repairs = max(self._repairs, min(acked.packets, _REPAIRS))
        if acked.packets and acked.round_trip is not None:
            if acked.sample is not None:
                self.round_trip.sample(acked.sample)
            self._progress(now)
            delay = packet.timestamp_difference
            self._congestion.acked(acked.size, delay, acked.sample, now, limited=self._limited)

    def _acknowledge_last(self, packet: Packet, now: float) -> None:
        """All in flight is acknowledged, one packet that left when it was written: questions and answers."""
        segment = self._window.take_last()
        self.peer_window = packet.window
        round_trip, delay = now - segment.sent_at, packet.timestamp_difference
        self.round_trip.sample(round_trip)
        self._progress(now)
        if not self._congestion.unhurried(delay, round_trip, now):
            self._congestion.acked(len(segment.payload), delay, round_trip, now, limited=False)

    def segments(self, now: float, most: int) -> list[Segment]:
        """Return what leaves now, `most` packets of it, in order, and see to the timer. One may stand in it twice."""
        leaving: list[Segment] = []
        forced = self._force
        self._limited = self._paced = False
        if not self._waiting():
            self._force = self._repairs = 0
            self._resume_at = inf
            return leaving
        if self._window.base == self._window.next_seq and not (self._finishing or self._probing):
            lone = self._queue.take_only(self.peer_window)
            if lone is not None:
                return [self._send_lone(lone, now)]
        self._pace()
        self._allowance = self._pacer.allowance(now)
        size = 0
        while len(leaving) < most and (segment := self._next()) is not None:
            self._window.sent(segment, now)
            leaving.append(segment)
            size += len(segment.payload)
            self._allowance -= len(segment.payload)
            self._force -= self._force > 0
            self._repairs -= self._repairs > 0
        if self._force and len(leaving) == 1 and self.round_trip.backed_off >= _REPEAT_FROM and forced == _FORCED:
            leaving.append(leaving[0])
            size += len(leaving[0].payload)
        self._force = self._repairs = 0
        if leaving:
            self._pacer.spend(size, now)
        self._resume_at = self._pacer.ready_at() if self._paced else inf
        self._arm(now)
        if leaving and not self._probed:
            self._arm_probe(now)
        return leaving

    def _send_lone(self, payload: bytes, now: float) -> Segment:
        """Send all there is, one packet, while nothing is in flight: no window and no pacing can be in its way."""
        segment = self._window.add(DATA, payload)
        self._window.sent(segment, now)
        self._force = self._repairs = 0
        self._resume_at = inf
        self._progress_at = now
        self._retransmit_at = now + self.round_trip.timeout()
        self._arm_probe(now)
        return segment

    def deadline(self) -> float:
        """Return when `tick` is due; inf while nothing is."""
        soonest = self._retransmit_at if self._retransmit_at < self._probe_at else self._probe_at
        return soonest if soonest < self._resume_at else self._resume_at

    def tick(self, now: float) -> bool:
        """Act on the timer. Return False when the peer has made no progress for too long."""
        if now >= self._probe_at:
            self._probe_at = inf
            self._probed = True
            self._counters.probes += 1
            self._window.probe()
            self._force = max(self._force, 1)
        if now < self._retransmit_at:
            return True
        silent = self._progress_at is not None and now - self._progress_at >= self._config.dead_after
        if silent and self.round_trip.backed_off >= _TRIES:
            return False
        self._counters.timeouts += 1
        self._window.lose_all()
        self._probing = self._blocked()
        if not self._probing:
            self._congestion.timed_out(again=self.round_trip.backed_off > 0)
        self.round_trip.back_off()
        self._force = 1 if self._probing else _FORCED
        self._retransmit_at = self._probe_at = inf
        self._probed = True
        return True

    def _waiting(self) -> bool:
        """Whether there is anything to send, if the windows allow it."""
        return bool(self._queue.size or self._window.lost or (self._finishing and not self._fin_sent))

    def slept(self, now: float) -> None:
        """Our machine slept until now: the time without progress was no time to make any."""
        if self._progress_at is not None:
            self._progress_at = max(self._progress_at, now - self._config.dead_after + self._config.wake_grace)

    def _next(self) -> Segment | None:
        """Return the next packet that may leave, a lost one first, or None."""
        lost = self._window.next_lost()
        if lost is not None:
            size = len(lost.payload)
            if not (self._force or self._repairs) and (size > self.peer_window or not self._uncongested(size)):
                return None
            self._counters.retransmitted += 1
            return self._window.take_lost()
        if self._window.span >= self._config.in_flight_packets:
            return None
        next_size = self._queue.next_size(idle=self._finishing or not len(self._window))
        if next_size is None:
            return self._next_fin()
        fits = self._window.unacked_bytes + next_size <= self.peer_window and self._uncongested(next_size)
        if not (fits or self._force):
            return None
        return self._window.add(DATA, self._queue.pop())

    def _next_fin(self) -> Segment | None:
        if not self._finishing or self._fin_sent or len(self._queue):
            return None
        self._fin_sent = True
        return self._window.add(FIN, b"")

    def _uncongested(self, size: int) -> bool:
        """Whether the congestion window has room; one packet always has."""
        fits = self._window.flight_bytes + size <= self._congestion.window or not self._window.in_flight
        self._limited = not fits
        if fits and self._allowance <= 0.0:
            self._limited = True
            self._paced = True
            return False
        return fits

    def _blocked(self) -> bool:
        """Whether the peer's window is closed to the next packet. Only of use when nothing is in flight."""
        lost = self._window.next_lost()
        size = len(lost.payload) if lost is not None else self._queue.next_size(idle=True) or 0
        return size > self.peer_window

    def _widen(self, window: int, now: float) -> None:
        """Take the advertised window. What was sent into a closed one was dropped there: send it again at once."""
        self.peer_window = window
        if self._probing and window >= self._queue.payload_bytes:
            self._window.lose_all()
            self._progress(now)
        elif self._probing:
            self._progress_at = now  # it lives, and asks us to wait

    def _pace(self) -> None:
        smoothed = self.round_trip.smoothed
        if smoothed:
            gain = _PACING_START if self._congestion.starting() else _PACING
            self._pacer.set(gain * self._congestion.window / smoothed, self._congestion.packet)

    def _progress(self, now: float) -> None:
        self._probing = self._probed = False
        self.round_trip.backed_off = 0
        self._progress_at = None
        self._retransmit_at = self._probe_at = inf
        if self._queue.size or self._window.base != self._window.next_seq:
            self._arm(now)
            self._arm_probe(now)

    def _arm_probe(self, now: float) -> None:
        """Restart the shorter timer: what is in flight should be acked soon after this moment (RFC 8985 7.2)."""
        wait = self.round_trip.probe_timeout() if self._window.in_flight and not self._probing else None
        self._probe_at = inf if wait is None else now + wait

    def _arm(self, now: float) -> None:
        """Start the timer if something waits for the peer, stop it if nothing does."""
        if not self._queue.size and self._window.base == self._window.next_seq:
            self._retransmit_at = inf
            self._progress_at = None
            return
        if self._progress_at is None:
            self._progress_at = now
        if self._retransmit_at == inf:
            self._retransmit_at = now + self.round_trip.timeout()
