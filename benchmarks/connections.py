"""Connections: how many can be made in a second, and what an idle one costs."""

from benchmarks.peers import BASELINE, NODE, OURS, PAIRS, address, kinds, memory, peer
from benchmarks.runner import Sample, Settings

WORKERS = 8  # connections being made at the same time
PATIENCE = 300.0  # seconds to open all idle connections
KB = 1000
MB = 1_000_000


class ConnectionRate:
    """client->server: connect, send a word, hear it back, close."""

    name = "connections per second"
    baseline = BASELINE
    once = False

    def __init__(self, settings: Settings) -> None:
        self._seconds = 3.0 if settings.full else 1.0

    def variants(self) -> tuple[str, ...]:
        """The four pairs."""
        return PAIRS

    async def measure(self, variant: str) -> list[Sample]:
        """Open and close for some seconds."""
        client_kind, server_kind = kinds(variant)
        async with peer(server_kind, role="mirror") as server, peer(client_kind) as client:
            order = {"workers": WORKERS, "seconds": self._seconds}
            answer = await client.command("connections", address=address(server), patience=60, **order)
        row = f"{WORKERS} at a time"
        return [Sample(row, "rate", answer["made"] / answer["seconds"]), Sample(row, "failed", answer["failed"])]


class IdleConnections:
    """Memory of many connections on which nothing happens, at the side that opened and the side that accepted them."""

    name = "idle connections"
    baseline = NODE
    once = True

    def __init__(self, settings: Settings) -> None:
        self._count = settings.idle_connections

    def variants(self) -> tuple[str, ...]:
        """Both ends of one kind."""
        return (OURS, NODE)

    async def measure(self, variant: str) -> list[Sample]:
        """Read the processes' memory before and after."""
        samples: list[Sample] = []
        async with peer(variant, role="mirror") as server, peer(variant) as client:
            await client.command("hold", address=address(server), count=1)  # what the first one loads is no one's cost
            before = []
            for program in (client, server):
                await program.command("settle")
                before.append(memory(program.pid))
            await client.command("hold", address=address(server), count=self._count, patience=PATIENCE)
            for side, program, empty in zip(("opened", "accepted"), (client, server), before, strict=True):
                await program.command("settle")
                row = f"{self._count} {side}"
                used = memory(program.pid)
                samples.append(Sample(row, "per connection", (used - empty) / self._count / KB))
                samples.append(Sample(row, "process", used / MB))
        return samples
