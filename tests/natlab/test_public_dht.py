"""Two homes, and nothing else in the world but a public DHT of other people's nodes: they meet by it alone."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.natlab.friends import known
from tests.natlab.internet import Internet, Public, internet
from tests.natlab.kinds import Kind
from tests.natlab.matrix import SEQUENCE
from tests.streams_real import own
from tests.support.process import Program, grapevine, running

pytestmark = [pytest.mark.natlab, pytest.mark.slow]
NODES = 50
PLAIN = (Kind.FULL_CONE, Kind.RESTRICTED, Kind.PORT_RESTRICTED, Kind.LINUX)
ALONE = ("--bootstrap", "")  # a grape of its own that knows no other


@asynccontextmanager
async def mainline(place: Public) -> AsyncIterator[Program]:
    """Run libtorrent's nodes, one on each address of a machine."""
    command = [*place.inside, sys.executable, "-m", "tests.public.libtorrent_nodes", *place.addresses]
    async with running("mainline", command) as program:
        await program.event("ready")
        yield program


async def switch_on(home: Path, node: str) -> None:
    done = await own(home, "settings", "public-dht", "on", "--bootstrap", f"{node}:6881")
    assert done.code == 0, done


async def meet(world: Internet, folder: Path, nodes: Public, anna: Kind, bert: Kind) -> float:
    """Have Bert ask Anna something; return how many seconds that took, the start of his program included."""
    ids = await known(folder)
    homes, sites = (folder / "anna", folder / "bert"), (world.site(anna), world.site(bert))
    for home in homes:
        await switch_on(home, nodes.addresses[0])
    loop = asyncio.get_running_loop()
    sharing = grapevine("share", "fibonacci", "--verbose", *ALONE, inside=sites[0].inside, home=homes[0])
    async with sharing as sharer:
        await sharer.event("public-dht", lambda event: event["nodes"] >= 8)
        await asyncio.sleep(8.0)  # until her letter is in his box
        began = loop.time()
        asking = ("request", f"{ids[0]}/fibonacci", '{"length": 10}', "--timeout", "60", "--verbose", *ALONE)
        async with grapevine(*asking, inside=sites[1].inside, home=homes[1]) as asker:
            try:
                reply = await asker.event("reply", timeout=90.0)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{sharer.transcript()}\n{asker.transcript()}") from None
            took = loop.time() - began
            assert (reply["data"], reply["peer_id"]) == (SEQUENCE, ids[0])
            print(f"{anna} x {bert}: {took:.1f} s")  # noqa: T201
            return took


async def every_pair(folder: Path, pairs: list[tuple[Kind, Kind]]) -> None:
    with internet() as world:
        nodes = world.public(NODES)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(mainline(nodes))
            for number, (anna, bert) in enumerate(pairs):
                await meet(world, folder / str(number), nodes, anna, bert)


def test_two_behind_plain_nats_meet_by_the_public_dht_alone(tmp_path: Path) -> None:
    asyncio.run(every_pair(tmp_path, [(Kind.LINUX, Kind.PORT_RESTRICTED)]))


def test_every_pair_of_plain_nats_meets(tmp_path: Path) -> None:
    asyncio.run(every_pair(tmp_path, [(anna, bert) for anna in PLAIN for bert in PLAIN]))
