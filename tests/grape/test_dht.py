"""Operations as awaitables: shared searches, cancelled callers, the wait for the first neighbour."""

import asyncio
import socket
from functools import partial
from typing import cast

import pytest

from core.dht.events import Announced, DhtEvent, Failed, OperationId, PeersFound
from core.dht.items import Item
from core.dht.node import Node
from core.errors import LocalError, RequestTimeout
from core.grape.bootstrap import local_grapes
from core.grape.dht import Dht, WatchedNode
from core.grape.service import FoundItem, outcome
from core.net.pump import Pump
from core.values import Address

PEER = Address("192.0.2.7", 1337)


class StubNode:
    """Numbers operations, remembers them, ends none by itself."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.known = 0
        self.bug: Exception | None = None
        self.id = bytes(20)
        self.items: dict[bytes, Item] = {}

    def nodes(self) -> int:
        return self.known

    def events(self) -> list[DhtEvent]:
        return []

    def receive(self) -> None: ...

    tick = deadline = transmit = receive

    def lookup(self, key: bytes, now: float) -> OperationId:
        if self.bug is not None:
            raise self.bug
        self.started.append(f"lookup {key.decode()}")
        return OperationId(len(self.started))

    def stored(self, target: bytes, now: float) -> Item | None:
        return self.items.get(target)

    def get(self, target: bytes, now: float, *, salt: bytes) -> OperationId:
        self.started.append("get")
        return OperationId(len(self.started))

    def listed(self, peers: list[Address], requester: Address) -> list[Address]:
        return [Address(f"for {requester.host}", peer.port) for peer in peers]

    def announce(self, key: bytes, peer: Address, now: float) -> OperationId:
        self.started.append(f"announce {key.decode()} {peer}")
        return OperationId(len(self.started))


class StubPump:
    """A pump that has nothing to do."""

    def __init__(self) -> None:
        self.reported: list[BaseException] = []
        self.flushed: list[str] = []

    def report(self, message: str, error: BaseException) -> None:
        self.reported.append(error)

    def now(self) -> float:
        return 0.0

    def flush(self) -> None:
        self.flushed.append("now")

    def flush_soon(self) -> None:
        self.flushed.append("soon")


def make(node: StubNode, *, patience: float = 60.0) -> Dht:
    return Dht(cast(Node, node), cast(Pump, StubPump()), Address("0.0.0.0", 1), join_patience=patience)


async def turns() -> None:
    """Let what is ready run."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_equal_lookups_share_one_search_and_survive_a_cancelled_one() -> None:
    node = StubNode()
    dht = make(node)
    async with asyncio.TaskGroup() as group:
        first, second, other = (group.create_task(outcome(partial(dht.lookup, key))) for key in (b"a", b"a", b"b"))
        await turns()
        assert node.started == ["lookup a", "lookup b"]
        first.cancel()
        await turns()
        dht.on_event(PeersFound(OperationId(1), (PEER,)))
        dht.on_event(PeersFound(OperationId(2), ()))
    assert (list(second.result()), list(other.result())) == ([PEER], [])
    async with asyncio.TaskGroup() as group:
        group.create_task(outcome(partial(dht.lookup, b"a")))
        await turns()
        assert node.started[2:] == ["lookup a"]
        dht.on_event(PeersFound(OperationId(3), ()))


@pytest.mark.asyncio
async def test_engine_decides_what_a_client_is_shown() -> None:
    assert make(StubNode()).listed([PEER], "192.0.2.1") == [Address("for 192.0.2.1", PEER.port)]


@pytest.mark.asyncio
async def test_operations_wait_for_the_first_neighbour() -> None:
    node = StubNode()
    dht = make(node)
    dht.expect_neighbours()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(outcome(partial(dht.announce, b"a", PEER)))
        await turns()
        assert node.started == []
        dht.nodes_changed()  # still nobody
        await turns()
        assert node.started == []
        node.known = 1
        dht.nodes_changed()
        await turns()
        assert node.started == [f"announce a {PEER}"]
        dht.on_event(Announced(OperationId(1), 4))
    assert waiting.result() == 4


@pytest.mark.asyncio
async def test_waiting_for_neighbours_has_an_end() -> None:
    node = StubNode()
    dht = make(node, patience=0.01)
    dht.expect_neighbours()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(outcome(partial(dht.lookup, b"a")))
        await asyncio.sleep(0.05)
        dht.on_event(PeersFound(OperationId(1), ()))
    assert list(waiting.result()) == []


@pytest.mark.asyncio
async def test_failure_is_raised_and_closing_fails_the_rest() -> None:
    dht = make(StubNode())
    failed, closed = outcome(partial(dht.announce, b"a", PEER)), outcome(partial(dht.lookup, b"b"))
    results = asyncio.gather(failed, closed, return_exceptions=True)
    await turns()
    dht.on_event(Failed(OperationId(1), RequestTimeout("late")))
    dht.on_event(Failed(OperationId(77), RequestTimeout("nobody waits for this")))
    dht.close()
    first, second = await results
    assert isinstance(first, RequestTimeout)
    assert isinstance(second, LocalError)
    with pytest.raises(LocalError, match="closed"):
        await outcome(partial(dht.lookup, b"c"))


def test_an_operation_that_cannot_be_started_fails_alone() -> None:
    node, pump, told = StubNode(), StubPump(), list[object]()
    node.bug = ZeroDivisionError("bug")
    dht = Dht(cast(Node, node), cast(Pump, pump), Address("0.0.0.0", 1), join_patience=60.0)
    dht.lookup(b"a", told.append)
    assert [type(result) for result in told] == [LocalError]
    assert pump.reported == [node.bug]

    node.bug = None
    dht.lookup(b"a", told.append)  # not shared with the failed one
    dht.on_event(PeersFound(OperationId(1), (PEER,)))
    assert told[1:] == [(PEER,)]


def test_queries_of_a_lone_client_leave_at_once_and_those_of_many_together() -> None:
    pump, told = StubPump(), list[object]()
    dht = Dht(cast(Node, StubNode()), cast(Pump, pump), Address("0.0.0.0", 1), join_patience=60.0)
    for key in (b"a", b"b"):
        dht.lookup(key, told.append)
    for operation in (1, 2):
        dht.on_event(PeersFound(OperationId(operation), ()))
    dht.lookup(b"c", told.append)
    assert pump.flushed == ["now", "soon", "now"]


def test_what_is_stored_here_is_handed_over_at_once() -> None:
    node, told = StubNode(), list[object]()
    node.items[b"target"] = item = Item(b"value")
    dht = make(node)
    dht.get(b"target", b"", told.append)
    assert (told, node.started) == ([FoundItem(item, node.id)], [])
    dht.get(b"another", b"", told.append)
    assert (len(told), node.started) == (1, ["get"])

    dht.close()
    dht.get(b"target", b"", told.append)
    assert [type(result) for result in told[1:]] == [LocalError, LocalError]


@pytest.mark.asyncio
async def test_change_of_the_node_count_is_told_once() -> None:
    node, told = StubNode(), list[int]()
    watched = WatchedNode(cast(Node, node), lambda: told.append(node.known))
    for count in (0, 2, 2, 1):
        node.known = count
        watched.events()
    assert told == [2, 1]


def test_held_ports_of_this_machine_are_found() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free,
    ):
        held.bind(("0.0.0.0", 0))
        free.bind(("127.0.0.1", 0))
        port, unused = held.getsockname()[1], free.getsockname()[1]
        free.close()
        assert local_grapes(1, [port, unused]) == [Address("127.0.0.1", port)]
        assert local_grapes(port, [port]) == []
