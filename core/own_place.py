"""Where this peer is: its socket's port, this machine's addresses, and how others see it."""

from collections.abc import Callable

from core.dht.hosts import Scope, scope
from core.grape.local_address import LocalAddresses
from core.values import Address

_ANYWHERE = Address("198.51.100.1", 9)  # RFC 5737: routed like any, never sent to


class OwnPlace:
    """`observed()` is the host under which others see us, once somebody told."""

    def __init__(self, bind: str, port: int, observed: Callable[[], str | None]) -> None:
        self._bind = bind
        self._port = port
        self._observed = observed
        self._addresses = LocalAddresses()

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

    def is_self(self, address: Address) -> bool:
        """Return whether this is our own socket, as far as we know."""
        if address.port != self._port:
            return False
        return scope(address.host) is Scope.LOOPBACK or address.host in (self.own_host(), self.local(address))
