"""A peer of which strangers use all that it does for strangers: what its friends notice, its memory, and a third party.

    python -m benchmarks.hostile --services [--seconds 20] [--only R,G]      as root, on Linux

A peer (benchmarks/hostile_peer.py) in a namespace of its own, 16 attacking addresses in another
(benchmarks/hostile_services.py says what they do), its friends in a third, and a bystander in a fourth. One attack
after the other, each on a new peer. Beside a friend's requests, which are timed, others do what is attacked: are joined
at the relay, leave and find letters, use the share, ask the grape. --write puts the table into docs/benchmarks.md.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

from benchmarks.hostile import MOST_SLOWER, Seen, call, resident
from benchmarks.hostile_directory import MOST_RATE, MOST_ROW, Asker, Counter
from benchmarks.hostile_hosts import HOSTS, LEFT, MOST_GROWN, Caller
from benchmarks.hostile_peer import GRAPE_UDP, UDP_PORT
from benchmarks.hostile_services import SALT, Visitor, opened
from benchmarks.hostile_table import Row, table, write_services
from core.errors import PeerError
from core.identity.identity import Identity
from core.peer import open_peer
from core.peer_id import PeerId
from core.profile.config import PeerConfig
from core.relaying.talk import Given, Join, Lines, Ring, Take, pack, parse
from core.tunnel.stream import ByteStream
from core.values import Address
from core.wire.open_message import leave, parse_watched, watch
from tests.natlab import namespaces as ns
from tests.natlab.internet import Internet, Public
from tests.open_peers.letters import letter
from tests.support.process import Program, running

KINDS: Final = {
    "R": "the relay", "O": "the open peer", "S": "datagrams of a share", "U": "a service that pours back",
    "G": "the grape", "N": "news at the grape",
}  # fmt: skip
AFTER: Final = float(os.environ.get("HOSTILE_AFTER", "60"))  # seconds until what is left is looked at
SERVED: Final = 0.9  # of what friends ask of what is attacked
_FOUND_BOX: Final = 9_000  # the number of the first letter that friends leave


class Friends:
    """Friends in a namespace of their own, who use what is attacked; `asked` and `served` count."""

    def __init__(self, place: Public, target: Address) -> None:
        self._place, self._target = place, target
        self.known = [Identity.generate() for _ in range(4)]
        self.asked = self.served = 0

    async def visitors(self, whom: PeerId) -> list[Visitor]:
        """Return two of them, with their own identities."""
        made = []
        for identity in self.known[:2]:
            with ns.entered(self._place.namespace):
                endpoint = await opened(self._place.addresses[0])
            made.append(Visitor(endpoint, self._target, whom, identity))
        return made

    def run(self, kind: str, whom: PeerId, until: float) -> Coroutine[object, object, None]:
        """Return what uses what is attacked, until a time."""
        ways: dict[str, Callable[[PeerId, float], Coroutine[object, object, None]]] = {
            "R": self._relay, "O": self._letters, "S": self._datagrams, "G": self._grape, "N": self._grape,
        }  # fmt: skip
        return ways.get(kind, self._nothing)(whom, until)

    async def _nothing(self, whom: PeerId, until: float) -> None:
        await asyncio.sleep(max(0.0, until - time.monotonic()))

    async def _relay(self, whom: PeerId, until: float) -> None:
        """Wait there, the two of them, and be joined once in two seconds."""
        one, other = await self.visitors(whom)
        given: asyncio.Queue[int] = asyncio.Queue()

        async def listen(stream: ByteStream) -> None:
            lines = Lines()
            with contextlib.suppress(PeerError):
                while data := await stream.read():
                    for line in lines.take(data):
                        match parse(line):
                            case Ring(_, _, slot):
                                await stream.write(pack(Take(slot, SALT)))
                            case Given(number):
                                given.put_nowait(number)

        streams = [await each.wait_at_relay() for each in (one, other)]
        tasks = [asyncio.get_running_loop().create_task(listen(stream)) for stream in streams]
        number = 0
        while time.monotonic() < until:
            number += 1
            self.asked += 1
            with contextlib.suppress(PeerError, TimeoutError):
                await streams[0].write(pack(Join(other.identity.peer_id, number, SALT)))
                async with asyncio.timeout(5.0):
                    while await given.get() != number:
                        pass
                self.served += 1
            await asyncio.sleep(2.5)
        for task in tasks:
            task.cancel()

    async def _letters(self, whom: PeerId, until: float) -> None:
        """One leaves a letter, the other finds it."""
        one, other = await self.visitors(whom)
        number = _FOUND_BOX
        while time.monotonic() < until:
            number += 1
            self.asked += 1
            left = letter(number)
            with contextlib.suppress(PeerError):
                await one.ask(leave([left]))
                found = parse_watched(await other.ask(watch([left.key], 0.0, 0)))
                self.served += left.value in [each.value for each in found.items]
            await asyncio.sleep(0.2)

    async def _datagrams(self, whom: PeerId, until: float) -> None:
        """Use the echo, 20 times a second."""
        grape = (f"{self._target.host}:{GRAPE_UDP}",)
        with ns.entered(self._place.namespace):
            config = PeerConfig(
                bootstrap=grape, dht_port=0, api_port=0, bind=self._place.addresses[0], identity=self.known[2]
            )
            peer = await (opening := open_peer(config)).__aenter__()
            where = Address.parse(await peer.use(whom, "echo"))
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            while time.monotonic() < until:
                self.asked += 1
                said = os.urandom(100)
                sock.sendto(said, tuple(where))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        while await loop.sock_recv(sock, 2000) != said:
                            pass
                    self.served += 1
                await asyncio.sleep(0.05)
        await opening.__aexit__(None, None, None)

    async def _grape(self, whom: PeerId, until: float) -> None:
        """Ask the grape for a peer, as often as it answers who answers no pings, and up to three times."""
        with ns.entered(self._place.namespace):
            asker = Asker(self._place.addresses[0], Address(self._target.host, GRAPE_UDP))
        while time.monotonic() < until:
            self.asked += 1
            key = os.urandom(20)
            found = await asyncio.to_thread(lambda key=key: asker.ask(b"get_peers", {b"info_hash": key}))  # type: ignore[misc]
            self.served += found is not None
            await asyncio.sleep(0.7)


@asynccontextmanager
async def attacked(place: Public, friends: list[Identity]) -> AsyncIterator[tuple[Program, PeerId]]:
    """Run the peer; yields its program and its ID."""
    with tempfile.TemporaryDirectory() as folder:
        given = {"folder": folder, "friends": [str(each.peer_id) for each in friends]}
        command = [*place.inside, sys.executable, "-m", "benchmarks.hostile_peer", json.dumps(given)]
        async with running("the peer", command) as program:
            yield program, PeerId.parse((await program.event("ready"))["peer_id"])


async def one(internet: Internet, kind: str, seconds: float) -> list[Row]:
    """Have one attack on a new peer, and return its figures."""
    place, hostile, home, third = internet.public(), internet.public(HOSTS), internet.public(), internet.public()
    target = Address(place.addresses[0], UDP_PORT)
    friends, counter = Friends(home, target), Counter(third)
    async with attacked(place, friends.known) as (program, whom):
        for process_id in (program.pid, os.getpid()):
            os.setpriority(os.PRIO_PROCESS, process_id, -10)
        caller = await Caller(home, friends.known[3]).open()
        await call(caller.client, target, whom, 1.0)
        quiet, before = await call(caller.client, target, whom, 5.0), resident(program.pid)
        counter.arrived.clear()
        given = {
            "hosts": hostile.addresses, "target": str(target), "peer_id": str(whom), "seconds": seconds,
            "kinds": [kind],            "called": str(friends.known[1].peer_id), "third": third.addresses[0],
        }  # fmt: skip
        command = [*hostile.inside, sys.executable, "-m", "benchmarks.hostile_services", json.dumps(given)]
        async with running("the attackers", command) as attackers, asyncio.TaskGroup() as group:
            helped = group.create_task(friends.run(kind, whom, time.monotonic() + seconds))
            if kind == "U":
                pours = await attackers.event("pours")
                for service in ("spring", "spray"):
                    while "error" in (said := await program.command("use", who=pours["who"], service=service)):
                        print(said["error"])
            loud, most = Seen([], 0), before
            while not attackers.ended:
                part = await call(caller.client, target, whom, 0.5)
                loud = Seen(loud.latencies + part.latencies, loud.failures + part.failures)
                most = max(most, resident(program.pid))
            await helped
            done: dict[str, Any] = next((e for e in attackers.events if e["event"] == "done"), {})
            if not done:
                print(attackers.transcript())
        arrived = list(counter.arrived)
        await asyncio.sleep(AFTER)
        left = resident(program.pid)
        await caller.close()
    counter.close()
    slower = loud.percentile(99) / quiet.percentile(99)
    rate = max(0, len(arrived) - MOST_ROW) / seconds
    name = f"{kind} {KINDS[kind]}, {done.get(kind, 0):,}"
    rows = [
        Row(f"{name}: memory, and a minute later", f"{most - before:+.0f} MB, {left - before:+.0f} MB",
            f"{MOST_GROWN:g} MB, {LEFT:g} MB", most - before <= MOST_GROWN and left - before <= LEFT),
        Row(f"{kind}: a friend's p99, refused or lost",
            f"{loud.percentile(99):.1f} ms, {slower:.1f} x quiet, {loud.failures}", f"{MOST_SLOWER:g} x, 0",
            slower <= MOST_SLOWER and not loud.failures),
        Row(f"{kind}: a third party gets", f"{rate:.1f} packets a second, {len(arrived)} in all",
            f"{MOST_RATE:g} a second", rate <= MOST_RATE),
    ]  # fmt: skip
    if friends.asked:
        served = f"{friends.served} of {friends.asked}"
        good = friends.served >= SERVED * friends.asked
        rows.insert(2, Row(f"{kind}: friends who use the same are served", served, f"{SERVED:.0%}", good))
    return rows


async def measure(seconds: float, only: str, *, into_docs: bool = False) -> int:
    """Run the attacks one after the other, print the table, return an exit code."""
    rows: list[Row] = []
    for kind in KINDS:
        if only and kind not in only.split(","):
            continue
        internet = Internet()
        internet.open()
        try:
            found = await one(internet, kind, seconds)
        finally:
            internet.close()
        print(table(found), flush=True)
        rows += found
    print(table(rows))
    if into_docs:
        write_services(rows)
    return 0 if all(row.good for row in rows) else 1
