"""Invariant: whatever datagrams come, in whatever order and at whatever time, the mux raises nothing, stays within its
bounds, and an honest connection beside them still delivers what it was given, or ends with a PeerError.
"""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.utp.config import UtpConfig
from core.utp.mux import Mux
from core.wire.utp_marks import ALL_MARKS, pack_marks
from core.wire.utp_packet import EXTENSION_BITS, Packet, PacketType
from tests.support.samples import some
from tests.utp.pair import A, B, Link, Pair, Sent, Writer

SMALL = UtpConfig(connections=8, half_open=4, closed_kept=4, reorder_packets=16, receive_window=8000)
U16 = st.integers(0, 0xFFFF)
U32 = st.one_of(st.just(0), st.just(0xFFFFFFFF), st.integers(0, 0xFFFFFFFF))
NEAR = st.one_of(st.integers(0, 40), st.integers(0xFFE0, 0xFFFF))
EXTENSIONS = st.one_of(
    st.just((EXTENSION_BITS, pack_marks(ALL_MARKS))), st.tuples(st.integers(2, 255), st.binary(max_size=20))
)
PACKETS = st.builds(
    Packet,
    st.sampled_from(PacketType),
    st.one_of(st.integers(0, 4), U16),
    U32,
    U32,
    U32,
    st.one_of(NEAR, U16),
    st.one_of(NEAR, U16),
    st.sampled_from([b"", b"\xff\xff\xff\xff", b"\x01\0\0\0", b"\xff" * 252]),
    st.binary(max_size=50),
    st.lists(EXTENSIONS, max_size=3).map(tuple),
)
STEPS = st.lists(st.tuples(st.one_of(PACKETS.map(bytes), st.binary(max_size=60)), st.floats(0, 40)), max_size=60)


def within_bounds(mux: Mux, config: UtpConfig) -> bool:
    """Whether every table of a mux is within its bound."""
    return (
        len(mux._connections) <= config.connections + len(mux._half_open)
        and len(mux._half_open) <= config.half_open
        and len(mux._closed) <= config.closed_kept
        and len(mux._accepted) <= len(mux._connections)
        and len(mux._timers) <= 2 * (config.connections + config.half_open) + 64
    )


def pump(mux: Mux, now: float) -> None:
    """Do what a pump does, and read and answer as an owner would."""
    mux.transmit(now)
    for event in mux.events():
        event.connection.read(now)
        if event.connection.writable() > 100:
            event.connection.write(b"hello", now, boundary=True)
    deadline = mux.deadline()
    assert deadline is None or deadline == deadline


@settings(max_examples=50, deadline=None)
@given(STEPS)
def test_arbitrary_datagrams_never_raise(steps: Sequence[tuple[bytes, float]]) -> None:
    mux = Mux(SMALL, Random(0))
    mux.connect(A, 0.0)
    now = 0.0
    for datagram, wait in steps:
        mux.receive([datagram, memoryview(datagram)], A, now)
        pump(mux, now)
        assert within_bounds(mux, SMALL)
        now += wait
        mux.tick(now)
        pump(mux, now)
    assert mux.statistics().received == 2 * len(steps)


def mangled(datagram: bytes, random: Random) -> bytes:
    """Return a datagram with a few bytes changed, cut, or put in."""
    data = bytearray(datagram)
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(data)) if data else 0
        kind = random.randrange(4)
        if kind == 0:
            data[place : place + 1] = bytes((random.randrange(256),))
        elif kind == 1:
            del data[place:]
        elif kind == 2:
            data[place:place] = random.randbytes(random.randint(1, 8))
        elif len(data) >= 20:
            data[random.choice((0, 1, 2, 3, 16, 17, 18, 19))] ^= 1 << random.randrange(8)
    return bytes(data)


@pytest.mark.parametrize("seed", range(60))
def test_mangled_copies_of_real_packets_never_raise(seed: int) -> None:
    """On-path garbage may break the connection, but only with a PeerError, and never the mux."""
    random = Random(seed)
    pair = Pair(seed, link=Link(loss=0.02, jitter=0.01))
    pending: list[tuple[Sent, bytes]] = []

    def drop(sent: Sent) -> bool:
        if random.random() < 0.3:
            pending.append((sent, mangled(bytes(sent.packet), random)))
        return False

    a, b = pair.connect()
    pair.drop = drop
    Writer(pair, a, random.randbytes(30_000), close=True).start()
    Writer(pair, b, random.randbytes(30_000), close=True).start()
    for _ in range(400):
        pair.run(limit=0.05)
        while pending:
            sent, datagram = pending.pop()
            pair.sides[sent.to].mux.receive([datagram], sent.by, pair.now)
    for side in (pair.a, pair.b):
        assert within_bounds(side.mux, pair.config)
    assert pair.a.mux.statistics().dropped_malformed + pair.b.mux.statistics().dropped_malformed > 0
    pair.drop = lambda sent: False
    pair.run(limit=1000.0)
    assert pair.a.mux.statistics().connections == pair.b.mux.statistics().connections == 0


@pytest.mark.parametrize("seed", some(range(30), 3))
def test_off_path_garbage_does_no_harm(seed: int) -> None:
    """From a forged source with guessed ids but no knowledge of the numbers, the stream stays whole."""
    random = Random(seed)
    pair = Pair(seed)
    a, b = pair.connect()
    there = random.randbytes(200_000)
    Writer(pair, a, there, close=True).start()
    Writer(pair, b, b"short", close=True).start()

    def storm() -> bool:
        for end, source, to in ((a, B, A), (b, A, B)):
            kind = random.choice((PacketType.DATA, PacketType.STATE, PacketType.FIN, PacketType.RESET, PacketType.SYN))
            far = random.randrange(3000, 60_000)
            identity = end.receive_id if kind is not PacketType.SYN else end.send_id
            seq = (end._receive.next_seq + far) & 0xFFFF
            ack = (end._sender.next_seq + far) & 0xFFFF
            forged = Packet(kind, identity, random.getrandbits(32), 1, 0, seq, ack, b"", b"evil")
            pair.sides[to].mux.receive([bytes(forged)], source, pair.now)
        return bool(pair.a.closed(a) and pair.b.closed(b))

    assert pair.run(storm, limit=60.0)
    assert pair.b.received(b) == there
    assert pair.a.received(a) == b"short"
