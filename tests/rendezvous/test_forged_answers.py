"""Somebody forges a bystander's address at every door of a whole peer: all answers together stay under the one rule.

The bounds are those of issue 11: 2 packets a second, 20 in a row, three times the attacker's bytes.
"""

import asyncio
from collections.abc import Callable

import pytest

from core.rpc.client import RpcClient
from core.values import Address, Buffer
from core.wire.bencoding import Bencoded
from core.wire.krpc import Query
from core.wire.reflect_packet import Question
from core.wire.utp_packet import DATA, FIN, RESET, STATE, SYN, Packet
from tests.rendezvous.hostile import HEADERS, PUNCH, US
from tests.rendezvous.test_third_parties import RATE, ROW, TIMES, VICTIM, at
from tests.rendezvous.test_whole_peer import OUR_GRAPE, DhtScene
from tests.secure.middle import Letter
from tests.support.samples import some
from tests.support.virtual_time import run

SECONDS = 30.0


def packet(kind: int, number: int) -> bytes:
    return bytes(Packet(kind, number % 65_536, number, 0, 1 << 20, number % 65_536, 1))  # type: ignore[arg-type]


def query(method: bytes, number: int) -> bytes:
    fields: dict[bytes, Bencoded] = {
        b"id": b"%020d" % number,
        b"target": b"t" * 20,
        b"info_hash": b"h" * 20,
        b"token": b"forged",
        b"port": 5,
    }
    return bytes(Query(b"%04d" % (number % 10_000), method, fields))


DOORS: dict[str, Callable[[int], tuple[Address, Buffer]]] = {
    "SYNs": lambda number: (US, packet(SYN, number)),
    "one SYN again and again": lambda number: (US, packet(SYN, 7)),
    "DATA of no connection": lambda number: (US, packet(DATA, number)),
    "FIN, STATE and RESET": lambda number: (US, packet((FIN, STATE, RESET)[number % 3], number)),
    "where do you see me": lambda number: (US, bytes(Question(b"%08d" % number))),
    "where do you see me, at another port": lambda number: (US, bytes(Question(b"%08d" % number, port=5000 + number))),
    "where do you see me, from another port": lambda number: (US, bytes(Question(b"%08d" % number, other=True))),
    "punches": lambda number: (US, PUNCH),
    "find_node": lambda number: (OUR_GRAPE, query(b"find_node", number)),
    "get_peers": lambda number: (OUR_GRAPE, query(b"get_peers", number)),
    "announce_peer with a forged token": lambda number: (OUR_GRAPE, query(b"announce_peer", number)),
    "no method": lambda number: (OUR_GRAPE, query(b"nothing", number)),
}


def forge(scene: DhtScene, source: Address, door: str, number: int) -> None:
    """Send one packet of a kind in somebody's name."""
    to, datagram = DOORS[door](number)
    scene.wire.spent += len(datagram) + HEADERS
    scene.wire.forge(Letter(source, to, bytes(datagram)))


def suffer(attack: Callable[[DhtScene], None], seconds: float = SECONDS) -> DhtScene:
    scene = DhtScene()

    async def scenario() -> None:
        async with scene.peer() as peer:
            await peer.share("fibonacci")
            await asyncio.sleep(1.0)
            attack(scene)
            await asyncio.sleep(seconds)

    run(scenario())
    return scene


def within(scene: DhtScene, host: str, seconds: float = SECONDS) -> None:
    assert scene.wire.worst(RATE)[host] <= ROW
    assert len(scene.wire.got[host]) <= ROW + RATE * seconds
    assert scene.wire.bytes_to(host) <= TIMES * scene.wire.spent


@pytest.mark.parametrize("door", some(DOORS, 3))
def test_one_door(door: str) -> None:
    scene = suffer(lambda scene: scene.every(0.05, lambda number: forge(scene, at(VICTIM, number), door, number)))
    within(scene, VICTIM)


def test_all_doors_together_stay_under_the_one_rule() -> None:
    """Each had a bound of its own: 12 doors gave a bystander 40 packets a second."""

    def attack(scene: DhtScene) -> None:
        for door in DOORS:
            scene.every(0.05, lambda number, door=door: forge(scene, at(VICTIM, number), door, number))  # type: ignore[misc]

    scene = suffer(attack)
    assert len({source for source, to in scene.wire.pairs if to == VICTIM}) == 2, "both sockets are tempted"
    within(scene, VICTIM)


def test_a_network_of_bystanders_gets_no_more_than_a_few_of_them() -> None:
    def attack(scene: DhtScene) -> None:
        for door in ("SYNs", "where do you see me", "find_node", "punches"):
            scene.every(
                0.02,
                lambda number, door=door: forge(scene, Address(f"45.1.1.{number % 250 + 1}", 5000), door, number),  # type: ignore[misc]
            )

    scene = suffer(attack)
    got = sum(len(packets) for host, packets in scene.wire.got.items() if host.startswith("45.1.1."))
    assert 0 < got <= 64 + 8 * SECONDS + 8


def test_a_friend_whose_host_is_forged_is_served_and_so_is_a_newcomer() -> None:
    """Those that have proved themselves, and other hosts, are answered as ever."""
    scene = DhtScene()
    friends = Address("203.0.113.200", 5000), Address("45.1.2.3", 5000)

    async def scenario() -> None:
        async with scene.peer() as peer:
            await peer.share("fibonacci")
            ends = [scene.endpoint(address) for address in friends]
            clients = [
                RpcClient(lambda to, seconds, end=end: end.connect(to, timeout=seconds))  # type: ignore[misc]
                for end in ends
            ]
            await clients[0].request(US, "fibonacci_worker", {"length": 3}, timeout=2.0)
            for door in DOORS:
                scene.every(0.05, lambda number, door=door: forge(scene, at(friends[0].host, number), door, number))  # type: ignore[misc]
            await asyncio.sleep(10.0)
            await clients[0].close()
            clients[0] = RpcClient(lambda to, seconds: ends[0].connect(to, timeout=seconds))
            for client in clients:
                reply = await client.request(US, "fibonacci_worker", {"length": 3}, timeout=2.0)
                assert reply.data == [1, 1, 2]
                await client.close()
            for end in ends:
                await end.close()

    run(scenario())
