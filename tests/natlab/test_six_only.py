"""Homes with IPv6 only, whose firewalls let in answers only: they find and are found by a grape that has both kinds.

No broker, nothing else in common. docs/ipv6.md has the times that the slow ones print.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.natlab.friends import known
from tests.natlab.internet import Internet, Public, Site, internet
from tests.natlab.kinds import Kind
from tests.natlab.six import only_six, public_with_six, site_with_six, translated_six
from tests.support.process import Program, grapevine

pytestmark = [pytest.mark.natlab, pytest.mark.asyncio]

PORT = 40000
FIBONACCI = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]
QUIET = ("--no-lan",)


@pytest.fixture
def world() -> Iterator[Internet]:
    with internet() as built:
        yield built


@dataclass
class Place:
    """Two homes and a grape. `at_4`, `at_6`: the grape's addresses."""

    anna: Site
    bert: Site
    public: Public
    at_4: str
    at_6: str
    ids: tuple[str, str]
    folder: Path

    @asynccontextmanager
    async def sharing(self, grape: str, *more: str) -> AsyncIterator[Program]:
        """Have Anna share the demo."""
        words = ("share", "fibonacci", "--port", str(PORT), "--bootstrap", grape, *QUIET, *more)
        async with grapevine(*words, inside=self.anna.inside, home=self.folder / "anna") as program:
            await program.event("announced", lambda event: not event["own_only"])
            yield program

    async def ask(self, grape: str, *words: str) -> tuple[dict[str, object], float]:
        """Have Bert ask; return the reply, and the seconds since he could send anything."""
        words = (*words, "--timeout", "30", "--bootstrap", grape, *QUIET)
        async with grapevine(*words, inside=self.bert.inside, home=self.folder / "bert") as program:
            await program.event("grape", lambda event: event["state"] == "connected")
            began = time.monotonic()
            reply: dict[str, object] = await program.event("reply")
            return reply, time.monotonic() - began


@asynccontextmanager
async def place(world: Internet, folder: Path) -> AsyncIterator[Place]:
    """Build both homes and a grape that has both kinds; what their IPv6 is like, the test says."""
    ids = await known(folder)
    public = world.public()
    at_6 = await asyncio.to_thread(public_with_six, world, public)
    hard = Kind.SYM_RANDOM
    made = Place(
        world.site(hard), world.site(hard), public, f"{public.addresses[0]}:20001", f"[{at_6}]:20001", ids, folder
    )
    words = ("grape", "--dp", "20001", "--aph", "30001", "--bn", "")
    async with grapevine(*words, inside=public.inside, home=folder / "grape") as program:
        await program.event("listening")
        yield made


async def test_by_name_both_with_ipv6_only(world: Internet, tmp_path: Path) -> None:
    async with place(world, tmp_path) as it:
        hers = await asyncio.to_thread(site_with_six, world, it.anna)
        await asyncio.to_thread(site_with_six, world, it.bert)
        for site in (it.anna, it.bert):
            only_six(site)
        async with it.sharing(it.at_6):
            reply, seconds = await it.ask(it.at_6, "consume", "fibonacci", "--once")
            assert (reply["from"], reply["data"]) == (f"[{hers}]:{PORT}", FIBONACCI)
            print(f"both with IPv6 only, by name: {seconds:.1f} s")  # noqa: T201


@pytest.mark.slow
async def test_by_peer_id_both_with_ipv6_only(world: Internet, tmp_path: Path) -> None:
    async with place(world, tmp_path) as it:
        hers = await asyncio.to_thread(site_with_six, world, it.anna)
        await asyncio.to_thread(site_with_six, world, it.bert)
        for site in (it.anna, it.bert):
            only_six(site)
        async with it.sharing(it.at_6):
            asked = ("request", f"{it.ids[0]}/fibonacci", json.dumps({"length": len(FIBONACCI)}))
            reply, seconds = await it.ask(it.at_6, *asked)
            assert (reply["from"], reply["data"]) == (f"[{hers}]:{PORT}", FIBONACCI)
            print(f"both with IPv6 only, by Peer ID: {seconds:.1f} s")  # noqa: T201


@pytest.mark.slow
async def test_by_name_who_asks_has_both_and_was_given_an_ipv4_address(world: Internet, tmp_path: Path) -> None:
    async with place(world, tmp_path) as it:
        hers = await asyncio.to_thread(site_with_six, world, it.anna)
        await asyncio.to_thread(site_with_six, world, it.bert)
        only_six(it.anna)
        async with it.sharing(it.at_6):
            reply, seconds = await it.ask(it.at_4, "consume", "fibonacci", "--once")
            assert (reply["from"], reply["data"]) == (f"[{hers}]:{PORT}", FIBONACCI)
            print(f"one with IPv6 only, the other given an IPv4 address: {seconds:.1f} s")  # noqa: T201


@pytest.mark.slow
@pytest.mark.parametrize("prefix", [True, False], ids=["NPTv6", "NAT66"])
async def test_behind_a_router_that_translates_ipv6_it_is_said(world: Internet, tmp_path: Path, prefix: bool) -> None:
    async with place(world, tmp_path) as it:
        outside = await asyncio.to_thread(translated_six, world, it.anna, prefix=prefix)
        await asyncio.to_thread(site_with_six, world, it.bert)
        for site in (it.anna, it.bert):
            only_six(site)
        if prefix:  # as no port is translated, both sides open their firewalls as ever
            async with it.sharing(it.at_6):
                reply, seconds = await it.ask(it.at_6, "consume", "fibonacci", "--once")
                assert (reply["from"], reply["data"]) == (f"[{outside}]:{PORT}", FIBONACCI)
                print(f"behind a router that translates the prefix, by name: {seconds:.1f} s")  # noqa: T201
        words = ("doctor", "--bootstrap", it.at_6, *QUIET)
        async with grapevine(*words, inside=it.anna.inside, home=tmp_path / "anna") as asked:
            said = await asked.event("doctor")
            assert f"others see it at {outside}" in said["network"]
            await asked.wait()
