"""What a node answers to strangers: BEP 5 and BEP 44 queries, errors, tokens, BEP 42's `ip`."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.dht import DhtConfig, Item, sign_item
from core.dht.items import signed_bytes
from core.values import Address
from core.wire.bencoding import Bencoded
from core.wire.compact import pack_peer, unpack_nodes
from core.wire.krpc import Error, Fields, Reply, parse
from tests.dht.net import DELAY, Network, grow, loopback

GRAPE = loopback(20001)
ME = loopback(5000)
KEY = b"fibonacci_worker"
SIGNER = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def lone(config: DhtConfig | None = None) -> Network:
    """Return a network with one node, at GRAPE."""
    network = Network()
    network.add(GRAPE, config=config, node_id=b"g" * 20)
    return network


def values(answer: Reply | Error) -> Fields:
    """Return the values of a reply."""
    assert isinstance(answer, Reply), answer
    return answer.values


def token(network: Network, source: Address = ME, target: bytes = KEY) -> Bencoded:
    """Return a write token for `source`."""
    return values(network.ask(source, GRAPE, b"get_peers", {b"info_hash": target}))[b"token"]


def announce(network: Network, source: Address = ME, **arguments: Bencoded) -> Reply | Error:
    """Announce KEY from `source` with a fresh token, unless another is given."""
    fields: Fields = {b"info_hash": KEY, b"implied_port": 0, b"port": 4000}
    fields |= {name.encode(): value for name, value in arguments.items()}
    fields.setdefault(b"token", token(network, source))
    return network.ask(source, GRAPE, b"announce_peer", fields)


def listing(network: Network, source: Address = ME) -> Fields:
    """Return the reply to get_peers of KEY."""
    return values(network.ask(source, GRAPE, b"get_peers", {b"info_hash": KEY}))


def code(answer: Reply | Error) -> int:
    """Return the code of an error."""
    assert isinstance(answer, Error), answer
    return answer.code


def test_every_answer_carries_our_id_and_the_requesters_address() -> None:
    reply = lone().ask(Address("203.0.113.7", 99), GRAPE, b"ping", {})
    assert reply == Reply(b"qq", {b"id": b"g" * 20}, Address("203.0.113.7", 99))
    refusal = lone().ask(Address("203.0.113.7", 99), GRAPE, b"vote_for_me_please_and_a_long_name", {})
    assert refusal.observed == Address("203.0.113.7", 99)


def test_get_peers_gives_nodes_or_values_and_a_token() -> None:
    network = lone()
    empty = listing(network)
    assert set(empty) == {b"id", b"token", b"nodes"}
    assert isinstance(empty[b"token"], bytes)
    assert len(empty[b"token"]) == 20
    announce(network)
    assert set(listing(network)) == {b"id", b"token", b"values"}


@pytest.mark.parametrize("key", [b"f", b"fibonacci_consumer", b"n" * 128, b"n" * 255])
def test_keys_of_any_length(key: bytes) -> None:
    network = lone()
    fields: Fields = {b"info_hash": key, b"port": 7, b"token": token(network, target=key)}
    assert isinstance(network.ask(ME, GRAPE, b"announce_peer", fields), Reply)
    assert values(network.ask(ME, GRAPE, b"get_peers", {b"info_hash": key}))[b"values"] == [pack_peer(loopback(7))]


@pytest.mark.parametrize("key", [b"", b"n" * 256])
def test_keys_out_of_bounds(key: bytes) -> None:
    assert code(lone().ask(ME, GRAPE, b"get_peers", {b"info_hash": key})) == 203


def test_announce_stores_the_source_ip_and_the_announced_port() -> None:
    network = lone()
    source = Address("203.0.113.7", 9999)
    assert isinstance(announce(network, source), Reply)
    assert listing(network)[b"values"] == [pack_peer(Address("203.0.113.7", 4000))]


def test_an_implied_port_is_the_source_port() -> None:
    network = lone()
    assert isinstance(announce(network, implied_port=1), Reply)
    assert listing(network)[b"values"] == [pack_peer(ME)]


@pytest.mark.parametrize("port", [0, -1, 65536, b"80"])
def test_unusable_ports_are_refused(port: Bencoded) -> None:
    network = lone()
    assert code(announce(network, port=port)) == 203
    assert b"values" not in listing(network)


def test_bad_tokens_are_refused() -> None:
    network = lone()
    stolen = token(network, Address("203.0.113.8", 1))
    for bad in (b"", b"t" * 20, stolen):
        assert code(announce(network, token=bad)) == 203
        assert code(network.ask(ME, GRAPE, b"put", {b"v": b"x", b"token": bad})) == 203
    assert b"values" not in listing(network)


def test_tokens_age() -> None:
    network = lone()
    old = token(network)
    network.run(301.0)
    assert isinstance(announce(network, token=old), Reply)
    network.run(300.0)
    assert code(announce(network, token=old)) == 203


def test_peers_age() -> None:
    network = lone()
    announce(network)
    network.run(119.0)
    assert b"values" in listing(network)
    network.run(2.0)
    assert b"values" not in listing(network)
    assert network.nodes[GRAPE].statistics().keys == 0


def test_at_most_100_peers_at_random() -> None:
    network = lone()
    for port in range(1, 151):
        announce(network, port=port)
    first, second = listing(network)[b"values"], listing(network)[b"values"]
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert len({bytes(peer) for peer in first if isinstance(peer, bytes)}) == 100
    assert first != second


def test_find_node_gives_the_nearest() -> None:
    network = Network()
    addresses = grow(network, 4)
    reply = network.ask(ME, addresses[0], b"find_node", {b"target": network.nodes[addresses[2]].id})
    nodes = unpack_nodes(values(reply)[b"nodes"])
    assert nodes[0].address == addresses[2]
    assert {node.address for node in nodes} == set(addresses[1:])


def test_an_unknown_method_is_204() -> None:
    network = lone()
    assert code(network.ask(ME, GRAPE, b"vote", {b"target": b"t" * 20})) == 204
    assert network.nodes[GRAPE].statistics().refused == 1


def test_an_immutable_item() -> None:
    network = lone()
    target = hashlib.sha1(b"5:hello").digest()
    before = values(network.ask(ME, GRAPE, b"get", {b"target": target}))
    assert set(before) == {b"id", b"token", b"nodes"}
    assert isinstance(network.ask(ME, GRAPE, b"put", {b"v": b"hello", b"token": before[b"token"]}), Reply)
    after = values(network.ask(ME, GRAPE, b"get", {b"target": target}))
    assert after[b"v"] == b"hello"
    assert b"k" not in after


def put_mutable(network: Network, item: Item, **more: Bencoded) -> Reply | Error:
    """Put a mutable item as a stranger; `more` overrides fields."""
    fields: Fields = {
        b"v": item.value,
        b"k": item.key or b"",
        b"sig": item.signature,
        b"seq": item.sequence,
        b"token": token(network),
    }
    if item.salt:
        fields[b"salt"] = item.salt
    if item.cas is not None:
        fields[b"cas"] = item.cas
    return network.ask(ME, GRAPE, b"put", fields | {name.encode(): value for name, value in more.items()})


def test_a_mutable_item_and_its_sequence() -> None:
    network = lone()
    item = sign_item(SIGNER, b"first", 1, b"salt")
    assert isinstance(put_mutable(network, item), Reply)
    found = values(network.ask(ME, GRAPE, b"get", {b"target": item.target()}))
    assert (found[b"v"], found[b"k"], found[b"sig"], found[b"seq"]) == (b"first", item.key, item.signature, 1)
    known = values(network.ask(ME, GRAPE, b"get", {b"target": item.target(), b"seq": 1}))
    assert known[b"seq"] == 1
    assert b"v" not in known
    assert code(put_mutable(network, sign_item(SIGNER, b"old", 0, b"salt"))) == 302
    assert code(put_mutable(network, sign_item(SIGNER, b"new", 2, b"salt", cas=9))) == 301
    assert isinstance(put_mutable(network, sign_item(SIGNER, b"new", 2, b"salt", cas=1)), Reply)


def test_bad_items_have_their_own_codes() -> None:
    network = lone()
    item = sign_item(SIGNER, b"value", 1)
    assert code(network.ask(ME, GRAPE, b"put", {b"v": b"x" * 1001, b"token": token(network)})) == 205
    assert code(put_mutable(network, item, sig=b"s" * 64)) == 206
    assert code(put_mutable(network, item, k=b"short")) == 206
    assert code(put_mutable(network, item, salt=b"s" * 65)) == 207
    assert code(put_mutable(network, item, seq=-1)) == 203
    assert code(put_mutable(network, item, seq=2**63)) == 203
    assert code(network.ask(ME, GRAPE, b"put", {b"token": token(network)})) == 203
    assert network.nodes[GRAPE].statistics().items == 0


def test_a_value_may_be_any_bencode() -> None:
    network = lone()
    value: Bencoded = {b"list": [1, b"two", {b"three": 3}]}
    signature = SIGNER.sign(signed_bytes(value, 1))
    item = Item(value, key=SIGNER.public_key().public_bytes_raw(), signature=signature, sequence=1)
    assert isinstance(put_mutable(network, item), Reply)
    assert values(network.ask(ME, GRAPE, b"get", {b"target": item.target()}))[b"v"] == value


MALFORMED = (
    b"d1:t2:aa1:y1:qe",
    b"d1:ade1:t2:aa1:y1:qe",
    b"d1:ade1:q4:ping1:t2:aa1:y1:qe",
    b"d1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe",
    b"d1:ad2:id20:abcdefghij0123456789e1:q9:get_peers1:t2:aa1:y1:qe",
    b"d1:ad2:id20:abcdefghij0123456789e1:q4:vote1:t2:aa1:y1:qe",
    b"d1:ad2:id20:abcdefghij0123456789e1:q13:announce_peer1:t2:aa1:y1:qe",
)


@pytest.mark.parametrize("raw", MALFORMED)
def test_an_error_is_never_longer_than_its_query(raw: bytes) -> None:
    network = lone()
    network.send(ME, GRAPE, raw)
    network.run(4 * DELAY)
    received = network.strangers[ME]
    statistics = network.nodes[GRAPE].statistics()
    assert sum(map(len, received)) <= len(raw)
    assert len(received) + statistics.dropped_refusals == 1
    assert statistics.dropped_malformed + statistics.refused == 1


@pytest.mark.parametrize("raw", [*MALFORMED[2:5], MALFORMED[6]])
def test_malformed_queries_are_answered_with_203(raw: bytes) -> None:
    network = lone()
    network.send(ME, GRAPE, raw)
    network.run(4 * DELAY)
    (answer,) = map(parse, network.strangers[ME])
    assert isinstance(answer, Error)
    assert (answer.code, answer.transaction) == (203, b"aa")


@pytest.mark.parametrize("raw", [b"", b"hello", b"d1:y1:qe", b"\xc3\xbf", b"\x01" * 20, b"l" * 8000])
def test_what_has_no_transaction_is_counted_and_dropped(raw: bytes) -> None:
    network = lone()
    network.send(ME, GRAPE, raw)
    network.run(1.0)
    assert network.strangers[ME] == []
    assert network.nodes[GRAPE].statistics().dropped_malformed == 1


def test_a_source_that_cannot_be_answered_is_dropped() -> None:
    network = lone()
    for source in (Address("203.0.113.7", 0), Address("224.0.0.1", 9), Address("0.0.0.0", 9)):
        network.send(source, GRAPE, MALFORMED[4])
    network.run(1.0)
    assert network.nodes[GRAPE].statistics().dropped_malformed == 3
    assert network.nodes[GRAPE].statistics().sent == 0
