"""What the list of known peers consists of. Times are Unix seconds."""

from typing import Final, TypeAlias

from core.frozen import frozen
from core.peer_id import PeerId
from core.values import Address

EVERY: Final = frozenset({"*"})  # instead of names: every service, also those that are shared later
MAX_NAME: Final = 64  # characters of a name; a table shows about thirty
MAX_SERVICE: Final = 128  # characters of a service's name
MAX_SERVICES: Final = 64  # that are named for one peer or one group; more is a mistake, or `EVERY`
MAX_GROUPS: Final = 64  # that somebody would keep apart
MAX_GROUP: Final = 32  # characters of a group's name

Key: TypeAlias = tuple[PeerId, str]  # who, and the service's name


@frozen
class Group:
    """People that the owner named together, and the services that all of them may call."""

    name: str
    services: frozenset[str] = frozenset()


@frozen
class KnownPeer:
    """A peer that its owner trusts with some services, or none, or blocked.

    `services` were opened to it alone; those of its groups it may call as well.
    """

    peer_id: PeerId
    name: str
    since: float
    last_seen: float | None = None  # to the minute
    services: frozenset[str] = frozenset()
    blocked: bool = False
    groups: frozenset[Group] = frozenset()

    @property
    def opened(self) -> frozenset[str]:
        """The services that were opened to it, or to a group that it is in; `EVERY` is all."""
        if self.services == EVERY or not self.groups:
            return self.services
        return self.services.union(*(group.services for group in self.groups))

    def may_call(self, service: str) -> bool:
        """Tell whether this service was opened to it."""
        return not self.blocked and (self.services == EVERY or service in self.opened)

    def in_group(self, name: str) -> bool:
        """Tell whether it is in the group of this name."""
        return any(group.name == name for group in self.groups)


@frozen
class Pending:
    """A peer that asked for a restricted service and waits for its owner's answer."""

    peer_id: PeerId
    service: str
    address: Address  # where it asked from, the last time
    first: float
    last: float
    times: int = 1

    @property
    def key(self) -> Key:
        """The peer and the service that it asks for."""
        return self.peer_id, self.service


def is_service(text: str) -> bool:
    """Tell whether a service may have this name; nothing in it can harm a terminal or a file."""
    return 0 < len(text) <= MAX_SERVICE and text.isprintable()


def clean_name(text: str) -> str:
    """Return a name without what could hide or forge text around it (control and direction characters), and short."""
    seen = "".join(each if each.isprintable() else " " for each in text[: 8 * MAX_NAME])
    return " ".join(seen.split())[:MAX_NAME].strip()
