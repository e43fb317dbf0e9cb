"""`grapevine doctor` behind a router of each kind, with two brokers on the Internet."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from core.cli.exits import NO_NETWORK, OK
from tests.natlab.internet import Internet, Line, internet
from tests.natlab.kinds import Kind
from tests.support.process import Event, grapevine

pytestmark = [pytest.mark.natlab, pytest.mark.asyncio]

PORT = 4000
EASY, HOST, ADDRESS = "endpoint independent", "address dependent", "address and port dependent"
# mapping, filtering, ports, whether friends get in
FOUND = {
    Kind.OPEN: ("none", "loose", "kept", True),
    Kind.FIREWALL: ("none", "strict", "kept", True),
    Kind.FULL_CONE: (EASY, "loose", "fixed", True),
    Kind.RESTRICTED: (EASY, "loose", "fixed", True),
    Kind.PORT_RESTRICTED: (EASY, "strict", "fixed", True),
    Kind.LINUX: (EASY, "strict", "kept", True),
    Kind.LINUX_RACE: (EASY, "strict", "kept", True),
    Kind.SYM_ADDR: (HOST, "strict", "random", True),
    Kind.SYM_SEQ: (ADDRESS, "strict", "in order", True),
    Kind.SYM_RANDOM: (ADDRESS, "strict", "random", True),
    Kind.SYM_BLOCK: (ADDRESS, "strict", "block", True),
    Kind.NO_UDP: ("unknown", "unknown", "unknown", False),
    Kind.CGNAT: (EASY, "strict", "fixed", True),
    Kind.CGNAT_SYM: (ADDRESS, "strict", "random", True),
}
SAMPLE = (Kind.OPEN, Kind.PORT_RESTRICTED, Kind.SYM_SEQ)


@pytest.fixture
def world() -> Iterator[Internet]:
    with internet() as world:
        yield world


@asynccontextmanager
async def brokers(world: Internet, homes: Path) -> AsyncIterator[tuple[str, ...]]:
    """Run two; yield the options that name them."""
    async with AsyncExitStack() as stack:
        options: list[str] = []
        for number in range(2):
            public = world.public()
            arguments = ("broker", "--port", str(PORT), "--bootstrap", "", "--no-lan")
            program = grapevine(*arguments, inside=public.inside, home=homes / f"broker{number}")
            await (await stack.enter_async_context(program)).event("listening")
            options += ["--broker", f"{public.addresses[0]}:{PORT}"]
        yield tuple(options)


async def doctor(world: Internet, kind: Kind, home: Path, *options: str, line: Line | None = None) -> tuple[Event, int]:
    site = world.site(kind, line)
    run = ("doctor", "--no-lan", "--bootstrap", "", *options)
    async with grapevine(*run, inside=site.inside, home=home) as program:
        said = await program.event("doctor")
        return said, await program.wait()


@pytest.mark.parametrize(
    "kinds", [SAMPLE, pytest.param(tuple(kind for kind in Kind if kind not in SAMPLE), marks=pytest.mark.slow)]
)
async def test_each_kind_of_network_is_recognised(world: Internet, tmp_path: Path, kinds: tuple[Kind, ...]) -> None:
    async with brokers(world, tmp_path) as options:
        said = await asyncio.gather(*(doctor(world, kind, tmp_path / kind, *options) for kind in kinds))
    found = {
        kind: (event["mapping"], event["filtering"], event["ports"], event["reachable"])
        for kind, (event, _) in zip(kinds, said, strict=True)
    }
    assert found == {kind: FOUND[kind] for kind in kinds}
    assert [code for _, code in said] == [OK if FOUND[kind][3] else NO_NETWORK for kind in kinds]
    assert all(event["message"] and event["network"] for event, _ in said)


@pytest.mark.slow
async def test_whether_a_router_turns_packets_round_is_told(world: Internet, tmp_path: Path) -> None:
    async with brokers(world, tmp_path) as options:
        lines = (Line(hairpin=True), Line(hairpin=False))
        said = await asyncio.gather(
            *(doctor(world, Kind.FULL_CONE, tmp_path / f"{line.hairpin}", *options, line=line) for line in lines)
        )
    assert [event["hairpin"] for event, _ in said] == [True, False]
