"""core.dht.storage: age, bounds, eviction, and BEP 44's rules of replacement."""

import tracemalloc
from collections.abc import Iterable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.dht.items import Item, ItemRefused, sign_item
from core.dht.storage import ItemStore, PeerStore
from core.values import Address
from core.wire.bencoding import decode
from tests.dht.net import loopback

KEY = b"fibonacci_worker"
ATTACKER = "203.0.113.66"
SIGNER = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def test_a_peer_is_kept_until_its_age_and_renewed_by_an_announce() -> None:
    store = PeerStore(10, 10, 120.0)
    store.add(KEY, loopback(1), 0.0)
    store.add(KEY, loopback(2), 0.0)
    store.add(KEY, loopback(1), 60.0)
    assert store.peers(KEY, 120.0) == [loopback(2), loopback(1)]
    assert store.peers(KEY, 121.0) == [loopback(1)]
    assert store.peers(KEY, 181.0) == []
    assert len(store) == 0


def test_expire_forgets_keys_without_live_peers() -> None:
    store = PeerStore(10, 10, 120.0)
    store.add(b"old", loopback(1), 0.0)
    store.add(b"new", loopback(2), 100.0)
    store.expire(121.0)
    assert len(store) == 1
    assert store.peers(b"new", 121.0) == [loopback(2)]


def test_the_key_announced_longest_ago_makes_room() -> None:
    store = PeerStore(2, 10, 120.0)
    store.add(b"a", loopback(1), 0.0)
    store.add(b"b", loopback(2), 1.0)
    store.add(b"a", loopback(1), 2.0)
    store.add(b"c", loopback(3), 3.0)
    assert [bool(store.peers(key, 3.0)) for key in (b"a", b"b", b"c")] == [True, False, True]


def test_one_host_cannot_crowd_the_others_out() -> None:
    store = PeerStore(10, 5, 120.0)
    quiet = Address("192.0.2.1", 1)
    store.add(KEY, quiet, 0.0)
    for port in range(1, 50):
        store.add(KEY, Address("203.0.113.66", port), float(port))
    peers = store.peers(KEY, 50.0)
    assert quiet in peers
    assert len(peers) == 5
    assert Address("203.0.113.66", 49) in peers


def host(number: int) -> str:
    return f"192.0.2.{number}"


def test_a_host_that_announces_thousands_of_names_loses_its_own() -> None:
    store = PeerStore(100, 1000, 120.0)
    store.add(b"shared", Address(ATTACKER, 1), 0.0)  # first under a name that others use: it must not go with the rest
    for number in range(20):
        store.add(b"honest %d" % number, Address(host(number), 1), 1.0)
        store.add(b"shared", Address(host(number), 1), 1.0)
    for number in range(5000):
        store.add(b"flood %d" % number, Address(ATTACKER, 1), 2.0)
    assert len(store) == 100
    for number in range(20):
        assert store.peers(b"honest %d" % number, 3.0) == [Address(host(number), 1)]
    assert store.peers(b"shared", 3.0) == [Address(host(number), 1) for number in range(20)]
    assert store.peers(b"flood 4999", 3.0)


def test_peers_of_all_names_are_bounded_together() -> None:
    store = PeerStore(100, 1000, 120.0, max_in_all=50)
    store.add(KEY, Address(host(1), 1), 0.0)
    for number in range(90):
        for port in range(1, 5):
            store.add(b"flood %d" % number, Address(ATTACKER, port), 1.0)
    names = [KEY, *(b"flood %d" % number for number in range(90))]
    assert sum(len(store.peers(name, 2.0)) for name in names) <= 50
    assert store.peers(KEY, 2.0) == [Address(host(1), 1)]
    store.expire(200.0)
    assert len(store) == 0


def test_one_host_has_a_fourth_of_the_peers_at_most_and_this_machine_as_many_as_there_are() -> None:
    store = PeerStore(100, 1000, 120.0, max_in_all=80)
    for number in range(60):
        store.add(b"flood %d" % number, Address(ATTACKER, 1), 0.0)
        store.add(b"ours %d" % (number % 50), loopback(1), 0.0)
    assert len(store) == 50 + 20
    assert store.peers(b"flood 59", 1.0)
    store.add(b"flood 59", Address(ATTACKER, 1), 1.0)
    assert store.peers(b"flood 40", 1.0), "it came again, and took no further place"


def test_one_host_has_a_fourth_of_the_values_at_most_and_this_machine_as_many_as_there_are() -> None:
    store = ItemStore(80, 7200.0)
    theirs, ours = [Item(b"flood %d" % number) for number in range(30)], [Item(b"%d" % each) for each in range(40)]
    for item in theirs:
        store.put(item, 0.0, ATTACKER)
    for item in ours:
        store.put(item, 0.0)
    store.put(theirs[-1], 1.0, ATTACKER)
    assert [store.get(item.target(), 1.0) is not None for item in theirs] == [False] * 10 + [True] * 20
    assert all(store.get(item.target(), 1.0) is not None for item in ours)


def test_what_this_machine_announced_is_never_crowded_out() -> None:
    """Not even by as many hosts as there are places."""
    store = PeerStore(16, 16, 1e9)
    for number in range(3):
        store.add(b"ours %d" % number, loopback(1), 0.0)
        store.add(KEY, loopback(number + 1), 0.0)
    for number in range(1000):
        stranger = Address(f"198.51.{number // 250}.{number % 250}", 1)
        store.add(b"flood %d" % number, stranger, 1.0)
        store.add(KEY, stranger, 1.0)
    assert all(store.peers(b"ours %d" % number, 2.0) for number in range(3))
    assert {loopback(1), loopback(2), loopback(3)} <= set(store.peers(KEY, 2.0))


def test_an_item_is_kept_until_its_age() -> None:
    store = ItemStore(10, 7200.0)
    item = Item(b"value")
    store.put(item, 0.0)
    store.put(item, 5000.0)
    assert store.get(item.target(), 12200.0) == item
    assert store.get(item.target(), 12201.0) is None
    store.put(item, 20000.0)
    store.expire(27201.0)
    assert len(store) == 0


def test_the_item_put_longest_ago_makes_room() -> None:
    store = ItemStore(2, 7200.0)
    items = [Item(b"%d" % number) for number in range(3)]
    for item in [items[0], items[1], items[0], items[2]]:
        store.put(item, 0.0)
    assert [store.get(item.target(), 0.0) is not None for item in items] == [True, False, True]


def record(number: int, sequence: int = 1) -> Item:
    return sign_item(SIGNER, b"record", sequence, b"%d" % number)


def held(store: ItemStore, items: Iterable[Item]) -> int:
    return sum(store.get(item.target(), 9.0) is not None for item in items)


def test_a_host_that_puts_thousands_of_items_loses_its_own() -> None:
    """FAULTS A5: 5,100 items of one host in 0.8 s, and every record on the grape was gone."""
    store = ItemStore(50, 7200.0)
    records = [record(number) for number in range(20)]
    for number, item in enumerate(records):
        store.put(item, 0.0, host(number))
    flood = [Item(b"%d" % number) for number in range(5100)]
    for item in flood:
        store.put(item, 1.0, ATTACKER)
    assert held(store, records) == 20
    assert held(store, flood) == -(-50 // 4)
    assert len(store) <= 50


def test_putting_others_records_again_does_not_take_them_along() -> None:
    store = ItemStore(50, 7200.0)
    records = [record(number) for number in range(20)]
    for number, item in enumerate(records):
        store.put(item, 0.0, host(number))
    for item in records:
        store.put(item, 1.0, ATTACKER)
    for number in range(5100):
        store.put(Item(b"%d" % number), 2.0, ATTACKER)
    assert held(store, records) == 20


def test_a_record_that_somebody_copied_here_first_is_its_owners_again() -> None:
    store = ItemStore(50, 7200.0)
    store.put(record(1), 0.0, ATTACKER)
    for number in range(40):
        store.put(Item(b"%d" % number), 1.0, ATTACKER)
    store.put(record(1), 2.0, host(1))
    for number in range(40, 5100):
        store.put(Item(b"%d" % number), 3.0, ATTACKER)
    assert held(store, [record(1)]) == 1


def test_a_newer_record_goes_on_the_account_of_whoever_put_it() -> None:
    store = ItemStore(50, 7200.0)
    store.put(record(1, sequence=1), 0.0, host(1))
    store.put(record(1, sequence=2), 1.0, ATTACKER)
    for number in range(5100):
        store.put(Item(b"%d" % number), 2.0, ATTACKER)
    assert held(store, [record(1)]) == 0


def test_what_this_machine_put_is_never_crowded_out() -> None:
    store = ItemStore(50, 7200.0)
    records = [record(number) for number in range(20)]
    for item in records:
        store.put(item, 0.0)
        store.put(item, 0.5, ATTACKER)  # which changes nothing
    for number in range(5100):
        store.put(Item(b"%d" % number), 1.0, f"198.51.{number // 250}.{number % 250}")
    assert held(store, records) == 20


def store_with_sequence_6() -> ItemStore:
    """Return a store that holds the mutable item b"v" of SIGNER, sequence number 6."""
    store = ItemStore(10, 7200.0)
    store.put(sign_item(SIGNER, b"v", 6), 0.0)
    return store


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (Item(b"x" * 1001), 205),
        (sign_item(SIGNER, b"forged", 1, b"s" * 65), 207),
        (Item(b"v", key=b"k" * 32, signature=b"s" * 64, sequence=1), 206),
        (Item(b"v", key=b"short", signature=b"", sequence=1), 206),
        (sign_item(SIGNER, b"v", 5), 302),
        (sign_item(SIGNER, b"other", 6), 302),  # the same number with another value
        (sign_item(SIGNER, b"w", 7, cas=5), 301),
    ],
)
def test_bep_44_refuses(item: Item, code: int) -> None:
    with pytest.raises(ItemRefused) as caught:
        store_with_sequence_6().put(item, 1.0)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "item",
    [
        Item(b"x" * 1000),
        sign_item(SIGNER, b"v", 1, b"s" * 64),
        sign_item(SIGNER, b"v", 6),  # the very same again: renewed
        sign_item(SIGNER, b"w", 7),
        sign_item(SIGNER, b"w", 7, cas=6),
    ],
)
def test_bep_44_accepts(item: Item) -> None:
    store = store_with_sequence_6()
    store.put(item, 1.0)
    assert store.get(item.target(), 1.0) == replace(item, cas=None)


def test_what_is_stored_holds_about_its_bytes_whatever_it_is_made_of() -> None:
    store, number = ItemStore(5000, 7200.0), 200
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for each in range(number):
            store.put(Item(decode(b"l" + b"le" * 495 + b"i%03de" % (each + 100) + b"e")), 0.0, ATTACKER)
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held < number * 3000  # 36,000 each, were the lists kept
    assert store.get(Item([*([[]] * 495), 101]).target(), 0.0) == Item([*([[]] * 495), 101])


def test_a_mutable_item_that_is_no_bytes_is_replaced_and_renewed_as_any_other() -> None:
    store = ItemStore(10, 7200.0)
    first, second = sign_item(SIGNER, [b"a", {b"b": 1}], 1), sign_item(SIGNER, [b"b"], 2)
    store.put(first, 0.0)
    store.put(first, 1.0)
    assert store.get(first.target(), 1.0) == first
    store.put(second, 2.0)
    assert store.get(first.target(), 2.0) == second
    with pytest.raises(ItemRefused):
        store.put(first, 3.0)
    with pytest.raises(ItemRefused):
        store.put(sign_item(SIGNER, [b"c"], 2), 3.0)
