"""A whole peer of the benchmarks, a process of its own: what a program gets that uses `core.peer`, nothing left out.

`python -m benchmarks.product_peer JSON`; talks JSON lines as benchmarks/our_peer.py. Options: `folder` (where its
files are: known peers, the record of calls), `secure` (bool: with an identity), `grape` (the URL of one; without it
there is one of its own), `share` (bool: fibonacci, for anyone), `alone` (bool: a second peer of this process asks it),
`uvloop` (bool).
"""

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.our_peer import Options, emit, obey
from core.compiled import engines
from core.errors import PeerError
from core.identity.identity import Identity
from core.news.events import PeerEvent
from core.peer import Peer, open_peer
from core.profile.config import PeerConfig
from core.trust.audience import Audience
from core.values import JsonValue

SERVICE = "fibonacci"
ASKED: JsonValue = {"length": 10}


class Product:
    """One peer and the commands that run on it; `caller` asks."""

    def __init__(self, peer: Peer, caller: Peer) -> None:
        self._peer, self._caller = peer, caller
        self.heard = 0  # events: somebody listens, as a window does
        for each in {peer, caller}:
            each.subscribe(self._hear)

    def _hear(self, _: PeerEvent) -> None:
        self.heard += 1

    async def ask(self, target: str, workers: int, seconds: float, timeout: float) -> Options:
        """`workers` loops, each asking again once answered, for `seconds`; the way there is found before."""
        await self._caller.request(target, ASKED, timeout=15.0)
        latencies: list[int] = []  # microseconds
        failed = 0
        used, began = time.process_time(), time.monotonic()

        async def work() -> None:
            nonlocal failed
            while (asked := time.monotonic()) < began + seconds:
                try:
                    await self._caller.request(target, ASKED, timeout=timeout)
                except PeerError:
                    failed += 1
                else:
                    latencies.append(round((time.monotonic() - asked) * 1e6))

        await asyncio.gather(*(work() for _ in range(workers)))
        took, used = time.monotonic() - began, time.process_time() - used
        return {"seconds": took, "cpu": used, "latencies": latencies, "failed": failed}

    async def recorded(self) -> Options:
        """Return how many of its newest thousand calls are in the record, and how many events were heard."""
        return {"calls": len(await self._peer.calls(limit=1000)), "events": self.heard}


def config(options: Options, folder: Path) -> PeerConfig:
    """Return what a peer with its files in `folder` is opened with."""
    return PeerConfig(
        grapes=tuple(options.get("grapes", ())), bootstrap=(), dht_port=0, api_port=0, bind="127.0.0.1",
        identity=Identity.generate() if options.get("secure") else None, trust_file=folder / "trust.json",
        calls_file=folder / "calls.sqlite3", audiences={SERVICE: Audience.ANYONE},
    )  # fmt: skip


async def main(options: Options) -> None:
    """Open the peer and obey."""
    folder = Path(options["folder"])
    async with AsyncExitStack() as stack:
        caller = peer = await stack.enter_async_context(open_peer(config(options, folder)))
        if options.get("share"):
            await peer.share(SERVICE)
        if options.get("alone"):
            caller = await stack.enter_async_context(open_peer(config(options, folder / "caller")))
        product = Product(peer, caller)
        peer_id, snapshot = await peer.peer_id(), peer.snapshot()
        if snapshot.address is None:
            raise AssertionError("the peer has no address")
        port = snapshot.address.port
        emit("ready", port=port, grape=snapshot.grape.url, peer_id=str(peer_id or ""), engines=engines())
        await obey({"ask": product.ask, "recorded": product.recorded})


if __name__ == "__main__":
    given: Options = json.loads(sys.argv[1])
    if given.get("uvloop"):
        import uvloop  # type: ignore[import-not-found, unused-ignore]

        uvloop.run(main(given))
    else:
        asyncio.run(main(given))
