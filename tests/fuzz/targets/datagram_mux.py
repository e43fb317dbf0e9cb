"""Whatever the other side of a session seals, whatever else comes, and whatever is done here, the bounds hold.
Only what is sealed and new is answered or handed on, nothing moves to where nobody answered, and nothing is raised.
"""

from collections.abc import Callable
from random import Random

from core.datagrams.config import DatagramConfig
from core.datagrams.mux import Mux
from core.datagrams.path import Path
from core.datagrams.seal import Sealer
from core.errors import RemoteError
from core.values import Address
from core.wire.datagram_keys import EXPORTED_BYTES, split_keys
from core.wire.datagram_packet import Content, Data, Piece, Ping, Pong, pack_content, parse_content
from tests.fuzz.inputs import Input, sized

WATCHED = ["core.datagrams.path", "core.datagrams.mux", "core.datagrams.prober", "core.wire.datagram_packet"]
CONFIG = DatagramConfig(
    paths=2, flows=3, datagrams=3, datagram_bytes=900, held=1500, turn=4, control=4, partial=3, partial_bytes=900
)
KEYS = split_keys(bytes(range(EXPORTED_BYTES)), initiator=True)
THEIRS = split_keys(bytes(range(EXPORTED_BYTES)), initiator=False).send
PLACES = [Address("192.0.2.1", 1), Address("192.0.2.1", 2), Address("198.51.100.7", 1)]
CONTENTS: list[Content] = [Data(1, b"hello"), Piece(1, 7, 0, 2, b"a"), Piece(1, 7, 1, 2, b"b"), Ping(7), Pong(7)]
SEEDS = [
    b"\x09\1\0" + b"".join(b"\0\0" + sized(pack_content(content)) for content in CONTENTS) + b"\3\1",
    b"\x09\1\0\1\0" + b"\4\1\x20\0" * 5 + b"\1\0\4\1\x90\0\0\1" + sized(pack_content(CONTENTS[3])) + b"\7\4\0\xff",
    b"\x09\1\0\x09\2\0\x09\3\0\x09\4\0\1\0" + b"\4\1\x40\0" * 4 + b"\5\1\0\6\1\x80\x08\1\0\0\7\x40\0\0",
    b"\2\0" + sized(bytes((0xFA,)) + KEYS.receive.session + bytes(30)) + b"\2\1" + sized(b"\xfa"),
]


class World:
    """The engine, where it may send to, and the other side's seal."""

    def __init__(self) -> None:
        self.now = 0.0
        self.mux = Mux(CONFIG, Random(1))
        path = self.mux.open(KEYS, PLACES[0])
        if path is None:
            raise AssertionError("no room for the first")
        self.path: Path = path
        self.theirs = Sealer(THEIRS)
        self.moved_by_utp = {PLACES[0]}
        self.last = b""

    def seal(self, content: bytes, source: Address) -> None:
        """Let the other side send a content, whatever it is."""
        self.last = self.theirs.seal(content)
        self.mux.receive([self.last], source, self.now)

    def flush(self) -> None:
        """Take what leaves and what is told."""
        for burst in self.mux.transmit(self.now):
            if len(burst.datagrams) > CONFIG.turn + 8:
                raise AssertionError("more leaves than a turn")
            if any(len(datagram) > self.path.size for datagram in burst.datagrams) and burst.fragments.value == "avoid":
                raise AssertionError("too long for the path")
        for event in self.mux.events():
            if event.path is not self.path:
                raise AssertionError("an event of nobody")


def run(data: bytes) -> None:
    source, world = Input(data), World()
    while source:
        act(source, world)
        world.now += 0.01
        world.mux.tick(world.now)
        world.flush()
        check(world)


def act(source: Input, world: World) -> None:
    """Do one thing: let something come, or use a verb."""
    kind, path = source.byte() % 10, world.path
    if kind < 4:
        hear(kind, source, world)
        return
    verbs: dict[int, Callable[[], object]] = {
        4: lambda: path.send(source.byte() % 5, bytes(source.byte() * 16), world.now),
        5: lambda: path.close_flow(source.byte() % 5),
        6: lambda: move(source.choose(PLACES), world),
        7: lambda: path.known_size(548 + source.number(2000), world.now),
        8: lambda: world.mux.too_long(path.remote, 548 + source.number(2000), world.now),
        9: lambda: path.open_flow(source.byte() % 5, world.now),
    }
    verbs[kind]()
    world.mux.touch(path)
    world.now += source.byte() / 8


def hear(kind: int, source: Input, world: World) -> None:
    """Let the other side or anybody else send something."""
    place, counters = source.choose(PLACES), world.mux.counters
    received, malformed = counters.received, counters.malformed
    asked = world.path._prober._asked
    if kind == 0:
        content = source.block()
        world.seal(content, place)
        if len(content) >= 5 and (counters.malformed == malformed) != parses(content):
            raise AssertionError("two opinions of one content")
    elif kind == 1 and asked is not None:
        world.seal(pack_content(Pong(asked.nonce)), place)  # no fuzzer guesses it
    else:  # without the key, or once more
        world.mux.receive([source.block() if kind == 2 else world.last], place, world.now)
        if counters.received != received:
            raise AssertionError("something that nobody sealed, or that was seen, was taken")


def move(place: Address, world: World) -> None:
    """Let uTP say where the other side is."""
    world.moved_by_utp.add(place)
    world.path.moved(place)


def parses(content: bytes) -> bool:
    """Tell whether a content has a meaning."""
    try:
        parse_content(content)
    except RemoteError:
        return False
    return True


def check(world: World) -> None:
    """Add everything up."""
    path = world.path
    queues = sum(len(flow) for flow in path._flows.values())
    if len(path._flows) > CONFIG.flows or queues > CONFIG.flows * CONFIG.datagrams:
        raise AssertionError("more streams or datagrams than there may be")
    if not 0 <= path._room.used <= CONFIG.held or (not queues and path._room.used):
        raise AssertionError("more waits than may, or nobody's does")
    partials = path._assembly._partials.values()
    if path._assembly.bytes != sum(partial.size for partial in partials) or path._assembly.bytes > CONFIG.partial_bytes:
        raise AssertionError("the pieces do not add up")
    if len(path._control) > CONFIG.control or set(path._ready) - set(path._flows):
        raise AssertionError("more is said than may be, or for nobody")
    if path.remote not in world.moved_by_utp:
        raise AssertionError("it follows an address from which no answer came")
    if path.size < 548:
        raise AssertionError("shorter than what every host takes")
