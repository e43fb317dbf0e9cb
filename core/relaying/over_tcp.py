"""Where UDP is blocked, relays and brokers are reached over TCP: which addresses are tried, and when."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from core.carrying.dial import Carriers
from core.errors import PeerError
from core.peer_id import PeerId
from core.scope import Scope, scope
from core.values import Address

AFTER = 2.5  # seconds that UDP has: two SYNs of uTP, and a satellite's round trip
PACKETS = 3  # of TCP to an address that does not answer: SYNs of the 4 s that are waited
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OverTcp:
    """`find(peer)` says where a peer is by its own record.

    `may(address, packets)`: so much may leave for one that has not answered. `blocked()`: no UDP comes back here.
    """

    carriers: Carriers
    find: Callable[[PeerId], Awaitable[Iterable[Address]]]
    may: Callable[[Address, int], bool]
    blocked: Callable[[], bool]

    async def carry(self, peer_id: PeerId) -> bool:
        """Carry what goes to a peer over TCP, unless UDP gets there first: wait for that. Return whether it is."""
        if not self.blocked():
            await asyncio.sleep(AFTER)
        try:
            found = list(await self.find(peer_id))
        except PeerError as error:
            _log.debug("nobody knows where to carry to %s: %s", peer_id.short, error)
            return False
        for address in found:
            if await self._reach(address):
                return True
        return False

    async def carry_to(self, brokers: Iterable[Address]) -> None:
        """Carry what goes to brokers that UDP does not reach."""
        for address in list(brokers):
            await self._reach(address)

    def begin_again(self) -> None:
        """On another network UDP is tried first."""
        self.carriers.begin_again()

    async def _reach(self, address: Address) -> bool:
        if address in self.carriers:
            return True
        if scope(address.host) is not Scope.PUBLIC or not self.may(address, PACKETS):
            return False
        return await self.carriers.reach(address)
