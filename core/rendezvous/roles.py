"""The roles a peer plays per service: worker (shares it) and consumer (wants it), and what punches mean to them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from core.calling.poller import Requester
from core.directory.names import Directory
from core.errors import LocalError, PeerError
from core.news.events import Announced, ErrorRaised, GrapeSnapshot, GrapeState, Role
from core.news.hub import Hub
from core.news.roster import Roster
from core.rendezvous.pairing import Pairing
from core.services.service import Registry, consumer_key, worker_key
from core.serving.catalog import Sharing
from core.values import Address, JsonValue

REQUEST_TIMEOUT = 10.0  # seconds; the demo's (PROTOCOL section 6)
Ask: TypeAlias = Callable[[Address, str, str, JsonValue, float], Awaitable[object]]  # (whom, key, name shown, ...)
UNLISTED_PATIENCE = 1.5  # seconds; whoever punched us before we looked it up, the next two lookups show what it is


@dataclass(slots=True)
class Consuming:
    """One service we want, and what we ask of it."""

    pairing: Pairing
    requester: Requester
    payload: JsonValue


class Roles:
    """Starts and ends roles. All verbs are idempotent."""

    def __init__(
        self,
        hub: Hub,
        roster: Roster,
        port: int,
        directory: Directory,
        ask: Ask,
        punch: Callable[[Address], None],
        sharing: Sharing,
        registry: Registry,
    ) -> None:
        """`port` is announced; `punch` must not raise."""
        self._hub = hub
        self._roster = roster
        self._port = port
        self._directory = directory
        self._ask = ask
        self._punch = punch
        self._sharing = sharing
        self._registry = registry
        self._workers: dict[str, Pairing] = {}
        self._consumers: dict[str, Consuming] = {}
        self._announced: dict[str, int] = {}
        self._problems: dict[str, set[str]] = {}  # what was tried: error names told since it last went well
        self._head_start = 0.0  # see give_head_start
        self._closed = False

    def shares(self, service: str) -> bool:
        """Return whether we are a worker of this service."""
        return service in self._workers

    def consumes(self, service: str) -> bool:
        """Return whether we are a consumer of this service."""
        return service in self._consumers

    def announced(self, service: str) -> int:
        """Return on how many grapes our worker announce is stored."""
        return self._announced.get(worker_key(service), 0)

    def active(self) -> bool:
        """Return whether any role is on."""
        return bool(self._workers or self._consumers)

    def share(self, service: str) -> None:
        """Announce a service, answer its callers, and punch everyone who wants it. Raises LocalError when unknown."""
        self._require_open()
        self._sharing.add(service)
        if service not in self._workers:
            pairing = self._pair(worker_key(service), consumer_key(service), Role.CONSUMER, lambda listing: None)
            self._workers[service] = pairing
            pairing.start()
            self._hub.touch()

    async def unshare(self, service: str) -> None:
        """Stop announcing and answering."""
        self._sharing.remove(service)
        pairing = self._workers.pop(service, None)
        if pairing is not None:
            self._forget(pairing)
            await pairing.aclose()

    def consume(self, service: str, payload: JsonValue) -> None:
        """Announce that we want a service and ask every worker that punches us or is found.

        `payload` None asks with the service's own example; a second call changes what is asked from then on.
        Raises LocalError when the service is unknown.
        """
        self._require_open()
        asked = self._registry.get(service).example if payload is None else payload
        if service in self._consumers:
            self._consumers[service].payload = asked
            return
        key = worker_key(service)
        # the request's key is the address, as the demo's consumer has it (PROTOCOL sections 6 and 7)
        requester = Requester(
            lambda address: self._ask(address, str(address), key, consuming.payload, REQUEST_TIMEOUT),
            self._on_failure,
        )
        pairing = self._pair(consumer_key(service), key, Role.WORKER, requester.on_listing)
        consuming = self._consumers[service] = Consuming(pairing, requester, asked)
        pairing.start()
        self._hub.touch()

    async def stop_consuming(self, service: str) -> None:
        """Stop asking."""
        consuming = self._consumers.pop(service, None)
        if consuming is None:
            return
        self._forget(consuming.pairing)
        try:
            await consuming.pairing.aclose()
        finally:  # also when we are cancelled meanwhile
            await consuming.requester.aclose()

    async def aclose(self) -> None:
        """End every role; none can begin any more."""
        self._closed = True
        for service in list(self._workers):
            await self.unshare(service)
        for service in list(self._consumers):
            await self.stop_consuming(service)

    def _require_open(self) -> None:
        if self._closed:
            raise LocalError("this peer is closed: open a new one")

    def _forget(self, pairing: Pairing) -> None:
        """Take back what a role has shown; before its end is awaited, so that one begun meanwhile keeps its own."""
        self._announced.pop(pairing.announced, None)
        self._problems.pop(pairing.announcing, None)
        self._problems.pop(pairing.seeking, None)
        self._roster.forget(pairing.sought, "no longer looked for")
        self._hub.touch()

    def brokered(self, worker: str, offers: bool, addresses: Sequence[Address]) -> None:
        """Take whom brokers name: those who want our service `worker` (`offers`), or those who offer it to us."""
        for pairing in self._pairings():
            if (pairing.announced if offers else pairing.sought) == worker:
                pairing.brokered(addresses)

    def give_head_start(self, seconds: float) -> None:
        """Let brokers arrange meetings before peers found on the grapes are punched; 0: no brokers are used."""
        self._head_start = seconds
        for pairing in self._pairings():
            pairing.head_start = seconds

    def on_grape(self, grape: GrapeSnapshot) -> None:
        """Announce everything again now: grapes that are new to us do not hold our announces."""
        if grape.state is GrapeState.UNREACHABLE:
            self._announced.clear()  # whoever still lists us, we cannot renew it
            self._hub.touch()
        for pairing in self._pairings():
            pairing.nudge()

    def on_punch(self, address: Address) -> tuple[Role, str] | None:
        """Let the roles act on a punch.

        Returns what its sender seems to be and under which name, or None while that cannot be told.
        """
        for pairing in self._pairings():
            pairing.heard(address)
        listed = [service for service, consuming in self._consumers.items() if consuming.pairing.lists(address)]
        for service in listed:
            self._consumers[service].requester.on_punch(address)
        if listed:
            return Role.WORKER, worker_key(listed[0])
        if self._workers and (not self._consumers or self._wants_ours(address)):
            # it punches because we share, and has nothing to be asked for
            return Role.CONSUMER, consumer_key(next(iter(self._workers)))
        for consuming in self._consumers.values():
            consuming.requester.on_punch(address, patience=UNLISTED_PATIENCE if self._workers else 0.0)
        if self._workers:
            for pairing in self._pairings():
                pairing.look()
            return None  # either may be: the next lookup, or what it asks or answers, will tell
        return (Role.WORKER, worker_key(next(iter(self._consumers)))) if self._consumers else None

    def on_reached(self, address: Address) -> None:
        """Act on the news that our punches arrive there: a listed worker can be asked, whether it punched or not."""
        for consuming in self._consumers.values():
            if consuming.pairing.lists(address):
                consuming.requester.on_punch(address)
        for pairing in self._pairings():
            pairing.heard(address)

    def _wants_ours(self, address: Address) -> bool:
        return any(pairing.lists(address) for pairing in self._workers.values())

    def _pairings(self) -> list[Pairing]:
        return [*self._workers.values(), *(consuming.pairing for consuming in self._consumers.values())]

    def _pair(self, announced: str, sought: str, role: Role, then: Callable[[Sequence[Address]], None]) -> Pairing:
        def on_listing(listing: Sequence[Address]) -> None:
            self._roster.note_listing(sought, role, listing)
            then(listing)

        pairing = Pairing(
            announced=announced,
            sought=sought,
            port=self._port,
            directory=self._directory,
            punch=self._punch,
            on_listing=on_listing,
            on_announced=lambda nodes: self._on_announced(announced, nodes),
            on_problem=self._on_problem,
        )
        pairing.head_start = self._head_start
        return pairing

    def _on_announced(self, name: str, nodes: int) -> None:
        if self._announced.get(name) == nodes:
            return
        self._announced[name] = nodes
        self._hub.touch()
        if nodes:
            self._hub.emit(Announced(self._hub.now(), name, nodes))

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
