"""What this peer shares: which service a request's key means, and what became of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from core.errors import LocalError
from core.services.service import Caller, Registry, Service, consumer_key, worker_key
from core.values import Address, JsonValue, Outcome


class UnknownService(LocalError):
    """The caller asked for something that is not shared here; the sentence is sent to it."""

    name = "ERR_SERVICE_UNKNOWN"


Admit: TypeAlias = Callable[[Service, JsonValue, Caller], Outcome]


def _anyone(service: Service, payload: JsonValue, caller: Caller) -> Outcome:
    return service.handle(payload, caller)


@dataclass(slots=True)
class Tally:
    """Requests answered since the peer opened."""

    served: int = 0
    failed: int = 0


class Sharing:
    """Routes requests to the services that are shared at this moment."""

    def __init__(self, registry: Registry, admit: Admit = _anyone) -> None:
        """`admit` decides whether a caller may call a service, and calls it."""
        self._registry = registry
        self._admit = admit
        self._shared: dict[str, Service] = {}
        self.tallies: dict[str, Tally] = {service.name: Tally() for service in registry}

    def __contains__(self, name: object) -> bool:
        return name in self._shared

    def __bool__(self) -> bool:
        return bool(self._shared)

    def add(self, name: str) -> Service:
        """Share a service. Raises LocalError when there is none of that name."""
        service = self._shared[name] = self._registry.get(name)
        return service

    def remove(self, name: str) -> None:
        """Stop sharing; requests under way are still answered."""
        self._shared.pop(name, None)

    def find(self, key: str) -> Service:
        """Return the service a key means. Raises UnknownService.

        The key is a name as announced ("fibonacci_worker") or, from a caller who knew only our address, that
        address (PROTOCOL section 6): it then means the service shared first.
        """
        for service in self._shared.values():
            if key in (service.name, worker_key(service.name)):
                return service
        if self._shared and _is_address(key):
            return next(iter(self._shared.values()))
        raise UnknownService(f"nothing is shared here under {key[:80]!r}")

    def wanted(self, key: str) -> str | None:
        """Return the name under which those who want what a key means are announced; None when it means nothing."""
        try:
            return consumer_key(self.find(key).name)
        except UnknownService:
            return None

    def label(self, key: str) -> str:
        """Return the announced name of what a key means, or the key itself when it means nothing here."""
        try:
            return worker_key(self.find(key).name)
        except UnknownService:
            return key[:80]

    def name(self, key: str) -> str:
        """Return the name of the service a key means, or the key itself when it means nothing here."""
        try:
            return self.find(key).name
        except UnknownService:
            return key[:80]

    def handle(self, key: str, payload: JsonValue, caller: Caller) -> Outcome:
        """Answer one request as its service does, at once or not. Raises PeerError."""
        return self._admit(self.find(key), payload, caller)

    def note(self, key: str, error: str | None) -> None:
        """Count one answered request."""
        try:
            tally = self.tallies[self.find(key).name]
        except UnknownService:
            return
        tally.served += error is None
        tally.failed += error is not None


def _is_address(key: str) -> bool:
    try:
        Address.parse(key)
    except ValueError:
        return False
    return True
