"""Which Peer IDs our brokers have: each is asked once, by a handshake, so that it can be waited at as a relay."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from core.errors import PeerError
from core.limits.table import BoundedTable
from core.peer_id import PeerId
from core.values import Address

AGAIN = 10.0  # seconds until one is asked again that did not answer, or has no identity
MOST = 16  # brokers that are remembered; four are used at once
_log = logging.getLogger(__name__)


class KnownBrokers:
    """Nothing is known before `start`."""

    def __init__(self) -> None:
        self._addresses: Callable[[], Iterable[Address]] = tuple
        self._identify: Callable[[Address], Awaitable[PeerId | None]] | None = None
        self._known: BoundedTable[Address, PeerId] = BoundedTable(MOST)
        self._silent: BoundedTable[Address, None] = BoundedTable(MOST)
        self._ask_at: BoundedTable[Address, float] = BoundedTable(MOST)

    def start(
        self, addresses: Callable[[], Iterable[Address]], identify: Callable[[Address], Awaitable[PeerId | None]]
    ) -> None:
        """`addresses()` are those of the brokers in use. `identify(address)` returns who is there; raises PeerError."""
        self._addresses, self._identify = addresses, identify

    def identified(self) -> dict[PeerId, Address]:
        """Return where the brokers in use are, by the Peer IDs that they proved."""
        return {self._known[at]: at for at in self._addresses() if at in self._known}

    def silent(self) -> list[Address]:
        """Return the brokers in use that were asked, and did not answer."""
        return [at for at in self._addresses() if at in self._silent]

    async def look(self) -> None:
        """Ask those who were not asked yet, or did not answer a while ago."""
        now = asyncio.get_running_loop().time()
        for at in list(self._addresses()):
            if self._identify is None or at in self._known or now < self._ask_at.get(at, 0.0):
                continue
            self._ask_at[at] = now + AGAIN
            try:
                found = await self._identify(at)
            except PeerError as error:
                _log.debug("broker %s is not known: %s", at, error)
                self._silent[at] = None
                continue
            self._silent.pop(at, None)
            if found is not None:
                self._known[at] = found

    def begin_again(self) -> None:
        """On another network everybody is asked at once who did not answer."""
        self._ask_at.clear()
        self._silent.clear()
