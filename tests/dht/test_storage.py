"""core.dht.storage: age, bounds, eviction, and BEP 44's rules of replacement."""

from dataclasses import replace
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.dht.items import Item, ItemRefused, sign_item
from core.dht.storage import ItemStore, PeerStore
from core.values import Address
from tests.dht.net import loopback

KEY = b"fibonacci_worker"
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


def test_a_sample_is_random_and_bounded() -> None:
    store = PeerStore(10, 200, 120.0)
    for port in range(1, 151):
        store.add(KEY, loopback(port), 0.0)
    first = store.sample(KEY, 100, Random(1), 0.0)
    assert len(set(first)) == 100
    assert set(first) != set(store.sample(KEY, 100, Random(2), 0.0))


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
