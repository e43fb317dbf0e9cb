"""A home behind a plain router, and an open peer that it does not know: it is found on the public DHT, and used."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.natlab.friends import known
from tests.natlab.internet import Public, internet
from tests.natlab.kinds import Kind
from tests.natlab.test_public_dht import ALONE, NODES, mainline, switch_on
from tests.support.process import Program, grapevine, running

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


def test_who_is_behind_a_plain_nat_finds_an_open_peer_checks_it_and_waits_there(tmp_path: Path) -> None:
    asyncio.run(waits(tmp_path, Kind.LINUX))
