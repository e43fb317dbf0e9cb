"""One stream over a link in user space (benchmarks/link_proxy.py): goodput, and the queueing delay it causes."""

import json
import sys
import time
from itertools import product
from typing import NamedTuple

from benchmarks.peers import NODE, OURS, address, peer
from benchmarks.runner import Sample, Settings
from benchmarks.streams import arrived
from tests.support.process import running

QUEUE_SECONDS = 0.3  # of the link's rate: a home router's buffer, bloated enough that LEDBAT's 100 ms has an effect
QUEUE_MIN = 64_000  # bytes
MORE_THAN_FITS = 10_000_000_000  # bytes


class Cell(NamedTuple):
    """A link: round trip in ms, loss each way in percent, rate each way in Mbit/s."""

    rtt: int
    loss: int
    rate: int

    def __str__(self) -> str:
        return f"{self.rtt} ms, {self.loss} %, {self.rate} Mbit/s"


GRID = tuple(Cell(*cell) for cell in product((1, 20, 100), (0, 1, 5), (2, 20, 200)))
QUICK = (Cell(1, 0, 20), Cell(20, 0, 20), Cell(20, 1, 20), Cell(100, 1, 2), Cell(100, 5, 200))


class LinkGrid:
    """Ours to ours and libutp to libutp over the same seeded links; the quick run takes five cells of the grid."""

    name = "one stream over a link"
    baseline = NODE
    once = True

    def __init__(self, settings: Settings) -> None:
        self._cells = GRID if settings.full else QUICK
        self._seconds = 15.0 if settings.full else 4.0

    def variants(self) -> tuple[str, ...]:
        """Both ends of one kind."""
        return (OURS, NODE)

    async def measure(self, variant: str) -> list[Sample]:
        """Measure every cell."""
        samples: list[Sample] = []
        for cell in self._cells:
            samples += await self._one(variant, cell)
        return samples

    async def _one(self, variant: str, cell: Cell) -> list[Sample]:
        options = {
            "rtt": cell.rtt,
            "loss": cell.loss / 100,
            "rate": cell.rate,
            "queue": max(QUEUE_MIN, int(cell.rate * 1e6 / 8 * QUEUE_SECONDS)),
        }
        async with peer(variant, role="sink") as sink, peer(variant) as source:
            command = [sys.executable, "-m", "benchmarks.link_proxy"]
            text = json.dumps({**options, "to": sink.events[0]["port"]})
            async with running(f"link {cell}", [*command, text]) as link:
                await link.event("ready")
                order = await source.command("pour", address=address(link), bytes=MORE_THAN_FITS, streams=1)
                got = await arrived(sink, MORE_THAN_FITS, self._seconds)
                took = (time.monotonic_ns() - order["began"]) / 1e9
                did = await link.command("report")
        row = str(cell)
        return [
            Sample(row, "goodput", got["bytes"] * 8 / 1e6 / took),
            Sample(row, "delay p50", did["up"]["delay p50"]),
            Sample(row, "delay p95", did["up"]["delay p95"]),
            Sample(row, "proxy late", did["late ms"]),
        ]
