"""The relay's side: slots of pairs, and packets that are passed on between the two, each exactly as long as it came.

Nothing goes to an address that did not ask itself: a slot belongs to a peer, and `where` says where that peer is, by
the encrypted session in which it asked. A frame with a slot that comes from elsewhere is dropped. Without I/O.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, TypeAlias

from core.frozen import frozen
from core.limits.rate import TokenBucket
from core.limits.table import BoundedTable
from core.peer_id import PeerId
from core.relay.config import RelayConfig
from core.scope import network, site
from core.values import Address, Buffer, Burst
from core.wire.relay_packet import SLOT_BYTES, TO_RELAY, passed_on, slot_of

DAY = 86_400.0  # seconds
CROWDED = "this relay has to help others too: ask again"
Where: TypeAlias = Callable[[], Address | None]


class Joined(NamedTuple):
    """The slots of a new pair: one for each side, in the order in which they were given."""

    slots: tuple[bytes, bytes]


class PairEnded(NamedTuple):
    """A pair is passed on no longer; `reason` is a sentence."""

    slots: tuple[bytes, bytes]
    peers: tuple[PeerId, PeerId]
    reason: str


class Passing(NamedTuple):
    """What one pair has: for a person who looks."""

    peers: tuple[PeerId, PeerId]
    since: float
    used_at: float
    passed: int  # bytes
    dropped: int  # datagrams


@frozen
class ForwarderStatistics:
    """Datagrams unless named otherwise."""

    pairs: int
    passed: int
    bytes: int
    bytes_today: int
    over_rate: int
    unknown: int  # with a slot that nobody has, or from where its owner is not
    refused: int  # pairs


@dataclass(slots=True)
class _Side:
    peer_id: PeerId
    where: Where
    slot: bytes


@dataclass(slots=True)
class _Pair:
    sides: tuple[_Side, _Side]
    trusted: bool
    asked: str  # the host, or its site, that asked for it
    rate: TokenBucket
    since: float
    used_at: float
    passed: int = 0
    dropped: int = 0


class Forwarder:
    """A machine (`core.values.Machine`) of PairEnded."""

    def __init__(self, config: RelayConfig, random: Random) -> None:
        self.config = config
        self._random = random
        self._pairs: dict[bytes, tuple[_Pair, int]] = {}  # by slot: and which side has it
        self._all: OrderedDict[tuple[bytes, bytes], _Pair] = OrderedDict()
        self._rate = TokenBucket(config.rate, config.burst)
        self._strangers_rate = TokenBucket(config.strangers_rate, config.strangers_burst)
        self._out: list[tuple[Address, bytes]] = []
        self._ended: list[PairEnded] = []
        self._day_began: float | None = None
        self.bytes_today = 0
        self._strangers_today = 0  # of them
        self._hosts_today: BoundedTable[str, int] = BoundedTable(config.hosts)  # of these, by who asked for the pair
        self._passed = self._bytes = self._over_rate = self._unknown = self._refused = 0

    # -- verbs --------------------------------------------------------------------------------------------------------

    def join(
        self, one: tuple[PeerId, Where], other: tuple[PeerId, Where], now: float, *, trusted: bool
    ) -> Joined | None:
        """Give two peers a slot each, as `one` asked; None: there are too many pairs, or the day's volume is spent.

        Pairs of two friends are counted apart from a peer's others, and make room for nobody. Of the others, the host
        that asked for most makes room for one that has fewer: by the pair used longest ago.
        """
        asked = _counted_as(one[1]())
        if self._spent(now, asked, trusted=trusted) or not self._room(one[0], other[0], asked, trusted=trusted):
            self._refused += 1
            return None
        sides = (_Side(*one, self._slot()), _Side(*other, self._slot()))
        config = self.config
        rates = (config.pair_rate, config.pair_burst) if trusted else (config.stranger_rate, config.stranger_burst)
        pair = _Pair(sides, trusted, asked, TokenBucket(*rates), now, now)
        slots = (sides[0].slot, sides[1].slot)
        self._all[slots] = pair
        self._pairs[slots[0]], self._pairs[slots[1]] = (pair, 0), (pair, 1)
        return Joined(slots)

    def leave(self, slot: bytes, peer_id: PeerId, reason: str = "the other side left") -> None:
        """End the pair of a slot, if it is this peer's."""
        found = self._pairs.get(slot)
        if found is not None and found[0].sides[found[1]].peer_id == peer_id:
            self._end(found[0], reason)

    def close(self, reason: str) -> None:
        """End all pairs."""
        for pair in list(self._all.values()):
            self._end(pair, reason)

    def count(self, peer_id: PeerId) -> int:
        """Return how many pairs a peer has."""
        return sum(any(side.peer_id == peer_id for side in pair.sides) for pair in self._all.values())

    def pairs(self) -> list[Passing]:
        """Return what is passed on now."""
        return [
            Passing((p.sides[0].peer_id, p.sides[1].peer_id), p.since, p.used_at, p.passed, p.dropped)
            for p in self._all.values()
        ]

    def statistics(self) -> ForwarderStatistics:
        """Return the counts so far."""
        return ForwarderStatistics(
            len(self._all), self._passed, self._bytes, self.bytes_today, self._over_rate, self._unknown, self._refused
        )

    # -- as a machine -------------------------------------------------------------------------------------------------

    def idle(self) -> bool:
        """Tell that there is nothing to transmit, to tell or to wait for."""
        return not (self._all or self._out or self._ended)

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        """See `core.values.Machine`."""
        for datagram in datagrams:
            slot = slot_of(datagram, TO_RELAY)
            found = None if slot is None else self._pairs.get(slot)
            if found is None or found[0].sides[found[1]].where() != source:
                self._unknown += 1
                continue
            pair, side = found
            other = pair.sides[1 - side]
            to = other.where()
            pair.used_at = now
            queued = self.config.queued // (1 if pair.trusted else 2)
            if to is None or len(self._out) >= queued or not self._affords(pair, len(datagram), now):
                pair.dropped += 1
                self._over_rate += 1
                continue
            pair.passed += len(datagram)
            self._passed += 1
            self._bytes += len(datagram)
            self.bytes_today += len(datagram)
            self._out.append((to, passed_on(datagram, other.slot)))
            if not pair.trusted:
                self._strangers_today += len(datagram)
                self._hosts_today[pair.asked] = self._hosts_today.get(pair.asked, 0) + len(datagram)
                if pair.passed >= self.config.stranger_bytes:
                    self._end(pair, "strangers get so much of one relay: ask again")

    def tick(self, now: float) -> None:
        """See `core.values.Machine`."""
        for pair in list(self._all.values()):
            if now - pair.used_at >= self.config.idle:
                self._end(pair, "nothing was passed on for a while")
            elif now - pair.since >= self.config.lifetime:
                self._end(pair, "its time is over: ask again")

    def deadline(self) -> float | None:
        """See `core.values.Machine`."""
        config = self.config
        return min((min(p.used_at + config.idle, p.since + config.lifetime) for p in self._all.values()), default=None)

    def transmit(self, now: float) -> list[Burst]:
        """See `core.values.Machine`; neighbours for one destination leave in one burst."""
        bursts: list[Burst] = []
        out, self._out = self._out, []
        for to, datagram in out:
            if bursts and bursts[-1].to == to:
                bursts[-1].datagrams.append(datagram)
            else:
                bursts.append(Burst(to, [datagram]))
        return bursts

    def events(self) -> list[PairEnded]:
        """See `core.values.Machine`."""
        ended, self._ended = self._ended, []
        return ended

    # -- within -------------------------------------------------------------------------------------------------------

    def _affords(self, pair: _Pair, size: int, now: float) -> bool:
        rates = (self._rate, pair.rate) if pair.trusted else (self._rate, self._strangers_rate, pair.rate)
        if self._spent(now, pair.asked, trusted=pair.trusted) or any(rate.tokens(now) < size for rate in rates):
            return False
        for rate in rates:
            rate.charge(now, size)
        return True

    def _spent(self, now: float, asked: str, *, trusted: bool) -> bool:
        """Return whether the day's volume is used up; a new day begins 24 hours after the last one did."""
        if self._day_began is None or now - self._day_began >= DAY:
            self._day_began, self.bytes_today, self._strangers_today = now, 0, 0
            self._hosts_today.clear()
        if not trusted and (
            self._strangers_today >= self.config.strangers_day
            or self._hosts_today.get(asked, 0) >= self.config.stranger_day
        ):
            return True
        return self.bytes_today >= self.config.day_bytes

    def _room(self, caller: PeerId, called: PeerId, asked: str, *, trusted: bool) -> bool:
        """Return whether there is a place for one more pair; a stranger's may end for it."""
        config, alike = self.config, [pair for pair in self._all.values() if pair.trusted is trusted]
        of_caller, of_called = _of(alike, caller), _of(alike, called)
        if len(of_caller) >= config.pairs_of_peer:
            return False
        if len(of_called) >= config.pairs_of_peer and (trusted or not self._make_room(of_called, asked)):
            return False
        strangers = [pair for pair in self._all.values() if not pair.trusted]
        full = len(self._all) >= config.pairs or (not trusted and len(strangers) >= config.pairs - config.kept)
        return not full or self._make_room(strangers, "" if trusted else asked)

    def _make_room(self, pairs: list[_Pair], asked: str) -> bool:
        """End one of these pairs, of the host that asked for most, if that is two more than who asks now has."""
        count = Counter(pair.asked for pair in pairs)
        crowd, most = max(count.items(), key=lambda each: each[1], default=("", 0))
        if most <= (count[asked] + 1 if asked else 0):
            return False
        self._end(min((pair for pair in pairs if pair.asked == crowd), key=lambda pair: pair.used_at), CROWDED)
        return True

    def _slot(self) -> bytes:
        while (slot := self._random.getrandbits(8 * SLOT_BYTES).to_bytes(SLOT_BYTES, "big")) in self._pairs:
            pass
        return slot

    def _end(self, pair: _Pair, reason: str) -> None:
        slots = (pair.sides[0].slot, pair.sides[1].slot)
        del self._all[slots]
        for slot in slots:
            del self._pairs[slot]
        peers = (pair.sides[0].peer_id, pair.sides[1].peer_id)
        self._ended.append(PairEnded(slots, peers, reason))


def _counted_as(address: Address | None) -> str:
    """Return whose a pair is that is asked for from there: a host's, of IPv6 a site's."""
    return "" if address is None else site(address.host) or network(address.host)


def _of(pairs: list[_Pair], peer_id: PeerId) -> list[_Pair]:
    return [pair for pair in pairs if any(side.peer_id == peer_id for side in pair.sides)]
