"""Asking where we are seen, and saying it: in the simulated Internet."""

from random import Random

import pytest

from core.nat.reflection import ANSWERS_EACH, Delivered, OtherAnswer, Reflected, Reflection, Reflector
from core.values import Address
from core.wire.krpc import Query, Reply, parse
from core.wire.reflect_packet import Answer, Question
from core.wire.reflect_packet import parse as parse_reflection
from tests.sim.link import Link
from tests.sim.nat import NatKind
from tests.sim.world import World

SERVER = Address("203.0.113.1", 7000)


def world(loss: float = 0.0) -> tuple[World, Reflection, Reflection]:
    made = World(1, Link(delay=0.05, loss=loss))
    home = made.nat("198.51.100.5", NatKind(preserves_ports=False))
    us, server = Reflection(Random(1), answers=False), Reflection(Random(2))
    home.host("192.168.1.7").socket(4000, us)
    made.host(SERVER.host).socket(SERVER.port, server)
    return made, us, server


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_a_peer_says_where_it_sees_us(loss: float) -> None:
    made, us, _server = world(loss)
    told: list[Reflected] = []
    for _ in range(20):
        assert us.ask(Reflector(SERVER), made.now)
    made.run(3.0)
    told = [event for _, event in made.sockets[0].events if isinstance(event, Reflected)]
    assert len(told) == 20
    seen = [each.observed for each in told if each.observed is not None]
    assert len(seen) >= (20 if not loss else 15)
    assert {each.host for each in seen} == {"198.51.100.5"}
    assert us.idle()


def test_who_does_not_answer_is_told_once_and_asked_four_times() -> None:
    made, us, _ = world()
    us.ask(Reflector(Address(SERVER.host, 9)), 0.0)
    made.run(5.0)
    assert [type(event) for _, event in made.sockets[0].events] == [Reflected]


def test_a_node_of_a_dht_says_it_too_and_hears_that_we_answer_nobody() -> None:
    us = Reflection(Random(1))
    us.ask(Reflector(SERVER, dht=True), 0.0)
    [burst] = us.transmit(0.0)
    query = parse(burst.datagrams[0])
    assert isinstance(query, Query)
    assert query.read_only
    seen = Address("198.51.100.5", 4711)
    us.receive([bytes(Reply(query.transaction, {b"id": bytes(20)}, seen))], SERVER, 0.1)
    [event] = us.events()
    assert isinstance(event, Reflected)
    assert event.observed == seen


def test_an_answer_goes_to_another_port_of_the_host_that_asks_and_only_who_expects_it_takes_it() -> None:
    asker, silent, server = (Reflection(Random(number), answers=number == 3) for number in (1, 2, 3))
    here, there = Address("198.51.100.5", 4711), Address("198.51.100.5", 4712)
    nonce = asker.have_answered(Reflector(SERVER), there.port, 0.0)
    assert nonce is not None
    server.receive(asker.transmit(0.0)[0].datagrams, here, 0.1)
    [burst] = server.transmit(0.1)
    assert burst.to == there
    silent.receive(burst.datagrams, SERVER, 0.2)
    assert silent.events() == [], "not expected"
    silent.expect(nonce, Reflector(SERVER))
    silent.receive(burst.datagrams, Address("192.0.2.1", 7000), 0.2)
    assert silent.events() == [], "from another host"
    silent.receive(burst.datagrams * 2, SERVER, 0.2)
    assert silent.events() == [Delivered(nonce)]


@pytest.mark.parametrize("port", [1, 80, 1023])
def test_no_answer_goes_to_a_well_known_port_that_did_not_ask(port: int) -> None:
    server = Reflection(Random(3))
    server.receive([bytes(Question(bytes(8), port=port))], Address("198.51.100.5", 4711), 0.1)
    server.receive([bytes(Question(bytes(8), other=True, port=4000))], Address("198.51.100.5", 4711), 0.1)
    assert server.transmit(0.1) == []


def test_answers_from_elsewhere_or_with_another_nonce_do_not_count() -> None:
    us = Reflection(Random(1))
    us.ask(Reflector(SERVER), 0.0)
    question = parse_reflection(us.transmit(0.0)[0].datagrams[0])
    assert isinstance(question, Question)
    lie = Address("192.0.2.66", 666)
    us.receive([bytes(Answer(question.nonce, lie))], Address("192.0.2.1", SERVER.port), 0.1)
    us.receive([bytes(Answer(question.nonce, lie))], Address(SERVER.host, 1234), 0.1)  # not its other port: not asked
    us.receive([bytes(Answer(bytes(8), lie))], SERVER, 0.1)
    us.receive([b"", b"d", b"de", bytes(20), b"\xc3\xbf" + bytes(18)], SERVER, 0.1)
    assert us.events() == []


def test_an_answer_is_as_long_as_its_question_and_each_host_gets_few() -> None:
    server = Reflection(Random(1))
    source = Address("192.0.2.1", 4000)
    questions = [bytes(Question(bytes([number]) * 8)) for number in range(200)]
    server.receive(questions, source, 0.0)
    answers = [datagram for burst in server.transmit(0.0) for datagram in burst.datagrams]
    assert len(answers) == 4 * ANSWERS_EACH
    assert server.withheld == 200 - len(answers)
    assert {len(each) for each in answers} == {len(questions[0])}


def test_another_port_answers_for_who_asks_that() -> None:
    server = Reflection(Random(1))
    server.also = 7001
    server.receive([bytes(Question(bytes(8), other=True))], Address("192.0.2.1", 4000), 0.0)
    assert server.transmit(0.0) == []
    [event] = server.events()
    assert isinstance(event, OtherAnswer)
    us = Reflection(Random(2))
    us.ask(Reflector(SERVER), 0.0, other=True)
    question = parse_reflection(us.transmit(0.0)[0].datagrams[0])
    assert isinstance(question, Question)
    answer = bytes(Answer(question.nonce, Address("198.51.100.5", 1), True, 7001))
    us.receive([answer], SERVER, 0.1)  # from the very port that was asked: that says nothing of the filter
    assert us.events() == []
    us.receive([answer], Address(SERVER.host, 7001), 0.1)
    [told] = us.events()
    assert isinstance(told, Reflected)
    assert told.other
    assert told.also == 7001


def test_a_socket_that_is_no_reflector_says_nothing() -> None:
    us = Reflection(Random(1), answers=False)
    us.receive([bytes(Question(bytes(8)))], SERVER, 0.0)
    assert us.idle()
