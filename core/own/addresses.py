"""Where this peer is: its socket's port, this machine's addresses, and how others see it."""

import ipaddress
import sys
from collections.abc import Callable
from pathlib import Path

from core.grape.local_address import LocalAddresses
from core.scope import Scope, scope
from core.values import Address

_ROUTES = Path("/proc/net/route")
_NETWORK, _GATEWAY, _MASK = 1, 2, 7  # columns
_MOST_ROUTES = 1000  # looked at; a home has two, a machine full of containers some dozens
_ANYWHERE = Address("198.51.100.1", 9)  # RFC 5737: routed like any, never sent to


def attached(routes: Path = _ROUTES) -> list[ipaddress.IPv4Network]:
    """Return the networks that this machine is on, as Linux has them; none where that cannot be read."""
    found = []
    try:
        lines = routes.read_text(encoding="ascii").splitlines()[1:]
    except (OSError, ValueError):
        return []
    for line in lines[:_MOST_ROUTES]:
        fields = line.split()
        if len(fields) > _MASK and fields[_GATEWAY] == "00000000" and fields[_MASK] != "00000000":
            network, mask = (int.from_bytes(bytes.fromhex(fields[at]), sys.byteorder) for at in (_NETWORK, _MASK))
            found.append(ipaddress.IPv4Network((network & mask, bin(mask).count("1"))))
    return found


class OwnAddresses:
    """`observed()` is the host under which others see us, once somebody told."""

    def __init__(self, bind: str, port: int, observed: Callable[[], str | None]) -> None:
        self._bind = bind
        self._port = port
        self._observed = observed
        self._addresses = LocalAddresses()

    def port(self) -> int:
        """Return the port under which others reach our socket, as it is announced."""
        return self._port

    def observed(self) -> str | None:
        """Return our host as others see it."""
        return self._observed()

    def local(self, toward: Address) -> str | None:
        """Return this machine's own host toward another, or None when nothing leads there."""
        return self._bind if self._bind != "0.0.0.0" else self._addresses(toward)

    def own_host(self) -> str:
        """Return the host others on our network reach us at: the bound one, or that of the default route."""
        return self.local(_ANYWHERE) or "127.0.0.1"

    def address(self) -> Address:
        """Return our address on our network."""
        return Address(self.own_host(), self._port)

    def addresses(self) -> list[Address]:
        """Return where we may be reached now: on our network, and where other grapes see us."""
        hosts = [host for host in (self.own_host(), self._observed()) if host]
        outside = [host for host in hosts if scope(host) is not Scope.LOOPBACK]  # to others that is themselves
        return [Address(host, self._port) for host in outside or hosts]

    def is_beside(self, address: Address) -> bool:
        """Return whether this is on a network of ours, with no router between; where routes cannot be read, a /24."""
        local = self.local(address)
        if local is None:
            return False
        networks = attached() or [ipaddress.IPv4Network(f"{local}/24", strict=False)]
        try:
            return any(ipaddress.IPv4Address(address.host) in network for network in networks)
        except ValueError:
            return False

    def is_self(self, address: Address) -> bool:
        """Return whether this is our own socket, as far as we know."""
        if address.port != self._port:
            return False
        return scope(address.host) is Scope.LOOPBACK or address.host in (self.own_host(), self.local(address))
