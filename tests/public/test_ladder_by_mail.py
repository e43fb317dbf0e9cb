"""The ladder by the letters of a simulated public DHT: two agree on a rung there, and prove where they are by it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from core.nat.report import Filtering, Mapping, NatReport, Ports
from core.net.endpoint import Endpoint
from core.news.hub import Hub
from core.reach.probing import Probing
from core.rendezvous.by_mail import HOSTS, NODES, Witnesses, word_of
from core.rendezvous.ladder import Ladder
from core.values import Address
from tests.mainline.cloud import Cloud
from tests.public.test_service import Somebody, flowing, until
from tests.rendezvous.test_ladder import FakeEndpoint
from tests.support.virtual_time import run

EASY = NatReport(Mapping.ENDPOINT_INDEPENDENT, Filtering.STRICT, Ports.FIXED, reflectors=2, hosts=2)
HARD = NatReport(Mapping.ADDRESS_AND_PORT_DEPENDENT, Filtering.STRICT, Ports.RANDOM, reflectors=2, hosts=2)
ORDERED = NatReport(Mapping.ADDRESS_AND_PORT_DEPENDENT, Filtering.STRICT, Ports.IN_ORDER, 1, reflectors=2, hosts=2)


class Climber(Somebody):
    """Somebody with a ladder, whose socket keeps what would leave."""

    def __init__(self, cloud: Cloud, number: int, report: NatReport, says: Address | None = None) -> None:
        super().__init__(cloud, number, cloud.living(3))
        self.endpoint = FakeEndpoint()
        seen = (says or self.socket.address,)
        report = NatReport(
            report.mapping, report.filtering, report.ports, report.step, observed=seen, reflectors=2, hosts=2
        )
        self.ladder = Ladder(
            Hub(), cast(Endpoint, self.endpoint), lambda: self.identity, lambda: report, list,
            lambda want, peer_id, text: None, Probing(), lambda event: None, lambda remote: None, mailbox=self.public,
        )  # fmt: skip
        self.public.start(self.people, lambda: self.identity.secret, lambda: self.serves, self.ladder)

    async def end(self) -> None:
        await self.ladder.aclose()
        await self.public.aclose()


@contextmanager
def calling(caller: Climber, called: Climber) -> Iterator[list[Address]]:
    found: list[Address] = []
    with caller.public.searching(called.peer_id, lambda address, delay: found.append(address)):
        yield found


async def both_on(cloud: Cloud, anna: Climber, bert: Climber) -> None:
    """Anna shares, and her letter is in Bert's box."""
    anna.trust(bert)
    bert.trust(anna)
    anna.serves = True
    anna.public.attend(True)
    for each in (anna, bert):
        await each.public.switch(True)
    await until(lambda: anna.seen[-1:] == [anna.socket.address], 20.0)
    await asyncio.sleep(20.0)


@pytest.mark.parametrize("hard_calls", [False, True])
def test_a_birthday_is_agreed_upon_and_both_are_witnessed_before_a_port_is_guessed(hard_calls: bool) -> None:
    async def scene() -> None:
        cloud = Cloud(300)
        anna, bert = (Climber(cloud, 1, EASY), Climber(cloud, 2, HARD))
        if not hard_calls:
            anna, bert = Climber(cloud, 1, HARD), Climber(cloud, 2, EASY)
        easy, hard = (anna, bert) if hard_calls else (bert, anna)
        with flowing(cloud):
            await both_on(cloud, anna, bert)
            with calling(bert, anna):
                took = await until(lambda: easy.endpoint.sent, 40.0)
                print(f"probes after {took:.1f} s")  # noqa: T201
                await asyncio.sleep(2.0)
            assert {burst.to.host for burst in easy.endpoint.sent} == {hard.socket.address.host}
            assert 100 < len(easy.endpoint.sent) <= 305
            for each in (anna, bert):
                await each.end()

    run(scene())


def test_nodes_that_list_strangers_do_not_push_the_friend_out_of_what_is_proved() -> None:
    async def scene() -> None:
        cloud = Cloud(300)
        anna, bert = Climber(cloud, 1, EASY), Climber(cloud, 2, HARD)
        with flowing(cloud):
            await both_on(cloud, anna, bert)
            with calling(bert, anna):
                await until(lambda: anna.ladder.waiting().get(bert.peer_id), 40.0)
                for node in ("21.0.0.1", "22.0.0.1"):
                    anna.ladder.witnessed(bert.peer_id, bert.socket.address.host, node)
                for number in range(4 * HOSTS):
                    anna.ladder.witnessed(bert.peer_id, f"99.0.{number}.1", "23.0.0.1")
                assert anna.ladder.waiting()[bert.peer_id] is False, "it is proved, and looked for no longer"
            for each in (anna, bert):
                await each.end()

    run(scene())


def test_a_friend_that_says_it_is_at_another_host_has_no_port_guessed_there() -> None:
    async def scene() -> None:
        cloud = Cloud(300)
        anna, bert = Climber(cloud, 1, HARD, says=Address("11.9.9.9", 40000)), Climber(cloud, 2, EASY)
        with flowing(cloud):
            await both_on(cloud, anna, bert)
            with calling(bert, anna):
                await asyncio.sleep(60.0)
            assert bert.endpoint.sent == []
            for each in (anna, bert):
                await each.end()

    run(scene())


def test_letters_to_a_pair_that_climbs_are_few() -> None:
    async def scene() -> None:
        cloud = Cloud(300)
        anna, bert = Climber(cloud, 1, HARD, says=Address("11.9.9.9", 40000)), Climber(cloud, 2, EASY)
        with flowing(cloud):
            await both_on(cloud, anna, bert)
            before = cloud.packets[bert.socket.address]
            with calling(bert, anna):
                await asyncio.sleep(120.0)
            assert cloud.packets[bert.socket.address] - before < 4000
            for each in (anna, bert):
                await each.end()

    run(scene())


def test_what_nodes_list_is_bounded_and_words_that_make_no_sense_are_none() -> None:
    witnesses = Witnesses()
    for host in range(50):
        for node in range(50):
            witnesses.add(f"11.0.0.{host}", f"12.0.{node}.1")
    assert len(witnesses.of("11.0.0.49")) == NODES
    assert sum(bool(witnesses.of(f"11.0.0.{host}")) for host in range(50)) == HOSTS
    assert word_of(b"") is None
    assert word_of(b"\xff" * 36) is None


def test_two_networks_have_to_list_a_host_and_its_own_does_not_count() -> None:
    probing = Probing()
    host = "11.0.0.9"
    assert not probing.attested(host, host, [])
    assert not probing.attested(host, host, ["12.0.0.1", "12.0.0.2"]), "one network"
    assert not probing.attested(host, host, ["12.0.0.1", "11.0.0.7"]), "its own"
    assert not probing.attested(host, "11.0.0.8", ["12.0.0.1", "13.0.0.1"]), "it says otherwise"
    assert probing.attested(host, host, ["12.0.0.1", "13.0.0.1"])
    assert not probing.attested("192.168.1.1", "192.168.1.1", ["12.0.0.1", "13.0.0.1"])
