"""What asking others needs of the rest of a peer."""

from typing import Protocol

from core.directory.names import Directory
from core.directory.records.finder import Shelf
from core.values import Address


class Punches(Protocol):
    """What the client needs of the way out."""

    def punch(self, remote: Address) -> None:
        """Punch an address as much as it may get. Raises LocalError when it cannot be punched."""

    def hurry(self, remote: Address) -> None:
        """Ask once more at once where a connection is being opened: something came from there."""

    def permit(self, address: Address) -> None:
        """Take the owner's own word for an address."""


class Grapes(Directory, Shelf, Protocol):
    """What the client needs of the link."""


class Addresses(Protocol):
    """What the client needs of our own addresses."""

    def port(self) -> int:
        """Return the port under which others reach our socket, as it is announced."""
