"""What a service is: a name, a description, an example, and one function."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Protocol

from core.errors import LocalError
from core.errors import PayloadError as PayloadError  # a service raises it: also known by this module's name
from core.services.names import Role, RoleName
from core.values import Caller as Caller
from core.values import JsonValue, Outcome

# Types of results that are there at once: asking by type is quicker than by `Awaitable`, which costs three calls.
AT_ONCE: Final = frozenset({list, dict, str, int, float, bool, type(None)})


class Service(Protocol):
    """Something a peer can share.

    `name` is for people and the command line ("fibonacci"). On the grape its worker is announced as
    `<name>_worker` and those who want it as `<name>_consumer` (PROTOCOL: the demo's roles).
    """

    name: str
    example: JsonValue

    @property
    def description(self) -> str:
        """What it is, for those who may use it."""

    def handle(self, payload: JsonValue, caller: Caller) -> Outcome:
        """Answer one request. Raises PayloadError for a payload it does not take.

        A coroutine, as a rule. A plain function that returns what takes no time at all saves the loop a task.
        """


@lru_cache(maxsize=256)  # of our own services, for every request
def worker_key(name: str) -> str:
    """Return the name a service's worker is announced under."""
    return str(RoleName(name, Role.WORKER))


@lru_cache(maxsize=256)
def consumer_key(name: str) -> str:
    """Return the name a service's consumers are announced under."""
    return str(RoleName(name, Role.CONSUMER))


class Registry:
    """The services this peer can share, by name, in the order they were added."""

    def __init__(self, *services: Service) -> None:
        self._services: dict[str, Service] = {}
        for service in services:
            self.add(service)

    def add(self, service: Service) -> None:
        """Add a service. Raises LocalError when the name is taken."""
        if service.name in self._services:
            raise LocalError(f"a service named {service.name!r} is already registered")
        self._services[service.name] = service

    def remove(self, name: str) -> None:
        """Remove a service. Idempotent."""
        self._services.pop(name, None)

    def get(self, name: str) -> Service:
        """Return a service by its name. Raises LocalError that lists the names there are."""
        service = self._services.get(name)
        if service is None:
            known = ", ".join(self._services) or "none"
            raise LocalError(f"no service named {name!r}; services here: {known}")
        return service

    def __iter__(self) -> Iterator[Service]:
        return iter(self._services.values())

    def __contains__(self, name: object) -> bool:
        return name in self._services
