"""HyperDHT and iroh in our lab, beside us: `python -m tests.natlab.beside` writes a part of docs/nat-matrix.md.

They are no dependencies of ours. Install them elsewhere and say where: HYPERDHT is the node_modules folder that has it
(`npm i hyperdht@6.34.0`), IROH the Python that has it (`pip install iroh==1.2.0`). What is not there is left out.

    python -m tests.natlab.beside [--only 'linux x *']... [--lanes 4] [--seconds 20] [--results FILE] [--output FILE]

Each pair is tried once; results are added to FILE, and what it has already is not tried again.
"""

import argparse
import asyncio
import fnmatch
import itertools
import json
import os
import random
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.natlab.beside_words import HYPERDHT, IROH, Result, replaced
from tests.natlab.internet import Internet, Public, internet, visiting
from tests.natlab.kinds import Kind
from tests.support.process import Program, ProgramFailed, running
from tests.support.tools import ROOT, problem

PAGE = ROOT / "docs" / "nat-matrix.md"
OTHERS = ROOT / "tests" / "natlab" / "others"
NODES = 12  # of the DHT, each at a public address of its own
LANES = 4  # pairs at once
SECONDS = 20.0  # that a pair has
START = 60.0  # seconds for a program to be ready; the machine is busy


@dataclass(frozen=True, slots=True)
class Town:
    """The public machines: HyperDHT's nodes and iroh's meeting, where they are installed."""

    world: Internet
    bootstrap: object
    meeting: str
    host: str
    seconds: float


def _node(options: dict[str, object], inside: Sequence[str]) -> list[str]:
    return [*inside, "node", str(OTHERS / "hyperdht.js"), json.dumps(options)]


def _iroh(options: dict[str, object], inside: Sequence[str]) -> list[str]:
    return [*inside, os.environ["IROH"], "-m", "tests.natlab.others.iroh_peer", json.dumps(options)]


async def _ended(program: Program, seconds: float) -> tuple[float | None, str]:
    said = await program.event("ended", timeout=seconds + START)
    return said["seconds"], str(said["reason"])


async def hyperdht(town: Town, stack: AsyncExitStack, ends: Sequence[Sequence[str]]) -> tuple[float | None, str]:
    """Try a pair: from `connect` of a peer that knows the DHT to the first echo."""
    listening = _node({"role": "listen", "bootstrap": town.bootstrap}, ends[0])
    first = await stack.enter_async_context(running("hyperdht listen", listening))
    key = (await first.event("ready", timeout=START))["key"]
    options = {"role": "connect", "bootstrap": town.bootstrap, "key": key, "seconds": town.seconds}
    second = await stack.enter_async_context(running("hyperdht connect", _node(options, ends[1])))
    await second.event("ready", timeout=START)
    return await _ended(second, town.seconds)


async def iroh(town: Town, stack: AsyncExitStack, ends: Sequence[Sequence[str]]) -> tuple[float | None, str]:
    """Try a pair: from when both know the other's address to the first echo."""
    room = f"{random.getrandbits(64):x}"
    both = []
    for number, inside in enumerate(ends):
        options = {"role": "peer", "asks": number == 1, "room": room, "meeting": town.meeting, "host": town.host}
        command = _iroh({**options, "seconds": town.seconds}, inside)
        both.append(await stack.enter_async_context(running("iroh peer", command)))
    for program in both:
        await program.event("ready", timeout=town.seconds)
    return await _ended(both[1], town.seconds)


WAYS = {HYPERDHT: hyperdht, IROH: iroh}


async def attempt(town: Town, name: str, one: Kind, other: Kind) -> Result:
    """Try one pair with one system."""
    try:
        async with AsyncExitStack() as stack:
            sites = [await stack.enter_async_context(visiting(town.world, kind)) for kind in (one, other)]
            seconds, reason = await WAYS[name](town, stack, [site.inside for site in sites])
    except ProgramFailed as error:
        seconds, reason = None, f"did not start: {str(error).splitlines()[0]}"
    return Result(name, one, other, seconds, reason)


async def _public(built: Internet, stack: AsyncExitStack, seconds: float, names: Sequence[str]) -> Town:
    bootstrap: object = None
    meeting, place = "", Public("", ("",))
    if HYPERDHT in names:
        nodes = built.public(NODES)
        command = _node({"role": "world", "hosts": nodes.addresses}, nodes.inside)
        world = await stack.enter_async_context(running("hyperdht world", command))
        bootstrap = (await world.event("ready", timeout=START))["bootstrap"]
    if IROH in names:
        place = built.public()
        program = await stack.enter_async_context(running("iroh meeting", _iroh({"role": "meeting"}, place.inside)))
        meeting = (await program.event("ready", timeout=START))["id"]
    return Town(built, bootstrap, meeting, place.addresses[0], seconds)


async def run(options: argparse.Namespace, names: Sequence[str], known: Sequence[Result]) -> None:
    """Try what is missing, some at once; each result is written down when it is there."""
    have = {(each.system, each.one, each.other) for each in known}
    pairs = itertools.combinations_with_replacement(Kind, 2)
    wanted = [(name, one, other) for one, other in pairs for name in names if (name, one, other) not in have]
    if options.only:
        wanted = [each for each in wanted if any(fnmatch.fnmatch(f"{each[1]} x {each[2]}", p) for p in options.only)]
    random.Random(1).shuffle(wanted)
    total = len(wanted)
    with internet() as built:
        async with AsyncExitStack() as stack:
            town = await _public(built, stack, options.seconds, names)

            async def lane() -> None:
                while wanted:
                    result = await attempt(town, *wanted.pop())
                    with options.results.open("a") as file:
                        file.write(result.line() + "\n")
                    print(f"[{total - len(wanted)}/{total}] {result}", flush=True)  # noqa: T201

            async with asyncio.TaskGroup() as group:
                for _ in range(options.lanes):
                    group.create_task(lane())


def main(arguments: Sequence[str]) -> int:
    """Run what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="tests.natlab.beside", description="Try every pair with others' programs.")
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN", help="pairs, as 'linux x open*'")
    parser.add_argument("--lanes", type=int, default=LANES, help="pairs at once")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="that a pair has")
    parser.add_argument("--results", type=Path, required=True, help="JSON lines: read first, and added to")
    parser.add_argument("--output", type=Path, default=None, help="the page that has our table, to write the part into")
    options = parser.parse_args(arguments)
    if reason := problem("natlab"):
        print(f"beside: {reason}", file=sys.stderr)  # noqa: T201
        return 2
    names = [name for name, where in ((HYPERDHT, "HYPERDHT"), (IROH, "IROH")) if os.environ.get(where)]
    options.results.touch()
    known = [Result.read(line) for line in options.results.read_text().splitlines()]
    if names:
        asyncio.run(run(options, names, known))
    if options.output is not None:
        results = [Result.read(line) for line in options.results.read_text().splitlines()]
        options.output.write_text(replaced(options.output.read_text(), results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
