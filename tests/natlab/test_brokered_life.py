"""Two that a broker brought together: routers restart, and brokers; mappings run out; somebody is asked by ID.

Most of each scene is waiting, so all of them are played at once; each test then looks at one.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.natlab.internet import Internet, Line, Site, internet
from tests.natlab.kinds import Kind, Lifetimes
from tests.natlab.matrix import SEQUENCE, Town
from tests.support.process import Event, Program, grapevine
from tests.support.selection import chosen

pytestmark = pytest.mark.natlab

SOON = 20.0  # seconds until an answer on a machine that is busy; one or two are usual
SHORT = Line(lifetimes=Lifetimes(one_way=6, stream=6))


@asynccontextmanager
async def pair(world: Internet, homes: Path, worker: Site, consumer: Site) -> AsyncIterator[tuple[Town, Program]]:
    """Have a grape, a broker and a worker that is registered there."""
    place = Town(homes, world.public(), worker, consumer)
    try:
        async with place.grape(), place.broker() as broker:
            await broker.event("announced")
            async with place.share() as running:
                await running.event("broker", lambda event: bool(event["registered"]))
                yield place, broker
    except AssertionError as error:
        raise AssertionError(f"{error}\n{place.transcript()}") from None


async def reply_after(consumer: Program, moment: float) -> Event:
    """Wait for a reply to a request that was sent after a moment (Unix seconds)."""
    return await consumer.event("reply", lambda event: event["at"] - event["seconds"] > moment, timeout=40.0)


def last_at(program: Program) -> float:
    """Return the time of the newest event."""
    return float(max(event["at"] for event in program.events if "at" in event))


async def answers_go_on(world: Internet, homes: Path, kinds: tuple[Kind, Kind], restarts: str) -> None:
    """A router forgets all it knew in the middle of a conversation."""
    sites = {"worker": world.site(kinds[0]), "consumer": world.site(kinds[1])}
    async with pair(world, homes, sites["worker"], sites["consumer"]) as (place, _):
        consuming = ("consume", "fibonacci", "--broker", "--grape", place.api)
        async with place.run(*consuming, inside=sites["consumer"].inside) as consumer:
            assert (await consumer.event("reply", timeout=SOON))["data"] == SEQUENCE
            sites[restarts].forget()
            at = last_at(consumer)
            later = await reply_after(consumer, at)
    print(f"{' x '.join(kinds)}: answered {later['at'] - at:.1f} s after the {restarts}'s router forgot all")  # noqa: T201


async def a_broker_restarts(world: Internet, homes: Path) -> None:
    """The worker registers at the new one by itself, and who comes then is brought to it."""
    worker, consumer = world.site(Kind.LINUX), world.site(Kind.PORT_RESTRICTED)
    async with pair(world, homes, worker, consumer) as (place, broker):
        broker.send_signal(9)
        with contextlib.suppress(AssertionError):
            await broker.event("never")
        async with place.broker() as again:
            await again.event("registered", lambda event: bool(event["server"]), timeout=60.0)
            async with place.consume(seconds=SOON) as asking:
                assert (await asking.event("reply", timeout=SOON + 5.0))["data"] == SEQUENCE


async def mappings_run_out(world: Internet, homes: Path) -> None:
    """Its registrations keep its mapping, so that the broker names the port that it began with."""
    worker, consumer = world.site(Kind.SYM_RANDOM, SHORT), world.site(Kind.RESTRICTED, SHORT)
    async with pair(world, homes, worker, consumer) as (place, broker):
        await asyncio.sleep(2.0 * SHORT.lifetimes.stream)
        assert broker.count("registered") == 1, "one port all the time"
        async with place.consume() as asking:
            assert (await asking.event("reply", timeout=SOON))["data"] == SEQUENCE


async def asked_by_id(world: Internet, homes: Path) -> None:
    """A caller that knows a Peer ID reaches its owner from behind one router to behind another, encrypted."""
    worker, asker = world.site(Kind.CGNAT), world.site(Kind.LINUX)
    async with pair(world, homes, worker, asker) as (place, _):
        # the first program that `pair` started after grape and broker is the worker
        async with grapevine("id", inside=worker.inside, home=homes / "share-2") as known:
            peer_id = (await known.event("id"))["peer_id"]
        asking = ("request", f"{peer_id}/fibonacci", '{"length": 10}', "--broker", "--grape", place.api)
        async with place.run(*asking, inside=asker.inside) as request:
            reply = await request.event("reply", timeout=SOON)
    assert (reply["data"], reply["peer_id"]) == (SEQUENCE, peer_id), "encrypted, and from the right peer"


async def two_in_one_home(world: Internet, homes: Path, kind: Kind, line: Line) -> None:
    """Whether their router turns packets round or not, they meet."""
    home = world.site(kind, line, hosts=2)
    worker, consumer = (Site(home.kind, home.outside, hosts=[host]) for host in home.hosts)
    async with pair(world, homes, worker, consumer) as (place, _), place.consume() as asking:
        reply = await asking.event("reply", timeout=SOON)
    assert reply["data"] == SEQUENCE
    host = reply["from"].split(":")[0]
    assert host == home.local[0] or (line.hairpin and host == home.outside)


async def one_program_on_a_public_machine(world: Internet, homes: Path) -> None:
    """As the README has it: a broker with its own grape, which the others' grapes join."""
    worker, consumer, public = world.site(Kind.CGNAT), world.site(Kind.LINUX_RACE), world.public()
    place, joining = Town(homes, public, worker, consumer), ("--bootstrap", f"{public.addresses[0]}:20001")
    async with place.run("broker", "--port", "4000", inside=public.inside) as broker:
        await broker.event("announced")
        async with (
            place.run("share", "fibonacci", "--broker", *joining, inside=worker.inside),
            place.run("consume", "fibonacci", "--broker", *joining, inside=consumer.inside) as asking,
        ):
            try:
                assert (await asking.event("reply", timeout=2.0 * SOON))["data"] == SEQUENCE
            except AssertionError as error:
                raise AssertionError(f"{error}\n{place.transcript()}") from None


SCENES: dict[str, Callable[[Internet, Path], Awaitable[None]]] = {
    "the worker's router restarts": partial(answers_go_on, kinds=(Kind.LINUX, Kind.PORT_RESTRICTED), restarts="worker"),
    "the consumer's router restarts": partial(answers_go_on, kinds=(Kind.CGNAT, Kind.LINUX), restarts="consumer"),
    "a symmetric router restarts": partial(answers_go_on, kinds=(Kind.SYM_RANDOM, Kind.RESTRICTED), restarts="worker"),
    "the broker restarts": a_broker_restarts,
    "mappings run out": mappings_run_out,
    "a Peer ID is asked for": asked_by_id,
    "both are in one home": partial(two_in_one_home, kind=Kind.LINUX, line=Line()),
    "both are in one home that turns packets round": partial(
        two_in_one_home, kind=Kind.FULL_CONE, line=Line(hairpin=True)
    ),
    "one program on a public machine": one_program_on_a_public_machine,
}


QUICK = {"the worker's router restarts", "a Peer ID is asked for"}


async def play(homes: Path, names: Sequence[str]) -> dict[str, BaseException | None]:
    """Play scenes; return what went wrong in each."""
    with internet() as world:
        played = (SCENES[name](world, homes / str(number)) for number, name in enumerate(names))
        return dict(zip(names, await asyncio.gather(*played, return_exceptions=True), strict=True))


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, BaseException | None]:
    return asyncio.run(play(tmp_path_factory.mktemp("homes"), chosen(request, "scene")))


@pytest.mark.parametrize(
    "scene", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in SCENES]
)
def test_a_pair_goes_on(played: dict[str, BaseException | None], scene: str) -> None:
    trouble = played[scene]
    if trouble is not None:
        raise trouble
