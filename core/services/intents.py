"""What this peer offers and wants: the one record of it. Everybody else reads it, and hears of its changes."""

from collections.abc import Callable, Iterator
from dataclasses import field
from typing import TypeAlias

from core.errors import LocalError
from core.frozen import frozen
from core.services.names import Role, RoleName
from core.services.personal import is_personal
from core.services.service import Registry
from core.values import JsonValue


@frozen
class Intent:
    """We are a worker of a service, or a consumer. `payload`: what a consumer asks; None: the service's example."""

    service: str
    role: Role
    payload: JsonValue = field(default=None, compare=False)
    listed: bool = field(default=True, compare=False)  # its name is announced; else it is met by our ID only
    over: tuple[str, ...] = field(default=("utp",), compare=False)  # transports: "utp", "http", "ws", "pub"

    @property
    def name(self) -> RoleName:
        """Our own name, which is announced."""
        return RoleName(self.service, self.role)


OnIntent: TypeAlias = Callable[[Intent, bool], None]


class Intents:
    """The intents that hold now, in the order in which they began.

    Listeners hear `(intent, True)` in the order of their subscription and `(intent, False)` in the reverse order, after
    the record has changed. They must not raise. The record is as long as the registry: each service has two roles.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._held: dict[RoleName, Intent] = {}
        self._listeners: list[OnIntent] = []
        self._closed = False

    def __iter__(self) -> Iterator[Intent]:
        return iter(tuple(self._held.values()))

    def __contains__(self, name: object) -> bool:
        return name in self._held

    def get(self, name: RoleName) -> Intent | None:
        """Return what we intend under a name of ours."""
        return self._held.get(name)

    def of(self, role: Role) -> tuple[str, ...]:
        """Return the services that we offer (`Role.WORKER`) or want; our personal name is none."""
        return tuple(
            each.service for each in self._held.values() if each.role is role and not is_personal(each.service)
        )

    def offers(self, service: str) -> bool:
        """Return whether we are a worker of this service."""
        return RoleName(service, Role.WORKER) in self._held

    def wants(self, service: str) -> bool:
        """Return whether we are a consumer of this service."""
        return RoleName(service, Role.CONSUMER) in self._held

    def subscribe(self, listener: OnIntent) -> None:
        """Call `listener` with each change from now on."""
        self._listeners.append(listener)

    def declare(self, intent: Intent) -> None:
        """Intend this from now on; one that is held already takes the new payload, and nobody is told.

        Raises LocalError for a service that the registry does not have, and once closed.
        """
        if self._closed:
            raise LocalError("this peer is closed: open a new one")
        self._registry.get(intent.service)
        known = intent.name in self._held
        self._held[intent.name] = intent
        if not known:
            for listener in tuple(self._listeners):
                listener(intent, True)

    def withdraw(self, name: RoleName) -> None:
        """Intend this no longer. Idempotent."""
        intent = self._held.pop(name, None)
        if intent is not None:
            for listener in reversed(self._listeners):
                listener(intent, False)

    @property
    def closed(self) -> bool:
        """Whether nothing can be declared any longer."""
        return self._closed

    def close(self) -> None:
        """Withdraw everything; nothing can be declared from now on."""
        self._closed = True
        for name in list(self._held):
            self.withdraw(name)
