"""The roles a peer plays per service: worker (shares it) and consumer (wants it), and what punches mean to them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.asking import Asking
from core.consumer import Requester
from core.errors import PeerError
from core.events import Announced, ErrorRaised, GrapeSnapshot, GrapeState, Role
from core.hub import Hub
from core.net.endpoint import Endpoint
from core.pairing import Directory, Pairing
from core.roster import Roster
from core.services.service import Registry, consumer_key, worker_key
from core.sharing import Sharing
from core.values import Address, JsonValue

REQUEST_TIMEOUT = 10.0  # seconds; the demo's (PROTOCOL section 6)


@dataclass(frozen=True, slots=True)
class Consuming:
    """One service we want."""

    pairing: Pairing
    requester: Requester


class Roles:
    """Starts and ends roles. All verbs are idempotent."""

    def __init__(
        self,
        hub: Hub,
        roster: Roster,
        endpoint: Endpoint,
        directory: Directory,
        asking: Asking,
        sharing: Sharing,
        registry: Registry,
    ) -> None:
        self._hub = hub
        self._roster = roster
        self._endpoint = endpoint
        self._directory = directory
        self._asking = asking
        self._sharing = sharing
        self._registry = registry
        self._workers: dict[str, Pairing] = {}
        self._consumers: dict[str, Consuming] = {}
        self._announced: dict[str, int] = {}
        self._problem = ""

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
            await self._end(pairing)

    def consume(self, service: str, payload: JsonValue) -> None:
        """Announce that we want a service and ask every worker that punches us or is found.

        `payload` None asks with the service's own example. Raises LocalError when the service is unknown.
        """
        asked = self._registry.get(service).example if payload is None else payload
        if service in self._consumers:
            return
        key = worker_key(service)
        requester = Requester(
            lambda address: self._asking.ask(address, str(address), key, asked, REQUEST_TIMEOUT),
            self._on_failure,
        )
        pairing = self._pair(consumer_key(service), key, Role.WORKER, requester.on_listing)
        self._consumers[service] = Consuming(pairing, requester)
        pairing.start()
        self._hub.touch()

    async def stop_consuming(self, service: str) -> None:
        """Stop asking."""
        consuming = self._consumers.pop(service, None)
        if consuming is not None:
            await consuming.requester.aclose()
            await self._end(consuming.pairing)

    async def aclose(self) -> None:
        """End every role."""
        for service in list(self._workers):
            await self.unshare(service)
        for service in list(self._consumers):
            await self.stop_consuming(service)

    def on_grape(self, grape: GrapeSnapshot) -> None:
        """Announce everything again now: grapes that are new to us do not hold our announces."""
        if grape.state is GrapeState.UNREACHABLE:
            self._announced.clear()  # whoever still lists us, we cannot renew it
        for pairing in self._pairings():
            pairing.nudge()

    def on_punch(self, address: Address) -> tuple[Role, str]:
        """Let the roles act on a punch. Returns what its sender seems to be, and under which name."""
        for pairing in self._pairings():
            pairing.heard(address)
        for service, consuming in self._consumers.items():
            # someone listed only as a consumer punches because we share, and has nothing to be asked for
            if consuming.pairing.lists(address) or not self._wants_ours(address):
                consuming.requester.on_punch(address)
                return Role.WORKER, worker_key(service)
        shared = next(iter(self._workers), None)
        return Role.CONSUMER, consumer_key(shared) if shared else ""

    def _wants_ours(self, address: Address) -> bool:
        return any(pairing.lists(address) for pairing in self._workers.values())

    def _pairings(self) -> list[Pairing]:
        return [*self._workers.values(), *(consuming.pairing for consuming in self._consumers.values())]

    def _pair(
        self, announced: str, sought: str, role: Role, then: Callable[[Sequence[Address]], None]
    ) -> Pairing:
        def on_listing(listing: Sequence[Address]) -> None:
            self._roster.note_listing(sought, role, listing)
            then(listing)

        return Pairing(
            announced=announced,
            sought=sought,
            port=self._endpoint.address.port,
            directory=self._directory,
            punch=self._endpoint.punch,
            on_listing=on_listing,
            on_announced=lambda nodes: self._on_announced(announced, nodes),
            on_problem=self._on_problem,
        )

    async def _end(self, pairing: Pairing) -> None:
        await pairing.aclose()
        self._announced.pop(pairing.announced, None)
        self._roster.forget(pairing.sought, "no longer looked for")
        self._hub.touch()

    def _on_announced(self, name: str, nodes: int) -> None:
        if self._announced.get(name) == nodes:
            return
        self._announced[name] = nodes
        self._hub.touch()
        if nodes:
            self._hub.emit(Announced(self._hub.now(), name, nodes))

    def _on_problem(self, error: PeerError | None) -> None:
        """Tell each problem once, until it is over or another takes its place."""
        name = error.name if error is not None else ""
        if error is not None and name != self._problem:
            self._hub.emit(ErrorRaised(self._hub.now(), name, str(error)))
        self._problem = name

    def _on_failure(self, address: Address, error: PeerError) -> None:
        self._hub.emit(ErrorRaised(self._hub.now(), error.name, str(error), address))
