"""core.scope: which of our addresses a loopback peer is listed under."""

import pytest

from core.scope import Scope, listed_peer, scope, usable
from core.values import Address

LOCAL_PEER = Address("127.0.0.1", 1337)
PUBLIC = "203.0.113.9"
PRIVATE = "192.168.1.5"
CARRIER = "100.64.0.9"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", Scope.LOOPBACK),
        ("127.9.9.9", Scope.LOOPBACK),
        ("10.1.2.3", Scope.PRIVATE),
        ("172.31.0.1", Scope.PRIVATE),
        ("172.32.0.1", Scope.PUBLIC),
        ("169.254.3.4", Scope.PRIVATE),
        (CARRIER, Scope.CARRIER),
        ("100.128.0.1", Scope.PUBLIC),
        (PUBLIC, Scope.PUBLIC),
        ("0.0.0.0", Scope.INVALID),
        ("224.0.0.1", Scope.INVALID),
        ("239.255.255.250", Scope.INVALID),
        ("255.255.255.255", Scope.INVALID),
        ("::1", Scope.LOOPBACK),
        ("::", Scope.INVALID),
        ("2001:db8::7", Scope.PUBLIC),
        ("3fff::1", Scope.PUBLIC),
        ("fd12:3456::1", Scope.PRIVATE),
        ("fc00::1", Scope.PRIVATE),
        ("fe80::1%eth0", Scope.PRIVATE),
        ("fe80::1", Scope.INVALID),  # on which link is not said
        ("ff02::1", Scope.INVALID),
        ("2002:cb00:7109::1", Scope.INVALID),  # 6to4: an IPv4 address is inside
        ("2001:0:cb00:7109::1", Scope.INVALID),  # Teredo
        ("64:ff9b::cb00:7109", Scope.INVALID),
        ("::ffff:127.0.0.1", Scope.LOOPBACK),  # counts as its IPv4
        ("::ffff:192.168.1.7", Scope.PRIVATE),
        ("::ffff:224.0.0.1", Scope.INVALID),
        ("2001:db8:::7", Scope.INVALID),
        ("localhost", Scope.INVALID),
        ("", Scope.INVALID),
    ],
)
def test_scope(host: str, expected: Scope) -> None:
    assert scope(host) is expected
    assert usable(Address(host, 1)) is (expected is not Scope.INVALID)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_out_of_range_is_unusable(port: int) -> None:
    assert not usable(Address(PUBLIC, port))


@pytest.mark.parametrize(
    ("requester", "local", "observed", "host"),
    [
        ("127.0.0.1", PRIVATE, PUBLIC, "127.0.0.1"),  # on this machine: as it is
        (PRIVATE, "192.168.1.2", PUBLIC, "192.168.1.2"),  # in our network: our address there
        (PRIVATE, "192.168.1.2", None, "192.168.1.2"),
        (PUBLIC, "198.51.100.4", PUBLIC, "198.51.100.4"),  # we are public ourselves
        (PUBLIC, PRIVATE, "198.51.100.7", "198.51.100.7"),  # we are behind a NAT: as the others see us
        (PUBLIC, CARRIER, "198.51.100.7", "198.51.100.7"),
        (CARRIER, PRIVATE, "198.51.100.7", "198.51.100.7"),
        (CARRIER, CARRIER, None, CARRIER),
        (PUBLIC, PRIVATE, None, None),  # nothing that would reach us
        (PUBLIC, PRIVATE, "127.0.0.1", None),
        (PUBLIC, None, "198.51.100.7", "198.51.100.7"),
        (PRIVATE, "127.0.0.1", None, None),
        (PRIVATE, None, None, None),
    ],
)
def test_a_loopback_peer(requester: str, local: str | None, observed: str | None, host: str | None) -> None:
    expected = None if host is None else Address(host, 1337)
    assert listed_peer(LOCAL_PEER, requester, local, observed) == expected


def test_other_peers_are_listed_as_they_are() -> None:
    peer = Address(PRIVATE, 5)
    assert listed_peer(peer, PUBLIC, "198.51.100.4", None) == peer
