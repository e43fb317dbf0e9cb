"""Addresses as people write them, and IPv6 peers as 18 bytes: one place has one address."""

import pytest

from core.errors import RemoteError
from core.scope import network, only_four
from core.values import Address, canonical
from core.wire.compact import pack_peer_6, unpack_peer_6

SIX = Address("2001:db8::7", 40000)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.7:20001", Address("192.0.2.7", 20001)),
        ("a.example:1", Address("a.example", 1)),
        (" [2001:db8::7]:40000 ", SIX),
        ("[2001:0DB8:0:0::7]:40000", SIX),
        ("[::1]:80", Address("::1", 80)),
        ("[fe80::1%eth0]:80", Address("fe80::1%eth0", 80)),
        ("[2001:db8::7%eth0]:40000", SIX),  # a zone means nothing there
        ("[::ffff:192.0.2.7]:20001", Address("192.0.2.7", 20001)),
    ],
)
def test_what_people_write_is_read_and_written_in_one_way(text: str, address: Address) -> None:
    assert Address.parse(text) == address
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2001:db8::7:40000", "in brackets"),
        ("[2001:db8::7]", "not a port"),
        ("[2001:db8::7:40000", "in brackets"),
        ("[2001:db8:::7]:40000", "not an IPv6 address"),
        ("[]:40000", "not an IPv6 address"),
        ("[192.0.2.7]:40000", "not an IPv6 address"),
        ("[2001:db8::7]:0", "1 to 65535"),
        ("[2001:db8::7]40000", "not a port"),
    ],
)
def test_a_wrong_one_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Address.parse(text)


def test_a_host_has_one_spelling() -> None:
    assert canonical("2001:DB8::0:7") == "2001:db8::7"
    assert canonical("::FFFF:192.0.2.7") == canonical("::ffff:c000:207") == "192.0.2.7"
    assert canonical("a.example") == "a.example"
    assert canonical("fe80::1%3") == "fe80::1%3"
    with pytest.raises(ValueError, match="2001"):
        canonical("2001:db8::7::1")


def test_hosts_are_counted_by_the_network_that_one_home_has() -> None:
    assert network("2001:db8:1:2:3:4:5:6") == network("2001:db8:1:2::") == "2001:db8:1:2::/64"
    assert network("2001:db8:1:3::") != network("2001:db8:1:2::")
    assert network("::ffff:192.0.2.7") == network("192.0.2.7") == "192.0.2.7"
    assert network("no:host") == "no:host"


def test_eighteen_bytes_are_a_peer() -> None:
    assert pack_peer_6(SIX).hex() == "20010db8000000000000000000000007" + "9c40"
    assert unpack_peer_6(pack_peer_6(SIX)) == SIX
    assert unpack_peer_6(bytes(10) + b"\xff\xff\xc0\x00\x02\x07\x00\x01") == Address("192.0.2.7", 1)
    assert only_four([SIX, Address("192.0.2.7", 1)]) == [Address("192.0.2.7", 1)]


@pytest.mark.parametrize("data", [b"", bytes(6), bytes(17), bytes(19), 18, []])
def test_another_length_is_none(data: object) -> None:
    with pytest.raises(RemoteError):
        unpack_peer_6(data)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "address", [Address("192.0.2.7", 1), Address("fe80::1%eth0", 1), Address("::1", 65536), Address("x", 1)]
)
def test_what_is_no_ipv6_peer_is_not_packed(address: Address) -> None:
    with pytest.raises(ValueError, match="is not an IPv6 address and port"):
        pack_peer_6(address)
