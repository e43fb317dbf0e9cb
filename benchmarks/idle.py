"""What a peer costs that shares a service all day while nobody asks: CPU and memory, its grape included."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

from benchmarks.peers import NODE, OURS, cpu_seconds, memory
from benchmarks.runner import Sample, Settings
from tests.interop.grapes import two_node_grapes
from tests.support.process import grapevine, node

START = 3.0  # seconds after the first announce until the start's own work is over
MB = 1_000_000
ROW = "sharing peer and its grape"


class IdlePeer:
    """Our `share` with its embedded grape; on Node's side a worker and one grape of the two it needs."""

    name = "idle sharing peer"
    baseline = NODE
    once = True

    def __init__(self, settings: Settings) -> None:
        self._seconds = settings.idle_seconds

    def variants(self) -> tuple[str, ...]:
        """One of each kind."""
        return (OURS, NODE)

    async def measure(self, variant: str) -> list[Sample]:
        """Look at the processes' CPU time and memory over some seconds."""
        async with (_ours if variant == OURS else _node)() as processes:
            await asyncio.sleep(START)
            used = sum(map(cpu_seconds, processes))
            await asyncio.sleep(self._seconds)
            used = sum(map(cpu_seconds, processes)) - used
            kept = sum(map(memory, processes))
        return [Sample(ROW, "idle cpu", used / self._seconds * 100), Sample(ROW, "memory", kept / MB)]


@asynccontextmanager
async def _ours() -> AsyncIterator[list[int]]:
    # A program of its own: one that is forked here has all that this one has loaded. On the loop of a plain install.
    own = patch.dict(os.environ, GRAPEVINE_TEST_REAL="1")
    with tempfile.TemporaryDirectory() as home, own:
        # an empty list of nodes: not with the grapes of this machine's other peers, nor with who is on its network
        options, env = ("--bootstrap", "", "--no-lan"), {"GRAPEVINE_LOOP": "asyncio"}
        async with grapevine("share", "fibonacci", *options, home=Path(home), env=env) as program:
            await program.event("announced")
            yield [program.pid]


@asynccontextmanager
async def _node() -> AsyncIterator[list[int]]:
    async with two_node_grapes() as (first, _):
        options: dict[str, object] = {"role": "worker", "service": "fibonacci_worker", "grape": first.url}
        async with node("peer", options) as worker:
            await worker.event("announced")
            yield [worker.pid, first.program.pid]
