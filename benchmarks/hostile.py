"""A peer under attack: what a caller that its owner trusts notices of it, and what the peer's memory does.

    python -m benchmarks.hostile [--seconds 60]
    python -m benchmarks.hostile --hosts            what attackers take and hold: see benchmarks/hostile_hosts.py
    python -m benchmarks.hostile --services         what a peer does for strangers: see benchmarks/hostile_friends.py

Loopback only. One process is the real command line, `grapevine share`; one attacks it, the trusted caller is this one.
Where there are two processors the peer has one of its own, and the attackers, at the lowest priority, share the other
with the caller. Of a minute: 100,000 SYNs from forged addresses, 10,000 handshakes that are never ended, 64 that bring
a byte a second, 10,000 punches a second. The end is a table, and 1 for a figure that is missed.
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import random
import signal
import socket
import struct
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from core.errors import PeerError
from core.identity.identity import Identity
from core.net.endpoint import Endpoint, EndpointConfig
from core.peer_id import PeerId
from core.rpc.client import RpcClient
from core.secure.contexts import Contexts
from core.secure.dial import Dialer
from core.utp.config import UtpConfig
from core.values import Address
from core.wire.utp_marks import OUR_MARKS, Marks
from tests.support.process import Program, grapevine

SECONDS = 60.0
SYNS = 100_000  # in a minute
HALF_OPEN = 10_000  # in a minute
PUNCHES = 10_000  # a second
SLOW = 64  # handshakes that bring a byte a second
CALLS = 100  # a second, of the trusted caller: enough for a p99, too few to be an attack
MOST_SLOWER, MOST_GROWN = 5.0, 50.0  # times, MB: issue 4
STEP = 0.01  # seconds between two volleys
PUNCH = b"\xc3\xbf"
HELLO = b"\x16\x03\x01\x02\x00"  # the first bytes of a TLS ClientHello of 512 bytes, and nothing else


# ---- the attackers, a process of their own


def syn(connection: int) -> bytes:
    """Return a SYN (BEP 29)."""
    return struct.pack("!BBHIIIHH", 0x41, 0, connection, 0, 0, 1 << 20, 1, 0)


def volleys(seconds: float, rate: float) -> Iterator[int]:
    """Give how many to send now, so that it is `rate` a second on the whole."""
    began, sent = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        due = int(passed * rate) - sent
        sent += due
        yield due


async def flood(target: Address, seconds: float, rate: float, datagrams: list[bytes], hosts: int, net: int) -> int:
    """Send datagrams from many addresses of 127.0.0.0/8; return how many."""
    sockets = []
    for number in range(hosts):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((f"127.{net}.{number // 250}.{number % 250 + 1}", 0))
        sock.setblocking(False)
        sockets.append(sock)
    sent = 0
    for due in volleys(seconds, rate):
        for _ in range(due):
            with contextlib.suppress(OSError):
                sockets[sent % hosts].sendto(datagrams[sent % len(datagrams)], target)
            sent += 1
        await asyncio.sleep(STEP)
    for sock in sockets:
        sock.close()
    return sent


async def half_open(target: Address, seconds: float, rate: float) -> int:
    """Connect, begin a handshake, and say nothing more; from a host that changes with every thousand."""
    opened, streams = 0, []
    endpoints = [await Endpoint.open(Address(f"127.9.0.{number + 1}", 0), config=_config()) for number in range(10)]

    async def one(number: int) -> None:
        with contextlib.suppress(PeerError):
            stream = await endpoints[number % 10].connect(target, timeout=5)
            await stream.write(HELLO)
            streams.append(stream)
            if len(streams) > 2000:
                streams.pop(0).abort()

    async with asyncio.TaskGroup() as group:
        for due in volleys(seconds, rate):
            for _ in range(due):
                group.create_task(one(opened))
                opened += 1
            await asyncio.sleep(STEP)
    for endpoint in endpoints:
        await endpoint.close()
    return opened


async def slow_loris(target: Address, seconds: float) -> int:
    """Keep handshakes under way by a byte a second, and begin those again that are cut off."""
    endpoint = await Endpoint.open(Address("127.10.0.1", 0), config=_config())
    until, begun = time.monotonic() + seconds, 0

    async def one() -> None:
        nonlocal begun
        while time.monotonic() < until:
            begun += 1
            with contextlib.suppress(PeerError):
                stream = await endpoint.connect(target, timeout=5)
                for byte in HELLO + bytes(600):
                    await stream.write(bytes([byte]))
                    await asyncio.sleep(1.0)
                    if time.monotonic() >= until or stream.closed:
                        break
                stream.abort()
            await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as group:
        for _ in range(SLOW):
            group.create_task(one())
    await endpoint.close()
    return begun


def _config() -> EndpointConfig:
    marks, many = OUR_MARKS | Marks.SECURE, 30_000
    return EndpointConfig(utp=UtpConfig(marks=marks, connections=many, connections_per_host=many))


async def attack(target: Address, seconds: float, only: str) -> dict[str, int]:
    """Do everything at once, or only what has this word in its name."""
    rng = random.Random(1)
    syns = [syn(rng.randrange(65_536)) for _ in range(997)]
    kinds: dict[str, Callable[[], Coroutine[object, object, int]]] = {
        "forged SYNs": lambda: flood(target, seconds, SYNS / 60, syns, 500, 7),
        "half-open handshakes": lambda: half_open(target, seconds, HALF_OPEN / 60),
        "slow handshakes": lambda: slow_loris(target, seconds),
        "punches": lambda: flood(target, seconds, PUNCHES, [PUNCH], 250, 8),
    }
    async with asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(kind()) for name, kind in kinds.items() if only in name}
    return {name: task.result() for name, task in tasks.items()}


def attacker(arguments: list[str]) -> None:
    """Run as a process: port, seconds, which attack or ""."""
    os.nice(19)
    _pin(1)
    counts = asyncio.run(attack(Address("127.0.0.1", int(arguments[0])), float(arguments[1]), arguments[2]))
    sys.stdout.write(json.dumps(counts) + "\n")


# ---- the peer, and the caller that its owner trusts


@dataclass(frozen=True, slots=True)
class Seen:
    """What the caller noticed in one phase; latencies in seconds."""

    latencies: list[float]
    failures: int

    def percentile(self, percent: float) -> float:
        """Return a percentile in milliseconds."""
        ranked = sorted(self.latencies) or [math.inf]
        return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)] * 1000


async def call(client: RpcClient, to: Address, whom: PeerId, seconds: float) -> Seen:
    """Ask `CALLS` times a second, each when its time has come."""
    latencies, failures = [], 0
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        try:
            await client.request(to, "fibonacci_worker", {"length": 10}, timeout=5.0, expected=whom)
            latencies.append(time.perf_counter() - began)
        except PeerError:
            failures += 1
        await asyncio.sleep(max(0.0, began + 1 / CALLS - time.perf_counter()))
    return Seen(latencies, failures)


def resident(pid: int) -> float:
    """Return a process's resident memory in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    return math.nan


@asynccontextmanager
async def shared(home: Path, caller: PeerId) -> AsyncIterator[tuple[Program, Address, PeerId]]:
    """Share fibonacci with one peer only; yields the program, its socket and its ID."""
    async with grapevine("trust", "add", str(caller), home=home) as added:
        await added.wait()
    arguments = ("share", "fibonacci", "--audience", "trusted", "--bootstrap", "", "--port", "0")
    async with grapevine(*arguments, home=home) as program:
        listening = await program.event("listening")
        await program.event("announced")
        async with grapevine("id", home=home) as asked:
            own = await asked.event("id")
        yield program, Address("127.0.0.1", listening["port"]), PeerId.parse(own["peer_id"])


async def measure(seconds: float, only: str) -> int:
    """Run it all, print the table, return an exit code."""
    me = Identity.generate()
    contexts = Contexts(me)

    async def own() -> Contexts:
        return contexts

    with tempfile.TemporaryDirectory() as folder:
        async with shared(Path(folder), me.peer_id) as (program, to, whom), await Endpoint.open() as endpoint:
            _pin(0, program.pid)
            _pin(1)
            dialer = Dialer(lambda there, limit: endpoint.connect(there, timeout=limit), own)
            client = RpcClient(dialer.dial, connect_to=dialer.dial)
            await call(client, to, whom, 1.0)
            quiet = await call(client, to, whom, max(5.0, seconds / 4))
            before = resident(program.pid)
            hostile = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "benchmarks.hostile", "--attack", str(to.port), str(seconds), only,
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(_watch(program.pid, hostile))
                loud = await call(client, to, whom, seconds)
            output, most = watching.result()
            await asyncio.sleep(min(60.0, seconds))  # half-open connections end after 45 s, handshakes after 10
            after = await call(client, to, whom, 5.0)
            left = resident(program.pid)
            await client.close()
            program.send_signal(signal.SIGTERM)
    return report(json.loads(output or b"{}"), quiet, loud, after, (before, most, left))


async def _watch(pid: int, hostile: asyncio.subprocess.Process) -> tuple[bytes, float]:
    """Return what the attackers printed at their end, and the most memory that the peer had until then, in MB."""
    most = 0.0
    async with asyncio.TaskGroup() as group:
        ended = group.create_task(hostile.communicate())
        while not ended.done():
            most = max(most, resident(pid))
            await asyncio.sleep(0.25)
    return ended.result()[0], most


def report(counts: dict[str, int], quiet: Seen, loud: Seen, after: Seen, memory: tuple[float, float, float]) -> int:
    """Print what was seen; 1 when a figure is missed."""
    before, most, left = memory
    print("attacked by:", ", ".join(f"{number:,} {name}" for name, number in counts.items()))
    for name, seen in (("quiet", quiet), ("attacked", loud), ("afterwards", after)):
        print(
            f"{name:>10}: {len(seen.latencies):,} answered, {seen.failures} failed; "
            f"p50 {seen.percentile(50):.2f} ms, p99 {seen.percentile(99):.2f} ms"
        )
    slower = loud.percentile(99) / quiet.percentile(99)
    print(f"p99 under attack / quiet: {slower:.1f} x (at most {MOST_SLOWER:g})")
    print(f"memory: {before:.0f} MB, {most:.0f} under attack, {left:.0f} afterwards (at most {MOST_GROWN:g} more)")
    good = slower <= MOST_SLOWER and most - before <= MOST_GROWN and left - before <= MOST_GROWN / 2
    return 0 if good and not loud.failures else 1


def _pin(processor: int, pid: int = 0) -> None:
    """Keep a process on one processor, where there are two."""
    if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > processor >= 0 and (os.cpu_count() or 1) > 1:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(pid, {processor})


def main() -> int:
    """Read the command line."""
    if sys.argv[1:2] == ["--attack"]:
        attacker(sys.argv[2:])
        return 0
    parser = argparse.ArgumentParser(description="A peer under attack, and a caller that its owner trusts.")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--only", default="", help="one kind of attack: SYN, half-open, slow, punch")
    parser.add_argument("--hosts", action="store_true", help="by hosts of their own, as root: see hostile_hosts.py")
    parser.add_argument("--neutral", action="store_true", help="with --hosts: another peer is attacked, for comparison")
    parser.add_argument("--write", action="store_true", help="with --hosts: put the table into README and docs")
    parser.add_argument("--services", action="store_true", help="what it does for strangers: see hostile_friends.py")
    given = parser.parse_args()
    if given.services:
        from benchmarks import hostile_friends

        return asyncio.run(hostile_friends.measure(given.seconds, given.only, into_docs=given.write))
    if given.hosts:
        from benchmarks import hostile_hosts

        return asyncio.run(
            hostile_hosts.measure(given.seconds, given.only, neutral=given.neutral, into_docs=given.write)
        )
    return asyncio.run(measure(given.seconds, given.only))


if __name__ == "__main__":
    sys.exit(main())
