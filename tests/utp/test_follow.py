"""A connection whose both ends moved at once goes on where its owner knows that the other side is."""

import pytest

from core.utp.connection import Connection
from core.values import Address
from tests.utp.pair import A, B, Pair, Writer

NEW_A, NEW_B = Address("198.51.100.1", 2001), Address("198.51.100.2", 2002)
DATA = bytes(range(256)) * 8000


def moved(pair: Pair) -> None:
    """Carry both sides to other networks: what was under way is lost, and nobody is where he was."""
    pair.a.address, pair.b.address = NEW_A, NEW_B
    pair.sides = {NEW_A: pair.a, NEW_B: pair.b}
    pair._wire.clear()


def busy() -> tuple[Pair, Connection, Connection]:
    """Return a pair in the middle of a transfer from `a` to `b`."""
    pair = Pair()
    here, there = pair.connect()
    Writer(pair, here, DATA).start()
    assert pair.run(lambda: len(pair.b.received(there)) > 10_000)
    return pair, here, there


@pytest.mark.parametrize("away", [0.5, 20.0])
@pytest.mark.parametrize("side", ["a", "b"])
def test_a_transfer_goes_on_when_one_side_is_told_where_the_other_is(away: float, side: str) -> None:
    pair, here, there = busy()
    moved(pair)
    pair.run(limit=away)
    before = len(pair.b.received(there))
    if side == "a":
        assert pair.a.mux.follow(here, NEW_B, 0.3, pair.now)
    else:
        assert pair.b.mux.follow(there, NEW_A, 0.3, pair.now)
    since = pair.now
    assert pair.run(lambda: len(pair.b.received(there)) > before, limit=10.0)
    assert pair.now - since < 1.5
    assert pair.run(lambda: pair.b.received(there) == DATA)
    assert (here.remote, there.remote) == (NEW_B, NEW_A)


def test_nothing_of_it_goes_on_untold() -> None:
    pair, _, there = busy()
    moved(pair)
    before = len(pair.b.received(there))
    pair.run(limit=20.0)
    assert len(pair.b.received(there)) == before


def test_who_was_told_wrong_comes_back() -> None:
    pair, here, there = busy()
    assert pair.a.mux.follow(here, NEW_B, 0.3, pair.now)
    assert pair.run(lambda: pair.b.received(there) == DATA)
    assert here.remote == B


def test_what_is_over_or_has_no_place_there_does_not_move() -> None:
    pair = Pair()
    here, there = pair.connect()
    half = pair.a.mux.connect(NEW_B, pair.now)
    assert not pair.a.mux.follow(half, NEW_B, 0.3, pair.now), "its handshake is not over"
    assert not pair.a.mux.follow(here, B, 0.3, pair.now), "it is there"
    here.abort(pair.now)
    assert not pair.a.mux.follow(here, NEW_B, 0.3, pair.now)
    assert there.remote == A


@pytest.mark.parametrize("pause", [6.0, 15.0])
def test_a_home_whose_router_restarts_again_and_again_is_followed_each_time_to_the_same_few_ports(pause: float) -> None:
    """As a restart gives out the port of before the last: that is a move, and not a peer that never left."""
    pair = Pair()
    here, there = pair.connect()
    for number in range(6):
        pair.run(limit=pause)
        pair.a.address = A if number % 2 else NEW_A
        pair.sides = {pair.a.address: pair.a, B: pair.b}
        pair._wire.clear()
        since, sent = pair.now, b"%d" % number
        here.write(sent, pair.now, boundary=True)
        assert pair.run(lambda sent=sent: pair.b.received(there).endswith(sent), limit=10.0)  # type: ignore[misc]
        there.write(b"back", pair.now, boundary=True)
        before = len(pair.a.received(here))
        assert pair.run(lambda before=before: len(pair.a.received(here)) > before, limit=10.0)  # type: ignore[misc]
        assert pair.now - since < 2.0
        assert there.remote == pair.a.address
