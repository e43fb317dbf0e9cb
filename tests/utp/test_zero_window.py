"""Flow control: the advertised window holds, and a lost window update stops nothing."""

from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.state import State
from tests.utp.pair import B, Pair, Sent, Writer

SMALL = UtpConfig(receive_window=20_000)


def stuffed(pair: Pair, data: bytes) -> tuple[Connection, Connection]:
    """Return a connection whose reader does not read and whose window is full."""
    pair.b.reading = False
    a, b = pair.connect()
    Writer(pair, a, data).start()
    pair.run(limit=3.0)
    return a, b


def test_a_reader_that_does_not_read_stops_the_writer() -> None:
    pair = Pair(config=SMALL)
    stuffed(pair, bytes(100_000))
    assert pair.packets(pair.b)[-1].window < pair.config.payload_bytes
    before = len(pair.packets(pair.a))
    pair.run(limit=20.0)
    assert len(pair.packets(pair.a)) - before < 10  # probes only


def test_a_full_window_lasts_as_long_as_the_reader_wants() -> None:
    pair = Pair(config=SMALL)
    data = bytes(range(256)) * 400
    a, b = stuffed(pair, data)
    pair.run(limit=600.0)
    assert (a.state, b.state) == (State.OPEN, State.OPEN)
    pair.b.reading = True
    pair.b.read(b, pair.now)
    assert pair.run(lambda: pair.b.received(b) == data, limit=60.0)


def test_reading_sends_a_window_update_at_once() -> None:
    pair = Pair(config=SMALL)
    _, b = stuffed(pair, bytes(100_000))
    pair.run(limit=30.0)
    at = pair.now = pair.now + 0.001
    pair.b.read(b, at)
    pair.flush()
    assert pair.packets(pair.b, since=at)[0].window == SMALL.receive_window
    start = len(pair.b.received(b))
    pair.b.reading = True
    pair.run(lambda: len(pair.b.received(b)) > start + 5000, limit=1.0)
    assert pair.now - at < 0.2  # not at the next probe


def test_the_probe_that_was_dropped_goes_again_when_the_window_opens() -> None:
    pair = Pair(config=SMALL)
    size = SMALL.receive_window // pair.config.payload_bytes * pair.config.payload_bytes + 2 * 1382
    _, b = stuffed(pair, bytes(size))
    pair.run(limit=30.0)  # the waits between probes are six seconds long by now
    assert pair.b.mux.statistics().dropped_window > 0
    at = pair.now
    pair.b.reading = True
    pair.b.read(b, pair.now)
    assert pair.run(lambda: len(pair.b.received(b)) == size, limit=10.0)
    assert pair.now - at < 0.2


def test_a_lost_window_update_is_made_up_by_a_probe() -> None:
    pair = Pair(config=SMALL)
    data = bytes(range(256)) * 400
    _, b = stuffed(pair, data)
    pair.run(limit=10.0)
    lost: list[Sent] = []

    def drop(sent: Sent) -> bool:
        if sent.by == B and not lost:
            lost.append(sent)
            return True
        return False

    pair.drop = drop
    pair.b.reading = True
    pair.b.read(b, pair.now)
    pair.flush()
    assert lost[0].packet.window == SMALL.receive_window
    assert pair.run(lambda: pair.b.received(b) == data, limit=30.0)


def test_a_sender_that_ignores_the_window_is_not_buffered() -> None:
    pair = Pair(config=SMALL)
    a, b = stuffed(pair, bytes(100_000))
    a._sender.peer_window = 1 << 30  # a cheat
    pair.run(limit=5.0)
    pair.b.reading = True
    assert pair.b.mux.statistics().dropped_window > 0
    assert sum(len(chunk) for chunk in b.read(pair.now)) <= SMALL.receive_window + pair.config.payload_bytes


def test_many_tiny_chunks_close_the_window_too() -> None:
    pair = Pair(config=UtpConfig(unread_packets=20))
    pair.b.reading = False
    a, b = pair.connect()
    for _ in range(100):
        a.write(b"tiny", pair.now, boundary=True)
    pair.run(limit=5.0)
    assert pair.packets(pair.b)[-1].window == 0
    pair.b.reading = True
    pair.b.read(b, pair.now)
    assert pair.run(lambda: len(pair.b.received(b)) == 400, limit=60.0)
