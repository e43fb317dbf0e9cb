"""One connection's path: the size of its full packets, its probes, and its answers to the peer's.

Marked peers begin small and grow by probes (`core.utp.path_search`); plain ones get libutp's size from the start, since
nothing can be asked of them. When nothing long arrives any more, both fall back to what every path takes.
"""

import math
from typing import TYPE_CHECKING, Final

from core.utp.config import UtpConfig
from core.utp.host import Host
from core.utp.path_search import ETHERNET, SAFE, PathSearch
from core.utp.sender import Sender
from core.values import Fragments
from core.wire.utp_marks import Marks
from core.wire.utp_packet import HEADER_BYTES, Packet, PacketType
from core.wire.utp_probe import PATH_ANSWER, PATH_PROBE, Probe, datagram_bytes, pack_probe, parse_probe

if TYPE_CHECKING:
    from core.utp.connection import Connection  # which imports this module

_SHARE: Final = 8  # full packets that the smaller of the send buffer and the peer's window holds at least
_PACKET_SECONDS: Final = 0.002  # of the path, that one beyond Ethernet may take: 16 KB are 65 ms of 2 Mbit/s
_PATIENCE: Final = 2  # timeouts without progress that make a black hole; a wrong guess costs a probe
_PLAIN_PATIENCE: Final = 3  # the same for a plain peer, where a wrong guess lasts as long as the connection
_ANSWERS: Final = 16  # to probes, at once: twice what a whole search asks when nothing is lost
_ANSWERS_PER_SECOND: Final = 4.0


class Path:
    """See above. `begin` when the peer's marks are known, and when it moved.

    It is handed its connection instead of keeping it: without a circle it is freed once it is over.
    """

    __slots__ = ("_allowance", "_allowance_at", "_host", "_most", "_search", "_sender", "_shrunk")

    def __init__(self, host: Host, config: UtpConfig, sender: Sender) -> None:
        self._host = host
        self._sender = sender
        self._most = min(config.packet_max, config.send_buffer // _SHARE) if Marks.PROBES in config.marks else 0
        self._search = PathSearch(config.mtu, min(SAFE, config.mtu), config.mtu, next_at=math.inf)
        self._shrunk = False  # what is longer than `packet_bytes` may be under way
        self._allowance = float(_ANSWERS)
        self._allowance_at = 0.0

    @property
    def packet_bytes(self) -> int:
        """How long a full packet is now, in bytes of UDP payload."""
        return self._search.size

    def begin(self, connection: "Connection", now: float) -> None:
        """The handshake is over: a peer that answers probes gets packets that were probed, and others libutp's.

        A plain peer reads each packet as one message (PROTOCOL section 6): after a black hole, what was written as one
        still leaves in one packet, in fragments if need be.
        """
        if Marks.JOINS in connection.peer_marks:
            self._sender.split_messages()
        if not self._most or Marks.PROBES not in connection.peer_marks:
            return
        before, known = self._search.size, self._search.next_at < math.inf  # not the first path of this connection
        size, next_at = self._host.recall_path(connection.remote, now)
        self._search = PathSearch(min(size, self._limit()), self._search.least, self._most, next_at=next_at)
        self._shrunk = self._shrunk or (known and self._search.size < before)
        self._sender.resize(self._search.size - HEADER_BYTES)

    def outgoing(self, connection: "Connection", datagrams: list[bytes], now: float) -> list[bytes]:
        """Take the DATA packets that leave now and return those that fit the path: all, as a rule.

        What was numbered before the path shrank is sent with fragmentation allowed; and a probe goes beside them.
        """
        if now >= self._search.next_at and self._sender.outstanding >= self._search.size:  # else it is not worth it
            self._probe(connection, now)
        if not self._shrunk:
            return datagrams
        most = self._search.size
        for datagram in datagrams:
            if len(datagram) > most:
                self._host.send(connection.remote, datagram, Fragments.ALLOW)
        return [datagram for datagram in datagrams if len(datagram) <= most]

    def _probe(self, connection: "Connection", now: float) -> None:
        """Send a probe, if one is due and worth it."""
        wait = self._sender.round_trip.probe_timeout() or self._sender.round_trip.timeout()
        limit = min(self._limit(), max(ETHERNET, int(self._sender.delivered * _PACKET_SECONDS)))
        probe = self._search.next_probe(now, wait, self._sender.outstanding, limit, self._host.nonce())
        if probe is None:
            if self._search.next_at > now:
                self._note(connection, now)
            return
        self._host.counters.path_probes += 1
        datagram = connection.ack(now, extensions=(pack_probe(PATH_PROBE, probe),))
        self._host.send(connection.remote, datagram.ljust(probe.size, b"\0"), Fragments.NEVER)

    def heard(self, connection: "Connection", packet: Packet, now: float) -> None:
        """Take the extensions of a packet of this connection: a probe, or the answer to one."""
        probe, answer = parse_probe(packet, PATH_PROBE), parse_probe(packet, PATH_ANSWER)
        if probe is not None:
            self._answer(connection, probe, packet, now)
        if answer is not None:
            if not self._search.answered(answer):
                self._host.counters.path_dropped += 1
                return
            self._host.counters.path_confirmed += 1
            self._resized(connection, now)

    def too_long(self, connection: "Connection", size: int, now: float) -> None:
        """The system knows that a datagram of `size` bytes is too long for the path."""
        if self._search.too_long(size):
            self._shrink(connection, now)

    def timed_out(self, connection: "Connection", now: float) -> None:
        """A retransmission timer ran out: is the path a black hole for what is long?"""
        patience = _PATIENCE if self._search.next_at < math.inf else _PLAIN_PATIENCE
        stuck = self._sender.stuck_bytes(patience)
        if stuck + HEADER_BYTES > self._search.least and self._search.black_hole():
            self._host.counters.black_holes += 1
            self._shrink(connection, now)

    def _limit(self) -> int:
        """Return the most that the peer's window, as it is now, suits."""
        return max(self._search.least, min(self._most, self._sender.peer_window // _SHARE))

    def _resized(self, connection: "Connection", now: float) -> None:
        self._sender.resize(self._search.size - HEADER_BYTES)
        self._note(connection, now)

    def _shrink(self, connection: "Connection", now: float) -> None:
        self._shrunk = True
        self._host.counters.path_shrunk += 1
        self._resized(connection, now)

    def _note(self, connection: "Connection", now: float) -> None:
        if self._search.next_at < math.inf:
            self._host.note_path(connection.remote, self._search.size, self._search.next_at, now)

    def _answer(self, connection: "Connection", probe: Probe, packet: Packet, now: float) -> None:
        """Say that a probe arrived whole: by less than it took, and not too often, since its sender may be forged."""
        size = datagram_bytes(packet)
        self._allowance = min(_ANSWERS, self._allowance + (now - self._allowance_at) * _ANSWERS_PER_SECOND)
        self._allowance_at = now
        if not self._most or packet.type is not PacketType.STATE or probe.size != size or self._allowance < 1:
            self._host.counters.path_dropped += 1
            return
        datagram = connection.ack(now, extensions=(pack_probe(PATH_ANSWER, probe),))
        if len(datagram) <= size:
            self._allowance -= 1
            self._host.counters.path_answers += 1
            self._host.send(connection.remote, datagram)
