"""Half-closed for long: from when on the time counts after which the peer is given up."""

from core.utp.config import UtpConfig
from core.utp.events import Closed
from core.utp.state import State
from tests.utp.pair import Pair

SMALL = UtpConfig(mtu=150, receive_window=300)
LONG = UtpConfig().half_closed_timeout


def test_a_peer_that_needs_long_for_our_last_data_may_then_end() -> None:
    """The time in which it has to end its side begins when it has taken everything, not when we closed."""
    pair = Pair(config=SMALL)
    a, b = pair.connect()
    pair.b.reading = False
    a.write(bytes(500), pair.now)
    a.close(pair.now)
    pair.run(limit=LONG + 30)
    assert not a._sender.fin_acked, "the last bytes wait for the reader"
    for _ in range(20):
        pair.b.read(b, pair.now)
        pair.run(limit=1.0)
    assert len(pair.b.received(b)) == 500
    assert (a.state, b.state) == (State.LOCAL_ENDED, State.REMOTE_ENDED)
    b.close(pair.now)
    pair.run(lambda: bool(pair.a.closed(a) and pair.b.closed(b)), limit=10.0)
    assert pair.a.closed(a) == Closed(a, None)
    assert pair.b.closed(b) == Closed(b, None)
