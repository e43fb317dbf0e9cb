"""RPC over one connection: one request after the other, and 8, 32 and 256 at once."""

from benchmarks.peers import BASELINE, OPTIONS, PAIRS, PLAIN, UVLOOP, address, available, kinds, peer
from benchmarks.runner import Sample, Settings, percentile

WORKERS = (1, 8, 32, 256)
TIMEOUT = 1.0  # seconds: on loopback what has no answer after a second will have none


def row_of(workers: int) -> str:
    """Name a row."""
    return "sequential" if workers == 1 else f"{workers} at once"


class Rpc:
    """client->server; a request of {"length": 10} is sent back."""

    name = "RPC on one connection"
    baseline = BASELINE
    once = False

    def __init__(self, settings: Settings) -> None:
        self._seconds = 3.0 if settings.full else 0.7

    def variants(self) -> tuple[str, ...]:
        """The four pairs; where possible, ours without batching and ours on uvloop too."""
        return (*PAIRS, *available(PLAIN, UVLOOP))

    async def measure(self, variant: str) -> list[Sample]:
        """Ask for some seconds with each number of workers; client and server are fresh each time."""
        samples: list[Sample] = []
        for workers in WORKERS:
            samples += await self._one(variant, workers)
        return samples

    async def _one(self, variant: str, workers: int) -> list[Sample]:
        client_kind, server_kind = kinds(variant)
        options = OPTIONS.get(variant, {})
        async with peer(server_kind, role="echo", **options) as server, peer(client_kind, **options) as client:
            order = {"workers": workers, "seconds": self._seconds, "timeout": TIMEOUT}
            answer = await client.command("rpc", address=address(server), patience=60, **order)
        row, latencies = row_of(workers), answer["latencies"]
        samples = [
            Sample(row, "rate", len(latencies) / answer["seconds"]),
            Sample(row, "failed", answer["failed"]),
        ]
        if latencies:
            samples += [Sample(row, f"p{percent}", percentile(latencies, percent)) for percent in (50, 99)]
        return samples
