"""How long the desktop program's own code keeps its window from reacting while other processes storm it.

The program runs on the offscreen platform with a user who types and a screen that repaints 60 times a second. "Blocked"
is how late a 5 ms timer of the GUI thread was, but no more than what that thread computed since the timer's last shot;
"late" is the whole lateness, with what the machine's other processes took. See benchmarks/window_app.py.
"""

import asyncio
import importlib.util
import socket
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks import peers
from benchmarks.grapes import Client
from benchmarks.peers import OURS
from benchmarks.runner import Sample, Settings
from tests.support.process import Program, running

SECONDS = 4.0  # of one storm
SOURCES = 32  # sockets that punch
TIMEOUT = 20.0  # seconds for one request
MS = 1000.0  # microseconds
METRICS = ("blocked p50", "blocked p99", "blocked worst", "late p99", "late worst", "turn worst", "gc worst")

Measured: TypeAlias = dict[str, Any]


class Target:
    """The program under storm, and the peer that storms it."""

    def __init__(self, app: Program, peer: Program, port: int, grape: str) -> None:
        self.app = app
        self.peer = peer
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.grape = int(grape.rpartition(":")[2])

    async def requests(
        self, workers: int, connections: int = 1, payload: object = None, megabytes: int = 0
    ) -> Measured:
        """Ask `workers` at a time, over `connections`. Answers per second; requests of `megabytes` are refused."""
        asked: Measured = await self.peer.command(
            "rpc", patience=60, address=self.address, workers=workers, connections=connections, seconds=SECONDS,
            timeout=TIMEOUT, key="fibonacci_worker", payload=payload, megabytes=megabytes,
        )  # fmt: skip
        if asked["failed"] and not megabytes:
            raise RuntimeError(f"{asked['failed']} requests failed")
        return {"rate": (asked["failed"] if megabytes else len(asked["latencies"])) / asked["seconds"]}

    async def asked(self, length: int) -> Measured:
        """Have the window ask for something long again and again, and show it."""
        for _ in range(3):
            await self.app.command("ask", address=peers.address(self.peer), length=length)
            await asyncio.sleep(SECONDS / 3)
        return {}

    async def arriving(self) -> Measured:
        """Pour a stream into the program."""
        await self.app.command("sink")
        await self.peer.command("pour", address=self.address, bytes=10_000_000_000, streams=1)
        await asyncio.sleep(SECONDS)
        return {}

    async def leaving(self) -> Measured:
        """Have the program pour a stream."""
        await self.app.command("pour", address=peers.address(self.peer), seconds=SECONDS)
        await asyncio.sleep(SECONDS)
        return {}

    async def punches(self) -> Measured:
        """Punch from many sources as fast as one thread can."""
        stop = threading.Event()
        asyncio.get_running_loop().call_later(SECONDS, stop.set)
        return {"rate": await asyncio.to_thread(_flood, self.port, stop) / SECONDS}

    async def lookups(self) -> Measured:
        """Ask the program's grape over 16 connections."""
        loop = asyncio.get_running_loop()
        clients = [(await loop.create_connection(Client, "127.0.0.1", self.grape))[1] for _ in range(16)]
        until, count = loop.time() + SECONDS, 0

        async def ask(client: Client) -> None:
            nonlocal count
            while loop.time() < until:
                await client.ask("lookup", "fibonacci_worker")
                count += 1

        await asyncio.gather(*map(ask, clients))
        return {"rate": count / SECONDS}

    async def nothing(self) -> Measured:
        """Let only the user and the screen work."""
        await asyncio.sleep(SECONDS)
        return {}


Storm: TypeAlias = Callable[[Target], Awaitable[Measured]]
STORMS: dict[str, Storm] = {
    "no storm": Target.nothing,
    "requests, 32 at a time": lambda target: target.requests(32),
    "requests, 256 at a time": lambda target: target.requests(256),
    "requests, 256 over 50 connections": lambda target: target.requests(256, 50),
    "replies of 1 MB": lambda target: target.requests(4, 1, {"length": 3000}),
    "replies of 10 MB": lambda target: target.requests(2, 1, {"length": 10000}),
    "requests of 10 MB, refused": lambda target: target.requests(2, megabytes=10),
    "an answer of 10 MB shown": lambda target: target.asked(10_000),
    "bulk data arriving": Target.arriving,
    "bulk data leaving": Target.leaving,
    "punches": Target.punches,
    "grape lookups": Target.lookups,
}


class Window:
    """Each storm once, against a program of its own."""

    name = "desktop window under storm"
    baseline = OURS
    once = False

    def __init__(self, settings: Settings) -> None:
        self._storms = STORMS

    def variants(self) -> tuple[str, ...]:
        """There is one, where there is Qt."""
        if importlib.util.find_spec("PySide6") is not None:
            return (OURS,)
        print("window: skipped, PySide6 is not installed", file=sys.stderr)
        return ()

    async def measure(self, variant: str) -> list[Sample]:
        """Storm the program in all ways, one after the other."""
        samples: list[Sample] = []
        for row, storm in self._storms.items():
            async with target(row) as stormed:
                await stormed.app.command("begin")
                told = await storm(stormed)
                measured = await stormed.app.command("end")
            samples += _samples(row, measured | told)
        return samples


def _samples(row: str, measured: Measured) -> list[Sample]:
    samples = [Sample(row, metric, measured[metric] / MS) for metric in METRICS]
    if "rate" in measured:
        samples.append(Sample(row, "rate", measured["rate"]))
    if measured["speed"]:
        samples.append(Sample(row, "speed", measured["speed"]))
    return samples


@asynccontextmanager
async def target(row: str) -> AsyncIterator[Target]:
    """Run the program, sharing, and a peer of ours."""
    role = {"bulk data leaving": "sink", "an answer of 10 MB shown": "fibonacci"}.get(row)
    with tempfile.TemporaryDirectory() as home:
        env = {f"XDG_{kind}_HOME": str(Path(home, kind)) for kind in ("CONFIG", "DATA", "STATE", "CACHE")}
        env |= {"XDG_RUNTIME_DIR": home, "QT_QPA_PLATFORM": "offscreen", "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
        env["GRAPEVINE_LAN"] = "off"
        command = [sys.executable, "-m", "benchmarks.window_app", "bench"]
        async with running("the desktop program", command, env=env) as app, peers.peer(OURS, role=role) as peer:
            await app.event("ready")
            place = await app.command("share")
            await asyncio.sleep(1)  # the start's own work
            yield Target(app, peer, place["port"], place["grape"])


def _flood(port: int, stop: threading.Event) -> int:
    """Send punches until told to stop; return how many."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOURCES)]
    count = 0
    try:
        for each in sockets:
            each.connect(("127.0.0.1", port))
        while not stop.is_set():
            for each in sockets:
                each.send(b"\xc3\xbf")
                count += 1
    finally:
        for each in sockets:
            each.close()
    return count
