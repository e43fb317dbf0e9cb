"""The newest attempts to connect, as people can follow them: each with its steps, its packets, its time and outcome.

Two kinds are kept apart, so that strangers who are punched never push out what the owner asked for: searches for a peer
by its ID, and punches toward one address. What is full forgets the attempt that began first.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from core.limits.table import BoundedTable
from core.news.events import PeerEvent, PunchEnded, PunchReceived, PunchSent
from core.news.hub import Hub
from core.news.joins import SearchProgress
from core.news.seen import Attempt, Outcome, Step
from core.peer_id import PeerId
from core.values import Address

SEARCHES: Final = 32  # kept; a person looks at the last few
PUNCHES: Final = 64  # kept: as many peers as a broker brings together with us at a time
STEPS: Final = 16  # kept of one attempt; a search has ten
STILL: Final = 30.0  # seconds without a step until a search counts as given up; a request takes 15 at most
KEPT_OPEN: Final = 45.0  # seconds without a packet until punches are a new attempt: then the way counts as lost


@dataclass(slots=True)
class _Running:
    """An attempt while it is being written; `Attempt` is what leaves. `newest` is the last sign of life."""

    number: int
    peer_id: PeerId | None
    address: Address | None
    began: float
    newest: float
    ended: float | None = None
    sent: int = 0
    received: int = 0
    tries: int = 1
    outcome: Outcome = Outcome.GOING_ON
    message: str = ""
    how: str = ""
    observed: Address | None = None
    steps: list[Step] = field(default_factory=list)

    def step(self, at: float, where: str, message: str) -> None:
        """Note what came next; of the same thing told twice, nothing."""
        self.newest = at
        if self.steps and (self.steps[-1].where, self.steps[-1].message) == (where, message):
            return
        self.steps.append(Step(at, where, message))
        del self.steps[1 : max(1, len(self.steps) - STEPS + 1)]  # the first and the newest are told

    def end(self, at: float, outcome: Outcome, message: str) -> None:
        """Note how it came out."""
        self.newest = self.ended = at
        self.outcome, self.message = outcome, message

    def frozen(self, now: float) -> Attempt:
        """Return it as it stands."""
        outcome, message = self.outcome, self.message
        if outcome is Outcome.GOING_ON and self.peer_id is not None and now - self.newest > STILL:
            outcome, message = Outcome.FAILED, message or "given up: nothing more was heard"
        return Attempt(
            self.number, self.peer_id, self.address, self.began, self.ended, self.sent, self.received, self.tries,
            outcome, message, self.how, self.observed, tuple(self.steps),
        )  # fmt: skip


class Attempts:
    """Listens to a hub. A search ends with the words "way" or "end", a punch with its outcome or the first answer."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._numbers = 0
        self._searches: BoundedTable[int, _Running] = BoundedTable(SEARCHES)
        self._by_id: BoundedTable[PeerId, _Running] = BoundedTable(SEARCHES)  # the newest search for each
        self._punches: BoundedTable[int, _Running] = BoundedTable(PUNCHES)
        self._by_address: BoundedTable[Address, _Running] = BoundedTable(PUNCHES)  # the newest punches to each
        hub.subscribe(self._take, SearchProgress, PunchSent, PunchReceived, PunchEnded)

    def rows(self) -> tuple[Attempt, ...]:
        """Return what is kept, the newest first."""
        now = self._hub.now()
        found = sorted((*self._searches.values(), *self._punches.values()), key=lambda each: each.number, reverse=True)
        return tuple(each.frozen(now) for each in found)

    def opened(self) -> dict[Address, Attempt]:
        """Return the attempts by punches that opened a way, by the address where it answers."""
        now = self._hub.now()
        return dict(self._opened(now))

    def _opened(self, now: float) -> Iterator[tuple[Address, Attempt]]:
        for each in self._punches.values():
            where = each.observed or each.address
            if each.outcome is Outcome.OPEN and where is not None:
                yield where, each.frozen(now)

    def _take(self, event: PeerEvent) -> None:
        match event:
            case PunchSent():
                self._sent(event)
            case PunchReceived():
                self._received(event)
            case PunchEnded():
                self._ended(event)
            case SearchProgress():
                self._searched(event)

    def _begin(self, at: float, peer_id: PeerId | None, address: Address | None) -> _Running:
        self._numbers += 1
        made = _Running(self._numbers, peer_id, address, at, at)
        (self._searches if address is None else self._punches)[made.number] = made
        return made

    def _searched(self, event: SearchProgress) -> None:
        running = self._by_id.get(event.peer_id)
        if running is None or running.ended is not None or event.at - running.newest > STILL:
            running = self._by_id[event.peer_id] = self._begin(event.at, event.peer_id, None)
        running.step(event.at, event.where, event.message)
        if event.where == "way":
            running.end(event.at, Outcome.OPEN, event.message)
        elif event.where == "end":
            running.end(event.at, Outcome.FAILED, event.message)

    def _sent(self, event: PunchSent) -> None:
        running = self._by_address.get(event.peer)
        if running is None or running.outcome is Outcome.FAILED or self._lost(running, event.at):
            before = running
            running = self._by_address[event.peer] = self._begin(event.at, None, event.peer)
            if before is not None and before.outcome is Outcome.FAILED:  # the same again: told once, and counted
                running.tries = before.tries + 1
                self._punches.pop(before.number, None)
        if running.outcome is not Outcome.OPEN:  # what keeps a way open is none of the attempt
            running.sent += 1
            if running.sent == 1:
                running.step(event.at, "punch", f"punching {event.peer}")

    @staticmethod
    def _lost(running: _Running, at: float) -> bool:
        return running.outcome is Outcome.OPEN and at - running.newest > KEPT_OPEN

    def _received(self, event: PunchReceived) -> None:
        running = self._by_address.get(event.peer)
        if running is None:
            return
        if running.outcome is not Outcome.OPEN:
            running.received += 1
            took = event.at - running.began
            running.step(event.at, "punch", f"its punch arrived after {took * 1000:.0f} ms")
            if running.outcome is Outcome.GOING_ON:
                running.how = "plain punching"
            running.end(event.at, Outcome.OPEN, f"open after {took * 1000:.0f} ms")
        running.newest = event.at

    def _ended(self, event: PunchEnded) -> None:
        running = self._by_address.get(event.peer)
        if running is None or (running.outcome is not Outcome.GOING_ON and event.at - running.newest > KEPT_OPEN):
            running = self._by_address[event.peer] = self._begin(event.at - event.seconds, None, event.peer)
        running.step(event.at, "outcome", event.reason)
        if event.packets is not None:
            running.sent = event.packets
        if event.open:
            running.how, running.observed = event.how or "plain punching", event.observed
        if event.open or running.outcome is not Outcome.OPEN:
            running.end(event.at, Outcome.OPEN if event.open else Outcome.FAILED, event.reason)
