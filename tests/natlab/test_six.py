"""Two homes with IPv6, whose routers no punch opens for IPv4: real programs meet over IPv6, through both firewalls.

docs/ipv6.md has the times that the slow ones print.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.natlab.friends import Friends, friends
from tests.natlab.internet import Internet, internet
from tests.natlab.kinds import Kind
from tests.natlab.six import public_with_six, site_with_six
from tests.support.process import grapevine

pytestmark = [pytest.mark.natlab, pytest.mark.asyncio]

PORT = 40000
FIBONACCI = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]
HARD = Kind.SYM_RANDOM  # two of these are never opened, so that nothing but IPv6 is left
PAIRS = [(HARD, HARD), (Kind.SYM_BLOCK, Kind.SYM_ADDR)]


@pytest.fixture
def world() -> Iterator[Internet]:
    with internet() as built:
        yield built


@asynccontextmanager
async def sharing(
    world: Internet, folder: Path, *, kinds: tuple[Kind, Kind] = (HARD, HARD), anna: bool = True, bert: bool = True,
    more: tuple[str, ...] = ("--broker",),
) -> AsyncIterator[tuple[Friends, str]]:  # fmt: skip
    """Have Anna share the demo; yield the place and her IPv6 address. `anna`, `bert`: they have a firewall."""
    async with friends(world, folder, *kinds) as place:
        hers = await asyncio.to_thread(site_with_six, world, place.anna, firewall=anna)
        await asyncio.to_thread(site_with_six, world, place.bert, firewall=bert)
        words = ("share", "fibonacci", "--port", str(PORT), "--grape", place.grape, "--no-lan", *more)
        async with grapevine(*words, inside=place.anna.inside, home=place.homes[0]) as program:
            place.programs.append(program)
            await program.event("announced")
            if more:
                await program.event("broker", lambda event: bool(event["registered"]))
            yield place, hers


async def asked(place: Friends, target: str, *more: str) -> tuple[dict[str, object], float]:
    """Have Bert ask Anna; return the reply as `--json` has it, and the seconds since he could send anything."""
    words = (
        "request", target, json.dumps({"length": len(FIBONACCI)}), "--timeout", "30", "--grape", place.grape,
        "--no-lan", *more,
    )  # fmt: skip
    async with grapevine(*words, inside=place.bert.inside, home=place.homes[1]) as program:
        place.programs.append(program)
        await program.event("grape", lambda event: event["state"] == "connected")
        began = time.monotonic()
        reply: dict[str, object] = await program.event("reply")
        return reply, time.monotonic() - began


async def test_two_firewalls_are_opened_from_both_sides(world: Internet, tmp_path: Path) -> None:
    async with sharing(world, tmp_path) as (place, hers):
        reply, _ = await asked(place, f"{place.ids[0]}/fibonacci", "--broker")
        assert (reply["from"], reply["data"]) == (f"[{hers}]:{PORT}", FIBONACCI)


@pytest.mark.slow
@pytest.mark.parametrize("kinds", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
@pytest.mark.parametrize(("anna", "bert"), [(True, True), (True, False), (False, True)])
async def test_pairs_that_ipv4_does_not_join(
    world: Internet, tmp_path: Path, kinds: tuple[Kind, Kind], anna: bool, bert: bool
) -> None:
    async with sharing(world, tmp_path, kinds=kinds, anna=anna, bert=bert) as (place, hers):
        reply, seconds = await asked(place, f"{place.ids[0]}/fibonacci", "--broker")
        assert (reply["from"], reply["data"]) == (f"[{hers}]:{PORT}", FIBONACCI)
        print(f"{kinds[0]} x {kinds[1]}, firewalls {anna} {bert}: {seconds:.1f} s")  # noqa: T201


@pytest.mark.slow
async def test_where_the_sharing_side_has_no_firewall_its_record_is_enough(world: Internet, tmp_path: Path) -> None:
    async with sharing(world, tmp_path, anna=False, more=()) as (place, hers):
        reply, seconds = await asked(place, f"{place.ids[0]}/fibonacci")
        assert (reply["from"], reply["data"]) == (f"[{hers}]:{PORT}", FIBONACCI)
        print(f"by the record: {seconds:.1f} s")  # noqa: T201


@pytest.mark.slow
async def test_an_address_that_a_person_writes_is_asked(world: Internet, tmp_path: Path) -> None:
    async with sharing(world, tmp_path, anna=False, more=()) as (place, hers):
        reply, seconds = await asked(place, f"[{hers}]:{PORT}")
        assert (reply["from"], reply["data"]) == (f"[{hers}]:{PORT}", FIBONACCI)
        print(f"by the address: {seconds:.1f} s")  # noqa: T201


@pytest.mark.slow
async def test_a_broker_that_is_reached_over_ipv6_introduces_by_ipv6(world: Internet, tmp_path: Path) -> None:
    async with friends(world, tmp_path, HARD, HARD) as place:
        at = await asyncio.to_thread(public_with_six, world, place.public)
        hers = await asyncio.to_thread(site_with_six, world, place.anna)
        await asyncio.to_thread(site_with_six, world, place.bert)
        broker = f"[{at}]:4000"
        words = ("share", "fibonacci", "--port", str(PORT), "--grape", place.grape, "--no-lan", "--broker", broker)
        async with grapevine(*words, inside=place.anna.inside, home=place.homes[0]) as program:
            place.programs.append(program)
            await program.event("broker", lambda event: bool(event["registered"]))
            reply, seconds = await asked(place, f"{place.ids[0]}/fibonacci", "--broker", broker)
            assert (reply["from"], reply["data"]) == (f"[{hers}]:{PORT}", FIBONACCI)
            print(f"by a broker over IPv6: {seconds:.1f} s")  # noqa: T201
