"""Where UDP is blocked, relays and brokers are reached over TCP: which addresses are tried, and when."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import field

from core.carrying.dial import Carriers
from core.errors import PeerError
from core.frozen import frozen
from core.limits.rate import TokenBucket
from core.limits.table import BoundedTable
from core.peer_id import PeerId
from core.scope import Scope, scope
from core.values import Address

AFTER = 2.5  # seconds that UDP has: two SYNs of uTP, and a satellite's round trip
TRIES, TRIES_AT_ONCE = 1.0 / 20.0, 2.0  # of one address a second: a try is 6 SYNs of TCP at two ports
HOSTS = 64  # whose tries are counted
_log = logging.getLogger(__name__)


@frozen
class OverTcp:
    """`find(peer)` says where a peer is by its own record.

    `opened(address)` hears where a carrier is open: the host has answered there, and nobody else can do that for
    it. `blocked()`: no UDP comes back here. What UDP has spent on a silent address does not count here: it is silent.
    """

    carriers: Carriers
    find: Callable[[PeerId], Awaitable[Iterable[Address]]]
    opened: Callable[[Address], None]
    blocked: Callable[[], bool]
    tries: BoundedTable[Address, TokenBucket] = field(default_factory=lambda: BoundedTable(HOSTS))

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
        tries = self.tries.use(address, lambda: TokenBucket(TRIES, TRIES_AT_ONCE))
        if scope(address.host) is not Scope.PUBLIC or not tries.take(asyncio.get_running_loop().time()):
            return False
        if not await self.carriers.reach(address):
            return False
        self.opened(address)
        return True
