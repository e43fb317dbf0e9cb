"""Opening a path through NATs: short series of punches, and the answer that lets the other side stop.

A series toward an address is at most five punches 50 ms apart, and half a second more in which an answer may come.
A side that stops as soon as it *hears* can leave the other one deaf: its own punches may all have been lost. So a
series stops early only when it heard and knows that it was heard. An acknowledgement proves both at once, because it
came back; so does a uTP packet, because somebody there uses the path. Plain Grenache peers never acknowledge: against
them a series runs to its bound.

What is received is acknowledged and reported, never punched back: that is for a role to decide.

The first punches of a series may be *openers*: their TTL takes them out of our own router and no further. A Linux NAT
that hears from an address to which nothing went out yet gives what goes out later another port than the one that the
other side was told, and both sides then punch in vain (the early-packet trap, NAT.md finding 4).
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import fields
from ipaddress import IPv4Network, ip_address

from core.errors import LocalError
from core.frozen import dataclass
from core.limits.rate import TokenBucket
from core.limits.table import BoundedTable
from core.punch.events import PunchEvent, PunchFinished, PunchHeard, PunchSent
from core.scope import usable
from core.values import Address, Buffer, Burst
from core.wire.punch_packet import PunchPacket, parse

OPENER_TTL = 5  # hops: past a home's routers and a carrier's NAT, short of the other side's; as HyperDHT has it
_THIS_NETWORK = IPv4Network("0.0.0.0/8")  # RFC 1122 section 3.2.1.3


@dataclass(frozen=True, slots=True)
class PunchConfig:
    """Bounds of a puncher. Raises ValueError when one of them makes no sense."""

    packets: int = 5  # punches in one series; PROTOCOL section 4, `max`
    delay: float = 0.05  # seconds between them; PROTOCOL section 4, `delay`
    settle: float = 0.5  # seconds after the last for an answer: with the series, round trips up to 0.7 s (satellite)
    heard_for: float = 30.0  # seconds that hearing counts: the shortest common UDP mapping time (Linux, one-way)
    series: int = 2048  # at once, settling ones too; one lasts 0.7 s: 3,000 addresses a second. Full: punch() refuses
    remembered: int = 4096  # addresses heard from, least recently heard forgotten first (it is `first` again then)
    acks_each: float = 10.0  # punches of one address that are told and acknowledged a second: twice a series
    acks_all: float = 300.0  # and of all that we do not punch: sources can be forged, and one costs 50 us of the rest
    pending: int = 8192  # datagrams, and events, not yet taken by the pump; the newest are dropped and counted

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"PunchConfig.{field.name} must be above 0")


@dataclass(frozen=True, slots=True)
class PunchStatistics:
    """Counts since the puncher was made; `running` is the series under way now."""

    running: int
    punches_sent: int
    punches_heard: int
    acks_sent: int
    acks_heard: int
    acks_withheld: int  # not sent, and the punch not told: over a rate
    dropped: int  # datagrams that are none of ours, or came from an unusable source
    overflowed: int  # datagrams and events that nobody took in time


@dataclass(slots=True)
class _Counters:
    punches_sent: int = 0
    punches_heard: int = 0
    acks_sent: int = 0
    acks_heard: int = 0
    acks_withheld: int = 0
    dropped: int = 0
    overflowed: int = 0


@dataclass(slots=True)
class _Series:
    left: int  # punches still to be sent
    next_at: float
    openers: int  # of them, the first ones


@dataclass(slots=True)
class _Known:
    heard_at: float
    acks: TokenBucket


class Puncher:
    """Punches addresses and answers punches; a `Machine[PunchEvent]`.

    Memory is bounded by `PunchConfig`: see there what happens when a table is full.
    """

    def __init__(
        self,
        config: PunchConfig | None = None,
        may_acknowledge: Callable[[Address, float], bool] = lambda source, now: True,
    ) -> None:
        """`may_acknowledge(source, now)` hears of each punch that is told, and may keep its answer back."""
        self._config = config or PunchConfig()
        self._may_acknowledge = may_acknowledge
        # two queues, soonest first; when they are full, `punch` refuses instead of dropping one under way
        self._series: OrderedDict[Address, _Series] = OrderedDict()  # by next_at: the delay is the same for all
        self._settling: OrderedDict[Address, float] = OrderedDict()  # all punches sent; when each ends, soonest first
        self._known: BoundedTable[Address, _Known] = BoundedTable(self._config.remembered)
        self._acks = _bucket(self._config.acks_all)
        self._outgoing: dict[tuple[Address, int | None], list[bytes]] = {}  # by destination and TTL
        self._outgoing_count = 0
        self._events: list[PunchEvent] = []
        self._count = _Counters()

    def punch(self, remote: Address, now: float, *, packets: int | None = None, openers: int = 0) -> None:
        """Start a series toward `remote`, its first punch at once; while one is being sent it goes on.

        `packets` punches, `PunchConfig.packets` if None, of which the first `openers` do not reach the other side. A
        series that only waits for an answer ends, and a new one starts. Raises LocalError for an address that cannot
        be punched, and when too many series run. With 0 `packets` nothing starts, but of a series that is being sent at
        most `openers` further ones are left, and the usual number after them.
        """
        if packets == 0:
            self._hasten(remote, openers)
            return
        running = self._series.get(remote)
        if running is not None:
            running.openers = min(running.openers, openers)  # who asks for real punches knows that there is no trap
            return
        if reason := _unusable(remote):
            raise LocalError(f"cannot punch {remote}: {reason}")
        if remote in self._settling:
            self._finish(remote, confirmed=False, now=now)
        if len(self._series) + len(self._settling) >= self._config.series:
            raise LocalError(f"cannot punch {remote}: {self._config.series} addresses are being punched already")
        self._series[remote] = _Series(packets or self._config.packets, now, openers)
        self._send_next(remote, now)

    def _hasten(self, remote: Address, openers: int) -> None:
        running = self._series.get(remote)
        if running is not None:
            running.openers = min(running.openers, openers)
            running.left = min(running.left, max(0, running.openers) + self._config.packets)

    def confirm(self, remote: Address, now: float) -> None:
        """Tell that a uTP packet came from `remote`: it would not talk to us unheard. Cheap; call it for each."""
        if remote in self._series or remote in self._settling:
            self._remember(remote, now)
            self._finish(remote, confirmed=True, now=now)

    def heard_at(self, remote: Address) -> float | None:
        """Return when something last came from `remote`: a punch, an acknowledgement, or a uTP packet in a series.

        None when nothing did, or when it was forgotten (`PunchConfig.remembered`).
        """
        known = self._known.get(remote)
        return None if known is None else known.heard_at

    def heard_since(self, remote: Address, since: float) -> bool:
        """Return whether something came from `remote` at or after `since`: what a caller who waits is waiting for."""
        heard_at = self.heard_at(remote)
        return heard_at is not None and heard_at >= since

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        """Take control datagrams from one source; anything else, and unusable sources, are counted and dropped."""
        if _unusable(source):
            self._count.dropped += len(datagrams)
            return
        for datagram in datagrams:
            match parse(datagram):
                case PunchPacket.PUNCH:
                    self._receive_punch(source, now)
                case PunchPacket.ACK:
                    self._receive_ack(source, now)
                case None:
                    self._count.dropped += 1

    def tick(self, now: float) -> None:
        """Send the punches that are due, one per series however late we are; end what has run to its bound."""
        while (next_at := self._next_punch_at()) is not None and next_at <= now:
            self._send_next(next(iter(self._series)), now)
        while (ends_at := self._next_end_at()) is not None and ends_at <= now:
            self._finish(next(iter(self._settling)), confirmed=False, now=now)

    def idle(self) -> bool:
        """Return whether there is nothing to transmit, to tell or to wait for."""
        return not (self._outgoing or self._events or self._series or self._settling)

    def deadline(self) -> float | None:
        """Return when the next punch, or the end of a series, is due."""
        due = (self._next_punch_at(), self._next_end_at())
        return min((at for at in due if at is not None), default=None)

    def _next_punch_at(self) -> float | None:
        return next(iter(self._series.values())).next_at if self._series else None

    def _next_end_at(self) -> float | None:
        return next(iter(self._settling.values())) if self._settling else None

    def transmit(self, now: float) -> list[Burst]:
        """Return, and forget, the datagrams to send."""
        outgoing, self._outgoing, self._outgoing_count = self._outgoing, {}, 0
        return [Burst(remote, datagrams, ttl=ttl) for (remote, ttl), datagrams in outgoing.items()]

    def events(self) -> list[PunchEvent]:
        """Return, and forget, what happened."""
        events, self._events = self._events, []
        return events

    def statistics(self) -> PunchStatistics:
        """Return the counts so far."""
        count = self._count
        return PunchStatistics(
            running=len(self._series) + len(self._settling),
            punches_sent=count.punches_sent,
            punches_heard=count.punches_heard,
            acks_sent=count.acks_sent,
            acks_heard=count.acks_heard,
            acks_withheld=count.acks_withheld,
            dropped=count.dropped,
            overflowed=count.overflowed,
        )

    def _receive_punch(self, source: Address, now: float) -> None:
        self._count.punches_heard += 1
        first = source not in self._known
        known = self._remember(source, now)
        # Each address first: a flood from one does not use up what all the others share. And a peer that we punch
        # is heard in any flood of forged ones.
        expected = source in self._series or source in self._settling
        if known.acks.take(now) and (expected or self._acks.take(now)):
            self._emit(PunchHeard(source, first))
            if self._may_acknowledge(source, now):
                self._count.acks_sent += self._queue(source, PunchPacket.ACK)
            else:
                self._count.acks_withheld += 1
        else:
            self._count.acks_withheld += 1  # nor is it told: what follows an event costs more than the punch

    def _receive_ack(self, source: Address, now: float) -> None:
        self._count.acks_heard += 1
        self._remember(source, now)  # also when its series is over: a round trip may take longer than one
        if source in self._series or source in self._settling:
            self._finish(source, confirmed=True, now=now)

    def _send_next(self, remote: Address, now: float) -> None:
        series = self._series[remote]
        ttl = OPENER_TTL if series.openers > 0 else None
        series.openers -= 1
        series.left -= 1
        if series.left:
            series.next_at = now + self._config.delay
            self._series.move_to_end(remote)
        else:
            del self._series[remote]
            self._settling[remote] = now + self._config.settle
        if self._queue(remote, PunchPacket.PUNCH, ttl):
            self._count.punches_sent += 1
            self._emit(PunchSent(remote))

    def _finish(self, remote: Address, *, confirmed: bool, now: float) -> None:
        self._series.pop(remote, None)
        self._settling.pop(remote, None)
        heard = self.heard_since(remote, now - self._config.heard_for)
        self._emit(PunchFinished(remote, heard=heard, confirmed=confirmed))

    def _remember(self, remote: Address, now: float) -> _Known:
        known = self._known.use(remote, lambda: _Known(now, _bucket(self._config.acks_each)))
        known.heard_at = now
        return known

    def _queue(self, remote: Address, packet: PunchPacket, ttl: int | None = None) -> bool:
        if self._outgoing_count >= self._config.pending:
            self._count.overflowed += 1
            return False
        self._outgoing.setdefault((remote, ttl), []).append(packet.value)
        self._outgoing_count += 1
        return True

    def _emit(self, event: PunchEvent) -> None:
        if len(self._events) >= self._config.pending:
            self._count.overflowed += 1
            return
        self._events.append(event)


def _bucket(rate: float) -> TokenBucket:
    """Return a bucket that holds a second's worth, one at least."""
    return TokenBucket(rate, max(rate, 1.0))


def _unusable(remote: Address) -> str | None:
    """Say why nothing can be sent to `remote`, or return None when it can."""
    if usable(remote):  # which is remembered by host: it is asked for every datagram
        return None
    if not 0 < remote.port < 65536:
        return "its port is not from 1 to 65535"
    try:
        host = ip_address(remote.host)
    except ValueError:
        return "its host is not an IP address"
    if host.is_multicast:
        return "its host is a multicast address"
    if host.is_unspecified or host in _THIS_NETWORK:
        return "its host is unspecified"
    if host.is_link_local:
        return "its host is on one link, and which one is not said"
    return "its host is a broadcast or reserved address"
