"""How many packets an idle peer costs that shares something behind a home's router: `python -m tests.natlab.idle`.

    HYPERDHT=/path/to/node_modules python -m tests.natlab.idle [--settle 2] [--minutes 10] [--kinds]

Counted is what crosses the link between the machine and its router, both ways, by the kernel's counters, after some
minutes to settle; `--kinds` also says what they are. Beside it, in the same lab, a HyperDHT server that waits for
connections, where HYPERDHT says where that is installed. Ours is in a network of its own grapes, as HyperDHT in one of
its own nodes: 12 of each.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.natlab import namespaces as ns
from tests.natlab.idle_kinds import Kinds
from tests.natlab.internet import Internet, Site, internet
from tests.natlab.kinds import Kind
from tests.support.process import grapevine, running
from tests.support.tools import ROOT, problem

NODES = 12
SETTLE = 2.0  # minutes; joining, and the first announces, are over by then
MOST = 12  # kinds of packets that are told
BROKER = 4000
OTHERS = ROOT / "tests" / "natlab" / "others"


@dataclass(frozen=True, slots=True)
class Counted:
    """Packets and bytes that crossed a site's inner link, both ways."""

    packets: int
    bytes: int


def counted(site: Site) -> Counted:
    """Read the counters."""
    said = json.loads(ns.run(*ns.inside(site.hosts[0]), "ip", "-s", "-j", "link", "show", "eth0"))[0]["stats64"]
    return Counted(*(said["rx"][what] + said["tx"][what] for what in ("packets", "bytes")))


async def ours(world: Internet, stack: AsyncExitStack, folder: Path, *more: str) -> Site:
    """Run a sharing peer in a DHT of grapes, with a broker; return its site."""
    public = world.public()
    first = f"{public.addresses[0]}:20001"
    for number in range(NODES):
        place = public if not number else world.public()
        arguments = ("grape", "--dp", "20001", "--aph", "30001", "--bn", "" if not number else first)
        program = grapevine(*arguments, inside=place.inside, home=folder / f"grape-{number}")
        await (await stack.enter_async_context(program)).event("listening", timeout=120.0)
    place = world.public()
    broker = grapevine("broker", "--port", str(BROKER), "--bootstrap", first, inside=place.inside, home=folder / "b")
    await (await stack.enter_async_context(broker)).event("announced", timeout=120.0)
    site = world.site(Kind.PORT_RESTRICTED)
    share = ("share", "fibonacci", "--bootstrap", first, *more)
    program = grapevine(*share, inside=site.inside, home=folder / "peer")
    await (await stack.enter_async_context(program)).event("announced", timeout=120.0)
    return site


async def hyperdht(world: Internet, stack: AsyncExitStack) -> Site:
    """Run a HyperDHT server in a DHT of its own; return its site."""
    public, site = world.public(NODES), world.site(Kind.PORT_RESTRICTED)

    def node(options: dict[str, object]) -> list[str]:
        return ["node", str(OTHERS / "hyperdht.js"), json.dumps(options)]

    nodes = running("hyperdht world", [*public.inside, *node({"role": "world", "hosts": public.addresses})])
    ready = await (await stack.enter_async_context(nodes)).event("ready", timeout=120.0)
    server = [*site.inside, *node({"role": "listen", "bootstrap": ready["bootstrap"]})]
    await (await stack.enter_async_context(running("hyperdht listen", server))).event("ready", timeout=120.0)
    return site


async def main(settle: float, minutes: float, kinds: bool) -> None:
    """Count, and print a line each."""
    with internet() as world, tempfile.TemporaryDirectory(prefix="grapevine-idle-") as folder:
        async with AsyncExitStack() as stack:
            sites = {"Grapevine, with a broker": await ours(world, stack, Path(folder) / "1", "--broker")}
            sites["Grapevine, without"] = await ours(world, stack, Path(folder) / "2")
            if os.environ.get("HYPERDHT"):
                sites["HyperDHT 6.34.0"] = await hyperdht(world, stack)
            await asyncio.sleep(settle * 60.0)
            taps = {name: Kinds(site.hosts[0]) for name, site in sites.items()} if kinds else {}
            before = {name: counted(site) for name, site in sites.items()}
            await asyncio.sleep(minutes * 60.0)
            for name, site in sites.items():
                now, then = counted(site), before[name]
                packets, size = (now.packets - then.packets) * 60 / minutes, (now.bytes - then.bytes) * 60 / minutes
                print(f"{name}: {packets:,.0f} packets and {size / 1000:,.0f} KB an hour", flush=True)  # noqa: T201
                for kind, count in taps[name].counts().most_common(MOST) if kinds else ():
                    print(f"  {kind}: {count * 60 / minutes:,.0f}", flush=True)  # noqa: T201
            for tap in taps.values():
                tap.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.natlab.idle")
    parser.add_argument("--settle", type=float, default=SETTLE)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kinds", action="store_true")
    if reason := problem("natlab"):
        sys.exit(f"idle: {reason}")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.settle, arguments.minutes, arguments.kinds))
