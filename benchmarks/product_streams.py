"""Shared ports and pages as people use them, beside `ssh -L` and, where they are installed, hypertele and iroh.

    python -m benchmarks.product_streams [--rounds 3] [--megabytes 500]

Every product forwards a local port to the same source of bytes. All run in one go, in turns, on loopback; the load of
the machine is printed beside the figures, which mean little when it is high. The rivals are no dependencies: install
them elsewhere (`npm i hypertele@1.1.4`; `pip install iroh==1.2.0` in a virtual environment), and say where. HYPERTELE
is the node_modules folder that has it; IROH is the Python that has it, or nothing where this one does.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import json
import os
import selectors
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

from benchmarks.datagrams import compare
from benchmarks.peers import memory
from tests.streams_real import Pair, pair
from tests.streams_real.test_ssh import sshd
from tests.support.ports import free_port
from tests.support.process import running, until
from tests.support.seal import seal

MEGA: Final = 1_000_000
_PIECE: Final = 1 << 20  # bytes of a read or write
PATIENCE: Final = 60.0  # seconds without a byte; then a product has failed
STREAMS: Final = 100
HTTP_AT_ONCE: Final = 32
IDLE_STREAMS: Final = 1000

Way = Callable[[int], AbstractAsyncContextManager[int]]  # a product: the port of the source -> the local port

# Sends as many bytes as a connection asks for in a line; "0" holds it open. One thread for all: a hundred would wait
# for one another, and that would be measured.
SOURCE = """
import selectors, socket
data, chosen, left = memoryview(bytes(1 << 18)), selectors.DefaultSelector(), {}
s = socket.create_server(("127.0.0.1", 0), backlog=2048)
chosen.register(s, selectors.EVENT_READ)
print('{"event": "ready", "port": %d}' % s.getsockname()[1], flush=True)
def end(c):
    chosen.unregister(c); left.pop(c, None); c.close()
def turn(c):
    if c is s:
        new = s.accept()[0]; new.setblocking(False); chosen.register(new, selectors.EVENT_READ)
    elif c not in left:
        line = c.recv(100)
        if not line: return end(c)
        if int(line):
            left[c] = int(line); chosen.modify(c, selectors.EVENT_WRITE)
    else:
        left[c] -= c.send(data[:left[c]])
        if not left[c]: end(c)
while True:
    for key, _ in chosen.select():
        try: turn(key.fileobj)
        except OSError: end(key.fileobj)
"""


def take(port: int, size: int) -> float:
    """Take this many bytes through a port; return the seconds that took."""
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as taken:
        taken.sendall(b"%d\n" % size)
        buffer, left = bytearray(_PIECE), size
        while left:
            got = taken.recv_into(buffer)
            if not got:
                raise RuntimeError(f"{left} bytes are missing")
            left -= got
    return time.perf_counter() - began


def take_many(port: int, size: int, number: int) -> list[float]:
    """Take this many bytes through each of `number` connections at once; return the seconds that each took."""
    began, buffer = time.perf_counter(), bytearray(_PIECE)
    took: list[float] = []
    with selectors.DefaultSelector() as chosen, contextlib.ExitStack() as stack:
        for _ in range(number):
            each = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
            each.sendall(b"%d\n" % size)
            each.setblocking(False)
            chosen.register(each, selectors.EVENT_READ)
        left = {key.fileobj: size for key in chosen.get_map().values()}
        while left:
            ready = chosen.select(PATIENCE)
            if not ready:
                raise RuntimeError(f"nothing comes on {len(left)} connections")
            for key, _ in ready:
                taken = key.fileobj
                assert isinstance(taken, socket.socket)
                got = taken.recv_into(buffer)
                left[taken] -= got
                if not got:
                    raise RuntimeError(f"{left[taken]} bytes are missing")
                if not left[taken]:
                    took.append(time.perf_counter() - began)
                    chosen.unregister(taken)
                    taken.close()
                    del left[taken]
    return took


@asynccontextmanager
async def direct(source: int) -> AsyncIterator[int]:
    """No product at all."""
    yield source


def ssh_forward(folder: Path) -> Way:
    """`ssh -L`, with the system's OpenSSH."""

    @asynccontextmanager
    async def forward(source: int) -> AsyncIterator[int]:
        where, local = Path(tempfile.mkdtemp(dir=folder)) / "ssh", free_port()
        async with sshd(where) as port:
            options = [
                "StrictHostKeyChecking=no",
                "UserKnownHostsFile=/dev/null",
                "IdentitiesOnly=yes",
                "LogLevel=ERROR",
            ]
            command = [
                "ssh",
                "-F",
                "none",
                *(word for each in options for word in ("-o", each)),
                "-i",
                str(where / "key"),
            ]
            command += ["-N", "-p", str(port), "-L", f"127.0.0.1:{local}:127.0.0.1:{source}", "127.0.0.1"]
            async with running("ssh -L", command):
                await _listening(local)
                yield local

    return forward


def ours(two: Pair) -> Way:
    """`grapevine share` and `grapevine open`."""

    @asynccontextmanager
    async def forward(source: int) -> AsyncIterator[int]:
        async with two.share("--tcp", str(source), "--name", "bulk"), two.open("bulk") as (_, where):
            yield int(where.rpartition(":")[2])

    return forward


@asynccontextmanager
async def iroh(source: int) -> AsyncIterator[int]:
    """iroh's Python binding."""
    module = [os.environ.get("IROH") or sys.executable, "-m", "benchmarks.iroh_proxy"]
    async with running("iroh listens", [*module, "listen", str(source)]) as far:
        address = await _first_line(far)
        async with running("iroh connects", [*module, "connect", address]) as near:
            yield int(await _first_line(near))


def hypertele(modules: Path) -> Way:
    """`hypertele`, with a DHT of its own on loopback: 10 nodes, because the first one stores nothing by itself."""
    testnet = "require(process.argv[1])(10, {host: '127.0.0.1', port: +process.argv[2]}).then(() => console.log('up'))"
    seed = "ab" * 32  # with letters: hypertele takes digits for a number

    @asynccontextmanager
    async def forward(source: int) -> AsyncIterator[int]:
        node, local, dht = str(shutil.which("node")), free_port(), str(free_port())
        far_words = ["-l", str(source), "--seed", seed, "--bootstrap", dht]
        async with running("testnet", [node, "-e", testnet, str(modules / "hyperdht/testnet"), dht]) as net:
            await _first_line(net)
            async with running("far", [node, str(modules / "hypertele/server.js"), *far_words]) as far:
                key = (await _first_line(far)).split()[-1]
                near_words = ["-p", str(local), "-s", key, "--bootstrap", dht]
                async with running("near", [node, str(modules / "hypertele/client.js"), *near_words]):
                    await _listening(local)
                    yield local

    return forward


async def _first_line(program: object) -> str:
    events: list[dict[str, object]] = program.events  # type: ignore[attr-defined]

    async def told() -> bool:
        return bool(events)

    await until(told, "it tells where it is")
    return str(events[0].get("line") or json.dumps(events[0]))


async def _listening(port: int) -> None:
    async def ready() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), 1.0):
                return True
        except OSError:
            return False

    await until(ready, f"port {port} answers")


async def bulk(ways: dict[str, Way], source: int, rounds: int, mb: int) -> None:
    """One stream, and many at once, through each product in turns."""
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            figures = found.setdefault(name, {"one": [], "many": [], "fair": []})
            try:
                async with way(source) as port:
                    await asyncio.to_thread(take, port, MEGA)  # it is connected now
                    figures["one"].append(mb / await asyncio.to_thread(take, port, mb * MEGA))
                    each = mb * MEGA // STREAMS
                    took = await asyncio.to_thread(take_many, port, each, STREAMS)
                    figures["many"].append(mb / max(took))
                    figures["fair"].append(statistics.median(took) / max(took))
            except (OSError, RuntimeError, AssertionError) as error:
                print(f"{name}: {str(error)[:300]}")
    for name, figures in found.items():
        if figures["fair"]:
            one, many, fair = (statistics.median(figures[key]) for key in ("one", "many", "fair"))
            print(
                f"{name:12} one stream {one:7.0f} MB/s, {STREAMS} at once {many:7.0f} MB/s in all, "
                f"the slowest has {fair:.2f} of the median's speed"
            )


async def pages(two: Pair) -> None:
    """Small GETs with keep-alive, and the time to open a stream on a kept path."""
    import aiohttp
    from aiohttp import web

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="x" * 100)

    app = web.Application()
    app.add_routes([web.get("/", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = str(runner.addresses[0][1])
    async with two.share(port, "--name", "page"), two.open("page") as (_, url):
        host = url.removeprefix("http://").removesuffix("/")
        base = f"http://127.0.0.1:{host.rpartition(':')[2]}/"
        for where, name in ((f"http://127.0.0.1:{port}/", "direct"), (base, "ours")):
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=HTTP_AT_ONCE)) as session:
                speeds = [await _gets(session, where, host, seconds) for seconds in (1.0, 3.0)]
            print(f"{name:12} {speeds[-1]:7.0f} small GETs a second, {HTTP_AT_ONCE} at once")
    await runner.cleanup()


async def _gets(session: object, url: str, host: str, seconds: float) -> float:
    count, until_ = 0, time.perf_counter() + seconds

    async def one() -> None:
        nonlocal count
        while time.perf_counter() < until_:
            async with session.get(url, headers={"Host": host}) as answer:  # type: ignore[attr-defined]
                await answer.read()
            count += 1

    await asyncio.gather(*(one() for _ in range(HTTP_AT_ONCE)))
    return count / seconds


async def opening_and_idle(two: Pair, source: int) -> None:
    """First byte on a kept path, and the memory of idle streams on both sides."""
    async with two.share("--tcp", str(source), "--name", "bulk") as (far, _), two.open("bulk") as (near, where):
        port = int(where.rpartition(":")[2])
        take(port, 1)
        times = sorted(take(port, 1) for _ in range(200))
        plain = sorted(take(source, 1) for _ in range(200))
        print(f"opening on a kept path: median {times[100] * 1e3:.2f} ms; direct {plain[100] * 1e3:.2f} ms")
        before = [memory(program.pid) for program in (far, near)]
        with contextlib.ExitStack() as stack:
            held = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(IDLE_STREAMS)]
            for each in held:
                each.sendall(b"0\n")
            await asyncio.sleep(3.0)
            after = [memory(program.pid) for program in (far, near)]
        grown = [(b - a) / MEGA for a, b in zip(before, after, strict=True)]
        print(f"{IDLE_STREAMS} idle streams: {grown[0]:.1f} MB where it is shared, {grown[1]:.1f} MB where it is used")


async def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=500)
    given = parser.parse_args()
    load = "/".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"load of the machine before: {load}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with pair(folder) as two, running("source", [sys.executable, "-c", SOURCE]) as program:
            source = int((await program.event("ready"))["port"])
            ways: dict[str, Way] = {"direct": direct, "ours": ours(two)}
            if shutil.which("ssh"):
                ways["ssh -L"] = ssh_forward(folder)
            if os.environ.get("HYPERTELE"):
                ways["hypertele"] = hypertele(Path(os.environ["HYPERTELE"]))
            if os.environ.get("IROH") or importlib.util.find_spec("iroh"):
                ways["iroh"] = iroh
            await bulk(ways, source, given.rounds, given.megabytes)
            await pages(two)
            await opening_and_idle(two, source)
    await compare(loss=0.01, delay=0.025, seconds=10.0)


if __name__ == "__main__":
    machine = seal()  # a network namespace of our own: some of the others would ask the Internet
    asyncio.run(main())
    if escaped := machine.escaped():
        print(f"tried to leave the machine, and was caught: {escaped[:5]}")
