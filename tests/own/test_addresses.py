"""Where a peer is: by source, by where it holds, and followed when the machine moves. The system is a double."""

import ipaddress
from pathlib import Path

import pytest

from core.news.events import Holds
from core.own.addresses import OwnAddresses, Source
from core.own.networks import Attached, Networks, local_hosts
from core.values import Address

HOME = Networks(("192.168.7.5",), (Attached("eth0", ipaddress.IPv4Network("192.168.7.0/24")),))
CAFE = Networks(("10.1.2.3",), (Attached("wlan0", ipaddress.IPv4Network("10.1.0.0/16")),))
TWO = Networks(("192.168.7.5", "192.168.7.6"), HOME.attached)


class System:
    """What the system says; a test changes it."""

    def __init__(self, networks: Networks) -> None:
        self.networks = networks

    def __call__(self) -> Networks:
        return self.networks


def moved(it: OwnAddresses) -> list[Address]:
    told: list[Address] = []
    it.subscribe(lambda: told.append(it.address()))
    return told


def test_every_address_is_known_by_its_source() -> None:
    it = OwnAddresses("0.0.0.0", 4000, lambda: "203.0.113.9", System(TWO))
    assert it.by_source() == {
        Address("192.168.7.5", 4000): Source.LAN,
        Address("192.168.7.6", 4000): Source.LAN,
        Address("203.0.113.9", 4000): Source.OBSERVED,
    }
    assert [(str(each.address), each.holds) for each in it.usable()] == [
        ("127.0.0.1:4000", Holds.COMPUTER),
        ("192.168.7.5:4000", Holds.LAN),
        ("192.168.7.6:4000", Holds.LAN),
        ("203.0.113.9:4000", Holds.INTERNET),
    ]


def test_a_network_without_a_way_out_is_a_network() -> None:
    assert OwnAddresses("0.0.0.0", 4000, read=System(HOME)).address() == Address("192.168.7.5", 4000)


def test_on_no_network_only_this_machine_reaches_us() -> None:
    it = OwnAddresses("0.0.0.0", 4000, read=System(Networks()))
    assert it.address() == Address("127.0.0.1", 4000)
    assert [each.holds for each in it.usable()] == [Holds.COMPUTER]


def test_a_machine_that_moves_is_followed_and_each_change_is_told_once() -> None:
    system = System(HOME)
    it = OwnAddresses("0.0.0.0", 4000, read=system)
    told = moved(it)
    it.refresh()
    system.networks = CAFE
    it.refresh()
    it.refresh()
    system.networks = Networks()
    it.refresh()
    assert told == [Address("10.1.2.3", 4000), Address("127.0.0.1", 4000)]
    assert it.addresses() == [Address("127.0.0.1", 4000)]


def test_what_others_see_is_told_when_it_comes() -> None:
    seen: list[str] = []
    it = OwnAddresses("0.0.0.0", 4000, lambda: seen[0] if seen else None, System(HOME))
    told = moved(it)
    seen.append("203.0.113.9")
    it.refresh()
    assert len(told) == 1
    assert it.addresses() == [Address("192.168.7.5", 4000), Address("203.0.113.9", 4000)]


def test_a_mapped_port_is_the_one_that_is_announced() -> None:
    it = OwnAddresses("0.0.0.0", 4000, read=System(HOME))
    told = moved(it)
    it.map_to(Address("203.0.113.9", 5000))
    assert (it.port(), len(told)) == (5000, 1)
    assert it.by_source()[Address("203.0.113.9", 5000)] is Source.MAPPED
    it.map_to(None)
    assert (it.port(), len(told)) == (4000, 2)


@pytest.mark.parametrize(
    ("address", "ours"),
    [
        (Address("127.0.0.1", 4000), True),
        (Address("192.168.7.6", 4000), True),
        (Address("203.0.113.9", 4000), True),
        (Address("192.168.7.6", 4001), False),
        (Address("192.168.7.7", 4000), False),
        (Address("not a host", 4000), False),
    ],
)
def test_our_own_socket_is_known(address: Address, ours: bool) -> None:
    assert OwnAddresses("0.0.0.0", 4000, lambda: "203.0.113.9", System(TWO)).is_self(address) is ours


def test_a_bound_host_is_the_only_one() -> None:
    it = OwnAddresses("127.0.0.1", 4000, read=System(HOME))
    assert it.by_source() == {Address("127.0.0.1", 4000): Source.BOUND}
    assert not it.is_self(Address("192.168.7.5", 4000))


def test_who_is_beside_us_is_known_by_the_networks() -> None:
    it = OwnAddresses("0.0.0.0", 4000, read=System(CAFE))
    assert it.is_beside(Address("10.1.200.7", 1))
    assert not it.is_beside(Address("10.2.0.7", 1))


def test_addresses_are_read_as_linux_has_them(tmp_path: Path) -> None:
    trie = tmp_path / "fib_trie"
    trie.write_text(
        "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n"
        "           |-- 127.0.0.1\n              /32 host LOCAL\n"
        "           |-- 192.0.2.0\n              /24 link UNICAST\n"
        "           |-- 192.0.2.2\n              /32 host LOCAL\n"
        "        |-- 192.0.2.255\n           /32 link BROADCAST\n"
        "           |-- nonsense\n              /32 host LOCAL\n     |--"
    )
    assert local_hosts(trie) == ("192.0.2.2",)
    assert local_hosts(tmp_path / "none") == ()
