"""The names under which a service's roles are announced, as values: `fibonacci_worker`, `fibonacci_consumer`."""

import enum
from typing import NamedTuple


class Role(enum.Enum):
    """One of the two sides of a service (PROTOCOL section 7)."""

    CONSUMER = "consumer"
    WORKER = "worker"

    __hash__ = object.__hash__  # there is one of each; enum's own is written in Python, and is asked for every request

    @property
    def other(self) -> "Role":
        """The side that this one looks for."""
        return Role.WORKER if self is Role.CONSUMER else Role.CONSUMER


class RoleName(NamedTuple):
    """A role of a service; its text is what the grapes list, `<service>_<role>`."""

    service: str
    role: Role

    def __str__(self) -> str:
        return f"{self.service}_{self.role.value}"

    @property
    def other(self) -> "RoleName":
        """The name of the peers that this role looks for."""
        return RoleName(self.service, self.role.other)

    @classmethod
    def parse(cls, text: str) -> "RoleName | None":
        """Read a name as announced; None when it is no role of a service, as the name of a broker is not."""
        service, mark, role = text.rpartition("_")
        if not service or not mark or role not in (Role.WORKER.value, Role.CONSUMER.value):
            return None
        return cls(service, Role(role))


def worker_of(text: str) -> RoleName:
    """Return the worker's name of a service that a person wrote, as "fibonacci" or "fibonacci_worker"."""
    name = RoleName.parse(text)
    return name if name is not None and name.role is Role.WORKER else RoleName(text, Role.WORKER)
