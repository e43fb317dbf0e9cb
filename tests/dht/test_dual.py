"""A grape in both networks (BEP 32): who has IPv6 only finds and is found, and old grapes see nothing new."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.dht import DualNode
from core.dht.dual import MOMENT
from core.dht.events import Announced, Failed, Found, News, PeersFound, Stored, Watching
from core.dht.items import sign_item
from core.errors import LocalError
from core.values import Address
from core.wire.compact import NODE_BYTES
from core.wire.compact_6 import NODE_6_BYTES
from core.wire.krpc import Query, Reply, parse
from tests.dht.dual_net import Machines, four, six

KEY = b"fibonacci_worker"
PORT = 40000
SIGNER = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def found(network: Machines, number: int, key: bytes = KEY) -> set[Address]:
    grape = network.grapes[number]
    at = next(each for each in network.places[number] if each is not None)
    event = network.finish(at, grape.lookup(key, network.now))
    assert isinstance(event, PeersFound)
    return set(event.peers)


def announced(network: Machines, number: int) -> int:
    grape = network.grapes[number]
    at = next(each for each in network.places[number] if each is not None)
    event = network.finish(at, grape.announce(KEY, Address("127.0.0.1", PORT), network.now))
    assert isinstance(event, Announced)
    return event.nodes


def test_two_homes_with_ipv6_only_find_each_other_by_a_grape_that_has_both() -> None:
    network = Machines()
    network.start(1)
    for number in (2, 3):
        network.start(number, [six(1)], v4=False, client=True)
    network.run(2.0)
    announced(network, 2)
    assert found(network, 3) == {six(2)._replace(port=PORT)}


def test_who_has_ipv6_only_is_found_by_who_has_both_and_was_given_an_ipv4_address() -> None:
    network = Machines()
    network.start(1)
    network.start(2, [six(1)], v4=False, client=True)
    network.start(3, [four(1)], client=True)
    network.run(2.0)
    announced(network, 2)
    assert found(network, 3) == {six(2)._replace(port=PORT)}


def test_who_has_both_is_found_in_both() -> None:
    network = Machines()
    network.start(1)
    for number, v4, v6 in ((2, True, True), (3, True, False), (4, False, True)):
        network.start(number, [each for each, has in ((four(1), v4), (six(1), v6)) if has], v4=v4, v6=v6)
    network.run(2.0)
    announced(network, 2)
    assert found(network, 3) == {four(2)._replace(port=PORT)}
    assert found(network, 4) == {six(2)._replace(port=PORT)}


def test_an_item_goes_from_one_network_to_the_other_by_a_grape_in_both() -> None:
    network = Machines()
    network.start(1)
    network.start(2, [six(1)], v4=False)
    network.start(3, [four(1)], v6=False)
    network.run(2.0)
    item = sign_item(SIGNER, b"value", sequence=7)
    stored = network.finish(six(2), network.grapes[2].put(item, network.now))
    assert isinstance(stored, Stored)
    event = network.finish(four(3), network.grapes[3].get(item.target(), network.now))
    assert isinstance(event, Found)
    assert event.item == item


def test_of_two_versions_the_newer_one_is_found() -> None:
    network = Machines()
    network.start(1, v6=False)
    network.start(2, v4=False)
    network.start(3, [four(1), six(2)])
    network.run(2.0)
    older, newer = (sign_item(SIGNER, b"value %d" % sequence, sequence=sequence) for sequence in (1, 2))
    network.finish(four(1), network.grapes[1].put(older, network.now))
    network.finish(six(2), network.grapes[2].put(newer, network.now))
    event = network.finish(four(3), network.grapes[3].get(newer.target(), network.now))
    assert isinstance(event, Found)
    assert event.item == newer


def test_an_old_grape_sees_nothing_new_but_a_wish() -> None:
    network = Machines()
    network.start(1, old=True)
    network.start(2, [four(1)])
    network.start(3, [four(1)])
    network.start(4, [six(2)], v4=False)
    network.run(2.0)
    for number in (2, 3, 4):
        announced(network, number)
    assert found(network, 1) == {four(each)._replace(port=PORT) for each in (2, 3)}
    network.run(400.0)
    announced(network, 2)
    for said in network.said_to(four(1)):
        if isinstance(said, Query):
            assert said.arguments.keys() <= {
                b"id",
                b"target",
                b"info_hash",
                b"port",
                b"implied_port",
                b"token",
                b"want",
            }
        else:
            assert b"nodes6" not in said.values
    answer = network.ask(Address("198.51.9.9", 6000), four(2), b"get_peers", {b"info_hash": KEY})
    assert isinstance(answer, Reply)
    values = answer.values[b"values"]
    assert isinstance(values, list)
    assert {len(each) for each in values if isinstance(each, bytes)} == {6}


@pytest.mark.parametrize(
    ("source", "want", "fields"),
    [
        (Address("198.51.9.9", 6000), None, {b"nodes"}),
        (Address("198.51.9.9", 6000), [b"n6"], {b"nodes6"}),
        (Address("198.51.9.9", 6000), [b"n4", b"n6"], {b"nodes", b"nodes6"}),
        (Address("198.51.9.9", 6000), [b"n7", 3], {b"nodes"}),
        (Address("198.51.9.9", 6000), b"n6", {b"nodes"}),
        (Address("2001:db8:9::9", 6000), None, {b"nodes6"}),
        (Address("2001:db8:9::9", 6000), [b"n4"], {b"nodes"}),
    ],
)
def test_nodes_are_told_as_they_are_wanted(source: Address, want: object, fields: set[bytes]) -> None:
    network = Machines()
    network.start(1)
    for number in (2, 3):
        network.start(number, [four(1), six(1)])
    network.run(2.0)
    to = six(1) if ":" in source.host else four(1)
    asked = {b"target": b"t" * 20} | ({} if want is None else {b"want": want})
    answer = network.ask(source, to, b"find_node", asked)  # type: ignore[arg-type]
    assert isinstance(answer, Reply)
    assert answer.values.keys() - {b"id"} == fields
    assert answer.observed == source
    if b"nodes6" in fields and b"nodes" not in fields:
        packed = answer.values[b"nodes6"]
        assert isinstance(packed, bytes)
        assert len(packed) % NODE_6_BYTES == 0
        assert len(packed) >= 2 * NODE_6_BYTES or len(packed) < NODE_BYTES


def test_the_first_answer_to_somebody_new_is_cut_to_three_times_the_question() -> None:
    network = Machines()
    network.start(1)
    for number in range(2, 14):
        network.start(number, [four(1), six(1)])
    network.run(2.0)
    source = Address("2001:db8:99::9", 6000)
    for wanted in ([b"n4", b"n6"], [b"n6"]):
        before = len(network.log)
        network.ask(source, six(1), b"find_node", {b"target": b"t" * 20, b"want": list(wanted)})
        asked = next(len(datagram) for at, _, datagram in network.log[before:] if at == source)
        answered = sum(len(datagram) for _, to, datagram in network.log[before:] if to == source)
        assert answered <= 3 * asked


def test_an_address_of_one_link_is_told_on_that_link_only() -> None:
    network = Machines()
    near = {number: (four(number), Address(f"fe80::{number}%eth0", 20001)) for number in (1, 2, 3)}
    for number, own in near.items():
        network.start(number, [] if number == 1 else [near[1][1]], v4=False, own=own)
    far = network.start(4)
    network.start(5, [six(4)], v4=False)
    network.run(2.0)
    assert isinstance(far, DualNode)
    network.finish(near[2][1], network.grapes[2].announce(KEY, Address("127.0.0.1", PORT), network.now))
    event = network.finish(near[3][1], network.grapes[3].lookup(KEY, network.now))
    assert isinstance(event, PeersFound)
    assert event.peers == (Address("fe80::2%eth0", PORT),)
    answer = network.ask(Address("2001:db8:9::9", 6000), near[1][1], b"get_peers", {b"info_hash": KEY})
    assert isinstance(answer, Reply)
    assert b"values" not in answer.values
    assert answer.values[b"nodes6"] == b""


def test_a_client_behind_a_firewall_asks_not_to_be_asked_but_by_its_own_network() -> None:
    network = Machines()
    network.start(1)
    network.start(2, [six(1)], v4=False, client=True)
    network.run(2.0)
    asked = [each for each in network.said_to(six(1)) if isinstance(each, Query)]
    assert asked
    assert all(each.read_only for each in asked)
    assert network.grapes[1].nodes() == 0
    beside = Address("2001:db8:2::77", 20001)
    network.start(3, [six(2)], v4=False, client=True, own=(four(3), beside))
    network.run(2.0)
    assert network.grapes[2].knows(beside)
    assert network.grapes[3].knows(six(2))


def test_dead_nodes_of_one_network_do_not_hold_up_what_the_other_knows() -> None:
    network = Machines()
    network.start(1)
    network.start(2, [four(1), six(1)])
    network.start(3, [four(1), six(1)])
    network.run(2.0)
    announced(network, 2)
    del network.nodes[six(1)]  # its IPv6 fails
    del network.nodes[six(2)]
    began = network.now
    assert four(2)._replace(port=PORT) in found(network, 3)
    assert network.now - began <= MOMENT + 0.1
    began = network.now
    assert found(network, 3, b"nobody") == set()  # of nothing, both are waited for
    assert network.now - began > MOMENT


def test_news_come_from_either_network() -> None:
    network = Machines()
    network.start(1)
    network.start(2, [four(1), six(1)])
    network.start(3, [six(1)], v4=False)
    network.run(2.0)
    for _ in range(2):  # the first one asks for a token
        event = network.finish(four(2), network.grapes[2].watch(KEY, network.now))
        assert isinstance(event, Watching)
        network.run(1.0)
    assert isinstance(event, Watching)
    assert event.granted
    announced(network, 3)
    network.run(1.0)
    assert any(isinstance(each, News) for each in network.events[four(2)])


def test_alone_nobody_tells_news() -> None:
    network = Machines()
    network.start(1)
    event = network.finish(four(1), network.grapes[1].watch(KEY, network.now))
    assert event == Watching(event.operation, (), granted=False)


def test_what_is_refused_in_both_networks_is_refused_once() -> None:
    network = Machines()
    network.start(1)
    event = network.finish(four(1), network.grapes[1].lookup(b"x" * 300, network.now))
    assert isinstance(event, Failed)
    assert isinstance(event.error, LocalError)
    network.run(1.0)
    assert len(network.events[four(1)]) == 1


def test_a_grape_known_in_both_networks_is_one() -> None:
    network = Machines()
    network.start(1)
    network.start(2, [four(1), six(1)])
    network.run(2.0)
    assert [network.grapes[each].nodes() for each in (1, 2)] == [1, 1]
    assert network.grapes[2].knows(four(1))
    assert network.grapes[2].knows(six(1))
    assert network.grapes[2].statistics().nodes == 1


def test_a_liar_has_few_addresses_asked_and_none_of_a_home() -> None:
    network = Machines()
    network.start(2, [four(1)])
    liar = four(1)
    contacts = b"".join(
        bytes([number]) * 20 + bytes.fromhex("20010db8006600000000000000000005") + (7000 + number).to_bytes(2, "big")
        for number in range(1, 60)
    ) + b"h" * 20 + bytes.fromhex("fd000000000000000000000000000007") + (7000).to_bytes(2, "big")  # fmt: skip
    for _ in range(400):
        network.run(1.0)
        for said in network.strangers.pop(liar, []):
            message = parse(said)
            if isinstance(message, Query):
                reply = Reply(message.transaction, {b"id": b"l" * 20, b"nodes6": contacts})
                network.send(liar, four(2), bytes(reply))
    victim = [datagram for _, to, datagram in network.log if to.host == "2001:db8:66::5"]
    heard = sum(len(datagram) for at, to, datagram in network.log if at == liar)
    assert 0 < len(victim) <= 12 + 1.5 * 400
    assert sum(map(len, victim)) <= 3 * heard
    assert not [to for _, to, _ in network.log if to.host.startswith("fd")]
