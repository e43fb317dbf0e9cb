"""What meeting others needs to know of where this peer is."""

from typing import Protocol

from core.values import Address


class Place(Protocol):
    """Where this peer is, as far as it knows: `core.own.addresses.OwnAddresses`, or a double of it."""

    def port(self) -> int:
        """Return the port under which others reach our socket, as it is announced."""

    def local(self, toward: Address) -> str | None:
        """Return this machine's own host toward another."""

    def observed(self) -> str | None:
        """Return its host as others see it."""

    def address(self) -> Address:
        """Return our address on our network."""

    def is_beside(self, address: Address) -> bool:
        """Return whether this is on a network of ours, with no router between."""

    def is_self(self, address: Address) -> bool:
        """Return whether this is our own socket."""
