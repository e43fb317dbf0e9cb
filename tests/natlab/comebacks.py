"""How soon what is open between two homes works again: `python -m tests.natlab.comebacks` measures it.

    python -m tests.natlab.comebacks [--only 'restart*']... [--runs 5] [--lanes 3]

Anna shares a page, Bert has it open. Then something happens to one of them, or to both at the same moment. The time is
from when the network is there again, or the machine runs again, to the end of the first request that is answered.
"""

import argparse
import asyncio
import fnmatch
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TypeAlias

from core.aio.tasks import TaskSet
from tests.natlab.internet import Internet, internet
from tests.natlab.kinds import Kind
from tests.natlab.test_shares import Garden, garden, site_of
from tests.support.process import grapevine
from tests.support.tools import problem

ANNA, BERT, BOTH = ("anna",), ("bert",), ("anna", "bert")
HOMES = (Kind.PORT_RESTRICTED, Kind.PORT_RESTRICTED)  # neither lets the other in by itself, and ports change
DOWN = 1.0  # seconds that a router is off
ASLEEP = 65.0  # seconds; every mapping of a home router is gone by then
IDLE = 40.0  # seconds without a request before a run
SOON = 15.0  # seconds from the answer to one trouble until the next
TIMES = 6
EACH = 2  # runs in one garden: the rule against abuse lets a silent host be met four times a minute
GIVEN_UP = 60.0  # seconds; then a run counts as failed
UNDER_WAY = 1.5  # seconds after which a download is in the middle

Trouble: TypeAlias = Callable[[Internet, Garden, Sequence[str]], Awaitable[None]]
Measure: TypeAlias = Callable[[Internet, Garden, Trouble, Sequence[str], float], Awaitable[float]]


async def restart(world: Internet, page: Garden, who: Sequence[str]) -> None:
    """Restart routers: other ports, and no flow is known."""
    await asyncio.gather(*(page.place.restart(site_of(page.place, each), DOWN) for each in who))


async def reboot(world: Internet, page: Garden, who: Sequence[str]) -> None:
    """Restart routers that give the same ports again: nobody sees a change, but what was under way is lost."""
    await asyncio.gather(*(page.place.restart(site_of(page.place, each), DOWN, moves=False) for each in who))


async def sleep(world: Internet, page: Garden, who: Sequence[str]) -> None:
    """Stop programs for a minute, in which the routers forget all."""
    programs = [page.anna if each == "anna" else page.bert for each in who]
    for program in programs:
        program.send_signal(signal.SIGSTOP)
    await asyncio.sleep(ASLEEP)
    for each in who:
        await asyncio.to_thread(site_of(page.place, each).forget)
    for program in programs:
        program.send_signal(signal.SIGCONT)


async def move(world: Internet, page: Garden, who: Sequence[str]) -> None:
    """Carry machines to other homes."""
    sites = [site_of(page.place, each) for each in who]
    others = [await asyncio.to_thread(world.site, site.kind) for site in sites]
    await asyncio.gather(*(asyncio.to_thread(world.move, *pair) for pair in zip(sites, others, strict=True)))


async def answered(page: Garden) -> None:
    """Ask with curl until there is an answer."""
    while (await page.place.run("curl", "-sf", "--max-time", f"{GIVEN_UP:g}", f"{page.url}1000")).code:
        pass


async def next_page(world: Internet, page: Garden, trouble: Trouble, who: Sequence[str], idle: float) -> float:
    """Return how long the next request takes."""
    await answered(page)
    await asyncio.sleep(idle)
    await trouble(world, page, who)
    began = time.monotonic()
    async with asyncio.timeout(GIVEN_UP):
        await answered(page)
    return time.monotonic() - began


async def again(world: Internet, page: Garden, trouble: Trouble, who: Sequence[str], idle: float) -> float:
    """Return how long the next request takes at worst, when it happens several times within three minutes."""
    return max([await next_page(world, page, trouble, who, SOON) for _ in range(TIMES)])


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def download(world: Internet, page: Garden, trouble: Trouble, who: Sequence[str], idle: float) -> float:
    """Return how long a download takes until it goes on, or until it has ended and the next request is answered."""
    await answered(page)
    await asyncio.sleep(idle)
    path = page.place.folder / "download"
    path.unlink(missing_ok=True)
    async with aclosing(TaskSet("download")) as tasks:
        command = ("curl", "-sS", "-o", str(path), f"{page.url}slow/60000000")
        getting = tasks.spawn(page.place.run(*command), name="download")
        await asyncio.sleep(UNDER_WAY)
        await trouble(world, page, who)
        began, size = time.monotonic(), _size(path)
        async with asyncio.timeout(GIVEN_UP):
            while _size(path) <= size and not getting.done():  # noqa: ASYNC110 - a file tells nothing
                await asyncio.sleep(0.02)
            if getting.done():  # it was ended, and the user loads the page again
                await answered(page)
        return time.monotonic() - began


async def handshake(world: Internet, page: Garden, trouble: Trouble, who: Sequence[str], idle: float) -> float:
    """Return how long a command takes whose first connection is being opened when it happens."""
    more = ("--broker", "--grape", page.place.grape, "--timeout", f"{GIVEN_UP:g}")
    await asyncio.sleep(idle)
    inside, home = page.place.bert.inside, page.place.homes[1]
    async with grapevine("offers", "anna", *more, inside=inside, home=home) as program:
        await program.event("punch-sent", timeout=GIVEN_UP)
        await trouble(world, page, who)
        began = time.monotonic()
        await program.event("offers", timeout=GIVEN_UP)
        return time.monotonic() - began


CASES: dict[str, tuple[Measure, Trouble, Sequence[str]]] = {
    "restart of Anna's router": (next_page, restart, ANNA),
    "restart of Bert's router": (next_page, restart, BERT),
    "restart of both routers": (next_page, restart, BOTH),
    "restarts of Anna's router, six in three minutes": (again, restart, ANNA),
    "restarts of Bert's router, six in three minutes": (again, restart, BERT),
    "restarts of both routers, six in three minutes": (again, restart, BOTH),
    "sleep of Anna": (next_page, sleep, ANNA),
    "sleep of Bert": (next_page, sleep, BERT),
    "sleep of both": (next_page, sleep, BOTH),
    "another network of Anna": (next_page, move, ANNA),
    "another network of Bert": (next_page, move, BERT),
    "another network of both": (next_page, move, BOTH),
    "restart of Anna's router in a download": (download, restart, ANNA),
    "restart of Bert's router in a download": (download, restart, BERT),
    "another network of Bert in a download": (download, move, BERT),
    "another network of both in a download": (download, move, BOTH),
    "restart of Anna's router in a handshake": (handshake, restart, ANNA),
    "restart of Bert's router in a handshake": (handshake, restart, BERT),
    "restart of both routers in a handshake": (handshake, restart, BOTH),
    "restart of Anna's router in a handshake, with the same ports": (handshake, reboot, ANNA),
    "restart of Bert's router in a handshake, with the same ports": (handshake, reboot, BERT),
    "restart of both routers in a handshake, with the same ports": (handshake, reboot, BOTH),
}


async def runs(world: Internet, name: str, count: int, folder: Path) -> list[float | None]:
    """Play a case so many times; None: it did not work again."""
    measure, trouble, who = CASES[name]
    found: list[float | None] = []
    while len(found) < count:
        home = folder / f"{len(found)}"
        home.mkdir(parents=True)
        async with garden(world, home, *HOMES) as (page, _):
            for _ in range(min(EACH, count - len(found))):
                try:
                    found.append(await measure(world, page, trouble, who, IDLE))
                except (TimeoutError, AssertionError) as error:
                    print(f"{name}: {error!r}\n{page.place.transcript()}")  # noqa: T201
                    found.append(None)
                    break
                print(f"{name}: {found[-1]:.1f} s", flush=True)  # noqa: T201
    return found


def row(name: str, found: Sequence[float | None]) -> str:
    """Return a line of the table."""
    good = [each for each in found if each is not None]
    failed = f"{len(found) - len(good)} of {len(found)} never" if len(good) < len(found) else ""
    figures = f"{statistics.median(good):.1f} | {max(good):.1f}" if good else "- | -"
    return f"| {name} | {figures} | {failed} |"


async def main(options: argparse.Namespace) -> None:
    """Play the cases, some at once."""
    waiting = [name for name in CASES if not options.only or any(fnmatch.fnmatch(name, each) for each in options.only)]
    wanted, rows = list(waiting), {}
    with internet() as world, tempfile.TemporaryDirectory(prefix="grapevine-comebacks-") as folder:

        async def lane() -> None:
            while waiting:
                name = waiting.pop(0)
                rows[name] = row(name, await runs(world, name, options.runs, Path(folder) / name.replace(" ", "-")))

        async with asyncio.TaskGroup() as group:
            for _ in range(options.lanes):
                group.create_task(lane())
    print("| what happened | median, s | worst, s | |\n| --- | --- | --- | --- |")  # noqa: T201
    print("\n".join(rows[name] for name in wanted))  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.natlab.comebacks")
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--lanes", type=int, default=3)
    if reason := problem("natlab"):
        sys.exit(f"comebacks: {reason}")
    asyncio.run(main(parser.parse_args()))
