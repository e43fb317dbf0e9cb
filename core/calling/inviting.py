"""Being listed as a consumer, so that workers behind a NAT punch us and so open it."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Final

from core.calling.needs import Grapes
from core.errors import PeerError
from core.services.names import RoleName
from core.values import Address

INVITE_AFTER: Final = 0.5  # seconds a request by name tries alone before workers are asked to punch us
PUNCHED_WITHIN: Final = 5.0  # seconds after that; a worker looks for us every second, and both grapes may be slow


class Inviting:
    """Lists us at `port()`. `punch` takes those who are listed, and punches them as far as it may."""

    def __init__(self, link: Grapes, port: Callable[[], int], punch: Callable[[Iterable[Address]], None]) -> None:
        self._link = link
        self._port = port
        self._punch = punch

    async def invite(self, worker: RoleName, give_up: Callable[[], None], *, one: bool) -> None:
        """Soon list us as a consumer; `give_up()` is called when nobody else can be expected.

        `one`: only one peer will do. Those who are listed are punched, so that our NAT lets theirs in: one of them may
        be this peer, which does not know its own address. If it does not punch us soon, it never will.
        """
        await asyncio.sleep(INVITE_AFTER)
        try:
            await self._link.announce(str(worker.other), self._port())
        except PeerError:
            give_up()  # only those found can answer
        if one:
            with contextlib.suppress(PeerError):
                self._punch(await self._link.lookup(str(worker), fresh=True))
            await asyncio.sleep(PUNCHED_WITHIN)
            give_up()
