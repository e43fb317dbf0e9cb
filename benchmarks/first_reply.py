"""How long from both toggles on to the first reply, ours and the Node peer in every combination, in one run.

`.venv/bin/python -m benchmarks.first_reply [ROUNDS]`, after `make setup`. The consumer is on; the clock starts when the
worker is ready to act (its socket open) and stops at the consumer's first reply. Loopback, and a fresh lone grape of
ours for each round, so that the peers are compared and not the grapes.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.interop.grapes import our_grape
from tests.support.process import Program, grapevine, node

ROUNDS = 5
PATIENCE = 30.0  # seconds a round may take: the Node link keeps an empty lookup for 10 s
KINDS = ("ours", "Node")


@asynccontextmanager
async def consumer(kind: str, url: str, home: Path) -> AsyncIterator[Program]:
    """Run a consumer of this kind and wait until it is announced."""
    start = (
        grapevine("consume", "fibonacci", "--grape", url, home=home)
        if kind == "ours"
        else node("peer", {"role": "consumer", "grape": url})
    )
    async with start as program:
        await program.event("announced")
        yield program


@asynccontextmanager
async def worker(kind: str, url: str, home: Path) -> AsyncIterator[Program]:
    """Run a worker of this kind and wait until its socket is open."""
    if kind == "ours":
        async with grapevine("share", "fibonacci", "--grape", url, home=home) as program:
            await program.event("listening")
            yield program
    else:
        async with node("peer", {"role": "worker", "service": "fibonacci_worker", "grape": url}) as program:
            yield program


async def measure(worker_kind: str, consumer_kind: str) -> float:
    """Return the seconds of one round."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            our_grape() as grape,
            consumer(consumer_kind, grape.url, Path(folder) / "c") as asking,
            worker(worker_kind, grape.url, Path(folder) / "w"),
        ):
            began = time.perf_counter()
            await asking.event("reply", timeout=PATIENCE)
            return time.perf_counter() - began


async def main(rounds: int) -> None:
    """Print a table: median, best and worst of each pair."""
    print(f"{'worker':8}{'consumer':10}{'median':>10}{'best':>10}{'worst':>10}   seconds, {rounds} rounds")
    for worker_kind in KINDS:
        for consumer_kind in KINDS:
            took = [await measure(worker_kind, consumer_kind) for _ in range(rounds)]
            print(
                f"{worker_kind:8}{consumer_kind:10}{statistics.median(took):10.3f}{min(took):10.3f}{max(took):10.3f}",
                flush=True,
            )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS))
