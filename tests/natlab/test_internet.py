"""The big lab: every kind of network does what its name says, and the early-packet trap is where it should be."""

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from core.values import Address
from tests.natlab.classify import Depends, Probe, Servers, Verdict, classify
from tests.natlab.internet import Internet, Line, internet
from tests.natlab.kinds import Kind, Lifetimes
from tests.natlab.namespaces import namespaces

pytestmark = [pytest.mark.natlab, pytest.mark.asyncio]

# mapping, filtering, whether the port is kept: NAT.md's table, by RFC 4787's words
LABELS = {
    Kind.OPEN: (Depends.NOTHING, Depends.NOTHING, True),
    Kind.FIREWALL: (Depends.NOTHING, Depends.ADDRESS, True),
    Kind.FULL_CONE: (Depends.NOTHING, Depends.NOTHING, False),
    Kind.RESTRICTED: (Depends.NOTHING, Depends.HOST, False),
    Kind.PORT_RESTRICTED: (Depends.NOTHING, Depends.ADDRESS, False),
    Kind.LINUX: (Depends.NOTHING, Depends.ADDRESS, True),
    Kind.LINUX_RACE: (Depends.NOTHING, Depends.ADDRESS, True),
    Kind.SYM_ADDR: (Depends.HOST, Depends.ADDRESS, False),
    Kind.SYM_SEQ: (Depends.ADDRESS, Depends.ADDRESS, False),
    Kind.SYM_RANDOM: (Depends.ADDRESS, Depends.ADDRESS, False),
    Kind.SYM_BLOCK: (Depends.ADDRESS, Depends.ADDRESS, False),
    Kind.NO_UDP: (Depends.BLOCKED, Depends.BLOCKED, False),
    Kind.CGNAT: (Depends.NOTHING, Depends.ADDRESS, False),
    Kind.CGNAT_SYM: (Depends.ADDRESS, Depends.ADDRESS, False),
}


@pytest.fixture
def world() -> Iterator[Internet]:
    with internet() as world:
        yield world


async def test_every_kind_is_as_labelled(world: Internet) -> None:
    assert set(LABELS) == set(Kind)
    sites = [world.site(kind) for kind in Kind]
    with Servers(world.public(2)) as servers:
        found = await asyncio.gather(*(classify(servers, site.hosts[0]) for site in sites))
    verdicts = dict(zip(Kind, found, strict=True))
    assert {kind: (v.mapping, v.filtering, v.kept) for kind, v in verdicts.items()} == LABELS
    outsides = {site.kind: {site.outside} for site in sites if site.kind is not Kind.NO_UDP}
    assert {kind: {a.host for a in v.mapped} for kind, v in verdicts.items() if v.mapped} == outsides
    _has_order(verdicts[Kind.SYM_SEQ])
    assert all(42000 <= address.port <= 43007 for address in verdicts[Kind.SYM_BLOCK].mapped)


def _has_order(verdict: Verdict) -> None:
    ports = [address.port for address in verdict.mapped]
    assert [later - earlier for earlier, later in itertools.pairwise(ports)] == [1, 1, 1]


@pytest.mark.parametrize("kind", [Kind.LINUX, Kind.LINUX_RACE, Kind.PORT_RESTRICTED])
@pytest.mark.parametrize("ttl", [64, 5])
async def test_an_early_packet_moves_the_port_where_the_trap_is(world: Internet, kind: Kind, ttl: int) -> None:
    """A packet that comes before ours went out takes our port away, unless it dies on its way."""
    late, early = world.site(kind), world.site(Kind.OPEN)
    with Servers(world.public(2)) as servers:
        probe, other = Probe(late.hosts[0]), Probe(early.hosts[0])
        mapped, target = await probe.ask(servers.addresses[0]), Address(early.outside, other.port)
        assert mapped is not None
        other.send({"early": True}, mapped, ttl=ttl)
        await asyncio.sleep(0.1)
        probe.send({"late": True}, target)
        heard = await other.hears(lambda message: "late" in message)
        assert heard is not None
        assert probe.got[-1][0].get("early") is None, "nothing comes in before ours went out"
        assert (heard[1] != mapped) is (kind is Kind.LINUX_RACE and ttl == 64)
        probe.close()
        other.close()


@pytest.mark.parametrize("hairpin", [True, False])
async def test_two_customers_of_one_carrier(world: Internet, hairpin: bool) -> None:
    """They reach one another at the carrier's address only where it turns packets round."""
    carrier = world.site(Kind.FULL_CONE, Line(hairpin=hairpin))
    customers = [world.site(Kind.PORT_RESTRICTED, behind=carrier) for _ in range(2)]
    with Servers(world.public(2)) as servers:
        one, other = (Probe(site.hosts[0]) for site in customers)
        addresses = [await probe.ask(servers.addresses[0]) for probe in (one, other)]
        assert all(address is not None and address.host == carrier.outside for address in addresses)
        for _ in range(2):
            for probe, address in ((one, addresses[1]), (other, addresses[0])):
                assert address is not None
                probe.send({"turned": True}, address)
                await asyncio.sleep(0.05)
        heard = await one.hears(lambda message: "turned" in message)
        assert (None if heard is None else heard[1]) == (addresses[1] if hairpin else None)
        one.close()
        other.close()


async def test_a_router_forgets_a_silent_mapping_and_a_restarted_one_all(world: Internet) -> None:
    site = world.site(Kind.PORT_RESTRICTED, Line(lifetimes=Lifetimes(one_way=2, stream=2)))
    with Servers(world.public(2)) as servers:
        server, probe = servers.at(servers.addresses[0]), Probe(site.hosts[0])

        async def still_open(*, after: float, restarted: bool = False) -> bool:
            probe.got.clear()
            mapped = await probe.ask(servers.addresses[0])
            assert mapped is not None
            await asyncio.sleep(after)
            if restarted:
                site.forget()
            server.send({"still": True}, mapped)
            return await probe.hears(lambda message: "still" in message) is not None

        assert await still_open(after=0.5)
        assert not await still_open(after=3.5)
        assert not await still_open(after=0.0, restarted=True)
        probe.close()


async def test_a_slow_line_is_slow_and_nothing_stays(world: Internet) -> None:
    loop, delay = asyncio.get_running_loop(), 0.1
    site = world.site(Kind.LINUX, Line(delay=delay))
    assert site.wire is not None
    site.wire.start()
    with Servers(world.public(2)) as servers:
        probe = Probe(site.hosts[0])
        asked_at = loop.time()
        assert await probe.ask(servers.addresses[0]) is not None
        assert loop.time() - asked_at >= 2 * delay
        probe.close()
    names = {*site.hosts, *site.routers}
    assert names < set(namespaces())
    world.remove_site(site)
    assert not names & set(namespaces())
