"""What encryption costs: RPC and bulk data with and without it, and how many handshakes a core makes."""

import time

from benchmarks.peers import OURS, address, cpu_seconds, peer
from benchmarks.rpc import TIMEOUT, row_of
from benchmarks.runner import Sample, Settings, percentile
from benchmarks.streams import MEGA, arrived
from core.identity.identity import Identity
from core.secure.contexts import Contexts
from core.values import Address
from tests.secure.sides import seal_message

OPEN, SEALED = "plain", "encrypted"
CHUNK = 65_536  # bytes; `our_peer.CHUNK`
HANDSHAKES = 300  # of each kind, in one round
WORKERS = (1, 32, 256)


class Secure:
    """Two of ours. Handshakes are in memory, both sides in this process, in its processor time."""

    name = "encryption"
    baseline = OPEN
    once = False

    def __init__(self, settings: Settings) -> None:
        self._seconds = 3.0 if settings.full else 1.0
        self._settings = settings

    def variants(self) -> tuple[str, ...]:
        """With and without."""
        return (OPEN, SEALED)

    async def measure(self, variant: str) -> list[Sample]:
        """Measure everything with fresh processes."""
        samples: list[Sample] = []
        for workers in WORKERS:
            samples += await self._rpc(variant, workers)
        samples += await self._stream(variant, "1 stream", "swallow", "write")
        samples += await self._stream(variant, "1 byte stream of a session", "gulp", "carry")
        if variant == SEALED:
            samples += [Sample("full handshakes", "rate", _handshakes(tickets=False))]
            samples += [Sample("resumed handshakes", "rate", _handshakes(tickets=True))]
        return samples

    async def _rpc(self, variant: str, workers: int) -> list[Sample]:
        secure = variant == SEALED
        async with peer(OURS, role="echo", secure=secure) as server, peer(OURS, secure=secure) as client:
            order = {"workers": workers, "seconds": self._seconds, "timeout": TIMEOUT}
            answer = await client.command("rpc", address=address(server), patience=60, **order)
        row, latencies = row_of(workers), answer["latencies"]
        return [
            Sample(row, "rate", len(latencies) / answer["seconds"]),
            Sample(row, "p50", percentile(latencies, 50)),
        ]

    async def _stream(self, variant: str, row: str, role: str, command: str) -> list[Sample]:
        secure, total = variant == SEALED, self._settings.megabytes * MEGA // CHUNK * CHUNK
        async with peer(OURS, role=role, secure=secure) as sink, peer(OURS, secure=secure) as source:
            used = cpu_seconds(sink.pid) + cpu_seconds(source.pid)
            order = await source.command(command, address=address(sink), bytes=total)
            got = await arrived(sink, total, self._settings.transfer_seconds)
            used = cpu_seconds(sink.pid) + cpu_seconds(source.pid) - used
        return [
            Sample(row, "speed", got["bytes"] / MEGA / ((got["last"] - order["began"]) / 1e9)),
            Sample(row, "cpu", used * 1000 / (got["bytes"] / MEGA)),
        ]


def _handshakes(*, tickets: bool) -> float:
    """Return how many sessions a second of this process's time makes, and uses for one word."""
    one, other, there = Contexts(Identity.generate()), Contexts(Identity.generate()), Address("192.0.2.1", 1)
    began = time.process_time()
    for _ in range(HANDSHAKES):
        client, server = one.client(there), other.server()
        while not (client.established and server.established):
            server.feed(client.outgoing())
            client.feed(server.outgoing())
        client.feed(seal_message(server, b"word"))
        if tickets:
            one.keep(there, None, client)
        client.close()
    return HANDSHAKES / (time.process_time() - began)
