"""A simulated public DHT of thousands of nodes, some gone, some lying, on a hand-moved clock: same seed, same trace.

Its nodes are not ours: each has a table as Kademlia makes it, chosen at random, and is made when it is first asked. A
node that is gone is still in the others' tables. One that lies names nodes that are not there, lists peers that nobody
announced, and changes the items that it is asked for.
"""

import bisect
import hashlib
import heapq
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from core.values import Address, Burst
from core.wire.bencoding import Bencoded
from core.wire.compact import ID_BYTES, Contact, pack_nodes, pack_peer
from core.wire.krpc import Fields, MalformedMessage, Query, Reply, parse

K = 8
SPAN = 8 * ID_BYTES


class Client(Protocol):
    """A Machine of ours."""

    def receive(self, datagrams: Sequence[bytes], source: Address, now: float) -> None: ...
    def tick(self, now: float) -> None: ...
    def deadline(self) -> float | None: ...
    def transmit(self, now: float) -> list[Burst]: ...


@dataclass
class Store:
    """What one public node keeps."""

    contacts: dict[int, Contact]  # by their ids
    peers: dict[bytes, dict[Address, None]] = field(default_factory=lambda: defaultdict(dict))
    items: dict[bytes, Fields] = field(default_factory=dict)


class Cloud:
    """The network and its clock. `gone` and `lying` are parts of all nodes; `clients` are Machines at addresses."""

    def __init__(self, count: int, seed: int = 1, *, gone: float = 0.0, lying: float = 0.0, loss: float = 0.01) -> None:
        self.random = Random(seed)
        self.now = 1000.0
        self.ids = sorted(self.random.randbytes(ID_BYTES) for _ in range(count))
        self.address = {each: self._place(number) for number, each in enumerate(self.ids)}
        self.by_address = {address: each for each, address in self.address.items()}
        fates = self.random.sample(self.ids, count)
        self.gone = set(fates[: int(count * gone)])
        self.liars = set(fates[len(self.gone) : len(self.gone) + int(count * lying)])
        self.heedless = set[bytes]()  # do not know BEP 32
        self.loss = loss
        self.stores: dict[bytes, Store] = {}
        self.clients: dict[Address, Client] = {}
        self.packets: Counter[Address] = Counter()  # that each client sent
        self.bytes: Counter[Address] = Counter()  # both ways, with the headers of IP and UDP
        self.to: Counter[tuple[Address, str, int]] = Counter()  # of a client, to a host, in a second
        self.outside: Callable[[Address, Address, bytes], None] | None = None  # what clients send to each other
        self._order = itertools.count()
        self._wire: list[tuple[float, int, Address, Address, bytes]] = []

    @staticmethod
    def _place(number: int) -> Address:
        return Address(f"{20 + number // 16384 % 64}.{number // 128 % 128}.{number % 128}.7", 6881)

    def living(self, count: int) -> list[Address]:
        """Return the addresses of some nodes that are there, as a bootstrap list has them."""
        here = [each for each in self.ids if each not in self.gone and each not in self.liars]
        return [self.address[each] for each in self.random.sample(here, count)]

    # -- nodes --------------------------------------------------------------------------------------------------------

    def store(self, node: bytes) -> Store:
        if node not in self.stores:
            self.stores[node] = Store(self._table(node))
        return self.stores[node]

    def _table(self, node: bytes) -> dict[int, Contact]:
        """Return K nodes at random for each bit that a node's neighbours differ in first."""
        own, found = int.from_bytes(node), list[bytes]()
        for bit in range(SPAN):
            low = (own >> (SPAN - bit - 1) ^ 1) << (SPAN - bit - 1)
            start = bisect.bisect_left(self.ids, low.to_bytes(ID_BYTES))
            high = low + (1 << (SPAN - bit - 1))
            end = len(self.ids) if high >> SPAN else bisect.bisect_left(self.ids, high.to_bytes(ID_BYTES))
            found += self.random.sample(self.ids[start:end], min(K, end - start))
            if not end - start and bit > 40:
                break
        return {int.from_bytes(each): Contact(each, self.address[each]) for each in found}

    def answer(self, node: bytes, query: Query, source: Address) -> Fields:
        """Return what a node answers, and have it keep what it is told."""
        store, arguments = self.store(node), query.arguments
        target = arguments.get(b"info_hash", arguments.get(b"target", node))
        assert isinstance(target, bytes)
        values: Fields = {b"id": node, b"token": hashlib.sha1(node + source.host.encode()).digest()[:8]}
        if (
            b"want" not in arguments or node in self.heedless
        ):  # else which kinds of nodes are wanted (BEP 32): we want none, or do not say
            near = heapq.nsmallest(K, store.contacts, key=int.from_bytes(target).__xor__)
            values[b"nodes"] = pack_nodes([store.contacts[each] for each in near])
        if node in self.liars:
            return values | self._lies(query.method, target)
        if query.method == b"get_peers" and store.peers.get(target):
            values[b"values"] = [pack_peer(peer) for peer in store.peers[target]]
        elif query.method == b"announce_peer":
            assert arguments[b"token"] == values[b"token"]
            store.peers[target].setdefault(source)
        elif query.method == b"get" and target in store.items:
            values |= store.items[target]
        elif query.method == b"put":
            assert arguments[b"token"] == values[b"token"]
            item = {name: arguments[name] for name in (b"v", b"k", b"sig", b"seq")}
            key, value, sequence = item[b"k"], item[b"v"], item[b"seq"]
            assert isinstance(key, bytes)
            assert isinstance(value, bytes)
            assert isinstance(sequence, int)
            kept = store.items.get(hashlib.sha1(key).digest())
            if kept is None or (isinstance(kept[b"seq"], int) and kept[b"seq"] < sequence):
                store.items[hashlib.sha1(key).digest()] = item
        return values

    def _lies(self, method: bytes, target: bytes) -> Fields:
        invented = [
            Contact(target[:3] + self.random.randbytes(17), Address(f"99.{self.random.randrange(256)}.1.1", 7777))
            for _ in range(K)
        ]
        values: Fields = {b"nodes": pack_nodes(invented)}
        if method == b"get_peers":
            junk: list[Bencoded] = [pack_peer(Address(f"98.1.{n}.1", 8000 + n)) for n in range(50)]
            values[b"values"] = junk
        elif method == b"get":
            values |= {b"v": b"x" * 300, b"k": b"k" * 32, b"sig": b"s" * 64, b"seq": 2**60}
        return values

    # -- the wire -----------------------------------------------------------------------------------------------------

    def send(self, source: Address, to: Address, datagram: bytes) -> None:
        """Put a datagram on the wire: 20 to 120 ms."""
        if self.random.random() >= self.loss:
            at = self.now + self.random.uniform(0.02, 0.12)
            heapq.heappush(self._wire, (at, next(self._order), source, to, datagram))

    def collect(self) -> None:
        """Take what the clients send."""
        for address, client in self.clients.items():
            for burst in client.transmit(self.now):
                for datagram in burst.datagrams:
                    self.packets[address] += 1
                    self.bytes[address] += len(datagram) + 28
                    self.to[address, burst.to.host, int(self.now)] += 1
                    self.send(address, burst.to, bytes(datagram))

    def run(self, seconds: float, until: Callable[[], Any] = lambda: False) -> None:
        """Let that much time pass, or less if something has come true."""
        end = self.now + seconds
        while not until():
            self.collect()
            moments = [due for client in self.clients.values() if (due := client.deadline()) is not None]
            upcoming = min([*moments, self._wire[0][0] if self._wire else math.inf])
            if upcoming > end:
                self.now = end
                return
            self.now = max(self.now, upcoming)
            while self._wire and self._wire[0][0] <= self.now:
                self._deliver(*heapq.heappop(self._wire)[2:])
            for client in self.clients.values():
                client.tick(self.now)

    def _deliver(self, source: Address, to: Address, datagram: bytes) -> None:
        if to in self.clients:
            self.bytes[to] += len(datagram) + 28
            self.clients[to].receive([datagram], source, self.now)
            return
        node = self.by_address.get(to)
        if node is None or node in self.gone:
            return
        try:
            query = parse(datagram)
        except MalformedMessage:
            return
        if isinstance(query, Query):
            reply = Reply(query.transaction, self.answer(node, query, source), source)
            self.send(to, source, bytes(reply))
