"""core.dht.routing: distance by the Grenache rule, and a table that nobody can take over."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.dht.routing import RoutingTable, distance
from core.values import Address
from core.wire.compact import Contact
from tests.dht.net import loopback

OWN = b"\x00" * 20


def near(number: int) -> bytes:
    """Return an id in the bucket farthest from OWN."""
    return b"\xff" + number.to_bytes(19, "big")


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (b"\x0f", b"\xf0", 0xFF),
        (b"\x01\x02", b"\x01\x03", 0x0001),
        (b"\x01", b"\x01\x00", 0x00FF),  # a missing byte counts as 0xff, whatever stands across from it
        (b"\x01", b"\x01\xff", 0x00FF),
        (b"\x01\x02\x03", b"\x03", 0x02FFFF),
        (b"", b"\x00\x00", 0xFFFF),
        (b"same", b"same", 0),
    ],
)
def test_distance_of_unequal_lengths(left: bytes, right: bytes, expected: int) -> None:
    assert distance(left, right) == expected


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_distance_is_symmetric_and_byte_by_byte(left: bytes, right: bytes) -> None:
    length = max(len(left), len(right))
    each = (left[place] ^ right[place] if place < min(len(left), len(right)) else 0xFF for place in range(length))
    assert distance(left, right) == distance(right, left) == int.from_bytes(bytes(each))


@given(
    st.lists(st.binary(min_size=20, max_size=20), min_size=1, max_size=60, unique=True),
    st.binary(min_size=1, max_size=30),
)
def test_closest_is_the_whole_table_sorted(ids: list[bytes], target: bytes) -> None:
    table = RoutingTable(OWN, 60, 8)
    for number, node_id in enumerate(ids):
        table.heard(Contact(node_id, loopback(1 + number)), 0.0)
    found = [distance(contact.id, target) for contact in table.closest(target, 10)]
    assert found == sorted(distance(node_id, target) for node_id in ids if node_id != OWN)[:10]


def test_a_full_bucket_keeps_its_old_nodes() -> None:
    table = RoutingTable(OWN, 3, 8)
    assert [table.heard(Contact(near(number), loopback(1 + number)), 0.0) for number in range(4)] == [True] * 3 + [
        False
    ]
    assert len(table) == 3
    table.remove(Contact(near(0), loopback(1)))
    assert table.heard(Contact(near(3), loopback(4)), 1.0)


def test_ourselves_never_enter() -> None:
    table = RoutingTable(OWN, 20, 8)
    assert not table.heard(Contact(OWN, loopback(1)), 0.0)
    assert len(table) == 0


def test_another_id_at_an_address_replaces_the_first() -> None:
    table = RoutingTable(OWN, 20, 8)
    table.heard(Contact(near(1), loopback(1)), 0.0)
    table.heard(Contact(near(2), loopback(1)), 1.0)
    assert table.closest(near(1), 5) == [Contact(near(2), loopback(1))]


def test_a_known_id_cannot_be_moved_to_another_address() -> None:
    table = RoutingTable(OWN, 20, 8)
    table.heard(Contact(near(1), loopback(1)), 0.0)
    assert not table.heard(Contact(near(1), loopback(2)), 1.0)
    assert table.closest(near(1), 5) == [Contact(near(1), loopback(1))]
    table.remove(Contact(near(1), loopback(2)))
    assert len(table) == 1


@pytest.mark.parametrize(("host", "admitted"), [("203.0.113.7", 2), ("127.0.0.1", 5), ("192.168.1.9", 5)])
def test_only_public_hosts_are_bounded(host: str, admitted: int) -> None:
    table = RoutingTable(OWN, 20, 2)
    entered = [table.heard(Contact(near(number), Address(host, 1 + number)), 0.0) for number in range(5)]
    assert sum(entered) == admitted == len(table)
    table.remove(Contact(near(0), Address(host, 1)))
    assert table.heard(Contact(near(9), Address(host, 99)), 0.0)


def test_silence_is_measured_from_the_last_answer() -> None:
    table = RoutingTable(OWN, 20, 8)
    table.heard(Contact(near(1), loopback(1)), 0.0)
    table.heard(Contact(near(2), loopback(2)), 0.0)
    table.heard(Contact(near(2), loopback(2)), 5.0)
    assert table.silent_since(4.0) == [Contact(near(1), loopback(1))]


def test_size_is_bounded_whatever_comes() -> None:
    random, table = Random(7), RoutingTable(Random(8).randbytes(20), 20, 8)
    for port in range(1, 3001):
        table.heard(Contact(random.randbytes(20), loopback(port)), float(port))
    assert 100 < len(table) <= 20 * 10  # 3,000 random ids fill about 8 buckets


def test_a_network_that_somebody_rents_enters_with_a_few_hosts_worth_of_nodes() -> None:
    table = RoutingTable(OWN, 1000, 8)
    for number in range(200):
        table.heard(Contact(near(number), Address(f"203.0.113.{number}", 1)), 0.0)
    assert len(table) == 4 * 8
    assert table.heard(Contact(near(900), Address("198.51.100.1", 1)), 0.0)
    table.remove(Contact(near(0), Address("203.0.113.0", 1)))
    assert table.heard(Contact(near(901), Address("203.0.113.201", 1)), 0.0)
