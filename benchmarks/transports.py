"""Requests over HTTP and WebSocket: ours beside the Node transports, one after the other and 32 at once."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.peers import BASELINE, OURS, PAIRS, cpu_seconds, kinds
from benchmarks.runner import Sample, Settings, percentile
from tests.support.process import Program, running

HERE = Path(__file__).resolve().parent
WORKERS = (1, 32)
TRANSPORTS = ("http", "ws")


class Transports:
    """client->server; a request of {"hello": "world"} is sent back. CPU is that of both ends, on any machine."""

    name = "RPC over HTTP and WebSocket"
    baseline = BASELINE
    once = False

    def __init__(self, settings: Settings) -> None:
        self._seconds = 3.0 if settings.full else 0.7

    def variants(self) -> tuple[str, ...]:
        """The four pairs."""
        return PAIRS

    async def measure(self, variant: str) -> list[Sample]:
        """Ask for some seconds with each number of workers, over each transport; all processes are fresh each time."""
        samples: list[Sample] = []
        for transport in TRANSPORTS:
            for workers in WORKERS:
                samples += await self._one(variant, transport, workers)
        return samples

    async def _one(self, variant: str, transport: str, workers: int) -> list[Sample]:
        client_kind, server_kind = kinds(variant)
        async with (
            _peer(server_kind, transport, role="server") as server,
            _peer(client_kind, transport, port=server.events[0]["port"]) as client,
        ):
            await client.command("rpc", workers=workers, seconds=0.3, patience=60)  # warm
            before = cpu_seconds(server.pid) + cpu_seconds(client.pid)
            answer = await client.command("rpc", workers=workers, seconds=self._seconds, patience=60)
            spent = cpu_seconds(server.pid) + cpu_seconds(client.pid) - before
        latencies = answer["latencies"]
        row = f"{transport}, {'sequential' if workers == 1 else f'{workers} at once'}"
        samples = [Sample(row, "rate", len(latencies) / answer["seconds"]), Sample(row, "failed", answer["failed"])]
        if latencies:
            samples += [Sample(row, f"p{percent}", percentile(latencies, percent)) for percent in (50, 99)]
            samples.append(Sample(row, "cpu per request", spent / len(latencies) * 1e6))
        return samples


@asynccontextmanager
async def _peer(kind: str, transport: str, **options: object) -> AsyncIterator[Program]:
    text = json.dumps({"transport": transport, **options})
    script = HERE.parent / "tests" / "interop" / "transport_bench.js"
    command = [sys.executable, "-m", "benchmarks.transport_peer", text] if kind == OURS else ["node", str(script), text]
    async with running(f"{kind} {text}", command) as program:
        await program.event("ready")
        yield program
