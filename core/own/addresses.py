"""Where this peer is: the one place that knows our port and hosts, by their source, and says when they change."""

import enum
import ipaddress
import logging
from collections.abc import Callable

from core.grape.local_address import LocalAddresses
from core.news.events import Holds, OwnAddress
from core.own.networks import Read, networks
from core.scope import Scope, scope
from core.values import Address

ANY_HOST = "0.0.0.0"  # bound on all addresses of this machine
THIS_MACHINE = "127.0.0.1"
_log = logging.getLogger(__name__)


class Source(enum.Enum):
    """The source of an address of ours."""

    BOUND = "bound"  # the socket is bound to this host alone
    LAN = "lan"  # this machine has it on a network
    OBSERVED = "observed"  # others see us there
    MAPPED = "mapped"  # a router forwards it to us


class OwnAddresses:
    """Our addresses by source. `observed()` is the host under which others see us, once somebody told.

    `read` asks the system. Listeners are called by `refresh` and `map_to`, and must not raise.
    """

    def __init__(
        self, bind: str, port: int, observed: Callable[[], str | None] = lambda: None, read: Read = networks
    ) -> None:
        self._bind = bind
        self._port = port
        self._observed = observed
        self._read = read
        self._networks = read()
        self._towards = LocalAddresses()
        self._mapped: Address | None = None
        self._seen: Address | None = None
        self._listeners: list[Callable[[], None]] = []
        self._told = self.by_source()

    # -- what we are -------------------------------------------------------------------------------------------------

    def port(self) -> int:
        """Return the port under which others reach our socket, as it is announced."""
        return self._port if self._mapped is None else self._mapped.port

    def hosts(self) -> tuple[str, ...]:
        """Return this machine's own hosts, the best one first; none while it is on no network."""
        return self._networks.hosts if self._bind == ANY_HOST else (self._bind,)

    def observed(self) -> str | None:
        """Return our host as others see it."""
        return self._observed() or (None if self._seen is None else self._seen.host)

    def seen(self) -> Address | None:
        """Return where several others see this very socket."""
        return self._seen

    def mapped(self) -> Address | None:
        """Return what a router forwards to us."""
        return self._mapped

    def by_source(self) -> dict[Address, Source]:
        """Return every address that we may be reached at, the nearest first, and its source."""
        found: dict[Address, Source] = {}
        for host in self.hosts():
            found[Address(host, self._port)] = Source.LAN if self._bind == ANY_HOST else Source.BOUND
        observed = self._observed()
        if observed is not None:
            found.setdefault(Address(observed, self._port), Source.OBSERVED)
        if self._seen is not None:
            found.setdefault(self._seen, Source.OBSERVED)
        if self._mapped is not None:
            found[self._mapped] = Source.MAPPED
        return found

    def address(self) -> Address:
        """Return our address on our network; on no network, on this machine."""
        return Address(next(iter(self.hosts()), THIS_MACHINE), self._port)

    def addresses(self) -> list[Address]:
        """Return where others may reach us now: on our networks, and where they see us."""
        known = [*self.by_source()]
        outside = [address for address in known if scope(address.host) is not Scope.LOOPBACK]  # to others: themselves
        return outside or known or [self.address()]

    def usable(self) -> tuple[OwnAddress, ...]:
        """Return our addresses by where they hold, for people to hand on."""
        here = [Address(THIS_MACHINE, self._port)] if self._bind == ANY_HOST else []
        return tuple(dict.fromkeys(OwnAddress(each, _holds(each)) for each in (*here, *self.by_source())))

    # -- what others are to us ---------------------------------------------------------------------------------------

    def local(self, toward: Address) -> str | None:
        """Return this machine's own host toward another, or None when nothing leads there."""
        return self._bind if self._bind != ANY_HOST else self._towards(toward)

    def is_beside(self, address: Address) -> bool:
        """Return whether this is on a network of ours, with no router between; where routes cannot be read, a /24.

        A network's own address and its broadcast are nobody's: who sends there sends to all.
        """
        local = self.local(address)
        if local is None:
            return False
        attached = self.attached()
        try:
            host = ipaddress.IPv4Address(address.host)
            networks = attached or (ipaddress.IPv4Network(f"{local}/24", strict=False),)
            return any(host in network and not _is_everybody(host, network) for network in networks)
        except ValueError:
            return False

    def attached(self) -> tuple[ipaddress.IPv4Network, ...]:
        """Return the networks that we are on with no router between; none where the system does not tell."""
        return tuple(each.network for each in self._networks.attached)

    def is_self(self, address: Address) -> bool:
        """Return whether this is our own socket, as far as we know."""
        if address in (self._mapped, self._seen):
            return True
        if address.port != self._port:
            return False
        if scope(address.host) is Scope.LOOPBACK:
            return self._bind in (ANY_HOST, address.host)
        return address.host in self.hosts() or address.host == self._observed()

    # -- changes -----------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever our addresses are others."""
        self._listeners.append(listener)

    def map_to(self, address: Address | None) -> None:
        """Take what a router forwards to us, or None when it no longer does."""
        self._mapped = address
        self._tell()

    def see_at(self, address: Address | None) -> None:
        """Take where several others see this very socket, or None when they no longer agree."""
        self._seen = address
        self._tell()

    def refresh(self) -> None:
        """Ask the system again, and tell if something is another."""
        now = self._read()
        if now != self._networks:
            self._networks = now
            self._towards = LocalAddresses()  # what was asked on the network before is not so any longer
        self._tell()

    def _tell(self) -> None:
        now = self.by_source()
        if now == self._told:
            return
        self._told = now
        _log.debug(
            "we are at %s", ", ".join(f"{each} ({source.value})" for each, source in now.items()) or "no network"
        )
        for listener in tuple(self._listeners):
            listener()


def _holds(address: Address) -> Holds:
    reach = scope(address.host)
    if reach is Scope.LOOPBACK:
        return Holds.COMPUTER
    return Holds.INTERNET if reach is Scope.PUBLIC else Holds.LAN


def _is_everybody(host: ipaddress.IPv4Address, network: ipaddress.IPv4Network) -> bool:
    """Return whether this is a broadcast address, old or new; a network of one or two has none (RFC 3021)."""
    return network.prefixlen < 31 and host in (network.network_address, network.broadcast_address)
