"""How cost grows: 1, 10, 100, 1,000 peers, connections, streams, shares and rows; microseconds and kilobytes of each.

    python -m benchmarks.growth [--json FILE] [--plot FILE.png]

In processor time of this process, on loopback or without a network, so that a busy machine changes little. `times` is
how many times dearer ONE is among 1,000 than among 100: 1 is linear growth of the whole, 10 would be quadratic.
"""

import argparse
import asyncio
import gc
import importlib
import json
import os
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from core.net.endpoint import Endpoint, EndpointConfig
from core.news.events import PeerRow
from core.news.hub import Hub
from core.news.roster import Roster
from core.rpc.client import RpcClient
from core.rpc.config import RpcConfig
from core.rpc.memory import Standing
from core.rpc.server import RpcServer
from core.services.fibonacci import FibonacciService
from core.services.intents import Intent, Intents
from core.services.names import Role
from core.services.service import Registry
from core.serving.catalog import Catalog
from core.streams.engine import StreamEngine
from core.streams.events import Opening, Received
from core.utp.config import UtpConfig
from core.values import Address, JsonValue
from core.wire.rpc_message import MAX_BYTES
from tests.support.answers import answered_by

SIZES = (1, 10, 100, 1000)
ROUNDS = 5  # of the work on all of them; the quickest counts

Work: TypeAlias = Callable[[], Awaitable[object]]
Cost: TypeAlias = tuple[float, float]  # microseconds of work, and KB, for ONE


async def measured(work: Work, number: int, kilobytes: float) -> Cost:
    """Return what the work on `number` costs for each."""
    best = float("inf")
    for _ in range(ROUNDS):
        gc.collect()
        began = time.process_time()
        await work()
        best = min(best, time.process_time() - began)
    return best / number * 1e6, kilobytes / number


async def peers(number: int) -> Cost:
    """Rows of other peers: each gives a sign of life, then all of them are shown."""
    before = tracemalloc.get_traced_memory()[0]
    roster = Roster(Hub())
    addresses = [Address(f"10.{n // 250}.{n % 250}.1", 4000) for n in range(number)]

    async def work() -> None:
        for address in addresses:
            roster.note_served(address, "fibonacci_consumer")
        roster.rows()

    await work()
    kept = (tracemalloc.get_traced_memory()[0] - before) / 1e3
    return await measured(work, number, kept)


async def connections(number: int) -> Cost:
    """Connections of one socket: a request over each."""
    config = EndpointConfig(utp=UtpConfig(connections=4096, connections_per_host=4096, closed_kept=4096))

    async def answer(_: str, payload: JsonValue, __: object) -> JsonValue:
        return payload

    server = RpcServer(
        answered_by(answer),
        RpcConfig(connections=4096, connections_per_host=4096),
        standing=lambda caller: Standing("owner", True, MAX_BYTES),
    )
    before = tracemalloc.get_traced_memory()[0]
    async with (
        await Endpoint.open(Address("127.0.0.1", 0), config=config) as far,
        await Endpoint.open(Address("127.0.0.1", 0), config=config) as near,
        asyncio.TaskGroup() as group,
    ):
        serving: list[asyncio.Task[None]] = []
        far.on_stream = lambda stream: serving.append(group.create_task(server.serve(stream)))
        clients = [RpcClient(lambda to, seconds: near.connect(to, timeout=seconds)) for _ in range(number)]

        async def work() -> None:
            for at in range(0, number, 50):
                some = clients[at : at + 50]
                await asyncio.gather(*(each.request(far.address, "k", {"length": 10}, timeout=30.0) for each in some))

        await work()
        gc.collect()
        kept = (tracemalloc.get_traced_memory()[0] - before) / 1e3
        found = await measured(work, number, kept)
        for client in clients:
            await client.close()
        for task in serving:
            task.cancel()
    return found


async def streams(number: int) -> Cost:
    """Byte streams of one session: a kilobyte over each."""
    before = tracemalloc.get_traced_memory()[0]
    near, far = StreamEngine(initiator=True), StreamEngine(initiator=False)

    def carry() -> None:
        while there := near.outgoing(65536):
            far.receive(b"".join(there), 0.0)
            for event in far.events():
                if isinstance(event, Opening):
                    far.accept(event.stream)
                elif isinstance(event, Received):
                    far.consumed(event.stream, len(event.data), 0.0)
            near.receive(b"".join(far.outgoing(65536)), 0.0)
            near.events()

    numbers = [near.open(b"x", 0.0) for _ in range(number)]

    async def work() -> None:
        for each in numbers:
            near.write(each, bytes(1000))
        carry()

    await work()
    kept = (tracemalloc.get_traced_memory()[0] - before) / 1e3
    return await measured(work, number, kept)


async def shares(number: int) -> Cost:
    """Shared services: each is found by a request's key."""
    before = tracemalloc.get_traced_memory()[0]
    registry = Registry(*(_Named(f"service{n}") for n in range(number)))
    intents, catalog = Intents(registry), Catalog(registry)
    for service in registry:
        intents.declare(Intent(service.name, Role.WORKER))
        catalog.add(service.name)

    async def work() -> None:
        for n in range(number):
            if catalog.find(f"service{n}_worker") is None:
                raise AssertionError("it is shared")

    await work()
    kept = (tracemalloc.get_traced_memory()[0] - before) / 1e3
    return await measured(work, number, kept)


async def rows(number: int) -> Cost:
    """Rows of a table in a window: one value of each changes, and what can be seen is drawn. Needs PySide6."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtWidgets import QApplication, QTableView

    from desktop.models.peers import PeersModel

    application = QApplication.instance() or QApplication(["growth"])
    peer = PeerRow(Address("10.0.0.1", 4000), Role.CONSUMER, "fibonacci_consumer", 0.0, 0.0, True, 0, 0, 0, 0, None)
    shown = [replace(peer, address=Address(f"10.{n // 250}.{n % 250}.1", 4000)) for n in range(number)]
    QTableView().grab()  # what the first table of all loads is not counted
    before = tracemalloc.get_traced_memory()[0]
    model, view = PeersModel(), QTableView()
    view.setModel(model)
    view.show()

    async def work() -> None:
        shown[:] = [replace(row, requests_served=row.requests_served + 1) for row in shown]
        model.replace(shown)
        while model.rows() != shown:  # it takes a long table in parts, one in each turn of Qt's loop
            application.processEvents()
        view.viewport().repaint()

    await work()
    kept = (tracemalloc.get_traced_memory()[0] - before) / 1e3
    found = await measured(work, number, kept)
    view.close()
    return found


class _Named(FibonacciService):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


AXES: dict[str, Callable[[int], Awaitable[Cost]]] = {
    "peers": peers,
    "connections": connections,
    "streams": streams,
    "shares": shares,
    "rows": rows,
}


def lines(found: dict[str, dict[int, Cost]]) -> Iterator[str]:
    """Yield the table."""
    yield f"{'':12}" + "".join(f"{size:>20,}" for size in SIZES) + f"{'times':>9}"
    for name, costs in found.items():
        cells = "".join(f"{costs[size][0]:>10.1f} us{costs[size][1]:>5.1f} KB" for size in SIZES)
        yield f"{name:12}{cells}{costs[1000][0] / costs[100][0]:>9.2f}"


def plot(found: dict[str, dict[int, Cost]], path: Path) -> str:
    """Draw the whole cost over the number of things, both on logarithmic scales: linear growth is a diagonal."""
    try:
        matplotlib = importlib.import_module("matplotlib")
        matplotlib.use("Agg")
        pyplot = importlib.import_module("matplotlib.pyplot")
    except ImportError:
        return "no plot: matplotlib is not installed (pip install -e '.[bench]')"
    figure, both = pyplot.subplots(1, 2, figsize=(9, 4))
    for axes, which, label in ((both[0], 0, "microseconds, all of them"), (both[1], 1, "KB, all of them")):
        for name, costs in found.items():
            axes.plot(SIZES, [max(costs[size][which] * size, 0.1) for size in SIZES], marker="o", label=name)
        axes.set(xscale="log", yscale="log", xlabel="how many", ylabel=label)
    both[0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    return f"plot: {path}"


async def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    found: dict[str, dict[int, Cost]] = {}
    for name, axis in AXES.items():
        found[name] = {}
        for size in SIZES:
            tracemalloc.start()
            kept = (await axis(size))[1]
            tracemalloc.stop()
            found[name][size] = ((await axis(size))[0], kept)  # without the tracer, which takes half of the time
    print(*lines(found), sep="\n")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    if given.plot:
        print(plot(found, given.plot))


if __name__ == "__main__":
    asyncio.run(main())
