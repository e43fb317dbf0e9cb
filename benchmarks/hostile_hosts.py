"""Hosts that take and hold what they can of a peer, in network namespaces: memory, places, time, and a connection.

    python -m benchmarks.hostile --hosts [--seconds 60] [--only A1]      as root, on Linux

A default share in a namespace of its own, up to 16 attacking addresses in another, and a caller that the owner trusts
in a third. What is done is what FAULTS.md saw:

    A1  one host, 60 connections that never read, 15 requests of 10 MB each
    A2  the same from two hosts
    A3  16 hosts with 64 connections each that say nothing, and come again when they are cut
    A4  two hosts with 48 connections, each an unfinished message of 15 MB, then a byte every 5 s
    A5  one host puts 5,100 values into the peer's grape, where a friend has one
    B1  65,536 forged SYNs, all ids, at a connection of the trusted caller that has been idle for 10 s
    C   a lying grape, a lying broker and forged punches name a third party: benchmarks/hostile_directory.py

With --neutral all that hits another peer in the same place, and the caller's own peer is left alone: what this machine
makes of the attackers' and their victim's work is then seen without the product's part in it.

Printed are the growth of memory and what is left of it a minute later, what the trusted caller noticed, whether the
idle connection and the friend's value are still there, and what the third party got. --write puts that into README.md
and docs/benchmarks.md. The end is 1 for a figure that is missed.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks.hostile import MOST_SLOWER, Seen, call, resident
from benchmarks.hostile_directory import MOST_RATE, MOST_ROW, VALUES, Asker, Third, chosen, third_party
from benchmarks.hostile_table import Row, table, write
from core.errors import PeerError
from core.identity.identity import Identity
from core.net.endpoint import Endpoint, EndpointConfig
from core.net.stream import Stream
from core.peer_id import PeerId
from core.rpc.client import RpcClient
from core.secure.contexts import Contexts
from core.secure.dial import Dialer
from core.utp.config import UtpConfig
from core.values import Address
from core.wire.utp_marks import OUR_MARKS, Marks
from tests.natlab import namespaces as ns
from tests.natlab.internet import Internet, Public
from tests.support.process import Program, grapevine

HOSTS: Final = 16
MOST_GROWN: Final = 150.0  # MB: issue 11
LEFT: Final = 25.0  # MB more than before, a minute after the end: an arena of Python's goes whole or not at all
GREAT: Final = b'["%d","fibonacci_worker",{"length":10000}]'  # 97 bytes for a reply of 10.5 MB
PORT: Final = 24_001  # no default of a grape, which a second peer beside would take
GRAPE: Final = 20_001  # UDP port of the peer's own grape
FRIENDS: Final = b"a friend's value"
IDLE: Final = 10.0  # seconds; B1
LONGEST_IDLE: Final = 60.0  # seconds


# ---- the attackers, a process of their own


async def never_read(endpoint: Endpoint, target: Address, connections: int, until: float) -> int:
    """Ask for what is great on connections with a window of a packet, and read nothing; come again when cut off."""

    async def one() -> int:
        asked = 0
        while time.monotonic() < until:
            with contextlib.suppress(PeerError):
                stream = await endpoint.connect(target, timeout=5)
                for number in range(15):
                    await stream.write(GREAT % number)
                    asked += 1
                await _hold(stream, until)
                stream.abort()
            await asyncio.sleep(0.2)
        return asked

    return await _together(one, connections)


async def say_nothing(endpoint: Endpoint, target: Address, connections: int, until: float) -> int:
    """Connect and say nothing; come again when cut off."""

    async def one() -> int:
        opened = 0
        while time.monotonic() < until:
            with contextlib.suppress(PeerError):
                stream = await endpoint.connect(target, timeout=5)
                opened += 1
                await _hold(stream, until)
                stream.abort()
            await asyncio.sleep(0.5)
        return opened

    return await _together(one, connections)


async def never_finish(endpoint: Endpoint, target: Address, connections: int, until: float) -> int:
    """Begin a message of 15 MB, and go on with a byte every 5 s; begin again when cut off."""

    async def begin(stream: Stream) -> None:
        await stream.write(b'["1","fibonacci_worker","')
        for _ in range(15 * 16):
            await stream.write(b"x" * 65_536, boundary=False)
        while time.monotonic() < until and not stream.closed:
            await asyncio.sleep(5.0)
            await stream.write(b"x")

    async def one() -> int:
        begun = 0
        while time.monotonic() < until:
            with contextlib.suppress(PeerError, TimeoutError):
                stream = await endpoint.connect(target, timeout=5)
                begun += 1
                async with asyncio.timeout(max(0.1, until - time.monotonic())):
                    await begin(stream)
                stream.abort()
            await asyncio.sleep(0.5)
        return begun

    return await _together(one, connections)


async def _hold(stream: Stream, until: float) -> None:
    while time.monotonic() < until and not stream.closed:  # noqa: ASYNC110  nobody tells of either
        await asyncio.sleep(0.5)


async def _together(one: Callable[[], Coroutine[object, object, int]], times: int) -> int:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one()) for _ in range(times)]
    return sum(task.result() for task in tasks)


async def sweep(source: Address, target: Address, until: float) -> int:
    """Send a SYN with each connection id, as from somebody else's address."""
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        while time.monotonic() < until:
            for connection in range(65_536):
                syn = struct.pack("!BBHIIIHH", 0x41, 0, connection, 0, 0, 1 << 20, 1, 0)
                udp = struct.pack("!HHHH", source.port, target.port, 8 + len(syn), 0)
                addresses = socket.inet_aton(source.host) + socket.inet_aton(target.host)
                ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp) + len(syn), 0, 0, 64, 17, 0) + addresses
                with contextlib.suppress(OSError):
                    sock.sendto(ip + udp + syn, (target.host, 0))
                    sent += 1
                if connection % 256 == 255:
                    await asyncio.sleep(0.01)
    return sent


async def put_values(host: str, grape: str) -> int:
    """Fill a grape with values of one host; return how many it took."""
    values = [b"value %d" % number for number in range(VALUES)]
    return await asyncio.to_thread(lambda: Asker(host, Address(grape, GRAPE)).put(values))


async def attack(hosts: list[str], target: Address, victim: Address, seconds: float, only: str) -> dict[str, int]:
    """Do everything at once, or only what has this word in its name."""
    many = UtpConfig(marks=OUR_MARKS, connections=4096, connections_per_host=4096)
    shut = UtpConfig(marks=OUR_MARKS, connections=4096, receive_window=2048)
    opened = [await Endpoint.open(Address(host, 0), config=EndpointConfig(utp=many)) for host in hosts]
    deaf = [await Endpoint.open(Address(host, 0), config=EndpointConfig(utp=shut)) for host in hosts[:3]]
    until = time.monotonic() + seconds
    kinds: dict[str, list[Callable[[], Coroutine[object, object, int]]]] = {
        "A1 connections that never read": [lambda: never_read(deaf[0], target, 60, until)],
        "A2 from two hosts": [lambda each=each: never_read(each, target, 60, until) for each in deaf[1:3]],  # type: ignore[misc]
        "A3 silent connections": [lambda each=each: say_nothing(each, target, 64, until) for each in opened],  # type: ignore[misc]
        "A4 unfinished messages": [lambda each=each: never_finish(each, target, 24, until) for each in opened[:2]],  # type: ignore[misc]
        "A5 values put": [lambda: put_values(hosts[3], target.host)],
        "B1 forged SYNs": [lambda: sweep(victim, target, until)],
    }
    counts: dict[str, int] = {}
    async with asyncio.TaskGroup() as group:
        tasks = {
            name: [group.create_task(kind()) for kind in each] for name, each in kinds.items() if chosen(only, name)
        }
    for name, each in tasks.items():
        counts[name] = sum(task.result() for task in each)
    for endpoint in opened + deaf:
        await endpoint.close()
    return counts


def attacker(arguments: list[str]) -> None:
    """Run as a process: hosts, target, the idle caller's address, seconds, which attack or ""."""
    os.nice(10)
    hosts, target, victim, seconds, only = arguments
    counts = asyncio.run(
        attack(hosts.split(","), Address.parse(target), Address.parse(victim), float(seconds), only)
    )  # fmt: skip
    sys.stdout.write(json.dumps(counts) + "\n")


# ---- the peer, and the caller that its owner trusts


Run: TypeAlias = Callable[[Program, PeerId], Coroutine[object, object, int]]


class Caller:
    """A caller that the owner trusts, in a namespace of its own."""

    def __init__(self, place: Public, identity: Identity) -> None:
        self._place = place
        self._contexts = Contexts(identity)

    async def open(self) -> "Caller":
        """Open the socket there."""
        with ns.entered(self._place.namespace):
            config = EndpointConfig(utp=UtpConfig(marks=OUR_MARKS | Marks.SECURE))
            self.endpoint = await Endpoint.open(Address(self._place.addresses[0], 0), config=config)
        dialer = Dialer(lambda there, limit: self.endpoint.connect(there, timeout=limit), self._own)
        self.client = RpcClient(dialer.dial, connect_to=dialer.dial)
        return self

    async def _own(self) -> Contexts:
        return self._contexts

    async def close(self) -> None:
        """Close it."""
        await self.client.close()
        await self.endpoint.close()


async def idle_one(caller: Caller, to: Address, whom: PeerId, seconds: float) -> bool:
    """Ask once, be idle while the attack goes on, and ask again: on the same connection, if it still stands.

    Callers close what they have not used for two minutes; so in a long attack it asks once a minute.
    """
    await caller.client.request(to, "fibonacci_worker", {"length": 10}, timeout=10.0, expected=whom)
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        await asyncio.sleep(min(left, LONGEST_IDLE))
        try:
            await caller.client.request(to, "fibonacci_worker", {"length": 10}, timeout=10.0, expected=whom)
        except PeerError:
            return False
    return caller.client.statistics().connected == 1


async def share(home: Path, inside: Public, trusted: Identity, run: Run, port: int = PORT) -> int:
    """Share fibonacci with anybody, know one peer, and `run`."""
    async with grapevine("trust", "add", str(trusted.peer_id), home=home) as added:
        await added.wait()
    arguments = ("share", "fibonacci", "--audience", "anyone", "--bootstrap", "", "--port", str(port))
    async with grapevine(*arguments, home=home, inside=inside.inside) as program:
        await program.event("announced")
        async with grapevine("id", home=home) as asked:
            own = await asked.event("id")
        return await run(program, PeerId.parse(own["peer_id"]))


async def measure(seconds: float, only: str, *, neutral: bool = False, into_docs: bool = False) -> int:
    """Build the places, run it all, print the table, return an exit code."""
    third: list[Third] = []
    internet = Internet()
    internet.open()
    try:
        place, hostile, home = internet.public(), internet.public(HOSTS), internet.public()
        me, to = Identity.generate(), Address(place.addresses[0], PORT)
        target = Address(to.host, PORT + 1) if neutral else to

        async def run(program: Program, whom: PeerId) -> int:
            caller, idle = await Caller(home, me).open(), await Caller(home, me).open()
            for process_id in (program.pid, os.getpid()):  # what else this machine does is not to be measured
                os.setpriority(os.PRIO_PROCESS, process_id, -10)
            await call(caller.client, to, whom, 1.0)
            quiet = await call(caller.client, to, whom, 8.0)
            before = resident(program.pid)
            with ns.entered(home.namespace):
                friend = Asker(home.addresses[0], Address(place.addresses[0], GRAPE))
            await asyncio.to_thread(friend.put, [FRIENDS])
            still = asyncio.get_running_loop().create_task(idle_one(idle, to, whom, IDLE + seconds + 3.0))
            await asyncio.sleep(IDLE)
            process = await asyncio.create_subprocess_exec(
                *hostile.inside, sys.executable, "-m", "benchmarks.hostile_hosts", ",".join(hostile.addresses),
                str(target), f"{home.addresses[0]}:{idle.endpoint.address.port}", str(seconds), only,
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            most, ended = before, asyncio.get_running_loop().create_task(process.communicate())
            loud = Seen([], 0)
            while not ended.done():
                part = await call(caller.client, to, whom, 0.5)
                loud = Seen(loud.latencies + part.latencies, loud.failures + part.failures)
                most = max(most, resident(program.pid))
            stands = await still
            kept = await asyncio.to_thread(friend.has, FRIENDS)
            await asyncio.sleep(60.0)
            left = resident(program.pid)
            after = await call(caller.client, to, whom, 4.0)
            await caller.close()
            await idle.close()
            state = [event for event in program.events if event["event"] == "state"][-1:]
            program.send_signal(signal.SIGTERM)
            for each_state in state:
                print("last state:", json.dumps(each_state))
            print("attacked by:", ", ".join(f"{n:,} {name}" for name, n in json.loads(ended.result()[0]).items()))
            rows = report((quiet, loud, after), (before, most, left), (stands, kept))
            if not neutral:
                third.extend(await third_party(internet, seconds, only))
            rows += [third_row(each) for each in third]
            print(table(rows))
            if into_docs:
                write(rows)
            return 0 if all(row.good for row in rows) else 1

        with tempfile.TemporaryDirectory() as folder:
            if not neutral:
                return await share(Path(folder), place, me, run)
            other = Path(folder) / "neutral"
            other.mkdir()

            async def beside(program: Program, whom: PeerId) -> int:
                return await share(Path(folder), place, me, run)

            return await share(other, place, me, beside, PORT + 1)
    finally:
        internet.close()


def report(seen: tuple[Seen, Seen, Seen], memory: tuple[float, float, float], there: tuple[bool, bool]) -> list[Row]:
    """Print what the trusted caller saw, and return all figures. `there`: the idle connection, the friend's value."""
    quiet, loud, _ = seen
    before, most, left = memory
    for name, each in zip(("quiet", "attacked", "afterwards"), seen, strict=True):
        print(
            f"{name:>10}: {len(each.latencies):,} answered, {each.failures} failed; "
            f"p50 {each.percentile(50):.2f} ms, p99 {each.percentile(99):.2f} ms"
        )
    slower = loud.percentile(99) / quiet.percentile(99)
    p99 = f"{loud.percentile(99):.1f} ms, {slower:.1f} x quiet"
    grown, kept = most - before, left - before
    return [
        Row("A1 to A4, B1 together: memory", f"{grown:+.0f} MB", f"{MOST_GROWN:g} MB", grown <= MOST_GROWN),
        Row("the same, a minute later", f"{kept:+.0f} MB", f"{LEFT:g} MB", kept <= LEFT),
        Row("the same: a trusted caller's p99", p99, f"{MOST_SLOWER:g} x", slower <= MOST_SLOWER),
        Row("the same: its requests refused or lost", str(loud.failures), "0", not loud.failures),
        Row("B1: the idle connection", "stands" if there[0] else "lost", "stands", there[0]),
        Row(f"A5: a friend's value beside {VALUES:,}", "there" if there[1] else "gone", "there", there[1]),
    ]


def third_row(each: Third) -> Row:
    """Return what a third party got, as a row."""
    seen = f"{each.rate:.1f} packets a second, {each.row} in a row, {each.size / max(1, each.spent):.2f} x the bytes"
    return Row(f"{each.lie}: a third party gets", seen, f"{MOST_RATE:g} a second, {MOST_ROW} in a row, 3 x", each.good)


if __name__ == "__main__":
    attacker(sys.argv[1:])
