"""Our end of the HTTP and WebSocket benchmark, a process of its own: `python -m benchmarks.transport_peer JSON`.

Talks JSON lines exactly as tests/interop/transport_bench.js. Options: `transport` (http, ws), `role` (server), `port`.
"""

import asyncio
import gc
import json
import sys
import time

from benchmarks.our_peer import emit
from core.cli.running import fast_loop
from core.errors import PeerError
from core.grenache.asker import Ask, WebAsker
from core.grenache.config import WebConfig
from core.grenache.server import WebServer
from core.rpc.memory import Memory
from core.rpc.slices import Slices
from core.values import Address
from tests.grenache.site import FakeSite


class Here:
    """A directory that lists one place."""

    def __init__(self, place: Address) -> None:
        self._place = place

    async def lookup(self, name: str, *, fresh: bool = False) -> list[Address]:
        """Return the place."""
        return [self._place]


async def serve() -> None:
    """Send back what comes, until stdin ends."""
    server = WebServer(WebConfig(), FakeSite(), Memory(), Slices())
    await server.start()
    emit("ready", port=server.address.port)
    gc.freeze()  # as the command line does once it serves
    await asyncio.to_thread(sys.stdin.read)
    await server.aclose()


async def ask(transport: str, port: int) -> None:
    """Do as stdin says."""
    asker = WebAsker(Here(Address("127.0.0.1", port)))
    emit("ready")
    gc.freeze()
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        result = await _rpc(asker, Ask(transport), **order["args"])
        emit("answer", id=order["id"], error=None, result=result)


async def _rpc(asker: WebAsker, how: Ask, workers: int, seconds: float) -> dict[str, object]:
    latencies: list[float] = []
    failed = 0
    began = time.perf_counter()

    async def work() -> None:
        nonlocal failed
        while (at := time.perf_counter()) - began < seconds:
            try:
                await asker.request("bench", {"hello": "world"}, 10.0, how)
                latencies.append((time.perf_counter() - at) * 1e6)
            except PeerError:
                failed += 1

    await asyncio.gather(*(work() for _ in range(workers)))
    return {"latencies": latencies, "failed": failed, "seconds": time.perf_counter() - began}


def main() -> None:
    """Run one role."""
    options = json.loads(sys.argv[1])
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(serve() if options.get("role") == "server" else ask(options["transport"], options["port"]))


if __name__ == "__main__":
    main()
