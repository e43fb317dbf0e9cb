"""Tickets: what a server gave us, so that the next session to it begins without certificates."""

from collections import OrderedDict
from typing import Final

from OpenSSL import SSL

from core.peer_id import PeerId
from core.values import Address

MAX_TICKETS: Final = 256  # as many connections as an RPC client keeps; 3 KB each. Full: the longest unused goes


class Tickets:
    """One ticket for each (address, who was expected there); each is used once (RFC 8446 appendix C.4)."""

    def __init__(self, most: int = MAX_TICKETS) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[Address, PeerId | None], SSL.Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, address: Address, expected: PeerId | None, ticket: SSL.Session) -> None:
        """Keep this one, instead of an older one."""
        self._kept[address, expected] = ticket
        self._kept.move_to_end((address, expected))
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def take(self, address: Address, expected: PeerId | None) -> SSL.Session | None:
        """Return a ticket and forget it."""
        return self._kept.pop((address, expected), None)
