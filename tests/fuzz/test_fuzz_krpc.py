"""KRPC input from an enemy. Invariant: nothing raises, and nothing grows.

Whatever arrives, the node goes on answering, its sizes stay within its bounds, and an operation under way ends once.
"""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from core.dht import DhtConfig, Node
from core.errors import RemoteError
from core.values import Address
from core.wire.bencoding import decode
from core.wire.krpc import Error, Fields, MalformedMessage, Message, Query, Reply, parse
from tests.wire.test_bencoding import values
from tests.wire.test_compact import addresses

CONFIG = DhtConfig(
    max_tables=3, max_peers_per_table=3, max_values=3, max_transactions=8, max_operations=3, max_probes=4
)
NEIGHBOUR = Address("127.0.0.1", 20002)
METHODS = (b"ping", b"find_node", b"get_peers", b"announce_peer", b"get", b"put", b"vote")
NAMES = (
    b"id",
    b"target",
    b"info_hash",
    b"token",
    b"port",
    b"implied_port",
    b"v",
    b"k",
    b"sig",
    b"seq",
    b"salt",
    b"cas",
)

field_values = st.one_of(values, st.binary(min_size=20, max_size=20), st.integers(-2, 70000), st.binary(max_size=1100))
arguments = st.dictionaries(st.sampled_from((*NAMES, b"nodes", b"values")), field_values, max_size=10)
queries: st.SearchStrategy[Message] = st.builds(
    Query, st.binary(min_size=1, max_size=4), st.sampled_from(METHODS), arguments, st.booleans()
)
replies: st.SearchStrategy[Message] = st.builds(
    Reply, st.binary(min_size=2, max_size=2), arguments, st.none() | addresses
)
errors: st.SearchStrategy[Message] = st.builds(Error, st.binary(min_size=2, max_size=2), st.integers(), st.just("no"))
sources = st.one_of(addresses, st.just(NEIGHBOUR))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a valid message with some bytes changed, cut out or doubled."""
    data = bytearray(bytes(draw(queries | replies | errors)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.sampled_from(("change", "cut", "double"))):
            case "change" if data:
                data[place] = draw(st.integers(0, 255))
            case "cut":
                del data[place : place + draw(st.integers(1, 20))]
            case _:
                data[place:place] = data[place : place + draw(st.integers(1, 20))]
    return bytes(data)


@given(st.binary(max_size=300) | mutated())
def test_parsers_refuse_with_their_own_error_only(data: bytes) -> None:
    try:
        message = parse(data)
    except MalformedMessage:
        return
    assert parse(bytes(message)) == message
    assert isinstance(decode(data), dict)


@given(st.binary(max_size=200), st.integers(1, 4000), st.sampled_from([b"l", b"d1:a", b"i", b"9", b"1:"]))
def test_repetition_neither_crashes_nor_hangs(data: bytes, times: int, part: bytes) -> None:
    try:
        value = decode(part * times + data)
    except RemoteError:
        return
    assert isinstance(value, bytes | int | list | dict)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.binary(max_size=100) | mutated(), sources), max_size=25), st.integers(0, 2**32))
def test_a_node_survives_anything(datagrams: list[tuple[bytes, Address]], seed: int) -> None:
    node = Node(CONFIG, Random(seed), 0.0)
    node.bootstrap([NEIGHBOUR], 0.0)
    operation = node.lookup(b"name", 0.0)
    now = 0.0
    for data, source in datagrams:
        node.receive([data], source, now)
        node.tick(now)
        node.transmit(now)
        now += 0.05
    check_bounds(node)
    ended = [event.operation for event in node.events()]
    for _ in range(100):
        now += 0.25
        node.tick(now)
        node.transmit(now)
        ended += [event.operation for event in node.events()]
    assert ended == [operation]
    check_answers(node, now)


@settings(max_examples=20)
@given(st.lists(arguments, min_size=1, max_size=20), st.integers(0, 2**32))
def test_hostile_answers_end_every_operation_once(answers: list[Fields], seed: int) -> None:
    random = Random(seed)
    node = Node(CONFIG, random, 0.0)
    node.bootstrap([NEIGHBOUR], 0.0)
    operations = [
        node.lookup(b"name", 0.0),
        node.announce(b"name", Address("127.0.0.1", 1), 0.0),
        node.get(b"t" * 20, 0.0),
    ]
    ended: list[int] = []
    now = 0.0
    for _ in range(150):
        for burst in node.transmit(now):
            for datagram in burst.datagrams:
                query = parse(datagram)
                fields = {b"id": random.randbytes(20), b"token": b"t", **random.choice(answers)}
                node.receive([bytes(Reply(query.transaction, fields))], burst.to, now)
        check_bounds(node)
        now += 0.2
        node.tick(now)
        ended += [event.operation for event in node.events()]
    assert sorted(ended) == operations


def check_bounds(node: Node) -> None:
    """Assert that every table is within the configuration's bound."""
    statistics = node.statistics()
    assert statistics.keys <= CONFIG.max_tables
    assert statistics.items <= CONFIG.max_values
    assert statistics.in_flight <= CONFIG.max_transactions
    assert statistics.operations <= CONFIG.max_operations


def check_answers(node: Node, now: float) -> None:
    """Assert that the node still answers a ping."""
    client = Address("203.0.113.77", 7777)
    node.receive([bytes(Query(b"zz", b"ping", {b"id": b"c" * 20}, read_only=True))], client, now)
    answers = [parse(raw) for burst in node.transmit(now) if burst.to == client for raw in burst.datagrams]
    assert Reply(b"zz", {b"id": node.id}, client) in answers
