"""What an idle peer costs on a public DHT, by kind of message: `python -m tests.natlab.idle_public [--minutes 5]`.

A home behind a plain router shares something and knows one friend, who is not there. The public DHT is a private one
of libtorrent's and bittorrent-dht's nodes, of which some are slow, some lie and some ban. Counted is what crosses the
home's link after `--settle` seconds, both ways, with the headers of IP and UDP.
"""

import argparse
import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.natlab.friends import known
from tests.natlab.internet import internet
from tests.natlab.kinds import Kind
from tests.natlab.test_open_peers import helping
from tests.natlab.test_public_dht import ALONE, NODES, mainline, switch_on
from tests.support.process import grapevine, running
from tests.support.tools import problem

SETTLE = 120.0  # seconds; joining is over, and what is done eagerly at the beginning
DAY = 86400.0
SHOWN = 24  # kinds


def report(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Print a line for each kind between two counts."""
    scale = DAY / (after["seconds"] - before["seconds"])
    rows = []
    for name, (packets, size) in after["kinds"].items():
        packets_before, size_before = before["kinds"].get(name, (0, 0))
        rows.append(((size - size_before) * scale, (packets - packets_before) * scale / DAY, name))
    for size, packets, name in sorted(rows, reverse=True)[:SHOWN]:
        print(f"{size / 1e6:8.2f} MB a day  {packets:6.3f} a second  {name}")  # noqa: T201
    punched = {net: count - before["punched"].get(net, 0) for net, count in after["punched"].items()}
    print(f"punches by network: {dict(sorted(punched.items(), key=lambda each: -each[1])[:6])}")  # noqa: T201
    print(f"{sum(row[0] for row in rows) / 1e6:.1f} MB a day, {sum(row[1] for row in rows):.2f} packets a second")  # noqa: T201


async def main(minutes: float, settle: float, *, helper: bool) -> None:
    """Count, and print."""
    with internet() as world, tempfile.TemporaryDirectory(prefix="grapevine-idle-") as name:
        folder, nodes, site = Path(name), world.public(NODES), world.site(Kind.PORT_RESTRICTED)
        await known(folder)
        home = folder / "anna"
        await switch_on(home, nodes.addresses[0])
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(mainline(nodes))
            if helper:
                await stack.enter_async_context(helping(world.public(), nodes.addresses[0]))
            counting = [*site.inside, sys.executable, "-m", "tests.natlab.traffic", "5"]
            counter = await stack.enter_async_context(running("traffic", counting))
            await counter.event("ready")
            sharing = grapevine("share", "fibonacci", "--verbose", *ALONE, inside=site.inside, home=home)
            sharer = await stack.enter_async_context(sharing)
            await sharer.event("public-dht", lambda event: event["nodes"] >= 8)
            await asyncio.sleep(settle)
            before = counter.events[-1]
            for number in range(max(1, round(minutes))):
                await asyncio.sleep(60.0)
                print(f"-- after {number + 1} minutes", flush=True)  # noqa: T201
                report(before, counter.events[-1])
                told = [line for line in sharer.stderr.splitlines() if "bytes so far" in line]
                print(told[-1] if told else "", flush=True)  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.natlab.idle_public")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--settle", type=float, default=SETTLE)
    parser.add_argument("--open-peer", action="store_true", help="have one open peer on a public machine")
    if reason := problem("natlab"):
        sys.exit(f"idle: {reason}")
    options = parser.parse_args()
    asyncio.run(main(options.minutes, options.settle, helper=options.open_peer))
