"""A DHT node among hostile ones, with searches of its own under way: whatever datagrams come, nothing raises.
Every table stays within its bound, every operation ends exactly once, an answer is never far longer than its query.
"""

from random import Random

from core.dht import DhtConfig, Node
from core.dht.events import OperationId
from core.values import Address
from core.wire.bencoding import Bencoded
from core.wire.krpc import Error, Fields, MalformedMessage, Message, Query, Reply, parse
from tests.fuzz.inputs import Input
from tests.fuzz.test_fuzz_krpc import CONFIG as SMALL
from tests.fuzz.test_fuzz_krpc import METHODS, NAMES, check_answers, check_bounds

WATCHED = ["core.dht", "core.wire.krpc"]
CONFIG: DhtConfig = SMALL
SOURCES = [Address(f"203.0.113.{number}", 20000 + number) for number in range(6)] + [Address("127.0.0.1", 20002)]
FIELDS = (*NAMES, b"nodes", b"values")
WAITS = (0.0, 0.0, 0.05, 0.8, 2.5, 61.0, 400.0)
STEPS = 60
SEEDS = [
    bytes([1, 2, 0, 1, 0, 1, 20]) + b"a" * 20 + bytes([0, 1]),
    bytes([0, 30]) + b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:zz1:y1:qe"[:30] + bytes([0, 0]),
    bytes([3, 0, 2, 0, 1, 3, 1, 2]) * 12,
    bytes([2, 0, 3, 0, 0, 20]) + b"b" * 20 + bytes([12, 1, 26]) + b"c" * 20 + b"\x7f\0\0\1\x4e\x22" + bytes([3, 1]),
]
MAX_INPUT = 2000


class Scene:
    """A node, what it asked lately, and what was begun."""

    def __init__(self) -> None:
        self.node = Node(CONFIG, Random(0), 0.0)
        self.now = 0.0
        self.asked: list[tuple[Query, Address]] = []
        self.tokens: dict[Address, bytes] = {}
        self.begun: list[OperationId] = []
        self.ended: list[OperationId] = []
        self.node.bootstrap(SOURCES[-1:], 0.0)
        self.begun += [self.node.lookup(b"name", 0.0), self.node.get(b"t" * 20, 0.0)]
        self.pump()

    def pump(self) -> None:
        """Take what leaves, and what ended."""
        for burst in self.node.transmit(self.now):
            for datagram in burst.datagrams:
                message = parse(datagram)
                if isinstance(message, Query):
                    self.asked.append((message, burst.to))
                elif isinstance(message, Reply) and isinstance(token := message.values.get(b"token"), bytes):
                    self.tokens[burst.to] = token
        del self.asked[:-8]
        self.ended += [event.operation for event in self.node.events()]
        check_bounds(self.node)

    def message(self, source: Input) -> tuple[bytes, Address]:
        """Make a datagram: arbitrary, a query, or an answer to one of our own."""
        sender = source.choose(SOURCES)
        kind = source.byte() % 8
        message: Message
        if kind == 0:
            return source.block(), sender
        if kind < 4:
            fields = self.fields(source, sender)
            message = Query(source.take(2) or b"x", source.choose(METHODS), fields, kind == 3)
        else:
            query, asked = source.choose(self.asked) if self.asked else (Query(b"x", b"ping", {}), sender)
            sender = asked if kind > 4 else sender
            fields = self.fields(source, sender)
            message = Error(query.transaction, 203, "no") if kind == 5 else Reply(query.transaction, fields, sender)
        return bytes(message), sender

    def fields(self, source: Input, sender: Address) -> Fields:
        """Make a message's fields: mostly what they should be."""
        fields: Fields = {b"id": bytes([source.byte()]) * 20}
        for _ in range(source.byte() % 6):
            name = source.choose(FIELDS)
            fields[name] = self.value(source, sender)
        return fields

    def value(self, source: Input, sender: Address) -> Bencoded:
        """Make a field's value."""
        match source.byte() % 6:
            case 0:
                return source.block()
            case 1:
                return source.number(1 << 16)
            case 2:
                return bytes([source.byte()]) * 20
            case 3:
                return self.tokens.get(sender, b"none")
            case 4:
                return b"".join(bytes([source.byte()]) * 20 + source.take(6).ljust(6, b"\1") for _ in range(3))
        return [source.take(6) for _ in range(source.byte() % 4)]

    def step(self, source: Input) -> None:
        """Let one thing happen."""
        what = source.byte() % 16
        if what < 12:
            data, sender = self.message(source)
            self.node.receive([data], sender, self.now)
            self.amplified(data, sender)
        elif what == 12:
            self.begun.append(self.node.lookup(source.take(3), self.now))
        elif what == 13:
            self.begun.append(self.node.announce(source.take(3), source.choose(SOURCES), self.now))
        elif what == 14:
            self.begun.append(self.node.get(bytes([source.byte()]) * 20, self.now, salt=source.take(4)))
        self.pump()
        self.now += source.choose(WAITS)
        self.node.tick(self.now)
        self.pump()

    def amplified(self, data: bytes, sender: Address) -> None:
        """Check that an error is never longer than its query."""
        try:
            query = parse(data)
        except MalformedMessage:
            query = None
        for burst in self.node.transmit(self.now):
            for datagram in burst.datagrams:
                message = parse(datagram)
                if isinstance(message, Query):
                    self.asked.append((message, burst.to))
                elif isinstance(message, Error) and len(datagram) > len(data):
                    raise AssertionError(f"{query} was refused at greater length: {message}")
                elif isinstance(message, Reply) and isinstance(token := message.values.get(b"token"), bytes):
                    self.tokens[sender] = token


def run(data: bytes) -> None:
    source, scene = Input(data), Scene()
    for _ in range(STEPS):
        if not source:
            break
        scene.step(source)
    for _ in range(60):  # 30 s, in which everything times out
        scene.now += 0.5
        scene.node.tick(scene.now)
        scene.pump()
    if sorted(scene.begun) != sorted(scene.ended):
        raise AssertionError(f"begun {scene.begun}, ended {scene.ended}")
    check_answers(scene.node, scene.now)
