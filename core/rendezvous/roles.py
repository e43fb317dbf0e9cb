"""The roles a peer plays per service: worker (shares it) and consumer (wants it), and what punches mean to them."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from core.aio.tasks import TaskSet
from core.calling.outgoing import Told
from core.calling.poller import Requester
from core.directory.names import Directory
from core.errors import PeerError
from core.news.events import AWAY, Announced, ErrorRaised, GrapeSnapshot
from core.news.hub import Hub
from core.news.roster import Roster
from core.reach.remotes import Remotes
from core.rendezvous.pacer import PunchPacer
from core.rendezvous.pairing import Pairing
from core.rendezvous.place import Place
from core.services.intents import Intent, Intents
from core.services.names import Role, RoleName
from core.services.personal import is_personal
from core.services.service import Registry
from core.values import Address, JsonValue

REQUEST_TIMEOUT = 10.0  # seconds; the demo's (PROTOCOL section 6)
Ask: TypeAlias = Callable[[Address, str, str, JsonValue, float], Awaitable[object]]  # (address, key, name shown, ...)
ENDING = 5.0  # seconds that is waited for the end of a role; its tasks are given up after 3
UNLISTED_PATIENCE = 1.5  # seconds; a peer that punched us before we looked it up: the next two lookups show what it is

_log = logging.getLogger(__name__)


class Named(Protocol):
    """Tells which peers brokers name to a role of ours."""

    def head_start(self) -> float:
        """Return for how many seconds brokers arrange meetings before peers found on the grapes are punched."""

    def subscribe(self, listener: Callable[[RoleName, Sequence[Address]], None]) -> None:
        """Call `listener(name, addresses)` with those who are named now."""


@dataclass(slots=True)
class _Running:
    """One role at work; a consumer has a requester."""

    pairing: Pairing
    requester: Requester | None = None

    async def aclose(self) -> None:
        try:
            await self.pairing.aclose()
        finally:  # also when we are cancelled meanwhile
            if self.requester is not None:
                await self.requester.aclose()


class Roles:
    """Plays the roles that `intents` has: a role begins when it is declared, and ends when it is withdrawn."""

    def __init__(
        self,
        hub: Hub,
        roster: Roster,
        place: Place,
        directory: Directory,
        ask: Ask,
        told: Told,
        pacer: PunchPacer,
        intents: Intents,
        registry: Registry,
        brokers: Named,
        remotes: Remotes | None = None,
    ) -> None:
        """`told` takes what the grapes list and returns who may be punched."""
        self._hub = hub
        self._roster = roster
        self._place = place
        self._directory = directory
        self._ask = ask
        self._told = told
        self._pacer = pacer
        self._intents = intents
        self._registry = registry
        self._brokers = brokers
        self._remotes = Remotes() if remotes is None else remotes
        self._running: dict[RoleName, _Running] = {}
        self._ending = TaskSet("roles that end")
        self._announced: dict[RoleName, int] = {}
        self._alone = False  # our own grape is the only one we know
        self._told_alone: dict[RoleName, bool] = {}  # whether that was so when a role's announce was told
        self._problems: dict[str, set[str]] = {}  # what was tried: error names told since it last went well
        intents.subscribe(self._on_intent)
        brokers.subscribe(self._on_named)

    def announced(self, service: str) -> int:
        """Return on how many grapes our worker announce is stored."""
        return self._announced.get(RoleName(service, Role.WORKER), 0)

    def own_only(self, service: str) -> bool:
        """Return whether our worker announce is on our own grape only, which knows no other."""
        return self._alone and self.announced(service) > 0

    def active(self) -> bool:
        """Return whether any role is on."""
        return bool(self._running)

    async def settled(self) -> None:
        """Wait until every role that was withdrawn has come to its end."""
        await self._ending.settle(ENDING)

    async def aclose(self) -> None:
        """End every role."""
        for name in list(self._running):
            self._end(name)
        await self.settled()
        await self._ending.aclose()

    def on_grape(self, grape: GrapeSnapshot) -> None:
        """Announce everything again now: grapes that are new to us do not hold our announces."""
        self._alone = grape.embedded and not grape.nodes
        if not grape.embedded and grape.state in AWAY:
            self._announced.clear()  # a grape may still list us, and we cannot renew it
            self._hub.touch()
        self.publish()

    def publish(self) -> None:
        """Announce and look up again now: the grapes around us have changed, or we have moved."""
        for running in self._running.values():
            running.pairing.nudge()

    def begin_again(self) -> None:
        """Announce, look up and ask again now, whatever failed before."""
        self.publish()
        for running in self._running.values():
            if running.requester is not None:
                running.requester.begin_again()

    def on_punch(self, address: Address) -> tuple[Role, str] | None:
        """Let the roles act on a punch.

        Returns what its sender seems to be and under which name, or None while that cannot be told.
        """
        workers, consumers = self._of(Role.WORKER), self._of(Role.CONSUMER)
        listed = [(name, running) for name, running in consumers if running.pairing.lists(address)]
        for _, running in listed:
            _requester(running).on_punch(address)
        if listed:
            return Role.WORKER, str(listed[0][0].other)
        wants_ours = any(running.pairing.lists(address) for _, running in workers)
        if workers and (not consumers or wants_ours):
            # it punches because we share, and has nothing to be asked for
            return Role.CONSUMER, str(workers[0][0].other)
        for _, running in consumers:
            _requester(running).on_punch(address, patience=UNLISTED_PATIENCE if workers else 0.0)
        if workers:
            for running in self._running.values():
                running.pairing.look()
            return None  # either may be: the next lookup, or what it asks or answers, will tell
        return (Role.WORKER, str(consumers[0][0].other)) if consumers else None

    def on_reached(self, address: Address) -> None:
        """Act on the news that our punches arrive there: a listed worker can be asked, whether it punched or not."""
        for running in self._running.values():
            if running.requester is not None and running.pairing.lists(address):
                running.requester.on_punch(address)

    def _of(self, role: Role) -> list[tuple[RoleName, _Running]]:
        return [(name, running) for name, running in self._running.items() if name.role is role]

    # -- beginning and ending ----------------------------------------------------------------------------------------

    def _on_intent(self, intent: Intent, on: bool) -> None:
        if on and intent.listed:
            self._begin(intent.name)
        elif not on:
            self._end(intent.name)
        self._hub.touch()

    def _begin(self, name: RoleName) -> None:
        requester = self._requester(name) if name.role is Role.CONSUMER else None
        pairing = self._pair(name, requester)
        _log.debug("the role %s begins", name)
        self._running[name] = _Running(pairing, requester)
        pairing.start()

    def _end(self, name: RoleName) -> None:
        """Take back what a role has shown before its end is awaited: one begun meanwhile keeps its own."""
        running = self._running.pop(name, None)
        if running is None:
            return
        _log.debug("the role %s ends", name)
        self._announced.pop(name, None)
        self._told_alone.pop(name, None)
        self._problems.pop(running.pairing.announcing, None)
        self._problems.pop(running.pairing.seeking, None)
        self._roster.forget(str(name.other), "no longer looked for")
        self._ending.spawn(running.aclose(), name=f"end {name}")

    def _requester(self, name: RoleName) -> Requester:
        key = str(name.other)

        def ask(address: Address) -> Awaitable[object]:
            # the request's key is the address, as the demo's consumer has it (PROTOCOL sections 6 and 7)
            return self._ask(address, str(address), key, self._payload(name), REQUEST_TIMEOUT)

        return Requester(ask, self._on_failure, name.service, self._remotes)

    def _payload(self, name: RoleName) -> JsonValue:
        intent = self._intents.get(name)
        return self._registry.get(name.service).example if intent is None or intent.payload is None else intent.payload

    def _pair(self, name: RoleName, requester: Requester | None) -> Pairing:
        sought = str(name.other)

        def on_listing(listing: Sequence[Address]) -> None:
            self._roster.note_listing(sought, name.role.other, listing)
            if requester is not None:
                requester.on_listing(listing)

        return Pairing(
            name,
            place=self._place,
            directory=self._directory,
            told=self._told,
            pacer=self._pacer,
            head_start=self._brokers.head_start,
            on_listing=on_listing,
            on_announced=lambda nodes: self._on_announced(name, nodes),
            on_problem=self._on_problem,
        )

    # -- news --------------------------------------------------------------------------------------------------------

    def _on_named(self, name: RoleName, addresses: Sequence[Address]) -> None:
        running = self._running.get(name)
        if running is not None:
            running.pairing.brokered(addresses)

    def _on_announced(self, name: RoleName, nodes: int) -> None:
        if self._announced.get(name) == nodes and self._told_alone.get(name) == self._alone:
            return
        self._announced[name], self._told_alone[name] = nodes, self._alone
        self._hub.touch()
        if nodes and not is_personal(name.service):
            self._hub.emit(Announced(self._hub.now(), str(name), nodes, self._alone))

    def _on_problem(self, tried: str, error: PeerError | None) -> None:
        """Tell each kind of problem once, whatever has it, until all that had it goes well again."""
        if error is None:
            self._problems.pop(tried, None)
            return
        told = any(error.name in names for names in self._problems.values())
        self._problems.setdefault(tried, set()).add(error.name)
        if not told:
            self._hub.emit(ErrorRaised(self._hub.now(), error.name, str(error)))

    def _on_failure(self, address: Address, error: PeerError) -> None:
        self._hub.emit(ErrorRaised(self._hub.now(), error.name, str(error), address))


def _requester(running: _Running) -> Requester:
    if running.requester is None:
        raise RuntimeError("a consumer has a requester")
    return running.requester
