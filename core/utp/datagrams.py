"""The parts of a uTP connection, and the datagrams made of them: SYN, STATE, RESET, probes and their answers."""

from math import inf
from typing import Generic, TypeVar

from core.utp.challenge_ack import ChallengeAck
from core.utp.config import UtpConfig
from core.utp.delayed_ack import DelayedAck
from core.utp.handshake import Handshake
from core.utp.header_writer import HeaderWriter
from core.utp.idle_timers import IdleTimers
from core.utp.multiplexer import Multiplexer
from core.utp.path import Path
from core.utp.receive_window import ReceiveWindow
from core.utp.sender import Sender
from core.utp.sequence_space import SequenceSpace
from core.values import Address, Fragments
from core.wire.utp_marks import PLAIN, parse_marks
from core.wire.utp_packet import EXTENSION_BITS, Extension, Packet, seq_add
from core.wire.utp_probe import PATH_ANSWER, PATH_PROBE, Probe, pack_probe

C = TypeVar("C")  # the connection


class Datagrams(Generic[C]):
    """A base of `Connection`, which adds the states: an object of its own would cost calls with each packet."""

    __slots__ = (
        "_acks",
        "_advertised",
        "_challenge",
        "_config",
        "_counters",
        "_handshake",
        "_headers",
        "_idle",
        "_mux",
        "_receive",
        "_sender",
        "path",
        "peer_marks",
        "receive_id",
        "remote",
        "send_id",
        "timer_at",
        "timer_number",
    )

    def __init__(
        self,
        mux: Multiplexer[C],
        config: UtpConfig,
        remote: Address,
        ids: tuple[int, int],
        first_seq: int,
        clock_offset: int,
        now: float,
        *,
        syn: Packet | None = None,
    ) -> None:
        """See `Connection`."""
        self.remote = remote  # the mux alone changes it
        self.receive_id, self.send_id = ids
        self.timer_at, self.timer_number = inf, 0  # the mux's: when it looks at `deadline` again
        self._mux, self._config, self._counters = mux, config, mux.counters
        self._handshake = Handshake(config, syn.seq if syn else seq_add(first_seq, -1), now, initiator=syn is None)
        self._sender = Sender(config, first_seq, mux.counters)
        self._receive = ReceiveWindow(config, 0 if syn is None else seq_add(syn.seq, 1))
        self._headers = HeaderWriter(*ids, clock_offset)
        self._acks = DelayedAck(config.ack_delay)
        self._challenge: ChallengeAck | None = None  # made with the first challenge
        self.path = Path(config, self._sender, mux.paths, mux.counters)
        self._idle = IdleTimers(config, now)
        self._advertised = config.receive_window
        self.peer_marks = PLAIN  # known once connected; of a plain peer there are none
        if syn is not None:
            self.peer_marks = parse_marks(syn.extension(EXTENSION_BITS))
            self._sender.peer_window = syn.window
            self._headers.heard(syn, now)

    @property
    def initiated(self) -> bool:
        """Whether the SYN was ours."""
        return self._handshake.initiator

    @property
    def heard_at(self) -> float:
        """When something last came from the peer; after a sleep of ours later than it was."""
        return self._idle.heard_at

    def new_path(self, round_trip: float, now: float) -> None:
        """What goes to the peer takes another path; `round_trip` on it, seconds."""
        self._sender.new_path(round_trip, now)
        self.path.begin(self.remote, self.peer_marks, now)
        self._acks.due = True

    def keep_alive(self, every: float) -> None:
        """Speak at least so often, in seconds, from now on."""
        idle = self._idle
        idle.speak_at, idle.every = min(idle.speak_at, idle.speak_at - idle.every + every), every

    def speak(self, now: float, *, rest: bool = False) -> None:
        """Say something with the next `transmit`, so that the peer, and the routers between, hear where we are.

        While we connect that is the SYN once more.
        `rest`: and then no more than a keepalive, until data goes again: what the owner waits for takes long.
        """
        self._handshake.hurry(now)
        self._idle.speak_at = min(self._idle.speak_at, now)
        if rest:
            self._idle.data_at = min(self._idle.data_at, now - self._idle.every)

    @property
    def next_seq(self) -> int:
        """The number of our next packet."""
        return self._sender.next_seq

    def quality(self) -> tuple[float | None, float]:
        """Return the smoothed round trip in seconds, None before the first, and the share of bytes lost lately."""
        return self._sender.round_trip.smoothed, self._sender.loss

    def buffered(self) -> tuple[int, int]:
        """Return the bytes written and not acknowledged, and those received and not read, headers included."""
        return self._sender.outstanding, self._receive.buffered()

    def sequence_space(self) -> SequenceSpace:
        """Return where both streams are now."""
        return SequenceSpace(self._sender, self._receive.next_seq, self._advertised, self._headers)

    def too_long(self, size: int, now: float) -> None:
        """The system knows that a datagram of `size` bytes is too long for the path."""
        self.path.too_long(self.remote, size, now)

    def challenge(self, now: float, *, instead_of: int | None = None) -> bool:
        """Ask the peer whether it knows this connection (`core.utp.challenge_ack`); return False if that is too soon.

        `instead_of`: the number of a SYN that our ack would answer; then it is left out.
        """
        check = self._challenge = self._challenge or ChallengeAck()
        if not check.due(now):
            return False
        secret = check.issue(self._sender.next_seq, self._mux.nonce(), now)
        if seq_add(self._receive.next_seq, -1) != instead_of:
            window, expected = self._receive.available(), self._receive.next_seq
            self._mux.send(self.remote, self._headers.state(now, window, secret, expected))
        self._counters.challenges += 1
        return True

    def guess(self, now: float) -> bool:
        """Return whether a packet that does not fit may be of a peer that restarted, and count it as a guess."""
        return self._challenge is not None and self._challenge.guess(now)

    def _shake(self, now: float) -> list[bytes]:
        """Return the SYN, or the answer to one, first or again: its ack may be what was lost."""
        shake = self._handshake.take(now)
        if shake and self._handshake.answers_again:  # nobody asked for that one, so it may be to nobody
            shake = self._mux.may_answer(self.remote, now)
        if not (shake or self._acks.due):
            return []
        marks = self._handshake.extensions(self.peer_marks)
        if self._handshake.initiator:
            return [self._headers.syn(now, self._handshake.seq, self._receive.available(), marks)]
        return [self._ack(now, extensions=marks)]

    def _fitting(self, datagrams: list[bytes], now: float) -> list[bytes]:
        """Return those of our DATA packets that fit the path, all as a rule; send a probe, and what is cut, beside."""
        if self.path.probes(now):
            probe = self.path.probe(self.remote, self._mux.nonce(), now)
            if probe is not None:
                datagram = self._ack(now, extensions=(pack_probe(PATH_PROBE, probe),))
                self._mux.send(self.remote, datagram.ljust(probe.size, b"\0"), Fragments.NEVER)
        too_long = self.path.too_long_of(datagrams)
        for datagram in too_long:
            self._mux.send(self.remote, datagram, Fragments.ALLOW)
        return [each for each in datagrams if each not in too_long] if too_long else datagrams

    def _answer_probe(self, probe: Probe | None, now: float) -> None:
        if probe is None:
            return
        datagram = self._ack(now, extensions=(pack_probe(PATH_ANSWER, probe),))
        if len(datagram) <= probe.size:
            self._counters.path_answers += 1
            self._mux.send(self.remote, datagram)

    def _ack(self, now: float, *, back: int = 0, extensions: tuple[Extension, ...] = ()) -> bytes:
        """Return an ack; one packet too low it asks for nothing and keeps a NAT's mapping: libutp's keepalive."""
        self._advertised = self._receive.available()
        expected = seq_add(self._receive.next_seq, -back)
        mask = self._receive.selective_ack() if not back else b""
        return self._headers.state(now, self._advertised, self._sender.next_seq, expected, mask, extensions)

    def _send_reset(self, now: float) -> None:
        self._mux.send(self.remote, self._headers.reset(now, self._sender.next_seq, self._receive.next_seq))
