"""One uTP connection (BEP 29): its states and its timers.

Sending is in `sender`, reassembly in `receive_window`, acks in `ack_schedule`, headers in `stamper`.
The owner uses `write`, `writable`, `read`, `close` and `abort`; all else is for the `Mux`.
"""

import math
from typing import Final

from core.errors import LocalError, PeerError, RequestTimeout, TransportClosed
from core.utp.ack_schedule import AckSchedule
from core.utp.config import UtpConfig
from core.utp.events import Closed, Connected, Ended, Incoming, Moved, Readable, Writable
from core.utp.host import Host
from core.utp.receive_window import Arrival, ReceiveWindow
from core.utp.sender import Sender
from core.utp.stamper import Stamper
from core.utp.standing import Standing
from core.utp.state import HANDSHAKE, LOCAL_OVER, REMOTE_OVER, TRANSITIONS, State
from core.values import Address, Buffer
from core.wire.utp_marks import Marks, pack_marks, parse_marks
from core.wire.utp_packet import EXTENSION_BITS, Packet, PacketType, seq_add, seq_diff

_ANSWERS: Final = 5  # to one SYN; few, since its sender may be forged
_FRESH_AFTER: Final = 1.0  # seconds of silence before a SYN of a restarted peer may replace a connection


class Connection:
    """A reliable, ordered stream of bytes each way. Made by `Mux`."""

    def __init__(
        self,
        host: Host,
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

        `first_seq` is the number of our first data packet; our own SYN has the one before. `clock_offset`: `Stamper`'s.
        """
        self.remote = remote  # the mux alone changes it
        self.receive_id, self.send_id = ids
        self._host = host
        self._config = config
        self._counters = host.counters
        self._initiator = syn is None
        self._state = State.SYN_SENT if syn is None else State.SYN_RECEIVED
        self._syn_seq = seq_add(first_seq, -1) if syn is None else syn.seq
        self._sender = Sender(config, first_seq, host.counters)
        self._receive = ReceiveWindow(config, 0 if syn is None else seq_add(syn.seq, 1))
        self._stamper = Stamper(*ids, clock_offset)
        self._acks = AckSchedule(config.ack_delay)
        self._attempts = 0  # SYNs, or answers to one, that left
        self._handshake_at = now  # when the next of them leaves
        self._born_at = self._heard_at = self._data_at = self._sent_at = now
        self._advertised = config.receive_window
        self._close_asked = False
        self._told_readable = False
        self._told_ended = False
        self.peer_marks = Marks(0)  # known once connected; of a plain peer there are none
        if syn is not None:
            self.peer_marks = parse_marks(syn.extension(EXTENSION_BITS))
            self._sender.peer_window = syn.window
            self._heard(syn, now)

    @property
    def state(self) -> State:
        """Where the connection is."""
        return self._state

    # -- for the owner ------------------------------------------------------------------------------------------

    def write(self, data: Buffer, now: float, *, boundary: bool = False) -> int:
        """Queue bytes and return how many were accepted; 0 when the buffer is full or the connection broke.

        `boundary`: they start a packet of their own, share none with other writes, and leave without waiting for
        Nagle. One that fits a packet is accepted whole or not at all. Raises LocalError after `close`.
        """
        if self._close_asked:
            raise LocalError("this connection was closed for writing")
        if self._state is State.CLOSED:
            return 0
        taken = self._sender.push(data, boundary=boundary)
        self._host.touch(self)
        return taken

    def writable(self) -> int:
        """Return the free bytes of the send buffer."""
        return 0 if self._close_asked or self._state is State.CLOSED else self._sender.room()

    def read(self, now: float) -> list[bytes]:
        """Return all chunks that are in order, one per data packet, and open the receive window again."""
        chunks = self._receive.take()
        self._told_readable = False
        if self._state is not State.CLOSED and self._state not in HANDSHAKE:
            gained = self._receive.available() - self._advertised
            much = gained >= self._config.receive_window // 4 or (gained > 0 and self._advertised < self._config.mtu)
            if much and self._state not in REMOTE_OVER:
                self._acks.due = True  # the peer may be waiting for it
            self._report(now)
            self._host.touch(self)
        return chunks

    def close(self, now: float) -> None:
        """Send FIN after what is queued; reading goes on until the peer's FIN. Harmless when repeated."""
        if self._close_asked or self._state is State.CLOSED:
            return
        self._close_asked = True
        if self._state is State.SYN_SENT and self._sender.empty:
            self._finish(None, now)
        elif self._state not in HANDSHAKE:
            self._end_local(now)

    def abort(self, now: float) -> None:
        """End at once: RESET to the peer, Closed(None) to the owner. Harmless when repeated."""
        if self._state is not State.CLOSED:
            self._reset_peer(now)
            self._finish(None, now)

    # -- for the mux --------------------------------------------------------------------------------------------

    def receive(self, packet: Packet, now: float) -> None:
        """Take a DATA, FIN or STATE packet that carries our id."""
        if self._state is State.SYN_SENT:
            self._answered(packet, now)
            return
        if self._state is State.CLOSED or not self._acceptable(packet):
            return
        self._heard(packet, now)
        if self._state is State.SYN_RECEIVED:
            self._enter(State.OPEN)
            self._counters.accepted += 1
            self._host.emit(Incoming(self))
        elif self._initiator and packet.ack == self._syn_seq and self._sender.next_seq == seq_add(packet.ack, 1):
            self._acks.due = True  # our SYN answered again, and no data of ours says that we heard
        self._sender.acknowledge(packet, now)
        if packet.type is not PacketType.STATE:
            self._take(packet, now)
        self._report(now)

    def repeated_syn(self, syn: Packet, now: float) -> bool:
        """Take a SYN with our ids; return False when it is a new connection of a peer that restarted.

        A restarted libutp repeats its ids and numbers (PROTOCOL section 5), so a SYN is also new when it was sent
        after what we heard last. A busy connection is not given up: the SYN will come again.
        """
        if self._initiator:
            return True  # our own choice of ids; the peer's next attempt will have others
        confirmed = self._state is not State.SYN_RECEIVED
        if syn.seq == self._syn_seq and not (confirmed and self._stamper.is_newer(syn)):
            self._acks.due = True
            return True
        return confirmed and now < self._heard_at + _FRESH_AFTER

    def reset(self, packet: Packet, now: float) -> bool:
        """Take a RESET with one of our ids; return False when it acks nothing that we sent lately: a forgery."""
        if not 0 <= seq_diff(self._sender.next_seq, packet.ack) <= self._config.reorder_packets:
            return False
        if self._state is State.BOTH_ENDED and self._sender.only_fin_left:
            self._settle(now)
        else:
            self.fail(TransportClosed(f"{self.remote} reset the connection"), now)
        return True

    def move(self, remote: Address, round_trip: float, now: float) -> None:
        """The peer is at another address; `round_trip` to it, seconds. The mux has seen to its tables."""
        old, self.remote = self.remote, remote
        self._sender.new_path(round_trip, now)
        self._acks.due = True
        self._counters.moved += 1
        self._host.emit(Moved(self, old, remote))

    def fail(self, error: PeerError, now: float) -> None:
        """End with an error."""
        self._finish(error, now)

    def standing(self) -> Standing:
        """Return where both streams are now."""
        return Standing(self._sender, self._receive.next_seq, self._advertised, self._stamper)

    def deadline(self) -> float | None:
        """Return when `tick` is due."""
        config = self._config
        if self._state is State.CLOSED:
            return None
        if self._state is State.SYN_SENT:
            return self._handshake_at
        if self._state is State.SYN_RECEIVED:
            return min(self._handshake_at, self._born_at + config.half_open_timeout)
        if self._waits_for_reader():
            return self._data_at + config.half_closed_timeout
        soonest = min(self._sent_at + config.keepalive, self._heard_at + config.idle_timeout)
        if self._acks.at is not None:
            soonest = min(soonest, self._acks.at)
        if self._state is State.LOCAL_ENDED and self._sender.fin_acked:
            soonest = min(soonest, self._data_at + config.half_closed_timeout)
        retransmit_at = self._sender.deadline()
        return soonest if retransmit_at is None else min(soonest, retransmit_at)

    def tick(self, now: float) -> None:
        """Act on what is due."""
        if self._state is State.SYN_SENT:
            if now >= self._handshake_at and self._attempts >= self._config.syn_attempts:
                self.fail(RequestTimeout(f"{self.remote} did not answer {self._attempts} connection attempts"), now)
        elif self._state is State.SYN_RECEIVED:
            if now >= self._born_at + self._config.half_open_timeout:
                self.fail(TransportClosed(f"{self.remote} never confirmed its connection"), now)
        elif self._state is not State.CLOSED:
            self._tick_open(now)

    def transmit(self, now: float) -> list[bytes]:
        """Return the datagrams that leave now."""
        if self._state is State.CLOSED:
            return []
        if self._state in HANDSHAKE:
            leaving = self._shake(now)
        else:
            leaving = self._data(now)
            if self._acks.due and (not leaving or self._receive.has_gap):
                leaving.append(self._ack(now))
            elif self._acks.keepalive_due and not leaving:
                leaving.append(self._ack(now, back=1))
        if leaving:
            self._sent_at = now
            self._acks.settled()
        return leaving

    # -- states -------------------------------------------------------------------------------------------------

    def _enter(self, new: State) -> None:
        """The only line that changes the state."""
        if new not in TRANSITIONS[self._state]:
            raise AssertionError(f"{self._state} -> {new} is not in the table")
        self._state = new

    def _answered(self, packet: Packet, now: float) -> None:
        """In SYN_SENT only the STATE that acks our SYN counts; its number is the peer's next (BEP 29)."""
        if packet.type is not PacketType.STATE or packet.ack != self._syn_seq or not self._attempts:
            self._counters.dropped_ack += 1
            return
        if self._attempts == 1:
            self._sender.round_trip.sample(now - self._sent_at)
        self.peer_marks = parse_marks(packet.extension(EXTENSION_BITS))
        self._receive = ReceiveWindow(self._config, packet.seq)
        self._sender.peer_window = packet.window
        self._heard(packet, now)
        self._acks.due = True  # so that the peer knows we hear it
        self._enter(State.OPEN)
        self._counters.connected += 1
        self._host.emit(Connected(self))
        if self._close_asked:
            self._end_local(now)

    def _end_local(self, now: float) -> None:
        self._enter(State.BOTH_ENDED if self._state is State.REMOTE_ENDED else State.LOCAL_ENDED)
        self._data_at = now
        self._sender.finish()
        self._host.touch(self)

    def _end_remote(self) -> None:
        self._enter(State.BOTH_ENDED if self._state is State.LOCAL_ENDED else State.REMOTE_ENDED)

    def _settle(self, now: float) -> None:
        """Our FIN needs no ack any more, nor does the peer's: it has ended too, and is gone."""
        self._sender.give_up()
        self._acks.settled()
        self._report(now)

    def _finish(self, error: PeerError | None, now: float) -> None:
        """Enter CLOSED and tell the owner, if it knew of the connection."""
        known = self._state is not State.SYN_RECEIVED
        orderly = self._state is State.BOTH_ENDED and error is None
        self._enter(State.CLOSED)
        self._sender.give_up()
        self._host.closed(self, now, peer_may_repeat=orderly)
        if known:
            self._host.emit(Closed(self, error))

    def _waits_for_reader(self) -> bool:
        return self._state is State.BOTH_ENDED and self._sender.fin_acked

    # -- receiving ----------------------------------------------------------------------------------------------

    def _acceptable(self, packet: Packet) -> bool:
        """Count and refuse forged acks and numbers out of reach."""
        slack = 1 if self._state is State.SYN_RECEIVED else self._config.reorder_packets
        if self._sender.is_forged(packet.ack, slack):
            self._counters.dropped_ack += 1
            return False
        if abs(seq_diff(packet.seq, self._receive.next_seq)) >= self._config.reorder_packets:
            self._counters.dropped_far += 1
            return False
        return True

    def _heard(self, packet: Packet, now: float) -> None:
        self._heard_at = now
        self._stamper.heard(packet, now)

    def _take(self, packet: Packet, now: float) -> None:
        """Take a DATA or FIN packet, and decide when to ack it."""
        had_gap = self._receive.has_gap
        arrival = self._receive.insert(packet.seq, packet.payload, fin=packet.type is PacketType.FIN)
        if arrival is Arrival.IN_ORDER:
            self._data_at = now
            ended = self._receive.fin_reached
            if ended:
                self._end_remote()
            self._acks.in_order(now, urgent=had_gap or ended)
        elif arrival is Arrival.FAR:
            self._counters.dropped_far += 1
        else:
            self._counters.duplicates += arrival is Arrival.DUPLICATE
            self._counters.dropped_window += arrival is Arrival.FULL
            self._acks.due = True

    def _report(self, now: float) -> None:
        """Tell the owner what is new; end when both sides have and everything is read."""
        if self._receive.has_unread:
            if not self._told_readable:
                self._told_readable = True
                self._host.emit(Readable(self))
        elif self._state in REMOTE_OVER and not self._told_ended:
            self._told_ended = True
            self._host.emit(Ended(self))
        if self._sender.short and self._state not in LOCAL_OVER and self._sender.roomy():
            self._sender.short = False
            self._host.emit(Writable(self))
        if self._told_ended and self._waits_for_reader():
            if self._acks.due:  # for the peer's FIN; a closed connection transmits nothing
                self._host.send(self.remote, self._ack(now))
            self._finish(None, now)

    # -- timers and sending -------------------------------------------------------------------------------------

    def _tick_open(self, now: float) -> None:
        config = self._config
        if self._waits_for_reader():
            if now >= self._data_at + config.half_closed_timeout:
                self.fail(TransportClosed(f"what {self.remote} sent last was never read"), now)
        elif now >= self._heard_at + config.idle_timeout or not self._sender.tick(now):
            self._die(now)
        elif self._state is State.LOCAL_ENDED and self._lingers_too_long(now):
            self._reset_peer(now)
            self.fail(TransportClosed(f"{self.remote} did not end its side"), now)
        else:
            self._acks.tick(now)
            self._acks.keepalive_due = now >= self._sent_at + config.keepalive

    def _lingers_too_long(self, now: float) -> bool:
        return self._sender.fin_acked and now >= self._data_at + self._config.half_closed_timeout

    def _die(self, now: float) -> None:
        """The peer is silent. If only the ack of our FIN is missing, all is well."""
        if self._state is State.BOTH_ENDED and self._sender.only_fin_left:
            self._settle(now)
        else:
            self.fail(TransportClosed(f"{self.remote} fell silent"), now)

    def _shake(self, now: float) -> list[bytes]:
        """Return the SYN, or the answer to one, first or again: its ack may be what was lost."""
        config = self._config
        most = config.syn_attempts if self._initiator else _ANSWERS
        if now >= self._handshake_at and self._attempts < most:
            wait = min(config.syn_timeout * float(1 << self._attempts), config.syn_timeout_max)
            self._attempts += 1
            last_answer = not self._initiator and self._attempts == most
            self._handshake_at = math.inf if last_answer else now + wait
        elif not self._acks.due:
            return []
        marks = ((EXTENSION_BITS, pack_marks(config.marks)),) if config.marks else ()
        if self._initiator:
            return [self._stamper.syn(now, self._syn_seq, self._receive.available(), marks)]
        if not self.peer_marks:
            return [self._ack(now)]  # as plain as its SYN was
        expected = self._receive.next_seq
        return [self._stamper.state(now, self._receive.available(), self._sender.next_seq, expected, extensions=marks)]

    def _data(self, now: float) -> list[bytes]:
        segments = self._sender.segments(now)
        if not segments:
            return []
        self._advertised = self._receive.available()
        return self._stamper.data(segments, now, self._advertised, self._receive.next_seq)

    def _ack(self, now: float, *, back: int = 0) -> bytes:
        """Return an ack; one packet too low it asks for nothing and keeps a NAT's mapping: libutp's keepalive."""
        self._advertised = self._receive.available()
        expected = seq_add(self._receive.next_seq, -back)
        mask = self._receive.selective_ack() if not back else b""
        return self._stamper.state(now, self._advertised, self._sender.next_seq, expected, mask)

    def _reset_peer(self, now: float) -> None:
        if self._state not in HANDSHAKE:  # there the peer does not know us, or forgets us by itself
            self._host.send(self.remote, self._stamper.reset(now, self._sender.next_seq, self._receive.next_seq))
