"""The product: a peer asks a peer through the facade, with all that a user's peer has switched on.

Identity and so TLS, the gate, the quota, the record of calls, events with a listener at both ends. Beside it, in the
same run: the RPC layer alone, the Node peer, asyncio with a datagram of JSON each way and nothing of ours, which is the
least that any peer on asyncio takes, and `grapevine share` with its output in a file. Each end has a process of
its own; the product and the Node peer are measured with both ends in one process too, which spares both the system's
switches between them.
"""

import asyncio
import json
import shlex
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers import BARE, NODE, OURS, address, cpu_seconds, peer
from benchmarks.rpc import TIMEOUT, row_of
from benchmarks.runner import Sample, Settings, percentile
from tests.support.ports import free_port
from tests.support.process import NO_KEYRING, Program, ProgramFailed, running
from tests.support.tools import ROOT

WORKERS = (1, 8, 32, 256)
FEW = (1, 32)  # for what differs in little
PRODUCT, PLAIN, SHARE = "product", "product, plain", "grapevine share"
LAYER, SEALED_LAYER, NODE_LOOP, FLOOR = "RPC layer", "RPC layer, encrypted", "Node", "asyncio alone"
PRODUCT_ALONE, NODE_ALONE = "product, one process", "Node, one process"
BY_ADDRESS, BY_NAME, BY_ID = "by address", "by name", "by Peer ID"


@asynccontextmanager
async def product_peer(**options: Any) -> AsyncIterator[Program]:  # noqa: ANN401 - JSON
    """Run a whole peer until the block ends; see benchmarks/product_peer.py for the options."""
    with tempfile.TemporaryDirectory() as folder:
        text = json.dumps({**options, "folder": folder})
        async with running(f"product {text}", [sys.executable, "-m", "benchmarks.product_peer", text]) as program:
            await program.event("ready")
            yield program


@asynccontextmanager
async def sharing(folder: Path) -> AsyncIterator[tuple[Program, int]]:
    """Run `grapevine share fibonacci` with its output in a file; the number is its UDP port."""
    port, out = free_port(), folder / "out.txt"
    own = {f"XDG_{kind}_HOME": str(folder) for kind in ("CONFIG", "DATA", "STATE")}
    options = ["--port", str(port), "--bootstrap", "", "--no-lan"]
    command = [sys.executable, "-m", "core.cli", "share", "fibonacci", *options]
    shell = ["sh", "-c", f"exec {shlex.join(command)} >{shlex.quote(str(out))}"]
    env = {**own, "PYTHON_KEYRING_BACKEND": NO_KEYRING}
    async with running("grapevine share", shell, env=env, cwd=ROOT) as program:
        while "announced" not in (out.read_text(encoding="utf-8") if out.exists() else ""):
            if program.ended:
                raise ProgramFailed(f"grapevine share ended\n{program.transcript()}")
            await asyncio.sleep(0.05)
        yield program, port


class Product:
    """One request after the other, and 8, 32 and 256 at once; each variant with processes of its own."""

    name = "product"
    baseline = LAYER
    once = False

    def __init__(self, settings: Settings) -> None:
        self._seconds = 3.0 if settings.full else 0.7

    def variants(self) -> tuple[str, ...]:
        """The product in its ways, and what it stands beside."""
        return (NODE_LOOP, NODE_ALONE, FLOOR, LAYER, SEALED_LAYER, PRODUCT, PRODUCT_ALONE, PLAIN, SHARE)

    async def measure(self, variant: str) -> list[Sample]:
        """Measure one variant."""
        if variant in (LAYER, SEALED_LAYER, NODE_LOOP, FLOOR):
            return await self._beside(variant)
        if variant == NODE_ALONE:
            async with peer(NODE, role="echo", alone=True) as both:
                return _samples(f"{BY_ADDRESS}, {row_of(1)}", await self._ask_beside(both, both, 1))
        if variant == PRODUCT_ALONE:
            async with product_peer(secure=True, share=True, alone=True) as both:
                return await self._rows(both, both, BY_ADDRESS, address(both), FEW)
        if variant == SHARE:
            with tempfile.TemporaryDirectory() as name:
                async with sharing(Path(name)) as (program, port), product_peer(secure=True) as caller:
                    return await self._rows(caller, program, BY_ADDRESS, f"127.0.0.1:{port}", WORKERS)
        async with AsyncExitStack() as stack:
            secure = variant == PRODUCT
            worker = await stack.enter_async_context(product_peer(secure=secure, share=True))
            told = worker.events[0]
            caller = await stack.enter_async_context(product_peer(secure=secure, grapes=[told["grape"]]))
            samples = await self._rows(caller, worker, BY_ADDRESS, address(worker), WORKERS)
            samples += await self._rows(caller, worker, BY_NAME, "fibonacci", FEW)
            if secure:
                samples += await self._rows(caller, worker, BY_ID, f"{told['peer_id']}/fibonacci", WORKERS)
            kept = await worker.command("recorded")
        if not kept["calls"]:
            raise AssertionError("the record of calls is empty: something was measured without it")
        return samples

    async def _rows(
        self, caller: Program, worker: Program, way: str, target: str, numbers: tuple[int, ...]
    ) -> list[Sample]:
        samples: list[Sample] = []
        for workers in numbers:
            order = {"workers": workers, "seconds": self._seconds, "timeout": 10 * TIMEOUT}
            before = cpu_seconds(worker.pid)
            answer = await caller.command("ask", target=target, patience=60, **order)
            used = answer["cpu"] + (0.0 if worker is caller else cpu_seconds(worker.pid) - before)
            samples += _samples(f"{way}, {row_of(workers)}", answer)
            each = 1e6 * used / len(answer["latencies"])  # of both ends together
            samples.append(Sample(f"{way}, {row_of(workers)}", "cpu per request", each))
        return samples

    async def _beside(self, variant: str) -> list[Sample]:
        samples: list[Sample] = []
        sealed = {"secure": variant == SEALED_LAYER}
        kind, options = {NODE_LOOP: (NODE, {}), FLOOR: (BARE, {})}.get(variant, (OURS, sealed))
        role = "fibonacci" if kind == OURS else "echo"
        for workers in WORKERS if variant != FLOOR else (1,):
            async with peer(kind, role=role, **options) as server, peer(kind, **options) as client:
                answer = await self._ask_beside(client, server, workers)
            samples += _samples(f"{BY_ADDRESS}, {row_of(workers)}", answer)
        return samples

    async def _ask_beside(self, client: Program, server: Program, workers: int) -> dict[str, Any]:
        order = {"workers": workers, "seconds": self._seconds, "timeout": TIMEOUT}
        answer: dict[str, Any] = await client.command("rpc", address=address(server), patience=60, **order)
        return answer


def _samples(row: str, answer: dict[str, Any]) -> list[Sample]:
    latencies = answer["latencies"]
    found = [Sample(row, "rate", len(latencies) / answer["seconds"]), Sample(row, "failed", answer["failed"])]
    return found + [Sample(row, f"p{percent}", percentile(latencies, percent)) for percent in (50, 99) if latencies]
