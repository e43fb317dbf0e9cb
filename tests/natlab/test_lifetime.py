"""A sharing peer measures for how long its router keeps a mapping: with routers that keep it for 5, 20 and 45 s."""

import asyncio
from pathlib import Path

import pytest

from tests.natlab.internet import Line, internet
from tests.natlab.kinds import Kind, Lifetimes
from tests.support.process import Event, grapevine

pytestmark = [pytest.mark.natlab, pytest.mark.slow]
KEPT = {5: 5.0, 20: 10.0, 45: 30.0}  # what a router keeps, and what is told of it


async def told(folder: Path, kind: Kind) -> dict[int, float]:
    with internet() as world:
        public = world.public()
        quiet = ("--bootstrap", "", "--no-lan")
        broker = grapevine("broker", "--port", "4000", *quiet, inside=public.inside, home=folder / "broker")
        async with broker as running:
            await running.event("listening")

            async def one(seconds: int) -> float:
                site = world.site(kind, Line(lifetimes=Lifetimes(min(seconds, 30), seconds)))
                arguments = ("share", "fibonacci", "--broker", f"{public.addresses[0]}:4000", "--verbose", *quiet)
                async with grapevine(*arguments, inside=site.inside, home=folder / str(seconds)) as program:

                    def measured(event: Event) -> bool:
                        return event.get("lifetime") is not None

                    return float((await program.event("nat", measured, timeout=90.0))["lifetime"])

            return dict(zip(KEPT, await asyncio.gather(*map(one, KEPT)), strict=True))


@pytest.mark.parametrize("kind", [Kind.LINUX, Kind.SYM_RANDOM])
def test_it_is_what_the_router_does(tmp_path: Path, kind: Kind) -> None:
    assert asyncio.run(told(tmp_path, kind)) == KEPT
