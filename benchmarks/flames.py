"""Flame graphs of the two hottest ways through a peer, both ends in this process, in pure Python.

    python -m benchmarks.flames docs [--seconds 20]

A timer of processor time looks at the stack as often as the kernel can, 250 times a second here. The time of a function
written in C counts as that of its caller. `request`: 32 requests at once by address, encrypted and recorded. `stream`:
bytes through a shared port.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from colorsys import hls_to_rgb
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from html import escape
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple
from zlib import crc32

from benchmarks.product_streams import SOURCE
from core.compiled import PURE, engines
from core.identity.identity import Identity
from core.kinds.share import Share
from core.peer import Peer, open_peer
from core.profile.config import PeerConfig
from core.trust.audience import Audience
from tests.support.process import running
from tests.support.tools import ROOT

EVERY: Final = 0.001  # seconds of processor time between two looks, at the least
AT_ONCE: Final = 32
WIDTH, ROW, LETTER = 1200, 17, 6.2  # pixels: the picture, the height of a frame, the width of a letter of its name
LEAST: Final = 0.004  # of all: what is narrower is left out
MEGA: Final = 1_000_000
TAKE: Final = "import sys; from benchmarks.product_streams import take; take(int(sys.argv[1]), int(sys.argv[2]))"

Stack = tuple[str, ...]  # from the loop's turn inwards
Work = Callable[[float], Coroutine[Any, Any, None]]  # until then, on the monotone clock
Way = Callable[[Peer, Peer], AbstractAsyncContextManager[Work]]


class Sampler:
    """Counts the stacks of the main thread while it is entered (`stacks`)."""

    def __init__(self) -> None:
        self.stacks: Counter[Stack] = Counter()

    def __enter__(self) -> "Sampler":
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _look(self, _: int, frame: FrameType | None) -> None:
        names: list[str] = []
        while frame is not None and frame.f_code.co_name != "_run":  # of asyncio's handle: a turn begins here
            names.append(_name(frame))
            frame = frame.f_back
        loop = frame is None  # the loop itself, and what is below it in every stack
        self.stacks[("asyncio: the loop",) if loop else tuple(reversed(names)) or ("asyncio: the loop",)] += 1


def _name(frame: FrameType) -> str:
    code = frame.f_code
    path = Path(code.co_filename)
    place = path.relative_to(ROOT).with_suffix("") if path.is_relative_to(ROOT / "core") else None
    return f"{'.'.join(place.parts[1:]) if place else path.parent.name or 'made at run time'}: {code.co_qualname}"


class Frame(NamedTuple):
    """One bar: a function as it was called from the one below. `start` and `size` are parts of all looks."""

    name: str
    depth: int
    start: float
    size: float


def frames(stacks: Counter[Stack], least: float = LEAST) -> list[Frame]:
    """Join stacks with the same beginning; the widest first. What is below `least` of all is left out."""
    whole = stacks.total()
    found: list[Frame] = []

    def add(some: Counter[Stack], depth: int, start: float) -> None:
        groups: dict[str, Counter[Stack]] = {}
        for stack, count in some.items():
            if stack:
                groups.setdefault(stack[0], Counter())[stack[1:]] += count
        for name, group in sorted(groups.items(), key=lambda each: -each[1].total()):
            size = group.total() / whole
            if size >= least:
                found.append(Frame(name, depth, start, size))
                add(group, depth + 1, start)
                start += size

    add(stacks, 0, 0.0)
    return found


def picture(found: list[Frame], title: str) -> str:
    """Return the flames as SVG, the loop's turns at the bottom; each bar tells its name and share under the mouse."""
    deep = max(each.depth for each in found) + 1
    height = (deep + 2) * ROW
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace"',
        ' font-size="10">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="4" y="13" font-size="13">{escape(title)}</text>',
    ]
    for each in found:
        left, wide = each.start * WIDTH, each.size * WIDTH
        top = height - (each.depth + 1) * ROW
        place = each.name.partition(":")[0].partition(".")[0]
        letters = int((wide - 4) / LETTER)
        shown = each.name if len(each.name) <= letters else each.name.rpartition(": ")[2].rpartition(".")[2]
        text = f'<text x="{left + 2:.1f}" y="{top + 12}">{escape(shown[:letters])}</text>' if letters > 2 else ""
        bar = f'<rect x="{left:.1f}" y="{top}" width="{max(wide - 0.5, 0.5):.1f}" height="{ROW - 1}"'
        bar += f' fill="{_colour(place)}"/>'
        lines.append(f"<g><title>{escape(each.name)}, {each.size:.1%}</title>{bar}{text}</g>")
    return "\n".join([*lines, "</svg>", ""])


def _colour(place: str) -> str:
    """Return a light colour, the same for all of one package."""
    red, green, blue = hls_to_rgb(crc32(place.encode()) % 360 / 360, 0.78, 0.65)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


@asynccontextmanager
async def two_peers() -> AsyncIterator[tuple[Peer, Peer]]:
    """Run a peer that shares and one that uses it, which has the other's grape; with all that a user's peer has."""
    with tempfile.TemporaryDirectory() as folder:

        def config(name: str, grapes: tuple[str, ...] = ()) -> PeerConfig:
            return PeerConfig(
                grapes=grapes, bootstrap=(), dht_port=0, api_port=0, bind="127.0.0.1", identity=Identity.generate(),
                trust_file=Path(folder, f"{name}.trust.json"), calls_file=Path(folder, f"{name}.sqlite3"),
                audiences={"fibonacci": Audience.ANYONE},
            )  # fmt: skip

        async with open_peer(config("far")) as far, open_peer(config("near", (far.snapshot().grape.url,))) as near:
            yield far, near


@asynccontextmanager
async def requests(far: Peer, near: Peer) -> AsyncIterator[Work]:
    """Ask the demo, 32 times at once, again and again."""
    await far.share("fibonacci")
    address = far.snapshot().address
    assert address is not None

    async def ask(end: float) -> None:
        while time.monotonic() < end:
            await near.request(str(address), {"length": 10})

    async def work(end: float) -> None:
        await asyncio.gather(*(ask(end) for _ in range(AT_ONCE)))

    yield work


@asynccontextmanager
async def stream(far: Peer, near: Peer) -> AsyncIterator[Work]:
    """Take bytes through a shared port; who sends and who takes are processes of their own."""
    peer_id = await far.peer_id()
    assert peer_id is not None
    async with running("source", [sys.executable, "-c", SOURCE]) as source:
        place = f"127.0.0.1:{(await source.event('ready'))['port']}"
        await far.add_share(Share("bulk", "tcp", {"target": place}, Audience.IDENTIFIED))
        where = await near.use(peer_id, "bulk", kind="tcp")

        async def work(end: float) -> None:
            while time.monotonic() < end:
                command = [sys.executable, "-c", TAKE, where.rpartition(":")[2], str(100 * MEGA)]
                taker = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
                if await taker.wait():
                    raise RuntimeError("the bytes did not come")

        yield work


async def look(way: Way, seconds: float) -> Counter[Stack]:
    """Return the stacks of a way, after a second in which it warms up."""
    async with two_peers() as (far, near), way(far, near) as work:
        await work(time.monotonic() + 1.0)
        with Sampler() as sampler:
            await work(time.monotonic() + seconds)
    return sampler.stacks


def main() -> None:
    """Draw both."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flames")
    parser.add_argument("folder", type=Path, help="where flames-request.svg and flames-stream.svg go")
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    if engines() != PURE:
        parser.error("compiled functions have no frames that could be seen: set GRAPEVINE_ENGINES=python")
    ways: dict[str, tuple[Way, str]] = {
        "request": (requests, "32 requests at once by address, encrypted and recorded: both ends"),
        "stream": (stream, "one byte stream through a shared port, encrypted: both ends"),
    }
    for name, (way, title) in ways.items():
        stacks = asyncio.run(look(way, given.seconds))
        (given.folder / f"flames-{name}.svg").write_text(picture(frames(stacks), title), encoding="utf-8")
        own: Counter[str] = Counter()
        for stack, count in stacks.items():
            own[stack[-1].partition(":")[0].partition(".")[0]] += count
        shares = ", ".join(f"{place} {count / stacks.total():.0%}" for place, count in own.most_common(9))
        print(f"{name}: {stacks.total()} looks; {shares}")


if __name__ == "__main__":
    main()
