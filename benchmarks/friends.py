"""How soon friends meet, and what it costs to be reachable without a server. As root, in network namespaces.

    python -m benchmarks.friends [lan] [invite-lan] [invite-broker] [invite-dht] [idle] [--runs 7] [--minutes 5]

lan: two computers on one network, the demo by its name: from "the second is up" to the first reply.
invite-...: both run and wait, one opens the other's link: until both are in each other's list; over a network at home,
a common broker between two home networks, or a private public DHT of 50 nodes (libtorrent, bittorrent-dht) alone.
idle: bytes on the wire and processor time of a peer that shares, is on the public DHT, and that nobody calls.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers import cpu_seconds
from tests.lan.bridge import Machine, home
from tests.natlab.internet import Internet, internet
from tests.natlab.kinds import Kind
from tests.natlab.namespaces import entered
from tests.natlab.test_public_dht import mainline
from tests.support.process import Program, grapevine, running

LAN = {"GRAPEVINE_LAN": "on"}
DAY = 86_400.0  # seconds
SETTLE = 120.0  # seconds after the start until an idle peer has filled its table


@asynccontextmanager
async def peer(inside: Sequence[str], **options: Any) -> AsyncIterator[Program]:  # noqa: ANN401 - JSON
    command = [*inside, sys.executable, "-m", "benchmarks.friends_peer", json.dumps(options)]
    async with running(f"peer {options['seed']}", command, env=LAN | {"CI": ""}) as program:
        await program.event("there", timeout=90.0)
        yield program


def wish(program: Program, **fields: str) -> None:
    pipe = program.transport.get_pipe_transport(0)
    assert isinstance(pipe, asyncio.WriteTransport)
    pipe.write(json.dumps(fields).encode() + b"\n")


async def accepted(anna: Program, bert: Program) -> float:
    """Have Bert open a link of Anna's; return the seconds until each is in the other's list."""
    wish(anna, invite="bert")
    link = (await anna.event("link"))["link"]
    await asyncio.sleep(3.0)  # a link travels by messenger; Anna listens from now on
    wish(bert, join=link)
    joined = await bert.event("joined", timeout=100.0)
    known = await anna.event("accepted", timeout=100.0)
    return max(float(joined["at"]), float(known["at"])) - float(joined["began"])


async def lan(run: int) -> float:
    """The demo by its name, with no option: from the consumer being up to its reply."""
    del run
    with home() as (here, there, _), tempfile.TemporaryDirectory() as folder:

        def play(machine: Machine, *arguments: str) -> Any:  # noqa: ANN401
            place = Path(folder, machine.namespace)
            return grapevine(*arguments, inside=machine.inside, home=place, env=LAN)

        async with play(here, "share", "fibonacci") as worker:
            await worker.event("announced")
            await asyncio.sleep(2.0)
            async with play(there, "consume", "fibonacci", "--once") as consumer:
                up = await consumer.event("listening")
                reply = await consumer.event("reply")
                return float(reply["at"]) - float(up["at"])


async def invite_lan(run: int) -> float:
    with home() as (here, there, _):
        async with (
            peer(here.inside, seed=2 * run + 1, lan=True, share=True) as anna,
            peer(there.inside, seed=2 * run + 2, lan=True) as bert,
        ):
            await asyncio.sleep(2.0)
            return await accepted(anna, bert)


async def invite_broker(run: int) -> float:
    with internet() as world, tempfile.TemporaryDirectory() as folder:
        place, sites = world.public(), (world.site(Kind.LINUX), world.site(Kind.PORT_RESTRICTED))
        async with AsyncExitStack() as stack:
            api = "http://127.0.0.1:30001"
            for arguments, event in (
                (("grape", "--dp", "20001", "--aph", "30001", "--bn", ""), "listening"),
                (("broker", "--port", "4000", "--grape", api), "announced"),
            ):
                program = grapevine(*arguments, inside=place.inside, home=Path(folder, arguments[0]))
                await (await stack.enter_async_context(program)).event(event)
            host = place.addresses[0]
            common: dict[str, Any] = {"broker": [f"{host}:4000"], "grapes": [f"http://{host}:30001"]}
            anna = await stack.enter_async_context(peer(sites[0].inside, seed=2 * run + 1, share=True, **common))
            bert = await stack.enter_async_context(peer(sites[1].inside, seed=2 * run + 2, **common))
            await asyncio.sleep(3.0)
            return await accepted(anna, bert)


@asynccontextmanager
async def public_dht(world: Internet) -> AsyncIterator[list[str]]:
    nodes = world.public(50)
    async with mainline(nodes):
        yield [f"{host}:6881" for host in nodes.addresses[:3]]


async def invite_dht(run: int) -> float:
    with internet() as world:
        sites = world.site(Kind.LINUX), world.site(Kind.PORT_RESTRICTED)
        async with (
            public_dht(world) as names,
            peer(sites[0].inside, seed=2 * run + 1, share=True, attend=True, mainline=names) as anna,
            peer(sites[1].inside, seed=2 * run + 2, attend=True, mainline=names) as bert,
        ):
            await asyncio.sleep(5.0 + run % 5)  # not always at the same moment of a look at the door
            return await accepted(anna, bert)


def moved(namespace: str, device: str = "eth0") -> tuple[int, int]:
    """Return bytes, without the link's own headers, and packets of a device, both ways."""
    with entered(namespace):
        lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
    fields = next(line.split(":")[1].split() for line in lines if line.strip().startswith(f"{device}:"))
    received, sent, packets = int(fields[0]), int(fields[8]), int(fields[1]) + int(fields[9])
    return received + sent - 14 * packets, packets


async def idle(minutes: float) -> None:
    """Measure a peer that shares, with a friend in its list, and that nobody calls."""
    with internet() as world:
        site = world.site(Kind.LINUX)
        async with (
            public_dht(world) as names,
            peer(site.inside, seed=1, share=True, mainline=names) as anna,
        ):
            await asyncio.sleep(SETTLE)
            before, cpu = moved(site.hosts[0]), cpu_seconds(anna.pid)
            await asyncio.sleep(60.0 * minutes)
            after, used = moved(site.hosts[0]), cpu_seconds(anna.pid) - cpu
            seconds = 60.0 * minutes
            daily = (after[0] - before[0]) / seconds * DAY / 1e6
            print(
                f"idle on the public DHT, {minutes:g} minutes: {daily:.1f} MB a day, "
                f"{(after[1] - before[1]) / seconds:.2f} packets a second, {100 * used / seconds:.2f} % of a core"
            )


CASES: dict[str, Callable[[int], Awaitable[float]]] = {
    "lan": lan,
    "invite-lan": invite_lan,
    "invite-broker": invite_broker,
    "invite-dht": invite_dht,
}


async def measure(names: Sequence[str], runs: int, minutes: float) -> None:
    for name in names:
        if name == "idle":
            await idle(minutes)
            continue
        found = []
        for run in range(runs):
            found.append(await CASES[name](run))
            print(f"{name}: {found[-1]:.2f} s", file=sys.stderr, flush=True)
        found.sort()
        print(f"{name}: median {statistics.median(found):.2f} s, slowest {found[-1]:.2f} s, of {runs}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[*CASES, "idle"], default=[*CASES, "idle"])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--minutes", type=float, default=5.0)
    given = parser.parse_args()
    asyncio.run(measure(given.cases, given.runs, given.minutes))


if __name__ == "__main__":
    main()
