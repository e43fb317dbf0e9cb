"""Two homes, and nothing else in the world but a public DHT of other people's nodes: they meet by it alone."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.peer_id import PeerId
from tests.natlab.friends import known
from tests.natlab.internet import Internet, Public, internet
from tests.natlab.kinds import Kind
from tests.natlab.matrix import SEQUENCE
from tests.natlab.wrong_clock import wrong_clock
from tests.streams_real import own
from tests.support.process import Event, Program, grapevine, node, running

pytestmark = [pytest.mark.natlab, pytest.mark.slow]
NODES = 50
HABITS = ["plain"] * 10 + ["slow"] * 4 + ["lying"] * 4 + ["banning"] * 4  # of bittorrent-dht's; libtorrent's ban too
PLAIN = (Kind.FULL_CONE, Kind.RESTRICTED, Kind.PORT_RESTRICTED, Kind.LINUX)
OTHERS = 5  # friends of Anna's that are not there
ALONE = ("--bootstrap", "")  # a grape of its own that knows no other


@asynccontextmanager
async def mainline(place: Public, habits: Sequence[str] = HABITS) -> AsyncIterator[Program]:
    """Run nodes on a machine, one on each address: libtorrent's, and those of bittorrent-dht, which are returned."""
    theirs = len(place.addresses) - len(habits)
    command = [*place.inside, sys.executable, "-m", "tests.public.libtorrent_nodes", *place.addresses[:theirs]]
    others = [{"host": host, "habit": habit} for host, habit in zip(place.addresses[theirs:], habits, strict=True)]
    first = [f"{each}:6881" for each in place.addresses[:8]]
    options: dict[str, object] = {"nodes": others, "bootstrap": first, "bogus": [11, 0, 249]}
    async with running("libtorrent", command) as program:
        await program.event("ready")
        async with node("mainline", options, inside=place.inside) as script:
            program.say({"meet": list(place.addresses[theirs:])})  # else libtorrent may never hear of the others
            yield script


async def switch_on(home: Path, node: str) -> None:
    done = await own(home, "settings", "public-dht", "on", "--bootstrap", f"{node}:6881")
    assert done.code == 0, done


async def meet(
    world: Internet, folder: Path, nodes: Public, anna: Kind, bert: Kind, *, env: dict[str, str] | None = None
) -> float:  # fmt: skip
    """Have Bert ask Anna something; return how many seconds that took, the start of his program included.

    `env` is Bert's.
    """
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
        async with grapevine(*asking, inside=sites[1].inside, home=homes[1], env=env) as asker:
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
            places = asyncio.Semaphore(4)  # pairs at a time

            async def one(number: int, anna: Kind, bert: Kind) -> None:
                async with places:
                    await meet(world, folder / str(number), nodes, anna, bert)

            await asyncio.gather(*(one(number, *pair) for number, pair in enumerate(pairs)))


async def joins(world: Internet, folder: Path, nodes: Public, *, env: dict[str, str] | None = None) -> float:
    """Have Bert, a stranger, open an invitation of Anna's; return how many seconds that took. `env` is Bert's."""
    homes, sites = (folder / "anna", folder / "bert"), (world.site(Kind.LINUX), world.site(Kind.PORT_RESTRICTED))
    for home in homes:
        await own(home, "id")
        await switch_on(home, nodes.addresses[0])
    made = await own(homes[0], "invite", "bert", "fibonacci", "--json")
    link = json.loads(made.out.splitlines()[-1])["link"]
    loop = asyncio.get_running_loop()
    sharing = grapevine("share", "fibonacci", "--verbose", *ALONE, inside=sites[0].inside, home=homes[0])
    async with sharing as sharer:
        await sharer.event("public-dht", lambda event: event["nodes"] >= 8)
        began = loop.time()
        joining = grapevine("join", link, "--verbose", *ALONE, inside=sites[1].inside, home=homes[1], env=env)
        async with joining as joiner:
            try:
                await sharer.event("invitation-accepted", timeout=90.0)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{sharer.transcript()}\n{joiner.transcript()}") from None
            took = loop.time() - began
            print(f"joined after {took:.1f} s")  # noqa: T201
            return took


@asynccontextmanager
async def captured(inside: Sequence[str], file: Path) -> AsyncIterator[None]:
    """Write down what leaves a machine."""
    async with running("capture", [*inside, sys.executable, "-m", "tests.natlab.capture", str(file)]) as program:
        await program.event("ready")
        yield


def rates(lines: Sequence[Sequence[str]]) -> float:
    """Return the most packets a second that one host got over ten seconds."""
    moments: dict[str, list[float]] = {}
    for at, host, _ in lines:
        moments.setdefault(host, []).append(float(at))
    return max(sum(at <= each < at + 10 for each in times) / 10 for times in moments.values() for at in times)


def somebody() -> PeerId:
    """Return the Peer ID of somebody who is not there."""
    return PeerId(Ed25519PrivateKey.generate().public_key().public_bytes_raw())


async def until_held(others: Program) -> Event:
    """Return what nodes of bittorrent-dht keep, once they keep letters and rings, or after a while."""
    for _ in range(20):
        held: Event = await others.command("held")
        if all(sum(each[kind] for each in held.values()) > 0 for kind in ("items", "announces")):
            break
        await asyncio.sleep(1.0)
    return held


async def looks_on(folder: Path) -> None:
    """Two meet, and somebody at the caller's line writes down what leaves."""
    with internet() as world:
        nodes = world.public(NODES)
        async with mainline(nodes, [*HABITS, *["plain"] * 10]) as others:  # one ring is kept by eight nodes
            seen = folder / "seen"
            ids = await known(folder)
            homes, sites = (folder / "anna", folder / "bert"), (world.site(Kind.LINUX), world.site(Kind.LINUX))
            for home in homes:
                await switch_on(home, nodes.addresses[0])
            for number in range(OTHERS):  # each has a box at eight of the nodes: some of those are of either kind
                await own(homes[0], "trust", "add", str(somebody()), "--name", f"friend {number}")
            sharing = grapevine("share", "fibonacci", *ALONE, inside=sites[0].inside, home=homes[0])
            async with captured(sites[1].inside, seen), sharing as sharer:
                await sharer.event("public-dht", lambda event: event["nodes"] >= 8)
                asking = ("request", f"{ids[0]}/fibonacci", '{"length": 10}', "--timeout", "60", *ALONE)
                async with grapevine(*asking, inside=sites[1].inside, home=homes[1]) as asker:
                    await asker.event("reply", timeout=90.0)
            held, told = await others.command("held"), await others.command("rates")
    lines = [line.split(" ") for line in seen.read_text().splitlines()]
    krpc = [line for line in lines if line[2].startswith("64")]
    assert len(krpc) > 20
    assert rates(krpc) <= 2.0, "packets a second to one host; libtorrent bans above 5"
    sent = b"\n".join(bytes.fromhex(line[2].strip()) for line in krpc)
    secret = [sites[0].local[0].encode(), b"fibonacci", b"grapevine", b"anna", b"bert", *map(str.encode, ids)]
    secret += [each.lower().encode() for each in ids]
    secret += [PeerId.parse(each).key for each in ids]
    secret += [bytes(map(int, place.split("."))) for site in sites for place in (site.outside, site.local[0])]
    assert [each for each in secret if each in sent] == [], "in the clear"
    assert sum(each["items"] for each in held.values()) > 0, f"letters at nodes of bittorrent-dht: {held}, {told}"
    assert sum(each["announces"] for each in held.values()) > 0, f"rings at nodes of bittorrent-dht: {held}, {told}"
    ours = [told[site.outside] for site in sites if site.outside in told]
    assert ours
    assert all(each["bans"] == 0 and each["most"] <= 2.0 for each in ours), ours
    print(f"{len(krpc)} packets of KRPC, {rates(krpc):.1f} a second to the host that got most")  # noqa: T201


async def with_a_wrong_clock(folder: Path, seconds: int) -> None:
    """Two meet, and two become friends; the clock of one of the two is so many seconds ahead."""
    env = wrong_clock(folder, seconds)
    with internet() as world:
        nodes = world.public(NODES)
        async with mainline(nodes):
            await meet(world, folder / "meet", nodes, Kind.LINUX, Kind.PORT_RESTRICTED, env=env)
            await joins(world, folder / "join", nodes, env=env)


async def an_invitation(folder: Path) -> None:
    with internet() as world:
        nodes = world.public(NODES)
        async with mainline(nodes):
            await joins(world, folder, nodes)


def test_an_invitation_is_opened_by_the_public_dht_alone(tmp_path: Path) -> None:
    asyncio.run(an_invitation(tmp_path))


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_clock_that_is_wrong_by_an_hour_keeps_nobody_apart(tmp_path: Path, seconds: int) -> None:
    asyncio.run(with_a_wrong_clock(tmp_path, seconds))


def test_who_looks_on_sees_few_packets_and_nothing_in_the_clear(tmp_path: Path) -> None:
    asyncio.run(looks_on(tmp_path))


def test_two_behind_plain_nats_meet_by_the_public_dht_alone(tmp_path: Path) -> None:
    asyncio.run(every_pair(tmp_path, [(Kind.LINUX, Kind.PORT_RESTRICTED)]))


def test_every_pair_of_plain_nats_meets(tmp_path: Path) -> None:
    asyncio.run(every_pair(tmp_path, [(anna, bert) for anna in PLAIN for bert in PLAIN]))


def test_a_pair_that_needs_the_ladder_meets_by_the_public_dht_alone(tmp_path: Path) -> None:
    """Nobody but nodes of the DHT carries their words, and says that each is where it says (docs/threat-model.md)."""
    asyncio.run(every_pair(tmp_path, [(Kind.PORT_RESTRICTED, Kind.SYM_RANDOM)]))
