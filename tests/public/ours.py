"""A node of ours on a real socket, for tests beside nodes of others."""

import asyncio
from collections.abc import Callable
from random import Random

from core.dht.events import OperationId
from core.mainline.events import Ended, ItemHeard, MainlineEvent, PeersHeard
from core.mainline.node import MainlineNode
from core.net.endpoint import Endpoint, Lodging
from tests.support.process import until


class Ours:
    """A node of ours on a real socket."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.node = MainlineNode(Random(1), asyncio.get_running_loop().time())
        self.told: list[MainlineEvent] = []
        self.lodging: Lodging = endpoint.lodge(ord("d"), self.node, self.told.append)

    async def until(self, came: Callable[[], object], seconds: float = 20.0) -> None:
        """Wait until something has come true."""

        async def look() -> bool:
            return bool(came())

        await until(look, "what the test waits for", timeout=seconds)

    async def wait(self, begun: OperationId) -> Ended:
        """Wait for the end of an operation."""
        self.lodging.flush()
        found: list[Ended] = []

        def over() -> bool:
            found[:] = [each for each in self.told if isinstance(each, Ended) and each.operation == begun]
            return bool(found)

        await self.until(over)
        return found[0]

    def now(self) -> float:
        return self.lodging.now()

    def items(self) -> list[bytes]:
        """Return the values that were heard."""
        heard = [each.item.value for each in self.told if isinstance(each, ItemHeard)]
        return [each for each in heard if isinstance(each, bytes)]

    def peers(self) -> set[str]:
        """Return who was listed."""
        return {str(peer) for each in self.told if isinstance(each, PeersHeard) for peer in each.peers}
