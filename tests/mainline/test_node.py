"""Our node in a simulated public DHT."""

import contextlib
from collections.abc import Sequence
from random import Random
from typing import TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.dht.events import OperationId
from core.dht.items import Item, sign_item
from core.dht.routing import distance
from core.errors import LocalError
from core.mainline.config import DHT, GOOD, GROWN, POLLED, SETTLED, TOKENS_FOR, UNHURRIED
from core.mainline.events import Ended, ItemHeard, MainlineEvent, PeersHeard
from core.mainline.node import MainlineNode
from core.mainline.thrift import Use
from core.signal.listed import CROWD
from core.signal.pace import OTHERS
from core.values import Address
from core.wire.krpc import Query, Reply, parse
from tests.mainline.cloud import Cloud

WRITER = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
KEY = b"k" * 20
T = TypeVar("T", bound=MainlineEvent)


class Ours:
    """A node of ours in a cloud, and what it told."""

    def __init__(self, cloud: Cloud, number: int = 1, *, seeds: int = 4) -> None:
        self.cloud = cloud
        self.address = Address(f"11.0.{number}.2", 40000 + number)
        self.node = MainlineNode(Random(number), cloud.now)
        self.told: list[MainlineEvent] = []
        cloud.clients[self.address] = self.node
        if seeds:
            self.node.join(cloud.living(seeds), cloud.now)

    def events(self) -> list[MainlineEvent]:
        self.told += self.node.events()
        return self.told

    def wait(self, operation: OperationId, seconds: float = 30.0) -> Ended:
        """Run until an operation is over."""
        self.cloud.run(seconds, until=lambda: self._ended(operation))
        (ended,) = self._ended(operation)
        return ended

    def _ended(self, operation: OperationId) -> list[Ended]:
        return [each for each in self.events() if isinstance(each, Ended) and each.operation == operation]

    def items(self) -> list[Item]:
        return [each.item for each in self.events() if isinstance(each, ItemHeard)]

    def peers(self) -> set[Address]:
        return {peer for each in self.events() if isinstance(each, PeersHeard) for peer in each.peers}


def joined(cloud: Cloud, number: int = 1) -> Ours:
    ours = Ours(cloud, number)
    cloud.run(60.0)
    return ours


def sent(node: MainlineNode, now: float) -> list[tuple[Address, Query | Reply]]:
    found = []
    for burst in node.transmit(now):
        for datagram in burst.datagrams:
            message = parse(datagram)
            assert isinstance(message, Query | Reply)
            found.append((burst.to, message))
    return found


def test_a_node_meets_fifty_others_within_a_minute_and_keeps_them() -> None:
    cloud = Cloud(1000)
    ours = joined(cloud)
    assert ours.node.nodes() >= GOOD
    assert len(ours.node.good()) >= GOOD
    assert len({node.host for node in ours.node.good()}) == len(ours.node.good()), "one node per IP"


def test_it_learns_the_mapping_of_its_own_socket() -> None:
    cloud = Cloud(300)
    ours = joined(cloud)
    mapping = ours.node.seen.mapping(cloud.now)
    assert mapping is not None
    assert (mapping.host, mapping.port) == ours.address
    assert mapping.observers >= 3


def test_what_one_puts_the_other_gets_and_who_announces_is_found_where_the_nodes_see_it() -> None:
    cloud = Cloud(1000)
    ours, theirs = joined(cloud, 1), joined(cloud, 2)
    item = sign_item(WRITER, b"value", 5)
    assert ours.wait(ours.node.put(item, cloud.now)).taken >= 7  # one in a hundred is lost
    theirs.wait(theirs.node.get(item.key or b"", item.target(), cloud.now))
    assert [each.value for each in theirs.items()] == [b"value"]
    assert theirs.wait(theirs.node.announce(KEY, 9, cloud.now)).taken >= 7  # one in a hundred is lost
    ours.wait(ours.node.find_peers(KEY, cloud.now))
    assert ours.peers() == {theirs.address}, "not the port that it says"


def test_an_item_that_is_known_is_not_told_again() -> None:
    cloud = Cloud(300)
    ours = joined(cloud)
    item = sign_item(WRITER, b"value", 5)
    ours.wait(ours.node.put(item, cloud.now))
    ended = ours.wait(ours.node.get(item.key or b"", item.target(), cloud.now, known=5))
    assert ended.answered >= 8
    assert ours.items() == []


def test_to_ask_again_takes_eight_packets_or_three() -> None:
    cloud = Cloud(1000, loss=0.0)
    ours = joined(cloud)
    ours.wait(ours.node.find_peers(KEY, cloud.now))
    for part, packets in ((0, 8), (1, 3), (2, 3), (9, 3)):
        before = ours.node.statistics().asked
        ours.wait(ours.node.peek(KEY, cloud.now, part))
        assert ours.node.statistics().asked - before == packets
    other = ours.wait(ours.node.peek(b"n" * 20, cloud.now))
    assert other.answered >= 8, "what was never looked for is searched"


def test_a_poll_wants_no_nodes_and_where_a_door_is_known_asks_two() -> None:
    cloud = Cloud(300)
    ours = joined(cloud)
    ours.wait(ours.node.find_peers(KEY, cloud.now))
    asked = set()
    for part in range(1, OTHERS + 1):
        sent(ours.node, cloud.now)
        ours.node.peek(KEY, cloud.now, part, use=Use.DOOR)
        polled = sent(ours.node, cloud.now)
        assert len(polled) == 2
        assert all(isinstance(each, Query) and each.arguments[b"want"] == [] for _, each in polled)
        asked |= {to for to, _ in polled}
    assert len(asked) == POLLED, "each of the best has its turn"


def test_who_lists_a_crowd_or_is_silent_or_sends_nodes_is_asked_after_the_others() -> None:
    cloud = Cloud(300)
    ours = joined(cloud)
    ours.wait(ours.node.find_peers(KEY, cloud.now))
    nearest = sorted(ours.node._walks.nearest(KEY, cloud.now), key=lambda each: distance(each.id, KEY))
    silent, crowded, heedless = nearest[0], nearest[1], nearest[2]
    cloud.gone.add(silent.id)
    cloud.heedless.add(heedless.id)
    for number in range(CROWD + 1):
        cloud.store(crowded.id).peers[KEY].setdefault(Address(f"12.0.0.{number}", 5000))
    ours.wait(ours.node.peek(KEY, cloud.now))
    sent(ours.node, cloud.now)
    ours.node.peek(KEY, cloud.now, 1)
    asked = {to for to, _ in sent(ours.node, cloud.now)}
    assert {each.address for each in nearest[3:]} >= asked
    assert len(asked) == 3


@pytest.mark.parametrize(("use", "most"), [(Use.DOOR, UNHURRIED), (Use.AWAITED, DHT.concurrency)])
def test_a_search_that_nobody_waits_for_asks_few_at_a_time(use: Use, most: int) -> None:
    cloud = Cloud(300)
    ours = joined(cloud)
    sent(ours.node, cloud.now)
    ours.node.find_peers(KEY, cloud.now, use=use)
    assert len(sent(ours.node, cloud.now)) == most


def test_what_is_written_does_not_wait_for_silent_nodes_among_the_nearest() -> None:
    cloud = Cloud(1000, loss=0.0)
    ours = joined(cloud)
    nearest = sorted(cloud.ids, key=lambda each: distance(each, KEY))
    cloud.gone |= {nearest[2], nearest[5]}
    began = cloud.now
    ended = ours.wait(ours.node.announce(KEY, 9, cloud.now))
    assert ended.taken >= SETTLED[1]
    assert cloud.now - began <= 1.7, "one time-out, and not those of all that come in place of the silent ones"


def test_what_was_searched_with_few_nodes_known_is_searched_again_with_many() -> None:
    cloud = Cloud(1000, loss=0.0)
    ours = Ours(cloud)
    cloud.run(0.2)
    ours.wait(ours.node.find_peers(KEY, cloud.now))
    few = ours.node.nodes()
    cloud.run(60.0)
    assert ours.node.nodes() > GROWN * few
    before = ours.node.statistics().asked
    ours.wait(ours.node.peek(KEY, cloud.now, 1))
    assert ours.node.statistics().asked - before >= DHT.bucket_size


def test_where_nobody_answers_any_longer_it_is_searched_again() -> None:
    cloud = Cloud(1000, loss=0.0)
    ours = joined(cloud)
    ours.wait(ours.node.find_peers(KEY, cloud.now))
    nearest = sorted(cloud.ids, key=lambda each: int.from_bytes(each) ^ int.from_bytes(KEY))[:8]
    cloud.gone.update(nearest)
    assert ours.wait(ours.node.peek(KEY, cloud.now)).answered == 0
    assert ours.wait(ours.node.peek(KEY, cloud.now)).answered >= 8


def test_what_is_written_again_soon_goes_straight_to_the_nodes_that_took_it() -> None:
    cloud = Cloud(1000, loss=0.0)
    ours, theirs = joined(cloud, 1), joined(cloud, 2)
    ours.wait(ours.node.put(sign_item(WRITER, b"value", 5), cloud.now))
    cloud.run(10.0)
    item = sign_item(WRITER, b"newer", 6)
    before = ours.node.statistics().asked
    assert ours.wait(ours.node.put(item, cloud.now)).taken == 8
    assert ours.node.statistics().asked - before == 8
    theirs.wait(theirs.node.get(item.key or b"", item.target(), cloud.now))
    assert [each.value for each in theirs.items()][-1] == b"newer"
    before = ours.node.statistics().asked
    cloud.run(TOKENS_FOR)
    ours.wait(ours.node.put(sign_item(WRITER, b"newest", 7), cloud.now))
    assert ours.node.statistics().asked - before >= 16, "tokens are not good for longer"


def test_where_few_take_it_with_an_old_token_the_next_is_a_search() -> None:
    cloud = Cloud(1000, loss=0.0)
    ours = joined(cloud)
    item = sign_item(WRITER, b"value", 5)
    ours.wait(ours.node.put(item, cloud.now))
    cloud.run(10.0)
    nearest = sorted(cloud.ids, key=lambda each: int.from_bytes(each) ^ int.from_bytes(item.target()))[:6]
    cloud.gone.update(nearest)
    assert ours.wait(ours.node.put(sign_item(WRITER, b"newer", 6), cloud.now)).taken == 2
    assert ours.wait(ours.node.put(sign_item(WRITER, b"newest", 7), cloud.now)).taken >= 7


def test_an_item_is_read_at_three_nodes_where_its_place_is_known() -> None:
    cloud = Cloud(1000, loss=0.0)
    ours, theirs = joined(cloud, 1), joined(cloud, 2)
    item = sign_item(WRITER, b"value", 5)
    theirs.wait(theirs.node.get(item.key or b"", item.target(), cloud.now, part=1))
    ours.wait(ours.node.put(item, cloud.now))
    before = theirs.node.statistics().asked
    theirs.wait(theirs.node.get(item.key or b"", item.target(), cloud.now, part=1))
    assert theirs.node.statistics().asked - before == 3
    assert [each.value for each in theirs.items()] == [b"value"]


def test_it_says_that_it_is_read_only_and_answers_nothing_until_it_serves() -> None:
    cloud = Cloud(50)
    ours = joined(cloud)
    source = cloud.living(1)[0]
    question = Query(b"qq", b"ping", {b"id": b"i" * 20})
    ours.node.find_peers(KEY, cloud.now)
    asked = sent(ours.node, cloud.now)
    assert asked
    assert all(isinstance(query, Query) and query.read_only for _, query in asked)
    assert all(len(query.transaction) == 4 for _, query in asked)
    ours.node.receive([bytes(question)], source, cloud.now)
    assert sent(ours.node, cloud.now) == []
    ours.node.serve("11.0.1.2", cloud.now)
    ours.node.receive([bytes(question)], source, cloud.now)
    messages = sent(ours.node, cloud.now)
    assert [to for to, message in messages if isinstance(message, Reply)] == [source]
    assert not any(isinstance(message, Query) and message.read_only for _, message in messages)


@pytest.mark.parametrize("what", ["another source", "another transaction", "a port beside"])
def test_an_answer_counts_from_who_was_asked_and_with_its_number_only(what: str) -> None:
    node = MainlineNode(Random(1), 0.0)
    asked = Address("11.1.1.1", 6881)
    node.join([asked], 0.0)
    ((_, query),) = sent(node, 0.0)
    transaction, source = query.transaction, asked
    if what == "another transaction":
        transaction = bytes([transaction[0] ^ 1]) + transaction[1:]
    elif what == "another source":
        source = Address("11.1.1.2", 6881)
    else:
        source = Address("11.1.1.1", 6882)
    node.receive([bytes(Reply(transaction, {b"id": b"i" * 20, b"nodes": b""}))], source, 0.1)
    assert node.nodes() == 0
    node.receive([bytes(Reply(query.transaction, {b"id": b"i" * 20, b"nodes": b""}))], asked, 0.1)
    assert node.nodes() == 1


@pytest.mark.parametrize("datagram", [b"", b"d", b"de", b"d1:y1:re", b"d1:rle1:t4:aaaa1:y1:re", b"\xff" * 2000])
def test_nonsense_is_dropped(datagram: bytes) -> None:
    node = MainlineNode(Random(1), 0.0)
    node.receive([datagram], Address("11.1.1.1", 6881), 0.0)
    assert node.transmit(0.0) == []


def test_too_many_operations_are_refused_in_words() -> None:
    node = MainlineNode(Random(1), 0.0)
    node.join([Address("11.1.1.1", 6881)], 0.0)
    ((_, query),) = sent(node, 0.0)
    node.receive([bytes(Reply(query.transaction, {b"id": b"i" * 20, b"nodes": b""}))], Address("11.1.1.1", 6881), 0.1)
    for number in range(DHT.max_operations):
        node.find_peers(number.to_bytes(20), 0.1)
    with pytest.raises(LocalError, match="too much"):
        node.find_peers(KEY, 0.1)


def per_host(cloud: Cloud, ours: Ours, seconds: int = 10) -> float:
    """Return the most packets a second that one host got, over that many seconds."""
    moments: dict[str, list[int]] = {}
    for (address, host, second), count in cloud.to.items():
        if address == ours.address:
            moments.setdefault(host, []).extend([second] * count)

    def most(times: Sequence[int]) -> int:
        return max(sum(at <= each < at + seconds for each in times) for at in times)

    return max(most(times) for times in moments.values()) / seconds


@pytest.mark.parametrize("count", [12, 500])
def test_no_host_gets_what_others_ban_for_however_much_is_asked(count: int) -> None:
    cloud = Cloud(count)
    ours = joined(cloud)
    for number in range(300):
        with contextlib.suppress(LocalError):
            ours.node.peek((number % 40).to_bytes(20), cloud.now)
        cloud.run(0.2)
    assert per_host(cloud, ours) <= 2.0, "libtorrent bans above 5 packets a second over 10 s"
    assert ours.node.pace.held_back > 0


def test_new_destinations_are_few_a_minute() -> None:
    cloud = Cloud(3000)
    ours = joined(cloud)
    before, began = ours.node.pace.destinations, cloud.now
    while cloud.now - began < 300.0:
        with contextlib.suppress(LocalError):
            ours.node.find_peers(cloud.random.randbytes(20), cloud.now)
        cloud.run(1.0)
    assert (ours.node.pace.destinations - before) / 5 <= 60 + 160 / 5 + 1


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
def test_with_a_third_gone_and_a_tenth_lying_what_is_stored_is_found(seed: int) -> None:
    cloud = Cloud(2000, seed, gone=0.3, lying=0.1)
    ours, theirs = joined(cloud, 1), joined(cloud, 2)
    found = 0
    for number in range(5):
        writer = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        item = sign_item(writer, b"value", 5)
        ours.wait(ours.node.put(item, cloud.now), 60.0)
        cloud.run(10.0)  # it is stored at some at once, and at all of the nearest in the end
        theirs.told.clear()
        theirs.wait(theirs.node.get(item.key or b"", item.target(), cloud.now), 60.0)
        found += [each.value for each in theirs.items()] == [b"value"]
        cloud.run(30.0)
    assert found == 5
