"""core.dht.votes: our address as the majority sees it."""

from core.dht.votes import MAX_VOTERS, Votes
from core.values import Address
from tests.dht.net import loopback

OURS = Address("203.0.113.9", 20001)
LIE = Address("198.51.100.66", 1)


def cast(*observed: Address) -> Votes:
    """Return votes, each from another node."""
    votes = Votes()
    for number, address in enumerate(observed):
        votes.add(loopback(1 + number), address)
    return votes


def test_nobody_voted() -> None:
    assert cast().winner() is None


def test_more_than_half_decide() -> None:
    assert cast(OURS, LIE, OURS).winner() == OURS
    assert cast(OURS, LIE).winner() is None


def test_a_symmetric_nat_changes_the_port_only() -> None:
    other = Address(OURS.host, 4)
    assert cast(OURS, other, OURS, Address(OURS.host, 5)).winner() == OURS


def test_who_sees_us_from_outside_knows_better() -> None:
    inside = Address("192.168.1.5", 20001)
    assert cast(inside, inside, loopback(1), OURS).winner() == OURS
    assert cast(inside, loopback(1), loopback(1)).winner() == inside


def test_nonsense_is_no_vote() -> None:
    assert cast(Address("0.0.0.0", 5), Address("224.0.0.1", 5), Address("203.0.113.9", 0)).winner() is None


def test_a_node_has_one_vote_and_the_latest_count() -> None:
    votes = Votes()
    for _ in range(10):
        votes.add(loopback(1), LIE)
    votes.add(loopback(2), OURS)
    votes.add(loopback(3), OURS)
    assert votes.winner() == OURS
    for number in range(MAX_VOTERS):
        votes.add(loopback(100 + number), LIE)
    assert votes.winner() == LIE


def test_one_host_with_many_nodes_has_few_votes() -> None:
    votes = Votes()
    for number in range(1, 6):
        votes.add(Address(f"192.0.2.{number}", 20001), OURS)
    for port in range(1, 1000):
        votes.add(Address("198.51.100.66", port), LIE)
    assert votes.winner() == OURS
