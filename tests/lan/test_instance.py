"""What an instance says of itself, and what is made of nonsense."""

import pytest

from core.lan.instance import MOST_HOSTS, SERVICE, Instance, Offer, label, read
from core.values import Address

NAME = "0123456789abcdef0123"
GOOD: dict[bytes, bytes | None] = {b"v": b"1", b"dht": b"20001"}


def test_what_we_tell_is_read_again() -> None:
    offer = Offer(NAME, "192.168.1.7", 41000, 20003)
    found = read(NAME, offer.peer_port, dict(offer.properties()), [offer.host])
    assert found == Instance(NAME, (Address("192.168.1.7", 20003),), 41000)


def test_nothing_but_ports_and_a_version_is_told() -> None:
    assert Offer(NAME, "192.168.1.7", 41000, 20003).properties() == {b"v": b"1", b"dht": b"20003"}


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {b"v": b"1"},
        {b"dht": b"20001"},
        {b"v": b"2", b"dht": b"20001"},
        {b"v": None, b"dht": None},
        *({b"v": b"1", b"dht": dht} for dht in (b"", b"0", b"53", b"1023", b"65536", b"99999", b"-1", b"0x50", None,
                                                b"+20001", b" 20001", b"20001\n", b"2" * 5000, b"\xd9\xa1")),
    ],
)  # fmt: skip
def test_nonsense_in_txt_is_nobody(properties: dict[bytes, bytes | None]) -> None:
    assert read(NAME, 41000, properties, ["192.168.1.7"]) is None


@pytest.mark.parametrize("port", [None, 0, 53, 1023, 65536, -1])
def test_nonsense_as_a_port_is_nobody(port: int | None) -> None:
    assert read(NAME, port, GOOD, ["192.168.1.7"]) is None


def test_only_hosts_of_a_home_are_kept_and_few() -> None:
    others = ["8.8.8.8", "127.0.0.1", "0.0.0.0", "224.0.0.251", "255.255.255.255", "100.64.0.1", "", "x", "::1"]
    assert read(NAME, 41000, GOOD, others) is None
    found = read(NAME, 41000, GOOD, [*others, *(f"10.0.0.{last}" for last in range(1, 200))])
    assert found is not None
    assert [address.host for address in found.grapes] == ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]


def test_addresses_of_this_computer_are_left_out() -> None:
    found = Instance(NAME, (Address("10.0.0.1", 20001), Address("10.0.0.2", 20001)), 41000)
    assert found.beyond(["10.0.0.1"]).grapes == (Address("10.0.0.2", 20001),)


@pytest.mark.parametrize(
    "name", ["", "x", NAME[:-1], NAME + "0", "<b>bold</b>", "../../etc/passwd", NAME[:-1] + "\n", "g" * 20, "a" * 5000]
)
def test_a_name_that_no_peer_has_is_nobody(name: str) -> None:
    assert label(f"{name}.{SERVICE}") is None


def test_a_name_is_read_in_any_case() -> None:
    assert label(f"{NAME.upper()}.{SERVICE}") == NAME
    assert label(NAME + "._http._tcp.local.") is None


def test_of_ipv6_what_lasts_is_told_first_and_no_zone() -> None:
    offer = Offer(NAME, "fe80::7%eth0", 41000, 20003, more=("fd12::7", "2001:db8::7"))
    assert offer.told == ["fd12::7", "2001:db8::7", "fe80::7"]
    many = tuple(f"fd12::{each}" for each in range(1, 20))
    assert len(Offer(NAME, "fe80::7%eth0", 41000, 20003, more=many).told) == MOST_HOSTS


def test_of_ipv6_what_lasts_is_read_first_and_a_link_local_one_is_of_the_link_where_it_was_heard() -> None:
    hosts = ["fe80::7", "2001:db8::7", "fd12::7", "fe80::8%wlan0"]
    found = read(NAME, 41000, GOOD, hosts, "eth0")
    assert found is not None
    assert [each.host for each in found.grapes] == ["fd12::7", "2001:db8::7", "fe80::7%eth0", "fe80::8%eth0"]
    assert found.places[0] == Address("fd12::7", 41000)


@pytest.mark.parametrize(
    "host", ["::", "::1", "ff02::fb", "::ffff:8.8.8.8", "2002:808:808::1", "fe80:1::7", "fec0::1", "fe80::7:", "%eth0"]
)
def test_no_other_ipv6_host_is_kept(host: str) -> None:
    assert read(NAME, 41000, GOOD, [host], "eth0") is None
    assert read(NAME, 41000, GOOD, ["fe80::7"]) is None  # on which link is not known


def test_an_ipv6_host_of_another_network_is_left_out() -> None:
    near = Address("2001:db8::7", 20001)
    found = Instance(NAME, (near, Address("2001:db8:9::7", 20001), Address("10.0.0.2", 20001)), 41000)
    assert found.beside(lambda each: each == near).grapes == (near, Address("10.0.0.2", 20001))
