"""One connection's path: the size of its full packets, its probes, and its answers to the peer's.

Marked peers begin small and grow by probes (`core.utp.path_search`); plain ones get libutp's size from the start, since
nothing can be asked of them. When nothing long arrives any more, both fall back to what every path takes.
It says what is to be sent, and its connection sends it.
"""

import math
from typing import Final

from core.limits.rate import TokenBucket
from core.utp.config import UtpConfig
from core.utp.path_memory import PathMemory
from core.utp.path_search import ETHERNET, SAFE, PathSearch
from core.utp.sender import Sender
from core.utp.statistics import Counters
from core.values import Address
from core.wire.utp_marks import Marks
from core.wire.utp_packet import HEADER_BYTES, Packet, PacketType
from core.wire.utp_probe import PATH_ANSWER, PATH_PROBE, Probe, datagram_bytes, parse_probe

_SHARE: Final = 8  # full packets that the smaller of the send buffer and the peer's window holds at least
_PACKET_SECONDS: Final = 0.002  # of the path, that one beyond Ethernet may take: 16 KB are 65 ms of 2 Mbit/s
_PATIENCE: Final = 2  # timeouts without progress that make a black hole; a wrong guess costs a probe
_PLAIN_PATIENCE: Final = 3  # the same for a plain peer, where a wrong guess lasts as long as the connection
_ANSWERS: Final = 16  # to probes, at once: twice what a whole search asks when nothing is lost
_ANSWERS_PER_SECOND: Final = 4.0


class Path:
    """See above. `begin` when the peer's marks are known, and when it moved. `remote` is where the peer is."""

    __slots__ = ("_allowance", "_counters", "_memory", "_most", "_search", "_sender", "_shrunk")

    def __init__(self, config: UtpConfig, sender: Sender, memory: PathMemory, counters: Counters) -> None:
        self._sender = sender
        self._memory = memory
        self._counters = counters
        self._most = min(config.packet_max, config.send_buffer // _SHARE) if Marks.PROBES in config.marks else 0
        self._search = PathSearch(config.mtu, min(SAFE, config.mtu), config.mtu, next_at=math.inf)
        self._shrunk = False  # what is longer than `packet_bytes` may be under way
        self._allowance: TokenBucket | None = None  # made with the first probe: most connections answer none

    @property
    def packet_bytes(self) -> int:
        """How long a full packet is now, in bytes of UDP payload."""
        return self._search.size

    def begin(self, remote: Address, marks: Marks, now: float) -> None:
        """The handshake is over: a peer that answers probes gets packets that were probed, and others libutp's.

        A plain peer reads each packet as one message (PROTOCOL section 6): after a black hole, what was written as one
        still leaves in one packet, in fragments if need be.
        """
        if Marks.JOINS in marks:
            self._sender.split_messages()
        if not self._most or Marks.PROBES not in marks:
            return
        before, known = self._search.size, self._search.next_at < math.inf  # not the first path of this connection
        size, next_at = self._memory.recall(remote, now)
        self._search = PathSearch(min(size, self._limit()), self._search.least, self._most, next_at=next_at)
        self._shrunk = self._shrunk or (known and self._search.size < before)
        self._sender.resize(self._search.size - HEADER_BYTES)

    def probes(self, now: float) -> bool:
        """Return whether `probe` may give one, when DATA packets leave now: who sends little does not ask."""
        return now >= self._search.next_at and self._sender.outstanding >= self._search.size

    def probe(self, remote: Address, nonce: int, now: float) -> Probe | None:
        """Return the probe to send now, in a datagram of its size that must not be cut; None for none."""
        wait = self._sender.round_trip.probe_timeout() or self._sender.round_trip.timeout()
        limit = min(self._limit(), max(ETHERNET, int(self._sender.delivered * _PACKET_SECONDS)))
        probe = self._search.next_probe(now, wait, self._sender.outstanding, limit, nonce)
        if probe is not None:
            self._counters.path_probes += 1
        elif self._search.next_at > now:
            self._note(remote, now)
        return probe

    def too_long_of(self, datagrams: list[bytes]) -> list[bytes]:
        """Return those of our DATA packets that were numbered before the path shrank, and leave in fragments."""
        if not self._shrunk:
            return []
        most = self._search.size
        return [datagram for datagram in datagrams if len(datagram) > most]

    def heard(self, remote: Address, packet: Packet, now: float) -> Probe | None:
        """Take the extensions of a packet of this connection; return a probe that is to be answered.

        The answer says that the probe arrived whole. It may be no longer than the probe, since that may be forged.
        """
        probe, answer = parse_probe(packet, PATH_PROBE), parse_probe(packet, PATH_ANSWER)
        if answer is not None:
            if self._search.answered(answer):
                self._counters.path_confirmed += 1
                self._resized(remote, now)
            else:
                self._counters.path_dropped += 1
        if probe is None:
            return None
        if not self._answers(probe, packet, now):
            self._counters.path_dropped += 1
            return None
        return probe

    def too_long(self, remote: Address, size: int, now: float) -> None:
        """The system knows that a datagram of `size` bytes is too long for the path."""
        if self._search.too_long(size):
            self._shrink(remote, now)

    def timed_out(self, remote: Address, now: float) -> None:
        """A retransmission timer ran out: is the path a black hole for what is long?"""
        patience = _PATIENCE if self._search.next_at < math.inf else _PLAIN_PATIENCE
        stuck = self._sender.stuck_bytes(patience)
        if stuck + HEADER_BYTES > self._search.least and self._search.black_hole():
            self._counters.black_holes += 1
            self._shrink(remote, now)

    def _limit(self) -> int:
        """Return the most that the peer's window, as it is now, suits."""
        return max(self._search.least, min(self._most, self._sender.peer_window // _SHARE))

    def _resized(self, remote: Address, now: float) -> None:
        self._sender.resize(self._search.size - HEADER_BYTES)
        self._note(remote, now)

    def _shrink(self, remote: Address, now: float) -> None:
        self._shrunk = True
        self._counters.path_shrunk += 1
        self._resized(remote, now)

    def _note(self, remote: Address, now: float) -> None:
        if self._search.next_at < math.inf:
            self._memory.note(remote, self._search.size, self._search.next_at, now)

    def _answers(self, probe: Probe, packet: Packet, now: float) -> bool:
        """Whether a probe is whole, and is answered: not too often, since its sender may be forged."""
        if not self._most or packet.type is not PacketType.STATE or probe.size != datagram_bytes(packet):
            return False
        self._allowance = self._allowance or TokenBucket(_ANSWERS_PER_SECOND, _ANSWERS)
        return self._allowance.take(now)
