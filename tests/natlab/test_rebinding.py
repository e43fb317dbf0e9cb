"""A home router restarts, and its NAT begins again with other ports: what runs through it goes on in seconds."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.natlab.lab import PUBLIC, Lab, nat_lab
from tests.support.process import Program, running

pytestmark = [pytest.mark.natlab, pytest.mark.asyncio]

SERVER = f"{PUBLIC}:7000"
BYTES = 65_536 * 600  # three seconds and more, paced
DOWN = 2.0  # seconds that the router takes to start again
LOST = 15.0  # seconds without progress that a restart may cost beyond that; one or two are usual, 29 a dead peer


@pytest.fixture
def lab() -> Iterator[Lab]:
    with nat_lab() as lab:
        yield lab


@asynccontextmanager
async def talker(inside: object, **options: object) -> AsyncIterator[Program]:
    command = [*inside, sys.executable, "-m", "tests.natlab.talker", json.dumps(options)]  # type: ignore[misc]
    async with running(f"talker {options['role']}", command) as program:
        await program.event("ready")
        yield program


async def restart(lab: Lab, down: float) -> None:
    """Restart the router once what was started is under way."""
    await asyncio.sleep(1.0)
    lab.unplug()
    await asyncio.sleep(down)
    lab.restart_router()


async def moved(server: Program) -> None:
    await server.event("statistics", lambda event: event["moved"] >= 1)


@pytest.mark.parametrize("down", [pytest.param(0.0, marks=pytest.mark.slow), DOWN])
async def test_requests_go_on(lab: Lab, down: float) -> None:
    async with (
        talker(lab.in_public, role="answer", port=7000) as server,
        talker(lab.in_home, role="ask", to=SERVER, seconds=down + 5.0) as client,
    ):
        await restart(lab, down)
        asked = await client.event("asked", timeout=60.0)
        await moved(server)
    assert asked["connections"] == 1, "the same connection"
    assert asked["count"] > 10
    assert down <= asked["longest"] < down + LOST
    print(f"requests: router down for {down} s, no answer for {asked['longest']:.2f} s")  # noqa: T201


@pytest.mark.parametrize("down", [pytest.param(0.0, marks=pytest.mark.slow), DOWN])
@pytest.mark.parametrize(
    "ways",
    [
        pytest.param(("sink", "pour"), id="upload", marks=pytest.mark.slow),
        pytest.param(("source", "fetch"), id="download"),
    ],
)
async def test_a_transfer_goes_on(lab: Lab, ways: tuple[str, str], down: float) -> None:
    there, here = ways
    async with (
        talker(lab.in_public, role=there, port=7000, bytes=BYTES) as server,
        talker(lab.in_home, role=here, to=SERVER, bytes=BYTES) as client,
    ):
        await restart(lab, down)
        giver, taker = (client, server) if here == "pour" else (server, client)
        got = await taker.event("swallowed", timeout=60.0)
        assert (got["bytes"], got["sha256"]) == (BYTES, (await giver.event("poured"))["sha256"])
        await moved(server)
    assert down <= got["longest"] < down + LOST
    print(f"{here}: router down for {down} s, no progress for {got['longest']:.2f} s")  # noqa: T201
