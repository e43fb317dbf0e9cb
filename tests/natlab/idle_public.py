"""What an idle peer costs on a public DHT, by kind of message: `python -m tests.natlab.idle_public [--minutes 20]`.

A home behind a plain router shares something and knows one friend, who is not there. The public DHT is a private one
of libtorrent's and bittorrent-dht's nodes, of which some are slow, some lie and some ban. Counted is what crosses the
home's link, both ways, with the headers of IP and UDP: from the start, every `--each` minutes by themselves, with the
processor time of the peer's process.
"""

import argparse
import asyncio
import os
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
    total = sum(row[0] for row in rows)
    print(f"punches by network: {dict(sorted(punched.items(), key=lambda each: -each[1])[:6])}")  # noqa: T201
    rate = sum(row[1] for row in rows)
    line = f"{total / scale / 1e6:.2f} MB: {total / 1e6:.1f} MB a day, {rate:.2f} packets a second"
    print(line)  # noqa: T201


def processor(pid: int) -> float:
    """Return the seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def main(minutes: float, each: float, *, helper: bool) -> None:
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
            first = before = {"seconds": 0.0, "kinds": {}, "punched": {}}
            began = spent = processor(sharer.pid)
            for number in range(1, max(1, round(minutes / each)) + 1):
                await asyncio.sleep(60.0 * each)
                now, taken = counter.events[-1], processor(sharer.pid)
                print(f"-- the last {each:g} of {number * each:g} minutes", flush=True)  # noqa: T201
                report(before, now)
                print(f"{(taken - spent) / each / 0.6:.2f} % of a core")  # noqa: T201
                before, spent = now, taken
                told = [line for line in sharer.stderr.splitlines() if "bytes so far" in line]
                print(told[-1] if told else "", flush=True)  # noqa: T201
            print(f"-- all {minutes:g} minutes")  # noqa: T201
            report(first, before)
            print(f"{(spent - began) / minutes / 0.6:.2f} % of a core")  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.natlab.idle_public")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--each", type=float, default=5.0)
    parser.add_argument("--open-peer", action="store_true", help="have one open peer on a public machine")
    if reason := problem("natlab"):
        sys.exit(f"idle: {reason}")
    options = parser.parse_args()
    asyncio.run(main(options.minutes, options.each, helper=options.open_peer))
