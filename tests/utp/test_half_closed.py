"""Half-closed for long: who is given up, and from when on the time counts."""

from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.events import Closed, UtpEvent
from tests.utp.pair import Pair, Side, Writer

SMALL = UtpConfig(mtu=150, receive_window=300)
LONG = UtpConfig().half_closed_timeout


def read_slowly(pair: Pair, side: Side, connection: Connection, seconds: float) -> None:
    """Read twice in three seconds for a while: with a window of two packets this is slow."""
    end = pair.now + seconds
    while pair.now < end and not side.closed(connection):
        pair.run(limit=1.5)
        side.read(connection, pair.now)
        pair.flush()


def test_a_peer_that_needs_long_for_our_last_data_may_then_end() -> None:
    """The time in which it has to end its side begins when it has taken everything, not when we closed."""
    pair = Pair(config=SMALL)
    a, b = pair.connect()
    pair.b.reading = False
    Writer(pair, a, bytes(90_000), close=True).start()
    read_slowly(pair, pair.b, b, LONG + 30)
    assert 80_000 < len(pair.b.received(b)) < 90_000, "longer than the time-out, and not through"
    ended_at: list[float] = []

    def end_when_ended(side: Side, event: UtpEvent) -> None:
        if type(event).__name__ == "Ended" and side is pair.b:
            ended_at.append(pair.now)

    pair.on_event = end_when_ended
    while not ended_at:
        read_slowly(pair, pair.b, b, 1.5)
    pair.run(limit=2.0)
    assert not pair.a.closed(a), "it has only just heard the end"
    b.close(pair.now)
    pair.run(lambda: bool(pair.a.closed(a) and pair.b.closed(b)), limit=10.0)
    assert pair.a.closed(a) == Closed(a, None)
    assert pair.b.closed(b) == Closed(b, None)


def test_what_the_peer_sent_may_be_read_after_a_long_end_of_ours() -> None:
    """The reader's time begins when both streams are through, however long ours took after theirs."""
    pair = Pair(config=SMALL)
    a, b = pair.connect()
    pair.b.reading = False
    pair.a.reading = False
    b.write(b"read me late", pair.now)
    b.close(pair.now)
    Writer(pair, a, bytes(90_000), close=True).start()
    read_slowly(pair, pair.b, b, LONG + 30)
    while not pair.b.closed(b):
        read_slowly(pair, pair.b, b, 1.5)
    pair.run(limit=LONG / 2)
    assert not pair.a.closed(a)
    pair.a.read(a, pair.now)
    pair.run(limit=1.0)
    assert pair.a.received(a) == b"read me late"
    assert pair.a.closed(a) == Closed(a, None)
