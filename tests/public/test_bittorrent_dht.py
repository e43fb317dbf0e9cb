"""Letters and rings at nodes of bittorrent-dht, what WebTorrent and Grenache use: plain, slow, lying and banning ones.

All of it is on loopback addresses of this machine.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.dht.items import mutable_target, sign_item
from core.errors import LocalError
from core.net.endpoint import Endpoint
from core.signal.keys import JOINER, bell, box, door
from core.signal.letter import Letter, seal, unseal
from core.values import Address
from tests.public.ours import Ours
from tests.support.process import Program, node

pytestmark = pytest.mark.interop
HABITS = ["plain"] * 12 + ["slow"] * 4 + ["lying"] * 4 + ["banning"] * 4
NOW = 1_800_000_000
BOX = box(b"s" * 32, JOINER, NOW // 3600)
BACK = box(b"t" * 32, JOINER, NOW // 3600)
DOOR = door(bell(b"i" * 32, NOW // 86400), NOW // 300)
SENT = Letter(NOW, (Address("11.0.0.1", 4000),), b"b" * 32, 1)
BANNED_ABOVE = 5.0  # packets a second over 10 s, as libtorrent bans


@asynccontextmanager
async def network() -> AsyncIterator[tuple[Ours, Program]]:
    """Run nodes of all habits, and one of ours that knows some."""
    nodes = [{"host": f"127.8.{number}.1", "habit": habit} for number, habit in enumerate(HABITS, 1)]
    options: dict[str, object] = {"nodes": nodes, "bootstrap": [], "bogus": [127, 9, 9]}
    async with node("mainline", options) as theirs, await Endpoint.open(Address("127.0.0.1", 0)) as endpoint:
        ours = Ours(endpoint)
        ours.node.join([Address(f"127.8.{number}.1", 6881) for number in (1, 13, 17, 21)], ours.now())
        ours.lodging.flush()
        await ours.until(lambda: ours.node.nodes() >= 8)
        yield ours, theirs


def honest(sums: dict[str, dict[str, int]], what: str) -> int:
    return sum(sums[habit][what] for habit in ("plain", "slow", "banning"))


async def both_ways() -> None:
    async with network() as (ours, theirs):
        # a letter of ours: kept by theirs, read by theirs
        item = sign_item(Ed25519PrivateKey.from_private_bytes(BOX.writer), seal(SENT, BOX, 7, Random(1)), 7)
        assert (await ours.wait(ours.node.put(item, ours.now()))).taken >= 4
        read = await theirs.command("get", key=BOX.public.hex())
        assert read["seq"] == 7
        assert unseal(bytes.fromhex(read["value"]), BOX, 7, NOW) == SENT
        # a ring of ours
        assert (await ours.wait(ours.node.announce(DOOR, 9, ours.now()))).taken >= 4
        assert str(ours.endpoint.address) in await theirs.command("peers", hash=DOOR.hex())
        kept = await theirs.command("held", key=BOX.public.hex(), hash=DOOR.hex())
        assert honest(kept, "items") >= 4, kept
        assert honest(kept, "announces") >= 4, kept
        assert kept["lying"]["items"] == kept["lying"]["announces"] == 0, "their tokens are wrong, which they say"
        # and the other way round
        answer = seal(SENT, BACK, 9, Random(2)).hex()
        assert await theirs.command("put", seed=BACK.writer.hex(), value=answer, seq=9) >= 4
        await ours.wait(ours.node.get(BACK.public, mutable_target(BACK.public), ours.now()))
        assert [unseal(each, BACK, 9, NOW) for each in ours.items()] == [SENT], "what liars say is not believed"
        await theirs.command("ring", hash=DOOR.hex())
        await ours.wait(ours.node.find_peers(DOOR, ours.now()))
        assert any(each.endswith(":6881") and each.startswith("127.8.") for each in ours.peers()), ours.peers()


async def hurried() -> float:
    """Ask much more than may leave for a while; return the most packets a second that a node of theirs got."""
    async with network() as (ours, theirs):
        for number in range(120):
            with contextlib.suppress(LocalError):  # too much is asked
                ours.node.peek(bytes([number % 40]) * 20, ours.now())
            ours.lodging.flush()
            await asyncio.sleep(0.05)
        assert ours.node.pace.held_back > 0
        rates = await theirs.command("rates")
        told = rates[ours.endpoint.address.host]
        assert told["bans"] == 0, told
        return float(told["most"])


def test_letters_and_rings_are_kept_and_read_by_bittorrent_dht_among_liars_and_slow_ones() -> None:
    asyncio.run(both_ways())


def test_nodes_that_ban_at_5_packets_a_second_do_not_ban_us() -> None:
    most = asyncio.run(hurried())
    assert 0 < most < BANNED_ABOVE / 2, "it asked as much as it may, and that is far from a ban"
