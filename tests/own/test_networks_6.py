"""A machine with IPv6: which of its addresses others are told, and what is beside it. The system is a double."""

import ipaddress

import pytest

from core.news.events import Holds
from core.own.addresses import OwnAddresses, Source
from core.own.networks import Attached, Networks
from core.own.networks_6 import Link, Networks6, attached, links, local_hosts
from core.values import Address

TEMPORARY, LASTING, HOMES_OWN = "2001:db8:1:2:a:b:c:d", "2001:db8:1:2::5", "fd12:3456::5"
HOME = Networks(
    ("192.168.7.5",),
    (),
    Networks6(
        (TEMPORARY, LASTING, HOMES_OWN), tuple(map(ipaddress.IPv6Network, ("2001:db8:1:2::/64", "fd12:3456::/64")))
    ),
)
PORT = 4000

ADDRESSES = """\
fd123456000000000000000000000005 02 40 00 80     eth0
20010db80001000200000000000000ff 02 40 00 20     eth0
20010db8000100020000000000000005 02 40 00 00     eth0
20010db80001000200000000000000fe 02 40 00 40     eth0
fe800000000000000000000000000001 02 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
20010db8000900000000000000000001 03 40 00 80  docker0
nonsense
20010db800 02 40 00 00 eth0
"""
ROUTES = """\
20010db8000100020000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000002 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000009 00000400 00000002 00000000 00000003     eth0
20010db8000500000000000000000000 30 00000000000000000000000000000000 00 20010db8000100020000000000000001 00000400 00000002 00000000 00000003     eth0
20010db8000600000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000400 00000002 00000000 00200200       lo
20010db8000700000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000400 00000002 00000000 00000201     eth0
20010db8000100020000000000000005 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000003 00000000 80200001     eth0
ff000000000000000000000000000000 08 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000003 00000000 00000001     eth0
nonsense
"""  # noqa: E501


def at_home(*, six: bool = True, bind: str = "0.0.0.0") -> OwnAddresses:
    return OwnAddresses(bind, PORT, read=lambda: HOME, six=six)


def test_the_address_that_the_system_leaves_from_is_told_and_the_lasting_one_is_not() -> None:
    it = at_home()
    assert it.addresses() == [Address("192.168.7.5", PORT), Address(TEMPORARY, PORT)]
    assert it.global_6() == [Address(TEMPORARY, PORT)]
    assert [(str(each.address), each.holds) for each in it.usable()] == [
        ("127.0.0.1:4000", Holds.COMPUTER),
        ("192.168.7.5:4000", Holds.LAN),
        (f"[{TEMPORARY}]:4000", Holds.INTERNET),
        (f"[{HOMES_OWN}]:4000", Holds.LAN),
    ]
    assert it.hosts() == ("192.168.7.5",)  # who compares them with what routers do needs IPv4


@pytest.mark.parametrize("host", [TEMPORARY, LASTING, HOMES_OWN, "::1"])
def test_each_of_our_addresses_is_ourselves(host: str) -> None:
    assert at_home().is_self(Address(host, PORT))
    assert not at_home().is_self(Address(host, PORT + 1))
    assert not at_home(six=host == "", bind="192.168.7.5").is_self(Address(host, PORT))


def test_without_a_socket_for_it_ipv6_is_not_told() -> None:
    for it in (at_home(six=False), at_home(bind="192.168.7.5")):
        assert it.addresses() == [Address("192.168.7.5", PORT)]
        assert it.global_6() == []
    bound = at_home(bind=LASTING)
    assert bound.addresses() == [Address(LASTING, PORT)]
    assert bound.hosts() == ()


@pytest.mark.parametrize(
    ("host", "beside"),
    [
        ("2001:db8:1:2::77", True),
        ("fd12:3456::77", True),
        ("fe80::77%eth0", True),
        ("2001:db8:1:2::", False),  # all routers there (RFC 4291 section 2.6.1)
        ("2001:db8:1:3::77", False),
        ("fd12:3457::77", False),
        ("no:host", False),
    ],
)
def test_who_is_beside_us_is_known_by_the_routes(host: str, beside: bool) -> None:
    assert at_home().is_beside(Address(host, PORT)) is beside


def test_where_routes_cannot_be_read_a_network_is_beside_us() -> None:
    it = OwnAddresses("0.0.0.0", PORT, read=lambda: Networks(six=Networks6((LASTING,))), six=True)
    assert it.is_beside(Address("2001:db8:1:2::77", PORT))
    assert not it.is_beside(Address("2001:db8:1:3::77", PORT))


def test_addresses_are_read_as_linux_has_them() -> None:
    assert local_hosts(ADDRESSES) == (HOMES_OWN, LASTING)  # neither going nor coming, nor of this machine's guests
    assert attached(ROUTES) == (ipaddress.IPv6Network("2001:db8:1:2::/64"),)
    assert local_hosts("") == ()
    assert attached("") == ()


def test_a_link_has_its_own_address_and_first_those_that_last() -> None:
    assert links(ADDRESSES) == (Link("eth0", "fe80::1%eth0", (HOMES_OWN, LASTING)),)
    assert links("") == ()


@pytest.mark.parametrize(
    ("hosts", "heard"),
    [((), True), (("192.168.7.5",), True), (("198.51.100.5",), False), (("192.168.7.5", "198.51.100.5"), False)],
)
def test_beside_a_public_ipv4_address_neighbours_hear_nothing(hosts: tuple[str, ...], heard: bool) -> None:
    link = Link("eth0", "fe80::1%eth0", (HOMES_OWN,))
    four = tuple(Attached("eth0", ipaddress.IPv4Network(f"{host}/24", strict=False)) for host in hosts)
    found = Networks(hosts, four, Networks6((HOMES_OWN,), (), (link,)))
    assert OwnAddresses("0.0.0.0", PORT, read=lambda: found, six=True).links() == ((link,) if heard else ())
    assert OwnAddresses("0.0.0.0", PORT, read=lambda: found).links() == ()
    assert OwnAddresses("0.0.0.0", PORT, read=lambda: found, six=True).is_self(Address("fe80::1%eth0", PORT))


def test_a_host_that_others_see_and_we_do_not_have_is_of_a_router_that_translates() -> None:
    seen: list[str | None] = [None]

    def at(*hosts: str) -> OwnAddresses:
        found = Networks(six=Networks6(hosts))
        return OwnAddresses("0.0.0.0", PORT, read=lambda: found, six=True, observed_6=lambda: seen[0])

    outside = Address("2001:db8:99::5", PORT)
    inside, ours = at(HOMES_OWN), at(LASTING)
    assert inside.translated_6() is None
    assert inside.global_6() == []
    seen[0] = outside.host
    assert (inside.translated_6(), ours.translated_6()) == (outside.host, outside.host)
    assert inside.global_6() == [outside]
    assert ours.global_6() == [Address(LASTING, PORT)], "what we have ourselves is what we tell"
    seen[0] = LASTING
    assert ours.translated_6() is None
    seen[0] = "fd99::5"  # a neighbour's word
    assert inside.translated_6() is None


def test_where_a_pinhole_is_we_are() -> None:
    it = at_home()
    told: list[int] = []
    it.subscribe(lambda: told.append(1))
    it.let_in(Address(TEMPORARY, PORT))
    assert it.by_source()[Address(TEMPORARY, PORT)] is Source.MAPPED
    translated = Address("2001:db8:99::5", PORT)
    it.let_in(translated)
    assert translated in it.global_6()
    assert it.is_self(translated)
    it.let_in(None)
    assert translated not in it.global_6()
    assert len(told) == 3


def test_a_way_leads_where_we_have_a_socket_and_the_system_a_route() -> None:
    it = at_home()
    assert it.leads(Address("127.0.0.1", 1))
    assert it.leads(Address("::1", 1))
    assert not at_home(six=False).leads(Address("::1", 1))
    assert not at_home(bind=LASTING).leads(Address("127.0.0.1", 1))
    assert at_home(bind="192.168.7.5").leads(Address("198.51.100.1", 1))


def test_each_neighbour_is_a_host_and_a_network_elsewhere_is_one() -> None:
    it = at_home()
    near, beside, far, beyond = "fd12:3456::7", "fd12:3456::8", "2001:db8:9::7", "2001:db8:9::8"
    assert it.counted(near) != it.counted(beside)
    assert it.counted(far) == it.counted(beyond)
    assert it.counted("fe80::7%eth0") != it.counted("fe80::8%eth0")
    assert it.counted("198.51.100.7") == "198.51.100.7"
