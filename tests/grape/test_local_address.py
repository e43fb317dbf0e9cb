"""The host under which a service is stored, and our own address toward somebody."""

import pytest

from core.grape import local_address
from core.grape.local_address import CACHE_AGE, CACHE_MAX, LocalAddresses, peer_host
from core.values import Address


@pytest.mark.parametrize(
    ("client", "host"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.1"),
        ("::1", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::ffff:198.51.100.4", "198.51.100.4"),
        ("198.51.100.4", "198.51.100.4"),
        ("192.168.1.5", "192.168.1.5"),
        ("fe80::1%eth0", "127.0.0.1"),
        ("2001:db8::1", "127.0.0.1"),
        ("", "127.0.0.1"),
        (None, "127.0.0.1"),
        ("nonsense", "127.0.0.1"),
    ],
)
def test_peer_host(client: str | None, host: str) -> None:
    assert peer_host(client) == host


def test_kernel_names_our_address() -> None:
    assert LocalAddresses()(Address("127.0.0.1", 5)) == "127.0.0.1"


def test_no_ipv4_no_address() -> None:
    assert LocalAddresses()(Address("not an address", 5)) is None


def test_answers_are_kept_per_network_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(local_address, "_ask_kernel", asked.append)
    now = 0.0
    addresses = LocalAddresses(lambda: now)

    for host in ("192.0.2.1", "192.0.2.2", "198.51.100.1"):
        addresses(Address(host, 1))
    assert asked == ["192.0.2.1", "198.51.100.1"]

    now = CACHE_AGE
    addresses(Address("192.0.2.3", 1))
    assert asked[2:] == ["192.0.2.3"]


def test_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_address, "_ask_kernel", lambda host: host)
    addresses = LocalAddresses(lambda: 0.0)
    for number in range(3 * CACHE_MAX):
        addresses(Address(f"10.{number // 256}.{number % 256}.1", 1))
    assert len(addresses._known) <= CACHE_MAX
