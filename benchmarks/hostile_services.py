"""Strangers who use all that a peer does for strangers, as much as they can: the attackers of `hostile --services`.

    R   80 identities wait at the relay, are joined with one another and with a friend's peer, and pour packets through
    O   128 identities leave letters at the open peer, watch, ring, and announce names, without a pause
    S   8 peers pour datagrams through a UDP share, beside forged ones of every session
    U   two services of a hostile peer that we opened pour back, over TCP to who reads nothing, and over UDP
    G   16 hosts send all queries of the DHT to the peer's grape, with tokens, without, damaged, and in others' names
    N   16 hosts watch 17 names at 64 ports each, and announce newcomers without a pause

It runs in a namespace of its own: `python -m benchmarks.hostile_services JSON`; prints how much it did of each.
"""

import asyncio
import contextlib
import itertools
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from random import Random
from typing import Any, Final

from benchmarks.hostile_directory import HEADERS, Asker
from benchmarks.hostile_peer import GRAPE_UDP
from core.dht.items import immutable_target
from core.errors import PeerError
from core.identity.identity import Identity
from core.kinds.share import Share
from core.net.endpoint import Endpoint, EndpointConfig
from core.peer import open_peer
from core.peer_id import PeerId
from core.profile.config import PeerConfig
from core.relaying.talk import Given, Join, Lines, Ring, Take, pack, parse
from core.rpc.client import RpcClient
from core.secure.contexts import Contexts
from core.secure.dial import Dialer
from core.trust.audience import Audience
from core.tunnel.stream import ByteStream
from core.tunnel.tunnels import Tunnels
from core.utp.config import UtpConfig
from core.values import Address, Burst, JsonValue
from core.wire.krpc import Query
from core.wire.open_message import OPEN_SERVICE, hello, leave, watch
from core.wire.relay_packet import TO_RELAY
from core.wire.stream_opening import RELAY, Opening, pack_opening
from core.wire.utp_marks import OUR_MARKS, Marks
from tests.open_peers.letters import letter

GUESTS, VISITORS = 5, 8  # identities of one host: at the relay, at the open peer
SALT: Final = b"s" * 16
FRAME: Final = 1200  # bytes
PEERS = 8  # that pour datagrams
WATCHED, PORTS = 17, 64  # names that are watched, at so many ports of a host


class Visitor:
    """One identity at one host, on that host's socket."""

    def __init__(self, endpoint: Endpoint, target: Address, whom: PeerId, identity: Identity | None = None) -> None:
        self.endpoint, self.target, self.whom = endpoint, target, whom
        self.identity = identity or Identity.generate()
        self._contexts = Contexts(self.identity)
        self._dialer = Dialer(lambda there, limit: endpoint.connect(there, timeout=limit), self._own)
        self.client = RpcClient(self._dialer.dial, connect_to=self._dialer.dial)
        self.tunnels = Tunnels(self._dial, lambda stream: stream.accept())

    async def _own(self) -> Contexts:
        return self._contexts

    async def _dial(self, peer_id: PeerId, seconds: float) -> Any:  # noqa: ANN401  a Stream
        return await self._dialer.dial_streams(self.target, seconds, peer_id)

    async def ask(self, payload: JsonValue) -> JsonValue:
        """Ask the open peer. Raises PeerError."""
        return (await self.client.request(self.target, OPEN_SERVICE, payload, timeout=5.0, expected=self.whom)).data

    async def wait_at_relay(self) -> ByteStream:
        """Be a guest of the relay. Raises PeerError."""
        return await self.tunnels.open(self.whom, pack_opening(Opening(RELAY, {})), 10.0)

    def pour(self, datagrams: list[bytes]) -> None:
        """Send as they are, from the socket of the session."""
        self.endpoint._pump._send(Burst(self.target, datagrams))


async def opened(host: str, marks: Marks = OUR_MARKS | Marks.SECURE) -> Endpoint:
    """Open a socket with room for many."""
    utp = UtpConfig(marks=marks, connections=4096, connections_per_host=4096)
    return await Endpoint.open(Address(host, 0), config=EndpointConfig(utp=utp))


async def flood(host: str, to: Address, until: float, make: Callable[[int], bytes]) -> int:
    """Send from a host, ten datagrams each 20 ms; `make` has the number of those before. Return how many left."""
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        sock.setblocking(False)
        while time.monotonic() < until:
            for _ in range(10):
                data = make(sent)
                with contextlib.suppress(OSError):
                    sock.sendto(data, to)
                    sent += 1
            await asyncio.sleep(0.02)
    return sent


async def together(jobs: list[Coroutine[object, object, int]]) -> int:
    """Do all at once; return the sum of what they did."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in jobs]
    return sum(task.result() for task in tasks)


# ---- R: the relay


class Guest:
    """An identity that waits at the relay, calls others there, and pours into each slot that it gets."""

    def __init__(self, visitor: Visitor, others: list[PeerId], until: float) -> None:
        self._visitor, self._others, self._until = visitor, others, until
        self._slots: list[bytes] = []
        self._random = Random(str(visitor.identity.peer_id))
        self.sent = 0

    async def run(self) -> int:
        """Come again when sent away."""
        while time.monotonic() < self._until:
            with contextlib.suppress(PeerError):
                stream = await self._visitor.wait_at_relay()
                reading = asyncio.get_running_loop().create_task(self._read(stream))
                try:
                    await self._call(stream, reading)
                finally:
                    reading.cancel()
                    await asyncio.gather(reading, return_exceptions=True)
                    stream.reset()
            self._slots.clear()
            await asyncio.sleep(0.5)
        return self.sent

    async def _call(self, stream: ByteStream, reading: "asyncio.Task[None]") -> None:
        while not reading.done() and time.monotonic() < self._until:
            to = self._random.choice(self._others)
            await stream.write(pack(Join(to, self._random.randrange(1000), SALT)))
            for _ in range(10):
                self._pour()
                await asyncio.sleep(0.05)

    def _pour(self) -> None:
        for slot in self._slots[-8:]:
            self._visitor.pour([bytes((TO_RELAY,)) + slot + bytes(FRAME)] * 8)
            self.sent += 8

    async def _read(self, stream: ByteStream) -> None:
        lines = Lines()
        while data := await stream.read():
            for line in lines.take(data):
                match parse(line):
                    case Ring(_, _, slot):
                        self._slots.append(slot)
                        await stream.write(pack(Take(slot, SALT)))
                    case Given(_, slot, _):
                        self._slots.append(slot)


async def at_the_relay(endpoints: list[Endpoint], target: Address, whom: PeerId, called: PeerId, until: float) -> int:
    """Attack R. `called`: a friend's peer that waits there."""
    visitors = [Visitor(endpoint, target, whom) for endpoint in endpoints for _ in range(GUESTS)]
    others = [visitor.identity.peer_id for visitor in visitors] + [called] * 64
    return await together([Guest(visitor, others, until).run() for visitor in visitors])


# ---- O: the open peer


async def at_the_open_peer(endpoints: list[Endpoint], target: Address, whom: PeerId, until: float) -> int:
    """Attack O."""
    letters = [[letter(1 + 8 * number + each) for each in range(8)] for number in range(64)]

    async def one(visitor: Visitor, number: int) -> int:
        asked = 0
        while time.monotonic() < until:
            batch = letters[(number + asked) % len(letters)]
            keys = [each.key for each in batch] * 20
            names: JsonValue = {"announce": f"name {number} {asked}"}
            for payload in (hello(SALT), leave(batch, ring=True), watch(keys, 0.0, 0), names):
                asked += 1
                with contextlib.suppress(PeerError):
                    await visitor.ask(payload)
            await asyncio.sleep(0.01)
        return asked

    visitors = [Visitor(endpoint, target, whom) for endpoint in endpoints for _ in range(VISITORS)]
    return await together([one(visitor, number) for number, visitor in enumerate(visitors)])


# ---- S and U: byte streams and datagrams of sessions


async def through_the_share(hosts: list[str], target: Address, whom: PeerId, until: float) -> int:
    """Attack S: peers that open the UDP share, and pour; beside them datagrams of no session."""

    async def one(host: str) -> int:
        poured = 0
        grape = (f"{target.host}:{GRAPE_UDP}",)
        config = PeerConfig(bootstrap=grape, dht_port=0, api_port=0, bind=host, identity=Identity.generate())
        async with open_peer(config) as peer:
            with contextlib.suppress(PeerError):
                where = await peer.use(whom, "echo")
                socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(300)]
                while time.monotonic() < until:
                    for number, sock in enumerate(socks):
                        sock.sendto(os.urandom(200 if number % 7 else 4000), tuple(Address.parse(where)))
                        poured += 1
                        if number % 20 == 19:
                            await asyncio.sleep(0.01)
        return poured

    async def forge(host: str) -> int:
        return await flood(host, target, until, lambda _: b"\xfa" + os.urandom(200))

    return await together([one(host) for host in hosts[:PEERS]] + [forge(host) for host in hosts])


async def pour_back(host: str, target: Address, until: float) -> int:
    """Attack U: share what pours, and say who does; the peer under attack is told to open it."""
    poured = 0

    async def spring(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal poured
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(bytes(65_536))
                poured += 65_536
                await writer.drain()

    class Spray(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:  # noqa: ANN401
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            sprayed.append(addr)

    sprayed: list[tuple[str, int]] = []
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(spring, "127.0.0.1", 0)
    spray, protocol = await loop.create_datagram_endpoint(Spray, local_addr=("127.0.0.1", 0))
    grape = (f"{target.host}:{GRAPE_UDP}",)
    config = PeerConfig(bootstrap=grape, dht_port=0, api_port=0, bind=host, identity=Identity.generate())
    async with open_peer(config) as peer:
        ports = server.sockets[0].getsockname()[1], spray.get_extra_info("sockname")[1]
        for name, kind, port in (("spring", "tcp", ports[0]), ("spray", "udp", ports[1])):
            await peer.add_share(Share(name, kind, {"target": f"127.0.0.1:{port}"}, audience=Audience.ANYONE))
        sys.stdout.write(json.dumps({"event": "pours", "who": str(await peer.peer_id())}) + "\n")
        sys.stdout.flush()
        while time.monotonic() < until:
            for addr in sprayed[-64:]:
                for _ in range(8):
                    protocol.transport.sendto(bytes(1000), addr)
                    poured += 1000
            await asyncio.sleep(0.01)
    server.close()
    spray.close()
    return poured


# ---- G and N: the grape


def queries(random: Random, host: str, token: bytes) -> Iterator[tuple[bytes, dict[bytes, Any]]]:
    """Return all that a node may be asked, with a token that it gave to this host, again and again."""
    made: list[tuple[bytes, dict[bytes, Any]]] = []
    for number in range(200):
        key = random.randbytes(20)
        made += [
            (b"ping", {}), (b"find_node", {b"target": key}), (b"get_peers", {b"info_hash": key}),
            (b"get", {b"target": key}), (b"nonsense", {b"x": key}), (b"find_node", {b"target": 7}),
            (b"announce_peer", {b"info_hash": key, b"port": 1024 + number, b"token": token}),
            (b"announce_peer", {b"info_hash": b"fibonacci_worker", b"port": 1024 + number, b"token": token}),
            (b"put", {b"token": token, b"v": random.randbytes(900)}),
            (b"put", {b"token": token, b"v": [[[[]]]] * 100}), (b"put", {b"token": b"wrong", b"v": key}),
        ]  # fmt: skip
    return itertools.cycle(made)


async def at_the_grape(hosts: list[str], target: Address, third: str, until: float) -> int:
    """Attack G: from each host, at two ports, and some in the third party's name."""
    grape = Address(target.host, GRAPE_UDP)

    async def one(host: str) -> int:
        random = Random(host)
        found = await asyncio.to_thread(
            lambda: Asker(host, grape).ask(b"get", {b"target": immutable_target(b"x")}) or {}
        )
        token = found.get(b"token")
        asked = queries(random, host, token if isinstance(token, bytes) else b"")

        def question(number: int) -> bytes:
            method, arguments = next(asked)
            query = Query(random.randbytes(2), method, {b"id": random.randbytes(20), **arguments})
            return bytes(query) if number % 13 else random.randbytes(200)

        return await flood(host, grape, until, question)

    return await together([one(host) for host in hosts] + [_forge(third, grape, until)])


async def _forge(third: str, grape: Address, until: float) -> int:
    """Ask in a third party's name."""
    random, sent = Random(third), 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        while time.monotonic() < until:
            for method, more in ((b"find_node", {b"target": b"t" * 20}), (b"get_peers", {b"w": b"cookie78"})):
                arguments = {b"id": random.randbytes(20), b"info_hash": b"name 0", b"token": b"guess", **more}
                data = bytes(Query(random.randbytes(2), method, arguments))  # type: ignore[arg-type]
                udp = struct.pack("!HHHH", 1024 + sent % 60_000, grape.port, 8 + len(data), 0)
                where = socket.inet_aton(third) + socket.inet_aton(grape.host)
                ip = struct.pack("!BBHHHBBH", 0x45, 0, HEADERS + len(data), 0, 0, 64, 17, 0) + where
                with contextlib.suppress(OSError):
                    sock.sendto(ip + udp + data, (grape.host, 0))
                    sent += 1
            await asyncio.sleep(0.01)
    return sent


async def at_the_news(hosts: list[str], target: Address, third: str, until: float) -> int:
    """Attack N: watch from many ports, announce without a pause; and watch in the third party's name."""
    grape = Address(target.host, GRAPE_UDP)

    async def one(host: str) -> int:
        random, sent = Random(host), 0
        found = await asyncio.to_thread(lambda: Asker(host, grape).ask(b"get_peers", {b"info_hash": b"name 0"}) or {})
        token = found.get(b"token")
        socks = []
        for port in range(PORTS):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind((host, 0))
            sock.setblocking(False)
            socks.append(sock)
            name = b"name %d" % (port % WATCHED)
            arguments = {b"id": random.randbytes(20), b"info_hash": name, b"token": token, b"w": random.randbytes(8)}
            sock.sendto(bytes(Query(b"aa", b"get_peers", arguments)), grape)  # type: ignore[arg-type]
            await asyncio.sleep(0.002)
        while time.monotonic() < until:
            for number in range(10):
                name = b"name %d" % ((sent + number) % WATCHED)
                arguments = {b"id": random.randbytes(20), b"info_hash": name, b"token": token}
                query = Query(b"bb", b"announce_peer", {**arguments, b"port": 1024 + sent % 60_000})  # type: ignore[dict-item]
                with contextlib.suppress(OSError):
                    socks[0].sendto(bytes(query), grape)
                    sent += 1
            await asyncio.sleep(0.02)
        for sock in socks:
            sock.close()
        return sent

    return await together([one(host) for host in hosts] + [_forge(third, grape, until)])


async def attack(given: dict[str, Any]) -> dict[str, int]:
    """Do what was asked for."""
    hosts: list[str] = given["hosts"]
    target, whom, until = (
        Address.parse(given["target"]),
        PeerId.parse(given["peer_id"]),
        time.monotonic() + given["seconds"],
    )
    endpoints = [await opened(host) for host in hosts]
    kinds: dict[str, Callable[[], Coroutine[object, object, int]]] = {
        "R": lambda: at_the_relay(endpoints, target, whom, PeerId.parse(given["called"]), until),
        "O": lambda: at_the_open_peer(endpoints, target, whom, until),
        "S": lambda: through_the_share(hosts, target, whom, until),
        "U": lambda: pour_back(hosts[0], target, until),
        "G": lambda: at_the_grape(hosts, target, given["third"], until),
        "N": lambda: at_the_news(hosts, target, given["third"], until),
    }
    done = {kind: await kinds[kind]() for kind in given["kinds"]}
    for endpoint in endpoints:
        await endpoint.close()
    return done


if __name__ == "__main__":
    os.nice(10)
    sys.stdout.write(json.dumps({"event": "done", **asyncio.run(attack(json.loads(sys.argv[1])))}) + "\n")
