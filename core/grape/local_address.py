"""Which of this machine's addresses another machine knows it by."""

import contextlib
import ipaddress
import math
import socket
import time
from collections.abc import Callable
from functools import lru_cache

from core.net.udp_socket import named, placed
from core.values import Address

CACHE_MAX = 256  # networks remembered; an attacker who asks from everywhere makes us forget, not grow
CACHE_AGE = 30.0  # seconds; a laptop that changed networks is listed at its new address within one lookup or two


class LocalAddresses:
    """Answers `local_address(requester)` for the DHT engine: our own host toward that requester, of IPv4 or of `six`.

    The kernel's routing table decides: a UDP socket is connected (nothing is sent) and asked for its name. Kept per
    /24 or /64, the smallest network that is routed apart in practice. `clock` gives monotone seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, six: bool = False) -> None:
        self._clock = clock
        self._network = _network_6 if six else _network_4
        self._known: dict[bytes, tuple[float, str | None]] = {}

    def __call__(self, requester: Address) -> str | None:
        """Return our address toward `requester`, or None when there is no route or it is no address of that kind."""
        try:
            network = self._network(requester.host)
        except OSError:
            return None
        now = self._clock()
        asked_at, address = self._known.get(network, (-math.inf, None))
        if now - asked_at < CACHE_AGE:
            return address
        if len(self._known) >= CACHE_MAX:
            self._known.clear()
        address = _ask_kernel(requester.host)
        self._known[network] = (now, address)
        return address


def _network_4(host: str) -> bytes:
    return socket.inet_aton(host)[:3]


def _network_6(host: str) -> bytes:
    text, _, zone = host.partition("%")
    return socket.inet_pton(socket.AF_INET6, text)[:8] + zone.encode()


def _ask_kernel(host: str) -> str | None:
    six = ":" in host
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM) as sock,
    ):
        sock.connect(placed(Address(host, 9)))  # the port does not matter; 9 is "discard" (RFC 863)
        return named(sock.getsockname()).host if six else str(sock.getsockname()[0])
    return None


@lru_cache(maxsize=CACHE_MAX)  # asked with every announce; most clients are this machine
def peer_host(client: str | None) -> str:
    """Return the host under which an HTTP client's service is stored.

    Loopback in any notation is 127.0.0.1, which the DHT lists at this machine's address as the asker sees it. So is
    an IPv6 client: compact peers (BEP 5) are IPv4, and the grape's own address is the Node grape's answer too.
    """
    try:
        address = ipaddress.ip_address((client or "").partition("%")[0])
    except ValueError:
        return "127.0.0.1"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return "127.0.0.1"
        address = address.ipv4_mapped
    return "127.0.0.1" if address.is_loopback or address.is_unspecified else str(address)


@lru_cache(maxsize=CACHE_MAX)
def is_this_machine(client: str) -> bool:
    """Tell whether an HTTP client's IP address is a loopback one; "" is that of a client without any."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return not client
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or (mapped is not None and mapped.is_loopback)
