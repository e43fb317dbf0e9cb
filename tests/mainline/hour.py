"""An hour of the public DHT with our people in it, as a model: each search is really walked, and packets are counted.

Tables, answers, liars and what is gone are those of `cloud.py`; searches, places, nearness and who is believed are the
program's own engines. What is not walked is time between packets: a node answers after 40 to 240 ms, or never.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from statistics import median

from core.dht.lookup import Search, Target
from core.dht.routing import distance
from core.mainline.config import DHT, DISTRUST, POLLED, UNHURRIED
from core.open_peers.config import ANNOUNCE_EVERY, CALLED, WAIT_MAX, WAITED
from core.open_peers.judge import Judge, OpenPeer
from core.open_peers.keys import SHARDS, gathering, place, shard_of
from core.peer_id import PeerId
from core.public.searches import NEAREST
from core.signal.keys import BELL_EPOCH
from core.signal.pace import IDLE
from core.values import Address
from core.wire.compact import Contact, unpack_nodes, unpack_peers
from core.wire.krpc import Fields, Query
from tests.mainline.cloud import Cloud

HOUR = 3600.0
DAY_NUMBER = 20_000
ASKED, ANSWERED = 140, 330  # bytes of a question and its answer, with the headers of IP and UDP
WRITTEN, TAKEN = 700, 90  # of a letter that is put, and of the node that takes it
PEEKED = 150  # the answer to one that wants no nodes
POLL = 500  # bytes of waiting at an open peer, both ways, for WAIT_MAX seconds
CHECK = 6000  # bytes of a check: the handshake, and a letter there and back
PEOPLE = 4  # friends of each
SAMPLED = 4  # of so many calls one is made by the door too


@dataclass
class Walked:
    """What a search came to."""

    nearest: list[Contact]
    hops: int
    messages: int
    seconds: float
    peers: list[tuple[Contact, list[Address]]] = field(default_factory=list)  # what each node lists


@dataclass
class One:
    """One of ours."""

    number: int
    address: Address
    peer_id: PeerId
    open: bool
    gone_at: float
    hides: bool
    judge: Judge
    sends: int = 0  # messages of the hour
    bytes: int = 0
    guests: int = 0


class World:
    """`ours` peers of which `helping` are open; of these, as of the nodes, `gone` go and `lying` hide letters."""

    def __init__(
        self, nodes: int, ours: int, helping: int, *, gone: float = 0.0, lying: float = 0.0, seed: int = 1
    ) -> None:
        self.cloud = Cloud(nodes, seed, gone=gone, lying=lying)
        self.random = random = Random(6 + seed)
        self.people = []
        for number in range(ours):
            host = f"{random.randrange(100, 200)}.{random.randrange(256)}.{random.randrange(256)}.{number % 250 + 1}"
            helps = number < helping
            leaves = random.uniform(0, HOUR) if helps and random.random() < gone else 2 * HOUR
            hides = helps and random.random() < lying
            peer_id = PeerId(random.randbytes(32))
            judge = Judge(random.randbytes(32))
            self.people.append(One(number, Address(host, 4000), peer_id, helps, leaves, hides, judge))
        self.by_address = {each.address: each for each in self.people}
        self.hops: list[int] = []
        self.messages: list[int] = []
        self.seconds: list[float] = []
        self.count: Counter[str] = Counter()

    # -- the public DHT -----------------------------------------------------------------------------------------------

    def walk(
        self, who: One, target: bytes, method: bytes = b"find_node", in_flight: int = DHT.concurrency
    ) -> Walked:  # fmt: skip
        """Search from a table of 50 nodes at random, as ours has after a minute."""
        cloud, random = self.cloud, self.random
        search = Search(target, b"\0" * 20, DHT.bucket_size, in_flight, DHT.max_search_queries, distrust=DISTRUST)
        known = [Contact(each, cloud.address[each]) for each in random.sample(cloud.ids, 50)]
        known.sort(key=lambda each: int.from_bytes(each.id) ^ int.from_bytes(target))
        search.add(known[: DHT.bucket_size])
        depth = {each.address: 1 for each in known}
        walked, now, order = Walked([], 0, 0, 0.0), 0.0, itertools.count()
        wire: list[tuple[float, int, Target, Fields | None]] = []
        while True:
            while (to := search.next()) is not None:
                walked.messages += 1
                heapq.heappush(wire, self._ask(to, target, method, now, next(order), who))
            if not wire:
                break
            now, _, to, values = heapq.heappop(wire)
            if values is None:
                search.failed(to)
                continue
            assert to.id is not None
            search.answered(to, Contact(to.id, to.address))
            named = unpack_nodes(values[b"nodes"])
            for each in named:
                depth.setdefault(each.address, depth[to.address] + 1)
            search.add(named, to.address.host)
            if b"values" in values:
                walked.peers.append((Contact(to.id, to.address), unpack_peers(values[b"values"])))
        walked.nearest, walked.seconds = search.closest(), now
        walked.hops = max((depth[each.address] for each in walked.nearest), default=0)
        who.sends += walked.messages
        who.bytes += walked.messages * (ASKED + ANSWERED)
        self.hops.append(walked.hops)
        self.messages.append(walked.messages)
        self.seconds.append(walked.seconds)
        return walked

    def _ask(
        self, to: Target, target: bytes, method: bytes, now: float, order: int, who: One
    ) -> tuple[float, int, Target, Fields | None]:
        node = self.cloud.by_address.get(to.address)
        if node is None or node in self.cloud.gone or node != to.id or self.random.random() < 0.02:
            return now + DHT.query_timeout, order, to, None
        name = b"info_hash" if method == b"get_peers" else b"target"
        query = Query(b"t", method, {b"id": b"\0" * 20, name: target})
        return now + self.random.uniform(0.04, 0.24), order, to, self.cloud.answer(node, query, who.address)

    def _write(self, who: One, walked: Walked, size: int, keep: Callable[[bytes], None]) -> None:
        for each in walked.nearest:
            who.sends += 1
            who.bytes += size + TAKEN
            if each.id not in self.cloud.liars:
                keep(each.id)

    def announce(self, who: One, key: bytes) -> None:
        """Be listed."""
        walked = self.walk(who, key, b"get_peers")
        self._write(who, walked, ASKED, lambda node: self.cloud.store(node).peers[key].setdefault(who.address))

    def leave(self, who: One, letters: dict[bytes, set[bytes]], box: bytes) -> None:
        """Put a letter."""
        walked = self.walk(who, box)
        self._write(who, walked, WRITTEN, lambda node: letters.setdefault(box, set()).add(node))

    def look(self, who: One, now: float) -> None:
        """Look at the lists of open peers, and check who is near to a place."""
        judge = who.judge
        if not judge.should_look(now):
            return
        judge.looked(now)
        for shard in range(SHARDS):
            key = gathering(DAY_NUMBER, shard)
            walked = self.walk(who, key, b"get_peers", UNHURRIED)
            for node, listed in sorted(walked.peers, key=lambda each: distance(each[0].id, key))[:NEAREST]:
                judge.heard([each for each in listed if each != who.address], now, node.address.host, f"{shard}")
        self.check(who, [place(who.peer_id.key, DAY_NUMBER)], now)

    def check(self, who: One, places: list[bytes], now: float) -> None:
        """Check listed ones, as many as may be."""
        judge = who.judge
        while (chosen := judge.to_check(places, now)) is not None:
            address = chosen.address if isinstance(chosen, OpenPeer) else chosen
            other = self.by_address.get(address)
            who.bytes += CHECK if other else 3 * ASKED
            if other is None or not other.open or other.gone_at <= now:
                judge.failed(address, now, lied=False)  # junk of the lists, and who has gone
                self.count["checks that failed"] += 1
            else:
                judge.proved(address, other.peer_id, now, places)
                self.count["checks that held"] += 1

    # -- the hour -----------------------------------------------------------------------------------------------------

    def met_at(self, who: One, whose: One, count: int, now: float) -> list[One]:
        """Return where somebody is met, or calls; those that have gone are noticed."""
        at = place(whose.peer_id.key, DAY_NUMBER)
        while True:
            chosen = [self.by_address[each.address] for each in who.judge.at(at, count, now)]
            gone = [each for each in chosen if each.gone_at <= now]
            if not gone:
                return chosen
            for each in gone:
                who.judge.failed(each.address, now, lied=False)

    def idle(self, who: One, now: float, seconds: float) -> None:
        """Wait for calls: at our door, whose nodes are asked in turn, and at open peers."""
        who.sends += int(seconds / IDLE * 2)
        who.bytes += int(seconds / IDLE * 2 * (ASKED + PEEKED))
        for other in self.met_at(who, who, WAITED, now):
            who.bytes += int(seconds / WAIT_MAX * POLL)
            other.bytes += int(seconds / WAIT_MAX * POLL)


@dataclass
class Outcome:
    """What an hour came to. Times are seconds; shares are of all calls."""

    hops: float
    messages: float
    search: float
    idle_mb: float
    helper_mb: float
    by_door: float
    by_open_peer: float
    by_either: float
    open_median: float
    either_median: float
    checks: Counter[str]


def live(world: World) -> Outcome:
    """Let an hour pass: everybody is there, is listed, waits, and calls one friend."""
    random, letters = world.random, dict[bytes, set[bytes]]()
    for who in world.people:
        if who.open:
            for at in range(0, int(HOUR), int(ANNOUNCE_EVERY)):
                if at < who.gone_at:
                    world.announce(who, gathering(DAY_NUMBER, shard_of(who.peer_id.key)))
    for who in world.people:
        before = who.bytes, who.sends
        world.leave(who, letters, random.randbytes(20))
        _repeat(who, before, PEOPLE)
        before = who.bytes, who.sends
        world.walk(who, random.randbytes(20), b"get_peers", UNHURRIED)  # the door of five minutes
        _repeat(who, before, int(HOUR / BELL_EPOCH))
        for at in range(1, int(HOUR), int(HOUR / 2)):
            world.look(who, float(at))
            world.idle(who, float(at), HOUR / 2)
    sent = [who.bytes for who in world.people if not who.open]
    by_open, door, either = [], [], []
    for number, who in enumerate(world.people):
        friend = world.people[(number + 1 + random.randrange(len(world.people) - 1)) % len(world.people)]
        by_open.append(_by_open_peer(world, who, friend, random.uniform(1.0, HOUR)))
        if number % SAMPLED == 0:  # the door, by four searches each
            door.append(_by_door(world, who))
            either.append(min(door[-1], by_open[-1]))
    helpers = [who.bytes for who in world.people if who.open]
    return Outcome(
        median(world.hops), median(world.messages), median(world.seconds), 24 * median(sent) / 1e6,
        24 * max(helpers or [0]) / 1e6, _heard(door), _heard(by_open), _heard(either),
        median([each for each in by_open if each <= 60.0] or [0.0]), median(either), world.count,
    )  # fmt: skip


def _repeat(who: One, before: tuple[int, int], times: int) -> None:
    """Count what was just done as done so many times: one search is as long as another."""
    who.bytes += (times - 1) * (who.bytes - before[0])
    who.sends += (times - 1) * (who.sends - before[1])


def _heard(times: list[float]) -> float:
    return sum(each <= 60.0 for each in times) / len(times)


def _by_door(world: World, who: One) -> float:
    """The letter is read, the bell is rung, and the other asks the nearest node and one more, in turn."""
    box, door = world.random.randbytes(20), world.random.randbytes(20)
    kept = {each.id for each in world.walk(who, box).nearest} - world.cloud.liars
    read = world.walk(who, box)
    if not kept & {each.id for each in read.nearest}:
        return 61.0
    rung = world.walk(who, door, b"get_peers")
    listed = {each.id for each in rung.nearest} - world.cloud.liars
    looks = world.walk(who, door, b"get_peers", UNHURRIED).nearest
    at = read.seconds + rung.seconds + world.random.uniform(0, IDLE)
    for look in range(int(60.0 / IDLE)):
        others = looks[1:POLLED]
        asked = [*looks[:1], *([others[look % len(others)]] if others else [])]
        if any(each.id in listed for each in asked):
            return at + 0.3
        at += IDLE
        liars = [each for each in asked if each.id in world.cloud.liars]  # a crowd at a door is asked last from now on
        looks = [each for each in looks if each not in liars] + liars
    return 61.0


def _by_open_peer(world: World, who: One, friend: One, now: float) -> float:
    """Both come to the nearest to the friend's place that each knows; one in common that hides nothing is enough."""
    world.check(who, [place(friend.peer_id.key, DAY_NUMBER)], now)
    waits = {each.number for each in world.met_at(friend, friend, WAITED, now)}
    calls = world.met_at(who, friend, CALLED, now)
    who.bytes += len(calls) * POLL * 4
    if any(each.number in waits and not each.hides for each in calls):
        return world.random.uniform(0.3, 0.9)  # connecting, the handshake, and two ways
    return 61.0
