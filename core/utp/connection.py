"""One uTP connection (BEP 29): its states and its timers. Its parts, and the datagrams made of them: `datagrams`.

Sending is in `sender`, reassembly in `receive_window`, acks in `delayed_ack`, headers in `header_writer`.
The owner uses `write`, `writable`, `read`, `close` and `abort`; all else is for the `Mux`.
"""

from core.errors import LocalError, PeerError, TransportClosed
from core.utp.config import UtpConfig
from core.utp.datagrams import Datagrams
from core.utp.header_writer import told_time
from core.utp.multiplexer import Multiplexer
from core.utp.receive_window import DUPLICATE, FAR, FULL, IN_ORDER, ReceiveWindow
from core.utp.state import HANDSHAKE, LOCAL_OVER, REMOTE_OVER, TRANSITIONS, State
from core.values import Address, Buffer
from core.wire.utp_marks import parse_marks
from core.wire.utp_packet import EXTENSION_BITS, FIN, STATE, Packet, seq_add, seq_diff

# names for hot paths: an attribute of an enum class is slow on Python 3.11
SYN_SENT, SYN_RECEIVED, OPEN, LOCAL_ENDED, REMOTE_ENDED, BOTH_ENDED, CLOSED = State


class Connection(Datagrams["Connection"]):
    """A reliable, ordered stream of bytes each way. Made by `Mux`."""

    __slots__ = ("_close_asked", "_heard_first", "_state", "_told_ended", "_told_readable", "unsettled")

    def __init__(
        self,
        mux: "Multiplexer[Connection]",
        config: UtpConfig,
        remote: Address,
        ids: tuple[int, int],
        first_seq: int,
        clock_offset: int,
        now: float,
        *,
        syn: Packet | None = None,
    ) -> None:
        """Prepare to connect, or to answer `syn`. `ids` are what we receive and what we send.

        `first_seq` is the number of our first data packet; our own SYN has the one before. `clock_offset`: of the
        `HeaderWriter`.
        """
        super().__init__(mux, config, remote, ids, first_seq, clock_offset, now, syn=syn)
        self._state = SYN_SENT if syn is None else SYN_RECEIVED
        self._close_asked = self._told_readable = self._told_ended = False
        self._heard_first = False  # the peer delivered a byte
        self.unsettled = False  # the newest `read` may have left something to send or tell: flush

    @property
    def state(self) -> State:
        """Where the connection is."""
        return self._state

    @property
    def delivered(self) -> bool:
        """Whether the peer delivered a byte."""
        return self._heard_first

    # -- for the owner ------------------------------------------------------------------------------------------

    def write(self, data: Buffer, now: float, *, boundary: bool = False, urgent: bool = False) -> int:
        """Queue bytes and return how many were accepted; 0 when the buffer is full or the connection broke.

        `boundary`: they start a packet of their own, share none with other writes, and leave without waiting for
        Nagle. One that fits a packet is accepted whole or not at all. `urgent`: they do not wait either, but may share
        a packet. Raises LocalError after `close`.
        """
        if self._close_asked:
            raise LocalError("this connection was closed for writing")
        if self._state is CLOSED:
            return 0
        taken = self._sender.push(data, boundary=boundary, urgent=urgent)
        self._mux.touch(self)
        return taken

    def writable(self) -> int:
        """Return the free bytes of the send buffer."""
        return 0 if self._close_asked or self._state is CLOSED else self._sender.room()

    def read(self, now: float) -> list[bytes]:
        """Return all chunks that are in order, one per data packet, and open the receive window again."""
        chunks = self._receive.take()
        self._told_readable = False
        if self._state is not CLOSED and self._state not in HANDSHAKE:
            gained = self._receive.available() - self._advertised
            much = gained >= self._config.receive_window // 4 or (gained > 0 and self._advertised < self._config.mtu)
            self._acks.due |= much and self._state not in REMOTE_OVER  # the peer may be waiting for it
            self._report(now)
            self._mux.touch(self)
            self.unsettled = self._acks.due or self._told_ended
        return chunks

    def close(self, now: float) -> None:
        """Send FIN after what is queued; reading goes on until the peer's FIN. Harmless when repeated."""
        if self._close_asked or self._state is CLOSED:
            return
        self._close_asked = True
        if self._state is SYN_SENT and self._sender.empty:
            self.fail(None, now)
        elif self._state not in HANDSHAKE:
            self._end_local(now)

    def abort(self, now: float) -> None:
        """End at once: RESET to the peer, Closed(None) to the owner. Harmless when repeated."""
        if self._state is not CLOSED:
            self._reset_peer(now)
            self.fail(None, now)

    def keep(self) -> None:
        """Say that the peer is a known one: the connection makes room for nobody. Harmless when repeated."""
        if self._state is not CLOSED:
            self._mux.keep(self)

    def follow(self, remote: Address, round_trip: float, now: float) -> bool:
        """See `Mux.follow`."""
        return self._mux.follow(self, remote, round_trip, now)

    # -- for the mux --------------------------------------------------------------------------------------------

    def receive(self, packet: Packet, now: float) -> bool:  # noqa: C901  # one packet's way, in the order of its steps
        """Take a DATA, FIN or STATE packet that carries our id; return False for numbers that its peer cannot send."""
        usual = self._state is OPEN and self._sender.is_usual(packet)
        if usual and self._receive.append(packet.seq, packet.payload):
            self._idle.heard_at = self._idle.data_at = now  # the usual packet: the next data, no bad news
            self._headers.heard(packet, now)
            self._sender.answered(packet, now)
            self._acks.in_order(now, urgent=False)
            if self._sender.short or not self._told_readable:
                self._report(now)
            return True
        if self._state is SYN_SENT:
            return self._answered(packet, now)
        if self._state is CLOSED or not self._acceptable(packet):
            return self._state is CLOSED
        ours = self.peer_marks and packet.type is not STATE and self._state is not SYN_RECEIVED
        if ours and self.sequence_space().doubts(packet, self._headers.clock(now)):
            self._counters.dropped_far += 1
            self._acks.due = True  # if it was the peer's, it hears us, tells our time, and sends it again
            return True
        self._idle.heard_at = now
        self._headers.heard(packet, now)
        if self._state is SYN_RECEIVED:
            self._confirmed(now)
        elif self._handshake.repeats(packet.ack, self._sender.next_seq):
            self._acks.due = True  # our SYN answered again, and no data of ours says that we heard
        if self._state in LOCAL_OVER and not self._sender.fin_acked:
            self._idle.data_at = now  # still taking what we sent: its time to end, or ours to read, begins later
        self._sender.acknowledge(packet, now)
        if packet.extensions:
            self._answer_probe(self.path.heard(self.remote, packet, now), now)
        if packet.type is not STATE:
            self._take(packet, now)
        self._report(now)
        return True

    def repeats(self, syn: Packet) -> bool:
        """Take a SYN with our ids if it is the one that a half-open connection answers, sent again; else False."""
        if self._state is not SYN_RECEIVED or syn.seq != self._handshake.seq:
            return False
        self._acks.due = True
        return True

    def evict(self, now: float) -> None:
        """End at once, to make room: RESET to the peer, Closed with an error to the owner."""
        self._reset_peer(now)
        self.fail(TransportClosed(f"the connection of {self.remote} made room for another"), now)

    def reset(self, packet: Packet, now: float) -> bool:
        """Take a RESET with one of our ids; return False when it ends nothing: a forgery by all that can be told.

        It counts if it repeats the secret of a challenge, or fits and tells our time. What only fits is challenged.
        """
        fits = not self._sender.is_forged(seq_add(packet.ack, -1), 4)  # it acks what it answers; late ones may be old
        recent = self.sequence_space().is_recent(told_time(packet), self._headers.clock(now))
        if self._state in HANDSHAKE:
            return self._reset_early(packet, now, recent=recent)
        answers = self._challenge is not None and self._challenge.acked_by(packet.ack, now)
        if not answers and not (fits and recent):
            if fits:
                self.challenge(now)
            return False
        if self._state is BOTH_ENDED and self._sender.only_fin_left:
            self._settle(now)
        else:
            self.fail(TransportClosed(f"{self.remote} reset the connection"), now)
        return True

    def _reset_early(self, packet: Packet, now: float, *, recent: bool) -> bool:
        """Take a RESET in the handshake, where nothing can be challenged yet."""
        expected = self._handshake.seq if self._handshake.initiator else self._sender.next_seq
        if packet.ack != expected:
            return False
        if not recent:
            self._handshake.doubt()
            return False
        self.fail(TransportClosed(f"{self.remote} reset the connection"), now)
        return True

    def move(self, remote: Address, round_trip: float, now: float) -> None:
        """The peer is at another address; `round_trip` to it, seconds. The mux has seen to its tables."""
        old, self.remote = self.remote, remote
        self.new_path(round_trip, now)
        self._counters.moved += 1
        self._mux.moved(self, old)

    def deadline(self) -> float | None:
        """Return when `tick` is due."""
        if self._state is CLOSED:
            return None
        if self._state in HANDSHAKE:
            return self._handshake.deadline()
        if self._waits_for_reader():
            return self._idle.ends_at
        soonest = self._idle.sooner(self._sender.deadline())
        soonest = self._acks.at if self._acks.at < soonest else soonest
        if self._state is LOCAL_ENDED and self._sender.fin_acked:
            soonest = min(soonest, self._idle.ends_at)
        return soonest

    def tick(self, now: float) -> None:
        """Act on what is due."""
        if self._state in HANDSHAKE:
            error = self._handshake.failed(self.remote, now)
            if error is not None:
                self.fail(error, now)
        elif self._state is not CLOSED:
            self._tick_open(now)

    def transmit(self, now: float, most: int) -> list[bytes]:
        """Return the datagrams that leave now; if they are `most` or more, there may be others. At least 2."""
        if self._state is CLOSED:
            return []
        if self._state in HANDSHAKE:
            leaving = self._shake(now)
        else:
            leaving = []
            if now >= self._idle.speak_at:
                self._look_at_clock(now)
            segments = self._sender.segments(now, most)
            if segments:
                self._idle.data_at = now if segments[-1].transmissions == 1 else self._idle.data_at
                self._advertised = self._receive.available()
                leaving = self._headers.data(segments, now, self._advertised, self._receive.next_seq)
                leaving = self._fitting(leaving, now)
            if self._acks.due and (not leaving or self._receive.has_gap):
                leaving.append(self._ack(now))
            elif self._acks.keepalive_due and not leaving:
                leaving.append(self._ack(now, back=1))
        if leaving:
            self._idle.spoke(now, followed=bool(self.peer_marks))
            self._acks.settled()
        return leaving

    # -- states -------------------------------------------------------------------------------------------------

    def _enter(self, new: State) -> None:
        """The only line that changes the state."""
        if new not in TRANSITIONS[self._state]:
            raise AssertionError(f"{self._state} -> {new} is not in the table")
        self._state = new

    def _confirmed(self, now: float) -> None:
        """In SYN_RECEIVED the peer acked our answer: it hears us."""
        self._enter(OPEN)
        self.path.begin(self.remote, self.peer_marks, now)
        self._counters.accepted += 1
        self._mux.opened(self)

    def _answered(self, packet: Packet, now: float) -> bool:
        """In SYN_SENT only the STATE that acks our SYN counts; its number is the peer's next (BEP 29).

        Return False for a packet that acks something else (RFC 9293 section 3.10.7.3): its sender knows another
        connection.
        """
        if packet.type is not STATE or packet.ack != self._handshake.seq or not self._handshake.attempts:
            self._counters.dropped_ack += 1
            return packet.ack == self._handshake.seq or not self._handshake.attempts
        if self._handshake.attempts == 1:
            self._sender.round_trip.sample(now - self._handshake.sent_at)
        self.peer_marks = parse_marks(packet.extension(EXTENSION_BITS))
        self._receive = ReceiveWindow(self._config, packet.seq)
        self._sender.peer_window = packet.window
        self._idle.heard_at = now
        self._headers.heard(packet, now)
        self._acks.due = True  # so that the peer knows we hear it
        self._enter(OPEN)
        self.path.begin(self.remote, self.peer_marks, now)
        self._counters.connected += 1
        self._mux.opened(self)
        if self._close_asked:
            self._end_local(now)
        return True

    def _end_local(self, now: float) -> None:
        self._enter(BOTH_ENDED if self._state is REMOTE_ENDED else LOCAL_ENDED)
        self._idle.data_at = now
        self._sender.finish()
        self._mux.touch(self)

    def _settle(self, now: float) -> None:
        """Our FIN no longer needs an ack, nor does the peer's: it has ended too, and is gone."""
        self._sender.give_up()
        self._acks.settled()
        self._report(now)

    def fail(self, error: PeerError | None, now: float) -> None:
        """End, with an error or without one, and tell the owner, if it knew of the connection."""
        known = self._state is not SYN_RECEIVED
        orderly = self._state is BOTH_ENDED and error is None
        self._enter(CLOSED)
        self._sender.give_up()
        self._mux.closed(self, error, now, known=known, peer_may_repeat=orderly)

    def _waits_for_reader(self) -> bool:
        return self._state is BOTH_ENDED and self._sender.fin_acked

    # -- receiving ----------------------------------------------------------------------------------------------

    def _acceptable(self, packet: Packet) -> bool:
        """Count and refuse forged acks and numbers out of reach."""
        slack = 1 if self._state is SYN_RECEIVED else self._config.reorder_packets
        if self._sender.is_forged(packet.ack, slack):
            self._counters.dropped_ack += 1
            return False
        if abs(seq_diff(packet.seq, self._receive.next_seq)) >= self._config.reorder_packets:
            self._counters.dropped_far += 1
            return False
        return True

    def _take(self, packet: Packet, now: float) -> None:
        """Take a DATA or FIN packet, and decide when to ack it."""
        had_gap = self._receive.has_gap
        arrival = self._receive.insert(packet.seq, packet.payload, fin=packet.type is FIN)
        if arrival is IN_ORDER:
            self._idle.data_at = now
            ended = self._receive.fin_reached
            if ended:
                self._enter(BOTH_ENDED if self._state is LOCAL_ENDED else REMOTE_ENDED)
            self._acks.in_order(now, urgent=had_gap or ended)
        elif arrival is FAR:
            self._counters.dropped_far += 1
        else:
            self._counters.duplicates += arrival is DUPLICATE
            self._counters.dropped_window += arrival is FULL
            self._acks.due = True

    def _report(self, now: float) -> None:
        """Tell the owner what is new; end when both sides have and everything is read."""
        if self._receive.has_unread:
            if not self._told_readable:
                self._told_readable = True
                if not self._heard_first:
                    self._heard_first = True
                    self._mux.delivered(self)
                self._mux.readable(self)
        elif self._state in REMOTE_OVER and not self._told_ended:
            self._told_ended = True
            self._mux.ended(self)
        if self._sender.short and self._state not in LOCAL_OVER and self._sender.roomy():
            self._sender.short = False
            self._mux.writable(self)
        if self._told_ended and self._waits_for_reader():
            if self._acks.due:  # for the peer's FIN; a closed connection transmits nothing
                self._mux.send(self.remote, self._ack(now))
            self.fail(None, now)

    # -- timers and sending -------------------------------------------------------------------------------------

    def _tick_open(self, now: float) -> None:
        self._look_at_clock(now)
        if self._waits_for_reader():
            if now >= self._idle.ends_at:
                self.fail(TransportClosed(f"what {self.remote} sent last was never read"), now)
        elif now >= self._idle.gone_at or not self._sender.tick(now):
            self._die(now)
        elif self._state is LOCAL_ENDED and self._sender.fin_acked and now >= self._idle.ends_at:
            self._reset_peer(now)
            self.fail(TransportClosed(f"{self.remote} did not end its side"), now)
        else:
            self.path.timed_out(self.remote, now)
            self._acks.tick(now)
            self._acks.keepalive_due = now >= self._idle.speak_at

    def _look_at_clock(self, now: float) -> None:
        """If we slept, nobody had a chance to be heard: leave time for an answer."""
        if self._idle.slept(now, speaks=not self._waits_for_reader()):
            self._sender.slept(now)

    def _die(self, now: float) -> None:
        """The peer is silent. If only the ack of our FIN is missing, all is well."""
        if self._state is BOTH_ENDED and self._sender.only_fin_left:
            self._settle(now)
        else:
            self.fail(TransportClosed(f"{self.remote} fell silent"), now)

    def _reset_peer(self, now: float) -> None:
        if self._state not in HANDSHAKE:  # there the peer does not know us, or forgets us by itself
            self._send_reset(now)
