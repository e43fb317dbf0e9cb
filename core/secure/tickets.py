"""Tickets: what a server gave us, so that the next session to it begins without certificates."""

from OpenSSL import SSL

from core.limits.bounds import TICKETS
from core.limits.table import BoundedTable
from core.peer_id import PeerId
from core.values import Address


class Tickets:
    """One ticket for each (address, who was expected there); each is used once (RFC 8446 appendix C.4)."""

    def __init__(self, most: int = TICKETS) -> None:
        self._kept: BoundedTable[tuple[Address, PeerId | None], SSL.Session] = BoundedTable(most)

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, address: Address, expected: PeerId | None, ticket: SSL.Session) -> None:
        """Keep this one, instead of an older one."""
        self._kept[address, expected] = ticket

    def take(self, address: Address, expected: PeerId | None) -> SSL.Session | None:
        """Return a ticket and forget it."""
        return self._kept.pop((address, expected), None)
