"""A peer with a grape of its own has two sockets: what a third party gets is bounded for both of them together."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from core.dht import DhtConfig, Node
from core.dht.strangers import Share
from core.directory.own_grape import OwnGrape
from core.grape.dht import Dht, WatchedNode
from core.net.pump import Pump, Route
from core.net.udp_socket import Received
from core.news.events import GrapeSnapshot, GrapeState
from core.values import Address, Burst
from core.wire.bencoding import Bencoded
from core.wire.compact import Contact, pack_nodes, pack_peer
from core.wire.krpc import Query, Reply, parse
from tests.rendezvous.hostile import BROKER, US, Scene
from tests.rendezvous.test_third_parties import RATE, ROW, TIMES, VICTIM, at
from tests.secure.middle import Letter, WireSocket
from tests.support.virtual_time import run

OUR_GRAPE = Address(US.host, 20_001)
LIARS = [Address(f"203.0.{113 + number}.7", 20_001) for number in range(6)]


class GrapeHere(OwnGrape):
    """Our own grape, on the wire of the scene; also what a peer asks of `GrapeAccess`."""

    own_grape = None  # no HTTP API here

    def __init__(self, socket: WireSocket, share: Share) -> None:
        self._node = node = Node(DhtConfig(), Random(7), asyncio.get_running_loop().time(), share=share)
        pump = Pump(socket.send, lambda _: route)
        self.dht = Dht(node, pump, socket.address, join_patience=0.1)
        route: Route[Any] = Route(WatchedNode(node, lambda: None), self.dht.on_event)
        pump.add(route)
        socket.start(pump.receive)
        node.bootstrap(LIARS, pump.now())
        pump.flush()
        super().__init__(self.dht, random=Random(8))

    def observed_host_6(self) -> str | None:
        return None

    def observed_host(self) -> str | None:
        return "198.51.100.9"

    def neighbours(self, count: int) -> list[Address]:
        return self._node.neighbours(count)

    def snapshot(self) -> GrapeSnapshot:
        return GrapeSnapshot(GrapeState.CONNECTED, True, "http://127.0.0.1:30001", 1, "")

    def look(self) -> None:
        """Our addresses have changed."""

    async def __aenter__(self) -> "GrapeHere":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.dht.close()


class Liar:
    """A node that answers every query with the victim: as nodes near whatever is searched, and as peers."""

    def __init__(self, scene: "DhtScene", address: Address) -> None:
        self._socket = WireSocket(scene.wire, address)
        self._random = Random(address.host)
        self._id = self._random.randbytes(20)
        self._number = 0
        self._socket.start(self._receive)

    def _receive(self, batch: Sequence[Received]) -> None:
        for source, datagrams in batch:
            for datagram in datagrams:
                message = parse(bytes(datagram))
                if isinstance(message, Query):
                    self._socket.send(Burst(source, [self._answer(message, source)]))

    def _answer(self, query: Query, source: Address) -> bytes:
        target = query.arguments.get(b"info_hash") or query.arguments.get(b"target") or b""
        near = (target if isinstance(target, bytes) else b"").ljust(20, b"\0")[:18]
        self._number += 20
        victims = [at(VICTIM, self._number + each) for each in range(20)]
        fields: dict[bytes, Bencoded] = {
            b"id": self._id,
            b"token": b"token",
            b"nodes": pack_nodes(Contact(near + self._random.randbytes(2), each) for each in victims),
            b"values": [pack_peer(each) for each in victims],
        }
        return bytes(Reply(query.transaction, fields, source))

    def forge(self, scene: "DhtScene", number: int) -> None:
        """Ask our grape something in the victim's name."""
        query = Query(b"%d" % number, b"find_node", {b"id": self._random.randbytes(20), b"target": b"t" * 20})
        letter = Letter(at(VICTIM, number), OUR_GRAPE, bytes(query))
        scene.wire.spent += len(letter.data) + 28
        scene.wire.forge(letter)


class DhtScene(Scene):
    """A peer with a grape of its own, among nodes that all lie."""

    def __init__(self) -> None:
        super().__init__()
        self.wire.ours = {US, OUR_GRAPE}
        self.liars = [Liar(self, address) for address in LIARS]

    def open_grape(self, share: Share) -> object:
        return GrapeHere(WireSocket(self.wire, OUR_GRAPE), share)


@pytest.mark.parametrize("minutes", [0.25, pytest.param(10.0, marks=pytest.mark.slow)])
def test_both_sockets_together_give_a_bystander_little(minutes: float) -> None:
    scene = DhtScene()

    async def scenario() -> None:
        for number in range(2):
            scene.broker(Address(BROKER.host, BROKER.port + number))
        scene.named = lambda number: [at(VICTIM, number * 3 + each) for each in range(3)]
        scene.every(0.2, lambda number: scene.wire.forged(at(VICTIM, number)))
        scene.every(0.2, lambda number: scene.liars[0].forge(scene, number))
        async with scene.peer() as peer:
            await peer.share("fibonacci")
            await peer.consume("fibonacci")
            await asyncio.sleep(60 * minutes)

    run(scenario())
    by = {source.port for source, to in scene.wire.pairs if to == VICTIM}
    assert by == {US.port, OUR_GRAPE.port}, "both sockets are tempted, or the test is worth nothing"
    assert scene.wire.worst(RATE)[VICTIM] <= ROW
    for host, packets in scene.wire.got.items():
        assert len(packets) <= ROW + RATE * 60 * minutes, host
        assert scene.wire.bytes_to(host) <= TIMES * scene.wire.spent, host
