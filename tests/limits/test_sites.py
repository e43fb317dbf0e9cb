"""A stranger with a whole /48 of IPv6, wherever places are taken: others find theirs, and trusted peers keep theirs."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from core.broker.registry import BrokerConfig, BrokerFull, BrokerRegistry
from core.dht.amplification import PROVEN_PER_HOST, Proven
from core.dht.items import Item
from core.dht.storage import HOST_PART, ItemStore, PeerStore
from core.dht.watches import MAX_WATCHERS_PER_HOST, Watchers
from core.errors import LocalError, TransportClosed
from core.grape.api import Api
from core.grape.config import GrapeConfig
from core.grape.http import HELD_HOST, ApiServer
from core.identity.identity import Identity
from core.kinds.values import WATCHERS, Broadcast
from core.limits import bounds
from core.limits.fair import SITE_OWNERS
from core.open_peers.config import DeskConfig
from core.open_peers.desk import Desk
from core.open_peers.names import NAMES_HOST, Names
from core.peer_id import PeerId
from core.rpc.config import RpcConfig
from core.rpc.connections import Connections
from core.rpc.fair_places import FairPlaces
from core.rpc.memory import INPUT, Memory, Standing
from core.rpc.stream import Stream
from core.scope import network
from core.tunnel.tunnels import Tunnels
from core.utp.config import UtpConfig
from core.values import Address
from core.wire.broker_message import Registration
from tests.grape.fakes import FakeDht
from tests.open_peers.letters import letter
from tests.rpc.test_connections import Line
from tests.secure.test_handshakes import scene
from tests.support.virtual_time import settle
from tests.tunnel.wire import wire
from tests.utp.test_accepted import Peers

HONEST = [f"192.0.2.{number}" for number in range(1, 4)]


def attackers(count: int, *, port: int = 5000) -> Iterator[Address]:
    """Return addresses of one /48, each in another /64: each is another host."""
    for number in range(count):
        yield Address(f"2001:db8:bad:{number:x}::1", port)


def of_site(hosts: list[str]) -> int:
    return sum(host.startswith("2001:db8:bad:") for host in hosts)


@pytest.mark.parametrize("asks", [False, True])
def test_connections(asks: bool) -> None:
    connections: Connections[Line] = Connections(RpcConfig(connections=256, connections_per_host=8))
    lines = {source.host: Line() for source in (*[Address(host, 1) for host in HONEST], *attackers(1000))}
    for host, line in lines.items():
        if connections.admit(line, Standing(network(host), False, 1000)) and asks:
            connections.asked(line)
    alive = [host for host, line in lines.items() if line in connections]
    assert set(HONEST) <= set(alive)
    assert of_site(alive) == SITE_OWNERS * 8
    assert connections.admit(Line(), Standing("198.51.100.1", False, 1000))


@pytest.mark.parametrize("says", [b"", b"x"], ids=["silent", "with a byte"])
def test_utp_connections(says: bytes) -> None:
    peers = Peers(UtpConfig(connections=60, connections_kept=10, connections_per_host=4))
    for host in HONEST:
        peers.connect(Address(host, 1), says=says)
    for source in attackers(100):
        peers.connect(source, says=says)
    alive = [each.host for each in peers.alive()]
    assert set(HONEST) <= set(alive)
    assert of_site(alive) == SITE_OWNERS * 4


def test_a_utp_connection_may_move_within_its_site_though_that_is_full() -> None:
    peers = Peers(UtpConfig(connections=60, connections_kept=10, connections_per_host=4))
    mine = peers.connect(Address("2001:db8:bad:ffff::1", 1), says=b"x")
    assert mine is not None
    for source in attackers(100):
        peers.connect(source, says=b"x")
    assert peers.mux.follow(mine, Address("2001:db8:bad:fffe::1", 1), 0.1, peers.now)
    other = peers.connect(Address("198.51.100.1", 1), says=b"x")
    assert other is not None
    assert not peers.mux.follow(other, Address("2001:db8:bad:fffd::1", 1), 0.1, peers.now)


def test_entries_of_a_broker() -> None:
    registry = BrokerRegistry(BrokerConfig(entries=100, entries_each=10))
    offers = Registration("fibonacci_worker", server=True)
    for source in attackers(40):
        registry.register(offers, source, None, 0.0)
    with pytest.raises(BrokerFull, match="the network around 2001:db8:bad:28::/64 has 40 entries"):
        registry.register(offers, Address("2001:db8:bad:28::1", 1), None, 0.0)
    for host in HONEST:
        assert registry.register(offers, Address(host, 1), None, 0.0)


def test_a_full_broker_takes_a_newcomer_for_one_of_a_site_that_has_most() -> None:
    registry = BrokerRegistry(BrokerConfig(entries=12, entries_each=10))
    offers = Registration("fibonacci_worker", server=True)
    for source in attackers(6):
        registry.register(offers, source, None, 0.0)
    for number in range(6):
        registry.register(offers, Address(f"192.0.2.{number}", 1), None, 0.0)
    assert registry.register(offers, Address("198.51.100.1", 1), None, 0.0)
    assert of_site([entry.address.host for entry in registry.entries()]) == 5


def test_peers_and_values_of_a_grape() -> None:
    peers = PeerStore(1000, 1000, 120.0, max_in_all=160)
    for host in HONEST:
        peers.add(b"svc", Address(host, 1), 0.0)
    for source in attackers(400):
        peers.add(source.host.encode(), source, 1.0)
    assert len(peers) == 1 + (160 - 160 // 16) // 2
    assert {peer.host for peer in peers.peers(b"svc", 2.0)} == set(HONEST)
    items = ItemStore(160, 120.0)
    for number, source in enumerate(attackers(400)):
        items.put(Item(str(number).encode()), 1.0, source.host)
    assert len(items) == (160 - 160 // 16) // 2
    assert len(items) > 160 // HOST_PART, "a host has less"


def test_watchers_and_proven_addresses_of_a_grape() -> None:
    watchers = Watchers()
    for number, source in enumerate(attackers(1000)):
        watchers.add(b"%d" % (number // 40), source, b"cookie..", 0.0)
    assert len(watchers) == SITE_OWNERS * MAX_WATCHERS_PER_HOST
    proven = Proven()
    for source in attackers(3000):
        proven.add(source, 0.0)
    assert len(proven) == SITE_OWNERS * PROVEN_PER_HOST


def test_places_of_an_open_peer() -> None:
    desk = Desk(DeskConfig(watchers=100, watchers_host=4, watchers_kept=10))
    friend = Address("2001:db8:bad:ffff::1", 1)
    desk.watch(friend, [letter(1).key], trusted=True)
    for source in attackers(100):
        desk.watch(source, [letter(1).key], trusted=False)
    assert desk.watchers() == SITE_OWNERS * 4 + 1
    assert desk.watch(friend, None, trusted=True)
    names = Names()
    for source in attackers(1000):
        names.announce("fibonacci", source, False, 0.0)
    assert len(names) == SITE_OWNERS * NAMES_HOST


class Held:
    """What holds a place: a connection, or the stream of somebody who watches."""

    def __init__(self, source: Address) -> None:
        self.remote = source
        self.gone = False

    def abort(self) -> None:
        self.gone = True

    def reset(self, reason: object = None) -> None:
        self.gone = True


def test_watchers_of_a_sensor() -> None:
    broadcast = Broadcast()
    with contextlib.ExitStack() as stack:
        for number, source in enumerate(attackers(300)):
            watching = broadcast._watching(Held(source))  # type: ignore[arg-type]
            if number < WATCHERS // 2:
                stack.enter_context(watching)
            else:
                with pytest.raises(LocalError, match="128 of your network watch this already"):
                    stack.enter_context(watching)
        stack.enter_context(broadcast._watching(Held(Address("192.0.2.1", 1))))  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_connections_over_http_to_a_grape() -> None:
    server = ApiServer(Api(FakeDht()), GrapeConfig(max_connections=16))
    honest = [Held(Address(host, 1)) for host in HONEST]
    crowd = [Held(source) for source in attackers(100)]
    for each in (*honest, *crowd):
        server.connected(each, each.remote.host)  # type: ignore[arg-type]
    assert [each.gone for each in honest] == [False] * 3
    assert server.hold("2001:db8:bad:1::1", 0, HELD_HOST)
    assert not server.hold("2001:db8:bad:1::2", 0, 1), "of the same host"
    assert [server.hold(each.remote.host, 0, HELD_HOST) for each in crowd[2:9]] == [True] * 2 + [False] * 5
    assert server.hold("192.0.2.1", 0, HELD_HOST)


@pytest.mark.asyncio
async def test_handshakes() -> None:
    async with scene() as made:
        honest = [made.visit(host) for host in HONEST]
        crowd = [made.visit(source.host) for source in attackers(100)]
        for near, _ in (*honest, *crowd):
            await near.write(b"\x16\x03")
        await settle()
        assert made.door.statistics().handshakes == SITE_OWNERS * bounds.HANDSHAKES_HOST + 3
        assert [admitted.done() for _, admitted in honest] == [False] * 3


@pytest.mark.asyncio
async def test_sessions_of_byte_streams() -> None:
    peers = [Identity.from_secret(bytes([3, number]) + bytes(30)).peer_id for number in range(200)]
    friend = peers[0]
    tunnels = Tunnels(_nobody, lambda stream: stream.accept(), trusts=lambda caller: caller.peer_id == friend)
    serving, ends = [], []
    for peer_id, source in zip(peers, attackers(200), strict=True):
        near, far = wire(peer_id)
        near.remote = source
        ends.append(far)
        serving.append(asyncio.get_running_loop().create_task(tunnels.serve(near)))
        await asyncio.sleep(0)
    await settle()
    assert tunnels.count()[0] == (bounds.SESSIONS - bounds.SESSIONS_KEPT) // 2 + 1
    assert tunnels.kept(friend) is not None
    await tunnels.aclose()
    await asyncio.gather(*serving, return_exceptions=True)


async def _nobody(peer_id: PeerId, seconds: float) -> Stream:
    raise TransportClosed("nobody is dialled")


def test_memory_and_requests_under_way() -> None:
    memory = Memory()
    whose = [Standing(network(source.host), False, 1000) for source in attackers(100)]
    taken = sum(memory.take(INPUT, each, bounds.INPUT_HOST // 4) for each in whose)
    assert taken * bounds.INPUT_HOST // 4 == (bounds.INPUT - bounds.INPUT_KEPT) // 2
    assert memory.take(INPUT, Standing("192.0.2.1", False, 1000), bounds.INPUT_HOST)
    assert memory.take(INPUT, Standing(whose[0].owner, True, 1000), bounds.INPUT_HOST // 2)
    places: FairPlaces[str] = FairPlaces(100, 10, kept=20)
    assert sum(places.take(network(source.host)) for source in attackers(100)) == 40
    assert places.take("192.0.2.1")
