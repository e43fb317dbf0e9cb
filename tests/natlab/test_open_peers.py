"""Homes behind plain routers, and an open peer that they do not know: it is found on the public DHT, and used."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.natlab.friends import known
from tests.natlab.internet import Public, internet
from tests.natlab.kinds import Kind
from tests.natlab.matrix import SEQUENCE
from tests.natlab.test_public_dht import ALONE, NODES, mainline, switch_on
from tests.support.process import Program, grapevine, running, until

pytestmark = [pytest.mark.natlab, pytest.mark.slow]


@asynccontextmanager
async def helping(place: Public, node: str) -> AsyncIterator[Program]:
    """Run an open peer on a public machine."""
    command = [*place.inside, sys.executable, "-m", "tests.natlab.open_peer", f"{node}:6881"]
    async with running("open peer", command) as program:
        await program.event("open", timeout=120.0)
        yield program


async def waits(folder: Path, anna: Kind) -> None:
    with internet() as world:
        nodes, place, site = world.public(NODES), world.public(), world.site(anna)
        await known(folder)
        home = folder / "anna"
        await switch_on(home, nodes.addresses[0])
        async with mainline(nodes), helping(place, nodes.addresses[0]) as helper:
            sharing = grapevine("share", "fibonacci", "--verbose", *ALONE, inside=site.inside, home=home)
            async with sharing as sharer:
                try:
                    await helper.event("guests", lambda event: event["waiting"] >= 1, timeout=150.0)
                except AssertionError as error:
                    raise AssertionError(f"{error}\n{sharer.transcript()}") from None


async def meet(folder: Path, anna: Kind, bert: Kind) -> None:
    """Have Bert ask Anna something once both know an open peer, and nobody else in the world answers any longer."""
    with internet() as world:
        nodes, place = world.public(NODES), world.public()
        sites, homes = (world.site(anna), world.site(bert)), (folder / "anna", folder / "bert")
        ids = await known(folder)
        for home in homes:
            await switch_on(home, nodes.addresses[0])
        sharing = grapevine("share", "fibonacci", "--verbose", *ALONE, inside=sites[0].inside, home=homes[0])
        learning = grapevine("share", "fibonacci", "--verbose", *ALONE, inside=sites[1].inside, home=homes[1])
        asking = ("request", f"{ids[0]}/fibonacci", '{"length": 10}', "--timeout", "60", "--verbose", *ALONE)

        async def written() -> bool:  # a guest may be one that only checks
            return (homes[1] / "grapevine" / "default.open-peers.json").is_file()

        async with AsyncExitStack() as stack:
            async with mainline(nodes):
                helper = await stack.enter_async_context(helping(place, nodes.addresses[0]))
                sharer = await stack.enter_async_context(sharing)
                async with learning as learner:
                    try:
                        await helper.event("guests", lambda event: event["waiting"] >= 2, timeout=150.0)
                    except AssertionError as error:
                        raise AssertionError(f"{error}\n{sharer.transcript()}\n{learner.transcript()}") from None
                    await until(written, "that he has written down the open peer", timeout=60.0)
            asker = await stack.enter_async_context(grapevine(*asking, inside=sites[1].inside, home=homes[1]))
            try:
                reply = await asker.event("reply", timeout=90.0)
            except AssertionError as error:
                said = "\n".join(each.transcript() for each in (helper, sharer, asker))
                raise AssertionError(f"{error}\n{said}") from None
            assert (reply["data"], reply["peer_id"]) == (SEQUENCE, ids[0])
            assert helper.count("introduced") > 0


def test_who_is_behind_a_plain_nat_finds_an_open_peer_checks_it_and_waits_there(tmp_path: Path) -> None:
    asyncio.run(waits(tmp_path, Kind.LINUX))


def test_two_behind_plain_nats_meet_by_an_open_peer_when_no_node_of_the_public_dht_answers(tmp_path: Path) -> None:
    asyncio.run(meet(tmp_path, Kind.LINUX, Kind.PORT_RESTRICTED))
