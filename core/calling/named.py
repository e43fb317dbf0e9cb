"""Friends who share a service that is asked for by its name: a relay can join us with them, as it needs to know who."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from core.calling.late import LateSources
from core.directory.records.finder import Finder
from core.errors import PeerError
from core.peer_id import PeerId
from core.services.names import RoleName
from core.values import Address

AFTER: Final = 0.3  # seconds that those who are listed have before records are asked for; late sources wait as ever
MOST: Final = 8  # friends whose records are looked at, those seen last first
JOINED: Final = 3  # of those who share it: one is enough

_log = logging.getLogger(__name__)


class NamedFriends:
    """Looks among `friends()`, those seen last first, for who says in its record that it shares a service."""

    def __init__(self, friends: Callable[[], Iterable[PeerId]], finder: Finder, late: LateSources) -> None:
        self._friends = friends
        self._finder = finder
        self._late = late

    def known(self) -> list[PeerId]:
        """Return the friends that can be looked for at all."""
        return [each for each in self._friends() if self._late.knows(each)][:MOST]

    async def look(self, worker: RoleName, found: Callable[[Address, float], None], *, at_once: bool) -> None:
        """Look for them, and have them looked for, until cancelled. `found` as `LateSource.searching` has it."""
        if not at_once:
            await asyncio.sleep(AFTER)
        sharing = await self._sharing(self.known(), worker.service)
        _log.debug("%s: %d friends say that they share it", worker, len(sharing))
        async with asyncio.TaskGroup() as group:
            for peer_id in sharing[:JOINED]:
                group.create_task(self._late.look(peer_id, found, at_once=at_once))

    async def _sharing(self, friends: Sequence[PeerId], service: str) -> list[PeerId]:
        shares = await asyncio.gather(*(self._shares(each, service) for each in friends))
        return [each for each, does in zip(friends, shares, strict=True) if does]

    async def _shares(self, peer_id: PeerId, service: str) -> bool:
        try:
            return service in (await self._finder.find(peer_id)).services
        except PeerError:
            return False
