"""What this peer shares at this moment, and which of it a request's key means."""

from dataclasses import dataclass
from functools import lru_cache

from core.services.service import Registry, Service, worker_key
from core.values import Address


@dataclass(slots=True)
class Tally:
    """Requests answered since the peer opened. `refused`: the owner's rules said no, and the service was not asked."""

    served: int = 0
    failed: int = 0
    refused: int = 0


class Catalog:
    """The services that are shared at this moment, the one that was shared first is first."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._shared: dict[str, Service] = {}
        self._by_key: dict[str, Service] = {}  # by each name that a request may carry
        self._without_utp: set[str] = set()  # shared over HTTP and WebSocket alone
        self._tallies: dict[str, Tally] = {}
        self._first: Service | None = None  # what an address alone means over uTP

    def __contains__(self, name: object) -> bool:
        return name in self._shared

    def __bool__(self) -> bool:
        return bool(self._shared)

    def add(self, name: str, *, utp: bool = True) -> Service:
        """Share a service. Raises LocalError when there is none of that name.

        Without `utp` nobody reaches it over uTP, not even who knows our address.
        """
        service = self._shared[name] = self._registry.get(name)
        (self._without_utp.discard if utp else self._without_utp.add)(name)
        self._index()
        return service

    def remove(self, name: str) -> None:
        """Stop sharing; requests under way are still answered."""
        self._shared.pop(name, None)
        self._index()

    def tally(self, name: str) -> Tally:
        """Return the counts of a service of the registry; they begin with 0."""
        found = self._tallies.get(name)
        if found is None:
            found = self._tallies[name] = Tally()
        return found

    def find_name(self, name: str) -> Service | None:
        """Return the service that is shared under exactly this name, None when there is none."""
        return self._shared.get(name)

    def shared(self) -> list[str]:
        """Return the names of what is shared."""
        return list(self._shared)

    def over_utp(self, service: Service | None) -> Service | None:
        """Return a service if it is shared over uTP."""
        return None if service is None or service.name in self._without_utp else service

    def find_over_utp(self, key: str) -> Service | None:
        """Return the service a key means over uTP; an address is the first that is shared there."""
        service = self._by_key.get(key)
        if service is None and _is_address(key):
            return self._first
        return self.over_utp(service)

    def find(self, key: str) -> Service | None:
        """Return the service a key means, None when it means nothing here.

        The key is a name as announced ("fibonacci_worker") or, from a caller who knew only our address, that
        address (PROTOCOL section 6): it then means the service shared first.
        """
        service = self._by_key.get(key)
        if service is None and self._shared and _is_address(key):
            return next(iter(self._shared.values()))
        return service

    def _index(self) -> None:
        self._by_key = {}
        for service in self._shared.values():
            for key in (service.name, worker_key(service.name)):
                self._by_key.setdefault(key, service)
        self._first = next((each for each in self._shared.values() if each.name not in self._without_utp), None)


@lru_cache(maxsize=64)  # who asks by address asks under the same one again, and reading it takes as long as the gate
def _is_address(key: str) -> bool:
    try:
        Address.parse(key)
    except ValueError:
        return False
    return True
