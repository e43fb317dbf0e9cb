"""Two that were told of one another at the same moment: who is punched how, until when, and what became of it.

A meeting begins with a series whose first punches are openers, so that neither side's router hears from the other
before its own packets have left. One that is heard but does not hear us yet is punched on every 0.2 s; one that has not
answered a whole series gets nothing further. After 2 s the outcome is told, with the reason if it is none.

Where it is known how far the other is from its broker, and that it hears of us when we hear of it, only so many openers
leave as that takes.

A peer that is told of us only later, as by a broker that has to be asked, gets only openers until then: they keep
our door open, and the other's router hears of us after its own packets have left.
"""

import math
from dataclasses import fields

from core.frozen import dataclass
from core.limits.table import BoundedTable
from core.values import Address


@dataclass(frozen=True, slots=True)
class MeetingConfig:
    """Numbers of a meeting. Raises ValueError when one of them makes no sense."""

    openers: int = 6  # 50 ms apart, before the first punch that arrives: both may begin 300 ms apart
    apart: float = 0.05  # seconds between them
    spare: float = 0.03  # seconds beyond its round trip to the broker, for a program that is busy
    packets: int = 5  # punches after them; PROTOCOL section 4, `max`. Without an answer none follow
    every: float = 0.2  # seconds between punches to a peer that is heard but does not hear us
    patience: float = 2.0  # seconds until the outcome; 97.6 % of those who meet do so at the first attempt (NAT.md 2.2)
    again: float = 60.0  # seconds after a failure before the same address is tried again: twice a NAT's 30 s
    again_soon: float = 0.5  # the same where the peer has proved where it is; doubled at each further failure
    unsure: float = 2.5  # seconds of openers in such a new try: news that was lost on its way comes a second late
    fresh: float = 12.0  # seconds that a success holds: well under a NAT's 30 s, so that the way stays open
    meetings: int = 256  # remembered; full: the one that began first is forgotten

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"MeetingConfig.{field.name} must be above 0")


@dataclass(frozen=True, slots=True)
class PunchOrder:
    """Punch this address: `packets` times, the first `openers` of them with a TTL that ends on the way.

    No `packets`: of the series that runs `openers` are left at most.
    """

    remote: Address
    packets: int
    openers: int


@dataclass(frozen=True, slots=True)
class MeetingEnded:
    """What became of a meeting with `remote`, the address that we were told.

    `repeated`: the same became of the one before. `open`: packets came through. `observed`: from there; None: nothing
    came. `confirmed`: and ours got there, as it told us; a plain Grenache peer never tells. `seconds` from the
    beginning.
    """

    remote: Address
    open: bool
    observed: Address | None
    confirmed: bool
    seconds: float
    repeated: bool = False


@dataclass(slots=True)
class _Meeting:
    met_at: float  # when we were told
    began_at: float  # when the other was, at the latest
    next_at: float
    before: bool | None = None  # whether the last one opened the way
    waiting: bool = False  # for the other to be told
    near: bool = False
    observed: Address | None = None
    over: bool = False
    open: bool = False
    forgiven: bool = False  # our way out was gone while it ran: a failure says nothing
    failures: int = 0  # in a row
    ended_at: float = 0.0


class Meetings:
    """Plans and judges meetings; without I/O. After each call `orders` are to be carried out and `outcomes` read.

    The owner tells what the puncher tells: `heard` for a punch that came, `reached` for a confirmed series.
    """

    def __init__(self, config: MeetingConfig | None = None) -> None:
        self._config = config or MeetingConfig()
        self._running: dict[Address, _Meeting] = {}
        # by address; the one that began first makes room
        self._meetings: BoundedTable[Address, _Meeting] = BoundedTable(self._config.meetings, self._forgotten)
        self._orders: list[PunchOrder] = []
        self._outcomes: list[MeetingEnded] = []

    def meet(
        self, remote: Address, now: float, *, told_in: float = 0.0, near: bool = False, proved: bool = False
    ) -> None:
        """Begin, unless a meeting with this address runs, succeeded, or failed a moment ago.

        `told_in`: seconds until the other side has been told of us too, at the latest. `near`: no router is between,
        which openers could die behind; they would arrive, and are not sent. `proved`: as `due` has it.
        """
        if not self.due(remote, now, proved=proved):
            return
        known = self._meetings.pop(remote, None)
        openers, before = self._config.openers, known.open if known else None
        if known is not None and known.forgiven:
            before = None
        if before is False:  # perhaps one heard of the other too late, and its router of the other too early
            told_in = max(told_in, self._config.unsure)
        told_in = 0.0 if near else told_in
        failures = known.failures if known else 0
        meeting = _Meeting(now, now + told_in, now + told_in, before, told_in > 0, near, failures=failures)
        self._meetings[remote] = self._running[remote] = meeting
        if meeting.waiting:
            self._orders.append(PunchOrder(remote, openers, openers))
        else:
            self._start(remote, meeting, now)

    def begin(self, remote: Address, now: float) -> None:
        """Go on at once with a meeting that waits for the other side to be told: it has shown that it is there.

        Its openers have left already, and so have ours.
        """
        meeting = self._running.get(remote)
        if meeting is not None and meeting.waiting:
            packets = self._config.packets
            meeting.waiting, meeting.began_at = False, now
            meeting.next_at = now + self._config.every + packets * self._config.apart
            self._orders.append(PunchOrder(remote, packets, 0))

    def begin_again(self) -> None:
        """Hold no failure against anybody, nor that of a meeting that runs: our way out was gone, or is another one.

        How often somebody silent may be met at all is for `core.reach.outreach` to say.
        """
        for remote, meeting in list(self._meetings.items()):
            if remote in self._running:
                meeting.forgiven = True
            elif not meeting.open:
                del self._meetings[remote]

    def hasten(self, remote: Address, now: float, away: float | None) -> None:
        """Send only as many openers as a peer needs that hears of us when we do, `away` seconds from its broker.

        Its own packets have passed its router after that time, if it begins at once. None: that is not known.
        """
        meeting = self._running.get(remote)
        if away is None or meeting is None or meeting.waiting or meeting.near or meeting.before is False:
            return
        wanted = math.ceil((away + self._config.spare) / self._config.apart)
        sent = 1 + int((now - meeting.met_at) / self._config.apart)
        if wanted < self._config.openers:
            self._orders.append(PunchOrder(remote, 0, max(0, wanted - sent)))

    def due(self, remote: Address, now: float, *, proved: bool = False) -> bool:
        """Return whether `meet` would begin a meeting now.

        `proved`: the peer has shown, by more than a broker's word, that it is there. Then a failure says little: a
        router may have restarted in the meeting, and given the same port again, so that nobody noticed.
        """
        known = self._meetings.get(remote)
        if known is None:
            return True
        if known.forgiven and known.over and not known.open:
            return True
        return known.over and now - known.ended_at >= self._pause(known, proved)

    def _pause(self, known: _Meeting, proved: bool) -> float:
        if known.open:
            return self._config.fresh
        again = self._config.again
        return min(again, self._config.again_soon * 2.0 ** min(known.failures - 1, 16)) if proved else again

    def _forgotten(self, remote: Address, _: _Meeting) -> None:
        """A meeting made room: it is not carried on."""
        self._running.pop(remote, None)

    def heard(self, source: Address, now: float) -> None:
        """Note a punch. One from another port of the same host is the other side too, as its NAT really has it."""
        meeting = self._meetings.get(source)
        if meeting is not None:
            if meeting.waiting:
                meeting.waiting, meeting.next_at = False, now
            meeting.observed = source
            meeting.ended_at = now if meeting.open else meeting.ended_at
            return
        for remote, running in self._running.items():
            if remote.host == source.host and running.observed is None:
                running.observed = source
                running.waiting, running.next_at = False, now

    def reached(self, source: Address, now: float) -> None:
        """Note that our punches to `source` arrive there."""
        for remote, running in list(self._running.items()):
            if source in (remote, running.observed):
                running.observed = source
                self._end(remote, running, now, confirmed=True)
        meeting = self._meetings.get(source)
        if meeting is not None and meeting.over:
            meeting.open, meeting.ended_at, meeting.observed = True, now, source

    def tick(self, now: float) -> None:
        """Act on what is due."""
        for remote, meeting in list(self._running.items()):
            if now >= meeting.began_at + self._config.patience:  # as `deadline` has it: a difference may round below
                self._end(remote, meeting, now, confirmed=False)
            elif now >= meeting.next_at and meeting.waiting:
                meeting.waiting = False
                self._start(remote, meeting, now)
            elif now >= meeting.next_at:
                meeting.next_at = now + self._config.every
                if meeting.observed is not None:
                    self._orders.append(PunchOrder(meeting.observed, 1, 0))

    def deadline(self) -> float | None:
        """Return when `tick` is next due, or None."""
        config = self._config
        due = (min(each.next_at, each.began_at + config.patience) for each in self._running.values())
        return min(due, default=None)

    def orders(self) -> list[PunchOrder]:
        """Return, and forget, the addresses to punch now."""
        orders, self._orders = self._orders, []
        return orders

    def outcomes(self) -> list[MeetingEnded]:
        """Return, and forget, what has ended."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def _start(self, remote: Address, meeting: _Meeting, now: float) -> None:
        openers = 0 if meeting.near else self._config.openers
        packets = openers + self._config.packets
        meeting.next_at = now + self._config.every + packets * self._config.apart
        self._orders.append(PunchOrder(remote, packets, openers))

    def _end(self, remote: Address, meeting: _Meeting, now: float, *, confirmed: bool) -> None:
        del self._running[remote]
        meeting.over, meeting.open, meeting.ended_at = True, meeting.observed is not None, now
        meeting.failures = 0 if meeting.open else meeting.failures + 1
        self._outcomes.append(
            MeetingEnded(
                remote, meeting.open, meeting.observed, confirmed, now - meeting.met_at,
                repeated=meeting.before == meeting.open,
            )
        )  # fmt: skip
