"""Searches of the public DHT that somebody awaits: who is listed under a key, and being listed there."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from core.dht.events import OperationId
from core.dht.routing import distance
from core.errors import LocalError
from core.mainline.events import Ended, MainlineEvent, PeersHeard
from core.mainline.thrift import Use
from core.values import Address

if TYPE_CHECKING:  # only while the public DHT is used
    from core.mainline.node import MainlineNode

NEAREST: Final = 8  # nodes that keep a list; what others on the way list is made up
Heard = Callable[[Sequence[Address], str], None]  # what one node lists, and that node's host


@dataclass(slots=True)
class _Search:
    ended: "asyncio.Future[Ended]"
    listed: list[PeersHeard] = field(default_factory=list)  # bounded by the queries of a search


class Searches:
    """`take` gets what the node tells. `flush` sends what is due."""

    def __init__(self, node: "MainlineNode", port: int, now: Callable[[], float], flush: Callable[[], None]) -> None:
        self._node = node
        self._port = port
        self._now = now
        self._flush = flush
        self._under_way: dict[OperationId, _Search] = {}  # bounded by the node's operations

    def possible(self) -> bool:
        """Return whether anybody is known who can be asked."""
        return self._node.nodes() > 0

    async def find(self, key: bytes, heard: Heard, *, use: Use = Use.LISTS) -> int:
        """Tell who is listed under a key by the nodes nearest to it; return how many nodes answered."""
        try:
            operation = self._node.find_peers(key, self._now(), use=use)
        except LocalError:
            return 0
        search = await self._end(operation)
        for each in sorted(search.listed, key=lambda each: distance(each.id, key))[:NEAREST]:
            heard(each.peers, each.said_by.host)
        return search.ended.result().answered

    async def announce(self, key: bytes) -> int:
        """Be listed under a key; return how many nodes took it."""
        try:
            operation = self._node.announce(key, self._port, self._now())
        except LocalError:
            return 0
        return (await self._end(operation)).ended.result().taken

    async def _end(self, operation: OperationId) -> _Search:
        search = self._under_way[operation] = _Search(asyncio.get_running_loop().create_future())
        self._flush()
        try:
            await search.ended
            return search
        finally:
            self._under_way.pop(operation, None)

    def take(self, event: MainlineEvent) -> None:
        """Take what the node tells; what is not of a search of ours is left."""
        search = self._under_way.get(event.operation)
        if search is None:
            return
        if isinstance(event, PeersHeard):
            search.listed.append(event)
        elif isinstance(event, Ended) and not search.ended.done():
            search.ended.set_result(event)
