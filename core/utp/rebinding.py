"""Packets from addresses of no connection that may belong to one all the same: a NAT rebound its peer (RFC 9000, 9).

Such a packet counts when id, numbers and *time* are right: what it tells of our clock must be about a round trip ago,
and each connection's clock has a secret offset. So 16-bit ids and a number in the window are not enough to start a
check, a replay is soon too old, and nobody can make us send to a third party. The connection goes on sending where it
did until the check succeeds; then its former address is asked in turn, and if the peer is still there, it goes back
and the other is refused (section 9.3.3).
"""

from itertools import islice
from random import Random
from typing import Final, NamedTuple

from core.limits.table import BoundedTable
from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.header_writer import told_time
from core.utp.path_validation import PathValidation
from core.utp.state import HANDSHAKE
from core.utp.statistics import Counters
from core.values import Address, Burst, MayAnswer, anybody
from core.wire.utp_packet import Packet

_CANDIDATES: Final = 16  # connections with the same id that are looked at; chance gives one or two
_CHECKS: Final = 256  # connections with a check; full: one that is over makes room, or the packet is not followed up
_REFUSED: Final = 256  # addresses remembered as refused; full: the oldest is forgotten
_REFUSED_FOR: Final = 30.0  # seconds


class Found(NamedTuple):
    """Whose a packet is; `round_trip`, in seconds, if it proves that the peer is at its source now."""

    connection: Connection
    round_trip: float | None
    ordinary: bool  # its timestamp difference measures an ordinary packet of ours, not a challenge


class Rebinding:
    """Finds connections by id and time, and checks addresses. Bounded by the connections and the numbers above."""

    def __init__(self, config: UtpConfig, random: Random, counters: Counters, may_answer: MayAnswer = anybody) -> None:
        self._may_answer = may_answer
        self._config = config
        self._random = random
        self._counters = counters
        self._by_id: dict[int, tuple[Connection, ...]] = {}
        self._checks: dict[Connection, PathValidation] = {}  # kept when over: a silent peer may still speak of it
        self._refused: BoundedTable[tuple[Address, int], float] = BoundedTable(_REFUSED)  # until when
        self._leaving: list[Burst] = []

    def add(self, connection: Connection) -> None:
        """Know a connection by its id."""
        self._by_id[connection.receive_id] = (*self._by_id.get(connection.receive_id, ()), connection)

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is over."""
        self._checks.pop(connection, None)
        others = tuple(other for other in self._by_id[connection.receive_id] if other is not connection)
        if others:
            self._by_id[connection.receive_id] = others
        else:
            del self._by_id[connection.receive_id]

    def settled(self, connection: Connection) -> None:
        """Look no further where a connection's peer is: its owner knows."""
        self._checks.pop(connection, None)

    def challenges(self) -> list[Burst]:
        """Return, and forget, what is to be sent."""
        leaving, self._leaving = self._leaving, []
        return leaving

    def find(self, packet: Packet, size: int, source: Address, now: float) -> Found | None:
        """Return whose packet of `size` bytes this is, None if nobody's; may begin or go on with a check."""
        told = told_time(packet)
        for connection in islice(self._by_id.get(packet.connection_id, ()), _CANDIDATES):
            space = connection.sequence_space()
            if connection.state in HANDSHAKE or not space.in_reach(packet, self._config.reorder_packets):
                continue
            check = self._checks.get(connection)
            checked = check is not None and check.remote == source
            if check is not None and checked and (round_trip := check.proof(told, now)) is not None:
                return Found(connection, round_trip, ordinary=False)
            ordinary = space.is_recent(told, space.headers.clock(now))
            if ordinary or (check and any(space.is_recent(told, clock) for clock in check.clocks(now))):
                self._follow(connection, size, source, now)
                return Found(connection, None, ordinary=ordinary)
            if check is not None and checked and check.guessed():
                self.refuse(connection, source, now)
        return None

    def moved(self, connection: Connection, old: Address, now: float) -> None:
        """The connection moved: if it returned, refuse where it was; else ask there whether the peer really left."""
        check = self._checks[connection]
        if check.returning(now):
            self.refuse(connection, old, now)
        else:
            self._checks[connection] = back = PathValidation(old, now, check, returning=True)
            self._challenge(connection, back, now)

    def refuse(self, connection: Connection, remote: Address, now: float) -> None:
        """The connection is not to move there for a while."""
        del self._checks[connection]
        self._counters.checks_failed += 1
        self._refused[remote, connection.receive_id] = now + _REFUSED_FOR

    def _follow(self, connection: Connection, size: int, source: Address, now: float) -> None:
        check = self._checks.get(connection)
        if check is not None and check.remote == source and check.left(now):
            del self._checks[connection]
            check = None
        if check is None or check.remote != source:
            if not self._has_place(connection, source, now):
                self._counters.checks_refused += 1
                return
            self._counters.checks += 1
            self._counters.checks_failed += check is not None and not check.returning(now)
            self._checks[connection] = check = PathValidation(source, now, check)
        check.earn(size, now)
        if self._may_answer(source, now):
            self._challenge(connection, check, now)

    def _has_place(self, connection: Connection, source: Address, now: float) -> bool:
        """Whether the bounds allow to check this address now."""
        if self._refused.get((source, connection.receive_id), now) > now:
            return False
        check = self._checks.get(connection)
        if check is not None:
            return check.over(now)
        if len(self._checks) >= _CHECKS:
            done = next((known for known, check in self._checks.items() if check.over(now)), None)
            if done is None:
                return False
            del self._checks[done]
        return True

    def _challenge(self, connection: Connection, check: PathValidation, now: float) -> None:
        space = connection.sequence_space()
        stamp = check.challenge(space.headers.clock(now), self._random, now)
        if stamp is not None:
            self._leaving.append(Burst(check.remote, space.challenge(stamp)))
