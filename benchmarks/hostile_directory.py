"""Attacks on what peers find one another by: values pushed out of a grape, and packets for a third party.

    A5      one host puts 5,100 values into the peer's grape; a friend's value was there before
    C1, C2  a lying grape lists a third party's addresses, other ports with each answer
    C3, C4  a lying broker names them, and hides them, in turn
    C5      punches that are forged in its name
    C6      SYNs, stray data, "where do you see me", punches and DHT queries that are, 50 a second of each

Packets are counted where they arrive: in the third party's own namespace, by a raw socket (packet(7)).
"""

import asyncio
import contextlib
import json
import signal
import socket
import struct
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

from core.aio.tasks import TaskSet
from core.dht.items import immutable_target
from core.errors import RemoteError
from core.net.endpoint import Endpoint, EndpointConfig
from core.net.stream import Stream
from core.rpc.server import RpcServer
from core.utp.config import UtpConfig
from core.values import Address, Caller, JsonValue
from core.wire.broker_message import BROKER_SERVICE
from core.wire.krpc import Query, Reply, parse
from core.wire.reflect_packet import Question
from core.wire.utp_marks import OUR_MARKS
from core.wire.utp_packet import DATA, SYN, Packet
from tests.natlab import namespaces as ns
from tests.natlab.internet import Internet, Public
from tests.support.answers import answered_by
from tests.support.process import grapevine

VALUES: Final = 5_100
MOST_RATE, MOST_ROW = 2.0, 20  # packets a second to a third party, and at once: issue 11
HEADERS: Final = 28  # bytes of IPv4 and UDP
PUNCH: Final = b"\xc3\xbf"
GRAPE_PORT, BROKER_PORT, PORT = 30_001, 24_100, 24_001
GRAPE_UDP: Final = 20_001  # of the grape that the peer brings along


def chosen(only: str, name: str) -> bool:
    """Return whether an attack was asked for: one of the words, between commas, is in its name."""
    return any(word in name for word in only.split(","))


# ---- A5: values in a grape


class Asker:
    """Asks a DHT node, one question after the other. It blocks."""

    def __init__(self, host: str, node: Address) -> None:
        """`host`: an address of the network namespace that the thread is in."""
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((host, 0))
        self._sock.settimeout(1.0)
        self._node = node
        self._random = Random(host)
        self._id = self._random.randbytes(20)

    def ask(self, method: bytes, arguments: dict[bytes, object], tries: int = 3) -> dict[bytes, object] | None:
        """Return what the node answers, or None."""
        for _ in range(tries):
            transaction = self._random.randbytes(2)
            query = Query(transaction, method, {b"id": self._id, **arguments})  # type: ignore[dict-item]
            self._sock.sendto(bytes(query), self._node)
            with contextlib.suppress(OSError, RemoteError):
                while True:
                    answer = parse(self._sock.recv(65_535))
                    if isinstance(answer, Reply) and answer.transaction == transaction:
                        return dict(answer.values)
                    if not isinstance(answer, Query) and answer.transaction == transaction:
                        return None
        return None

    def put(self, values: list[bytes]) -> int:
        """Put values, with a token each asked for once; return how many were taken."""
        found = self.ask(b"get", {b"target": immutable_target(values[0])})
        token = found and found.get(b"token")
        return sum(self.ask(b"put", {b"token": token, b"v": each}, 1) is not None for each in values) if token else 0

    def has(self, value: bytes) -> bool:
        """Return whether the node holds a value."""
        found = self.ask(b"get", {b"target": immutable_target(value)})
        return found is not None and found.get(b"v") == value


# ---- C: what arrives at a third party


class Counter:
    """Counts what arrives at a machine over UDP."""

    def __init__(self, place: Public) -> None:
        self._host = socket.inet_aton(place.addresses[0])
        self.arrived: list[tuple[float, int]] = []  # seconds, bytes with the headers
        with ns.entered(place.namespace):
            self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        self._sock.setblocking(False)
        asyncio.get_running_loop().add_reader(self._sock.fileno(), self._read)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = self._sock.recv(65_535)
                if packet[9] == socket.IPPROTO_UDP and packet[16:20] == self._host:
                    self.arrived.append((time.monotonic(), len(packet)))

    def row(self, rate: float = MOST_RATE) -> int:
        """Return the most packets in a row, when `rate` a second are let pass."""
        level = most = 0.0
        before = 0.0
        for at, _ in self.arrived:
            level, before = max(0.0, level - (at - before) * rate) + 1.0, at
            most = max(most, level)
        return round(most)

    def close(self) -> None:
        """Stop."""
        asyncio.get_running_loop().remove_reader(self._sock.fileno())
        self._sock.close()


@dataclass(frozen=True, slots=True)
class Third:
    """What a third party got of one peer, in so many seconds; `spent`: bytes that the attacker sent."""

    lie: str
    seconds: float
    packets: int
    row: int
    size: int
    spent: int

    @property
    def rate(self) -> float:
        """Packets a second, on the average, those at once aside."""
        return max(0, self.packets - MOST_ROW) / self.seconds

    @property
    def good(self) -> bool:
        """Whether the figures are within what was asked for."""
        return self.rate <= MOST_RATE and self.row <= MOST_ROW and self.size <= 3 * self.spent

    def line(self) -> str:
        """Return it for people."""
        return (
            f"{self.lie}: {self.packets} packets in {self.seconds:.0f} s, at most {self.row} in a row, "
            f"{self.size:,} bytes for the attacker's {self.spent:,}"
        )


class Liars:
    """A grape, a broker and a forger, on one machine, who all name the third party."""

    def __init__(self, place: Public, victim: Public, peer: Address) -> None:
        self._place, self._peer = place, peer
        self._victim = victim.addresses[0]
        self._number = 0
        self.spent = 0
        self._tasks = TaskSet("liars")

    def _named(self, count: int) -> list[Address]:
        self._number += count
        return [Address(self._victim, 1024 + (self._number + each) % 60_000) for each in range(count)]

    @asynccontextmanager
    async def grape(self, *, brokers: bool = False) -> AsyncIterator[str]:
        """Run the grape; yields its URL."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                    size = int(head.partition("content-length:")[2].partition("\r\n")[0] or 0)
                    body = (await reader.readexactly(size)).decode(errors="replace")
                    named = brokers and BROKER_SERVICE in body
                    listed = [str(self.broker_at)] if named else [str(each) for each in self._named(20)]
                    answer = json.dumps(1 if "/announce" in head.partition("\r\n")[0] else listed).encode()
                    data = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer
                    self.spent += len(data) + HEADERS
                    writer.write(data)
            writer.close()

        with ns.entered(self._place.namespace):
            sock = socket.create_server((self._place.addresses[0], GRAPE_PORT))
        async with await asyncio.start_server(serve, sock=sock) as server:
            yield f"http://{self._place.addresses[0]}:{GRAPE_PORT}"
            server.close()

    @property
    def broker_at(self) -> Address:
        """Where the broker is."""
        return Address(self._place.addresses[0], BROKER_PORT)

    @asynccontextmanager
    async def broker(self) -> AsyncIterator[Address]:
        """Run the broker, which shows and hides what it names."""

        def lie(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
            if not isinstance(payload, dict):
                return {}
            service, server = str(payload.get("service")), payload.get("server")
            shown: dict[str, JsonValue] = {}
            for number, each in enumerate(self._named(3) if self._number % 2 else []):
                shown[str(number)] = {
                    "service": service, "server": not server, "address": each.host, "port": each.port,
                }  # fmt: skip
            self._number += 1
            answer: dict[str, JsonValue] = {service: shown}
            self.spent += len(json.dumps(answer)) + HEADERS
            return answer

        rpc = RpcServer(answered_by(lie))

        def accept(stream: Stream) -> None:
            self._tasks.spawn(rpc.serve(stream), name="serve")

        with ns.entered(self._place.namespace):
            endpoint = await Endpoint.open(self.broker_at, config=EndpointConfig(utp=UtpConfig(marks=OUR_MARKS)))
        endpoint.on_stream = accept
        try:
            yield self.broker_at
        finally:
            await endpoint.close()
            await self._tasks.aclose()

    async def forge(self, seconds: float) -> None:
        """Punch the peer in the third party's name, five times a second."""
        with ns.entered(self._place.namespace):
            sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        with sock:
            for number in range(int(seconds * 5)):
                self._forge_one(sock, number, self._peer.port, PUNCH)
                await asyncio.sleep(0.2)

    async def forge_at_every_door(self, seconds: float) -> None:
        """Send the peer and its grape whatever is answered, in the third party's name, 50 times a second."""
        with ns.entered(self._place.namespace):
            sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        until, number = time.monotonic() + seconds, 0
        with sock:
            while time.monotonic() < until:
                number += 1
                counted = number % 60_000
                query = Query(b"%05d" % counted, b"find_node", {b"id": b"%020d" % number, b"target": b"t" * 20})
                for port, datagram in (
                    (self._peer.port, bytes(Packet(SYN, counted, number, 0, 1 << 20, 1, 0))),
                    (self._peer.port, bytes(Packet(DATA, counted, number, 0, 1 << 20, 1, 0, payload=b"x"))),
                    (self._peer.port, bytes(Question(b"%08d" % number))),
                    (self._peer.port, bytes(Question(b"%08d" % number, port=1024 + counted))),
                    (self._peer.port, PUNCH), (GRAPE_UDP, bytes(query)),
                ):  # fmt: skip
                    self._forge_one(sock, number, port, datagram)
                await asyncio.sleep(0.02)

    def _forge_one(self, sock: socket.socket, number: int, port: int, datagram: bytes) -> None:
        udp = struct.pack("!HHHH", 1024 + number % 60_000, port, 8 + len(datagram), 0)
        addresses = socket.inet_aton(self._victim) + socket.inet_aton(self._peer.host)
        ip = struct.pack("!BBHHHBBH", 0x45, 0, HEADERS + len(datagram), 0, 0, 64, 17, 0) + addresses
        with contextlib.suppress(OSError):
            sock.sendto(ip + udp + datagram, (self._peer.host, 0))
        self.spent += HEADERS + len(datagram)


Lie: TypeAlias = Callable[[Liars, contextlib.AsyncExitStack], Coroutine[object, object, tuple[str, ...]]]


async def third_party(internet: Internet, seconds: float, only: str) -> list[Third]:
    """Have a peer share and consume among liars, one kind after the other, and count at the third party."""
    found = []
    for lie, run in (
        ("C1 a lying grape", _by_grape), ("C3 a lying broker", _by_broker), ("C5 forged punches", _by_forgery),
        ("C6 every door forged", _by_forgery), ("C all of them", _by_all),
    ):  # fmt: skip
        if chosen(only, lie):
            found.append(await _count(internet, lie, run, seconds))
    return found


async def _by_grape(liars: Liars, stack: contextlib.AsyncExitStack) -> tuple[str, ...]:
    return ("--grape", await stack.enter_async_context(liars.grape()))


async def _by_broker(liars: Liars, stack: contextlib.AsyncExitStack) -> tuple[str, ...]:
    return ("--bootstrap", "", "--broker", str(await stack.enter_async_context(liars.broker())))


async def _by_forgery(liars: Liars, stack: contextlib.AsyncExitStack) -> tuple[str, ...]:
    return ("--bootstrap", "")


async def _by_all(liars: Liars, stack: contextlib.AsyncExitStack) -> tuple[str, ...]:
    broker = await stack.enter_async_context(liars.broker())
    return ("--grape", await stack.enter_async_context(liars.grape(brokers=True)), "--broker", str(broker))


async def _count(internet: Internet, lie: str, run: Lie, seconds: float) -> Third:
    place, hostile, victim = internet.public(), internet.public(), internet.public()
    liars = Liars(hostile, victim, Address(place.addresses[0], PORT))
    with tempfile.TemporaryDirectory() as home, _counting(victim) as counter:
        async with contextlib.AsyncExitStack() as stack:
            arguments = await run(liars, stack)
            share = ("share", "fibonacci", "--audience", "anyone", "--no-lan", "--port", str(PORT), *arguments)
            async with grapevine(*share, home=Path(home), inside=place.inside) as program:
                await program.event("listening")
                began = time.monotonic()
                async with asyncio.TaskGroup() as group:
                    if "C5" in lie or "all" in lie:
                        group.create_task(liars.forge(seconds))
                    if "C6" in lie or "all" in lie:
                        group.create_task(liars.forge_at_every_door(seconds))
                    group.create_task(asyncio.sleep(seconds))
                spent = time.monotonic() - began
                program.send_signal(signal.SIGTERM)
        size = sum(each for _, each in counter.arrived)
        return Third(lie, spent, len(counter.arrived), counter.row(), size, liars.spent)


@contextlib.contextmanager
def _counting(victim: Public) -> Iterator[Counter]:
    counter = Counter(victim)
    try:
        yield counter
    finally:
        counter.close()
