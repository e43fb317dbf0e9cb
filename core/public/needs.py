"""What the public DHT needs of the other parts of a peer."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from core.net.endpoint import Lodging
from core.peer_id import PeerId
from core.values import Address, Machine, MayAnswer


class Socket(Protocol):
    """What is needed of the endpoint."""

    address: Address
    may_answer: MayAnswer

    def lodge(self, first: int, machine: Machine[Any], on_event: Callable[[Any], None]) -> Lodging:
        """Give the node the datagrams that are its."""


class Own(Protocol):
    """What is needed of our own addresses."""

    def addresses(self) -> list[Address]:
        """Return where others may reach us now."""

    def hosts(self) -> tuple[str, ...]:
        """Return this machine's own hosts."""

    def is_self(self, address: Address) -> bool:
        """Return whether this is our own socket."""

    def is_beside(self, address: Address) -> bool:
        """Return whether no router is between."""

    def mapped(self) -> Address | None:
        """Return what a router forwards to us."""

    def see_at(self, address: Address | None) -> None:
        """Take where several others see this very socket."""


class Opening(Protocol):
    """What opens the way to addresses."""

    def told(self, addresses: Iterable[Address]) -> list[Address]:
        """Take what somebody names; return who may be sent to at all."""

    def meet(self, addresses: Iterable[Address], told_in: float = 0.0) -> None:
        """Punch these; the others hear of us within `told_in` seconds."""


class Climbs(Protocol):
    """The ladder, whose words our letters carry."""

    def side(self) -> bytes:
        """Return what every letter says of our network."""

    def posted(self, peer_id: PeerId, text: bytes, *, calls: bool) -> None:
        """Take the word of a letter; `calls`: we call its writer, or it calls us."""

    def witnessed(self, peer_id: PeerId, host: str, node: str) -> None:
        """Take that a node lists a host for a peer."""

    def waiting(self) -> dict[PeerId, bool]:
        """Return whose words are waited for, and whether it is of interest who lists them."""
