"""Open peers in a simulated public DHT: listed, found, checked, and two that meet there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random

import pytest

from core.errors import PeerError
from core.identity.identity import Identity
from core.mainline.thrift import Thrift, Use
from core.news.joins import SearchProgress
from core.open_peers.keys import days, gathering, shard_of
from core.peer_id import PeerId
from core.public.open_check import Liar, check
from core.public.open_client import OpenPeers
from core.public.open_kept import OpenPeersFile
from core.public.open_side import OpenSide
from core.public.open_visit import Ask
from core.public.searches import Heard, Searches
from core.signal.exchange import Exchange
from core.values import Address, Caller, JsonValue
from core.wire.open_message import OPEN_SERVICE, hello
from tests.mainline.cloud import Cloud
from tests.mainline.people import START
from tests.public.open_world import Answer, Helper, Memory, Wires
from tests.public.test_service import flowing, until
from tests.support.virtual_time import run

OPEN = 3  # open peers in a scene, numbers 11 and on


class World:
    """A cloud with open peers, and Anna and Bert behind their routers, who know each other."""

    def __init__(self, count: int = OPEN, *, deaf: bool = False) -> None:
        self.cloud = Cloud(300)
        self.wires = Wires()
        seeds = self.cloud.living(3)
        self.helpers = [Helper(self.cloud, 11 + n, seeds, self.wires, lets_in=True, helps=True) for n in range(count)]
        self.anna, self.bert = (Helper(self.cloud, n, seeds, self.wires) for n in (1, 2))
        self.anna.trust(self.bert)
        self.bert.trust(self.anna)
        self.anna.serves = True

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        everybody = [*self.helpers, self.anna, self.bert]
        with flowing(self.cloud):
            for each in self.helpers:
                await each.public.switch(True)
            if self.helpers:
                await until(lambda: all(each.desk.announced for each in self.helpers), 60.0)
            await self.anna.public.switch(True)
            await self.bert.public.switch(True)
            try:
                yield
            finally:
                for each in everybody:
                    await each.public.aclose()


def everywhere(side: OpenSide) -> bool:
    return side.snapshot().visited == OPEN


def words(somebody: Helper) -> str:
    return " | ".join(each.message for each in somebody.events if isinstance(each, SearchProgress))


def test_two_meet_at_an_open_peer_that_neither_knew() -> None:
    async def scene() -> None:
        world = World()
        anna, bert = world.anna, world.bert
        async with world.open():
            await until(lambda: anna.side.snapshot().visited == OPEN, 60.0)
            # the boxes of the DHT are lost: open peers alone have to do
            for store in world.cloud.stores.values():
                store.items.clear()
            await until(lambda: bert.public.snapshot().nodes >= 8, 20.0)
            before = len(anna.met)
            found: list[tuple[Address, float]] = []
            with bert.public.searching(anna.peer_id, lambda address, delay: found.append((address, delay))):
                await until(lambda: (anna.socket.address, 0.0) in found, 20.0)
                await until(lambda: (bert.socket.address, 0.0) in anna.met[before:], 1.0)
            assert "open peers found; calls at" in words(bert)
            assert "introduced by 11.0.1" in words(bert)
            assert sum(each.desk.desk.introduced for each in world.helpers) >= 1
            # the open peers have seen keys, sealed letters and addresses, and nothing else
            said = "\n".join(world.wires.said)
            for each in (anna, bert):
                assert str(each.peer_id) not in said
                assert each.peer_id.key.hex() not in said
                assert "192.168" not in said

    run(scene())


def test_who_is_found_already_is_called_within_a_second() -> None:
    async def scene() -> None:
        world = World()
        anna, bert = world.anna, world.bert
        bert.serves = True  # it is met at open peers too, and so has found some
        async with world.open():
            await until(lambda: anna.side.snapshot().visited and bert.side.snapshot().found == OPEN, 90.0)
            await asyncio.sleep(30.0)
            found: list[float] = []
            loop = asyncio.get_running_loop()
            began = loop.time()
            anna.met.clear()
            with bert.public.searching(anna.peer_id, lambda address, delay: found.append(loop.time() - began)):
                took = await until(lambda: (bert.socket.address, 0.0) in anna.met, 5.0)
            assert took <= 1.0

    run(scene())


def test_where_the_public_dht_is_blocked_later_open_peers_go_on() -> None:
    async def scene() -> None:
        world = World()
        anna, bert = world.anna, world.bert
        bert.serves = True
        async with world.open():
            await until(lambda: anna.side.snapshot().visited and bert.side.snapshot().visited, 90.0)
            await asyncio.sleep(30.0)
            world.cloud.gone.update(world.cloud.ids)
            await asyncio.sleep(120.0)
            anna.met.clear()
            with bert.public.searching(anna.peer_id, lambda address, delay: None):
                await until(lambda: (bert.socket.address, 0.0) in anna.met, 5.0)

    run(scene())


def test_nobody_helps_unless_its_owner_lets_it_and_others_reach_it() -> None:
    async def scene() -> None:
        world = World(0)
        seeds = world.cloud.living(3)
        silent = Helper(world.cloud, 21, seeds, world.wires, lets_in=True)  # not allowed
        behind = Helper(world.cloud, 22, seeds, world.wires, helps=True)  # not reached
        with flowing(world.cloud):
            for each in (silent, behind):
                await each.public.switch(True)
            await asyncio.sleep(60.0)
            assert silent.public.snapshot().serving
            assert not silent.side.snapshot().open
            assert not behind.public.snapshot().serving
            assert not behind.side.snapshot().open
            silent.public.help_others(True)
            await until(lambda: silent.side.snapshot().open, 2.0)
            await until(lambda: silent.desk.announced, 20.0)
            day = days(START + world.cloud.now)[0]
            listing = {
                address
                for store in world.cloud.stores.values()
                for address in store.peers.get(gathering(day, shard_of(silent.peer_id.key)), ())
            }
            assert listing == {silent.socket.address}
            silent.lets_in = False
            await until(lambda: not silent.side.snapshot().open, 5.0)
            with pytest.raises(PeerError):
                await silent.answer(OPEN_SERVICE, hello(b"n" * 16), Caller(behind.socket.address, behind.peer_id))
            for each in (silent, behind):
                await each.public.aclose()

    run(scene())


def test_a_liar_among_those_listed_is_found_out_and_left_alone() -> None:
    async def scene() -> None:
        world = World(2)
        liars = [Address(f"77.{n}.1.1", 4000) for n in range(3)]
        async with world.open():
            world.wires.liars = {liars[0]: None, liars[1]: world.anna.peer_id, liars[2]: world.bert.peer_id}
            day = days(START + world.cloud.now)[0]
            for store in world.cloud.stores.values():
                for shard in range(4):
                    if gathering(day, shard) in store.peers or len(world.cloud.stores) < 400:
                        for each in (*liars, Address("78.1.1.1", 4000)):
                            store.peers[gathering(day, shard)].setdefault(each)
            await until(lambda: world.anna.side.snapshot().visited == 2, 120.0)
            assert world.anna.side.snapshot().found == 2
            asked = {each: world.wires.asked[each] for each in liars}
            await asyncio.sleep(400.0)
            assert {each: world.wires.asked[each] for each in liars} == asked, "once, and not again"
            assert max(asked.values()) <= 1 + 1, "by Anna, and by Bert"

    run(scene())


def test_one_that_keeps_letters_to_itself_or_hides_where_they_come_from_is_no_open_peer() -> None:
    async def scene() -> None:
        world = World(1)
        helper = world.helpers[0]
        async with world.open():
            caller = Caller(world.anna.socket.address, world.anna.peer_id)

            async def honest(address: Address, payload: JsonValue, seconds: float, expected: PeerId | None) -> Answer:
                return await world.wires.ask(caller, address, payload, seconds)

            randbytes = world.cloud.random.randbytes
            assert await check(honest, helper.socket.address, randbytes) == helper.peer_id
            shard = shard_of(helper.peer_id.key)
            assert await check(honest, helper.socket.address, randbytes, frozenset([shard])) == helper.peer_id
            with pytest.raises(Liar, match="where it does not belong"):
                await check(honest, helper.socket.address, randbytes, frozenset([(shard + 1) % 4]))

            def twisted(member: str, value: JsonValue) -> Ask:
                async def ask(address: Address, payload: JsonValue, seconds: float, expected: PeerId | None) -> Answer:
                    answer = await honest(address, payload, seconds, expected)
                    if isinstance(answer.data, dict) and member in answer.data:
                        answer.data[member] = value
                    return answer

                return ask

            for member, value in (("items", []), ("hello", "0" * 32), ("you", "9.9.9.9:9")):
                with pytest.raises(Liar):
                    await check(twisted(member, value), helper.socket.address, randbytes)

    run(scene())


def test_those_that_were_good_are_kept_and_used_at_the_next_start() -> None:
    async def scene() -> None:
        world, kept = World(), Memory()
        seeds = world.cloud.living(3)
        async with world.open():
            for number in (31, 32):
                somebody = Helper(world.cloud, number, seeds, world.wires, kept=kept)
                somebody.serves = True
                somebody.trust(world.anna)
                await somebody.public.switch(True)
                await until(partial(everywhere, somebody.side), 60.0)
                await somebody.public.aclose()
                assert {address for address, _ in kept.known} == {each.socket.address for each in world.helpers}
                for store in world.cloud.stores.values():
                    store.peers.clear()  # no list says to the second one where they are

    run(scene())


def test_the_file_is_private_and_a_damaged_one_is_not_used(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "p.open-peers.json"
        file = OpenPeersFile(path)
        known = [(Address("11.0.0.1", 4000), Identity.from_secret(b"k" * 32).peer_id)]
        assert await file.read() == []
        await file.write(known)
        assert await file.read() == known
        assert path.stat().st_mode & 0o077 == 0
        path.write_text("{")
        assert await file.read() == []
        assert await OpenPeersFile(None).read() == []

    asyncio.run(scene())


def test_an_open_peer_that_is_gone_is_given_up_and_one_that_forgot_us_is_told_again() -> None:
    async def scene() -> None:
        world = World(2)
        gone, stays = world.helpers
        async with world.open():
            await until(lambda: world.anna.side.snapshot().visited == 2, 60.0)
            del world.wires.reachable[gone.socket.address]
            stays.desk.desk.clear()  # it was started again
            await until(lambda: world.anna.side.snapshot().found == 1, 240.0)
            await until(lambda: stays.desk.desk.watchers() >= 1, 90.0)
            await until(lambda: stays.desk.desk.letters() >= 1, 90.0)

    run(scene())


def test_in_another_network_all_connections_are_new_and_it_is_met_again() -> None:
    async def scene() -> None:
        world = World(1)
        async with world.open():
            await until(lambda: world.anna.side.snapshot().visited == 1, 60.0)
            before = world.anna.renewed
            world.anna.public.begin_again()
            assert world.anna.renewed == before + 1
            assert world.anna.side.snapshot().visited == 0
            await until(lambda: world.anna.side.snapshot().visited == 1, 10.0)

    run(scene())


def test_names_and_values_are_served_and_an_announce_is_where_it_comes_from() -> None:
    async def scene() -> None:
        world = World(1)
        helper = world.helpers[0]
        async with world.open():
            caller = Caller(Address("55.1.1.1", 5000), None)
            assert await helper.answer(OPEN_SERVICE, {"announce": "garden_worker"}, caller) == {"nodes": 1}
            assert await helper.answer(OPEN_SERVICE, {"lookup": "garden_worker"}, caller) == {
                "peers": ["55.1.1.1:5000"]
            }
            assert await helper.answer(OPEN_SERVICE, {"put": "x"}, caller) == {"hash": "f" * 40}
            assert await helper.answer(OPEN_SERVICE, {"get": "f" * 40}, caller) == {"v": "what is stored"}
            with pytest.raises(PeerError):
                await helper.answer(OPEN_SERVICE, {"lookup": "nobody"}, caller)
            refused = 0
            for _ in range(100):
                try:
                    await helper.answer(OPEN_SERVICE, {"announce": "garden_worker"}, caller)
                except PeerError as error:
                    refused += error.name == "ERR_OPEN_BUSY"
            assert refused > 70

    run(scene())


class Lists(Searches):
    """Searches that find nobody, and what their bytes were for."""

    def __init__(self) -> None:
        self.uses = set[Use]()

    def possible(self) -> bool:
        return True

    async def find(self, key: bytes, heard: Heard, *, use: Use = Use.LISTS) -> int:
        self.uses.add(use)
        return 8


async def nobody(address: Address, payload: JsonValue, seconds: float, expected: PeerId | None) -> Answer:
    raise AssertionError(f"{address} is asked")


@pytest.mark.virtual_time
@pytest.mark.parametrize("awaited", [True, False])
async def test_a_visit_that_nobody_waits_for_looks_at_lists_from_the_account(awaited: bool) -> None:
    friend, lists, kept = PeerId(b"f" * 32), Lists(), Memory()
    open_peers = OpenPeers(
        nobody, list, kept, Random(1), lambda: 1.8e9, lambda: None, lambda peer_id, words: None
    )  # fmt: skip
    open_peers.begin(Exchange(Random(1), lambda day: b"b" * 32), Thrift())
    await asyncio.sleep(1.0)
    open_peers.look(PeerId(b"o" * 32), True, [friend], [friend], lists, awaited=awaited)
    await asyncio.sleep(1.0)
    assert lists.uses == {Use.AWAITED if awaited else Use.LISTS}
    await open_peers.end()
