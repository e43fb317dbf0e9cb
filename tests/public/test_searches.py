"""Who is listed under a key: what the nodes tell that keep the list, and not those that were passed on the way."""

import asyncio
from typing import Any, cast

from core.dht.events import OperationId
from core.mainline.events import Ended, PeersHeard
from core.public.searches import NEAREST, Searches
from core.values import Address
from tests.support.virtual_time import run

KEY = bytes(20)


class Node:
    """One that searches without end."""

    def find_peers(self, key: bytes, now: float, *, use: object) -> OperationId:
        return OperationId(1)

    def nodes(self) -> int:
        return 1


def test_the_words_of_the_nearest_nodes_count_and_they_come_once_the_search_is_over() -> None:
    async def scene() -> None:
        searches = Searches(cast(Any, Node()), 4000, lambda: 0.0, lambda: None)
        told: list[str] = []
        async with asyncio.TaskGroup() as group:
            found = group.create_task(searches.find(KEY, lambda listed, node: told.append(node)))
            await asyncio.sleep(0)
            for number in reversed(range(20)):
                there = Address(f"21.0.0.{number}", 6881)
                peers = (Address("11.0.0.1", 4000),)
                searches.take(PeersHeard(OperationId(1), peers, there, bytes([number]) + bytes(19)))
            await asyncio.sleep(0)
            assert told == []
            searches.take(Ended(OperationId(1), 20))
        assert found.result() == 20
        assert told == [f"21.0.0.{number}" for number in range(NEAREST)]

    run(scene())
