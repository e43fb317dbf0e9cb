"""Where this peer is: the one place that knows our port and hosts, by their source, and says when they change."""

import enum
import ipaddress
import logging
from collections.abc import Callable

from core.grape.local_address import LocalAddresses
from core.limits.table import BoundedTable
from core.news.events import Holds, OwnAddress
from core.own.networks import Read, networks
from core.own.networks_6 import Link
from core.scope import Scope, is_six, network, scope
from core.values import Address

ANY_HOST = "0.0.0.0"  # bound on all addresses of this machine, of IPv6 too where it has that
THIS_MACHINE = "127.0.0.1"
COUNTED = 4096  # hosts that we have looked at, and whose each is counted as
MOST_SIX = 2  # IPv6 addresses that are told: two networks, or one of the Internet and the home's own
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
        self, bind: str, port: int, observed: Callable[[], str | None] = lambda: None, read: Read = networks,
        six: bool = False, observed_6: Callable[[], str | None] = lambda: None,
    ) -> None:  # fmt: skip
        """`six`: the socket takes IPv6 as well. `observed_6()`: as `observed`, of IPv6."""
        self._observed_6 = observed_6
        self._bind = bind
        self._six = six
        self._port = port
        self._observed = observed
        self._read = read
        self._networks = read()
        self._towards, self._towards_6 = LocalAddresses(), LocalAddresses(six=True)
        self._counted: BoundedTable[str, str] = BoundedTable(COUNTED)
        self._mapped: Address | None = None
        self._let_in: Address | None = None
        self._seen: Address | None = None
        self._listeners: list[Callable[[], None]] = []
        self._told = self.by_source()

    # -- what we are -------------------------------------------------------------------------------------------------

    def port(self) -> int:
        """Return the port under which others reach our socket, as it is announced."""
        return self._port if self._mapped is None else self._mapped.port

    def hosts(self) -> tuple[str, ...]:
        """Return this machine's own IPv4 hosts, the best one first; none while it is on no network."""
        if self._bind == ANY_HOST:
            return self._networks.hosts
        return () if is_six(self._bind) else (self._bind,)

    def hosts_6(self) -> tuple[str, ...]:
        """Return its IPv6 hosts, the one first that the system would leave from; none without IPv6."""
        if self._bind != ANY_HOST:
            return (self._bind,) if is_six(self._bind) else ()
        return self._networks.six.hosts if self._six else ()

    def all_hosts(self) -> tuple[str, ...]:
        """Return this machine's own hosts of either kind."""
        return (*self.hosts(), *self.hosts_6())

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
        for host in self._told_6():
            found[Address(host, self._port)] = Source.LAN if self._bind == ANY_HOST else Source.BOUND
        observed = self._observed()
        if observed is not None:
            found.setdefault(Address(observed, self._port), Source.OBSERVED)
        translated = self.translated_6()
        if translated is not None and not any(scope(host) is Scope.PUBLIC for host in self.hosts_6()):
            found.setdefault(Address(translated, self._port), Source.OBSERVED)
        if self._seen is not None:
            found.setdefault(self._seen, Source.OBSERVED)
        for mapped in (self._mapped, self._let_in):
            if mapped is not None:
                found[mapped] = Source.MAPPED
        return found

    def address(self) -> Address:
        """Return our address on our network; on no network, on this machine."""
        return Address(next(iter(self.hosts()), THIS_MACHINE), self._port)

    def addresses(self) -> list[Address]:
        """Return where others may reach us now: on our networks, and where they see us."""
        known = [*self.by_source()]
        outside = [address for address in known if scope(address.host) is not Scope.LOOPBACK]  # to others: themselves
        # an IPv6 address of a home's own means nothing elsewhere, and there IPv4 is as near
        outside = [each for each in outside if not is_six(each.host) or scope(each.host) is Scope.PUBLIC]
        return outside or known or [self.address()]

    def usable(self) -> tuple[OwnAddress, ...]:
        """Return our addresses by where they hold, for people to hand on."""
        here = [Address(THIS_MACHINE, self._port)] if self._bind == ANY_HOST else []
        return tuple(dict.fromkeys(OwnAddress(each, _holds(each)) for each in (*here, *self.by_source())))

    # -- what others are to us ---------------------------------------------------------------------------------------

    def local(self, toward: Address) -> str | None:
        """Return this machine's own host toward another, or None when nothing leads there."""
        return self._bind if self._bind != ANY_HOST else self._towards(toward)

    def leads(self, address: Address) -> bool:
        """Return whether a way leads to an address: we have a socket of its kind, and the system a route."""
        if self._bind != ANY_HOST:
            return is_six(self._bind) == is_six(address.host)
        if not is_six(address.host):
            return self._towards(address) is not None
        return self._six and self._towards_6(address) is not None

    def _told_6(self) -> list[str]:
        """Return the IPv6 hosts that others are told of: of each network that one that the system would leave from."""
        best: dict[str, str] = {}
        for host in self.hosts_6():
            best.setdefault(network(host), host)
        return list(best.values())[:MOST_SIX]

    def global_6(self) -> list[Address]:
        """Return where others may reach us by IPv6, the best first."""
        return [each for each in self.addresses() if is_six(each.host) and scope(each.host) is Scope.PUBLIC]

    def translated_6(self) -> str | None:
        """Return our IPv6 host as others on the Internet see it, where that is none of ours: a router translates it."""
        seen = self._observed_6() if self._six else None
        if seen is None or scope(seen) is not Scope.PUBLIC or seen in self.hosts_6():
            return None
        return seen

    def is_beside(self, address: Address) -> bool:
        """Return whether this is on a network of ours, with no router between; where routes cannot be read, a /24.

        A network's own address and its broadcast are nobody's: who sends there sends to all.
        """
        if is_six(address.host):
            return self._is_beside_6(address.host)
        local = self.local(address)
        if local is None:
            return False
        attached = self.attached()
        try:
            host = ipaddress.IPv4Address(address.host)
            networks = attached or (ipaddress.IPv4Network(f"{local}/24", strict=False),)
            return any(host in each and not _is_everybody(host, each) for each in networks)
        except ValueError:
            return False

    def _is_beside_6(self, host: str) -> bool:
        text, _, zone = host.partition("%")
        try:
            at = ipaddress.IPv6Address(text)
        except ValueError:
            return False
        if zone or (not self._networks.six.attached and network(host) in map(network, self.hosts_6())):
            return True  # where routes cannot be read, a /64
        return any(at in each and at != each.network_address for each in self._networks.six.attached)

    def counted(self, host: str) -> str:
        """Return a host as it is counted: an IPv6 neighbour by itself, as in a home's IPv4 network, others by /64.

        A home's machines have one /64 together: one that is silent must not keep the others from being asked.
        """
        if not is_six(host):
            return host
        known = self._counted.get(host)
        if known is None:
            known = self._counted[host] = host if self._is_beside_6(host) else network(host)
        return known

    def attached(self) -> tuple[ipaddress.IPv4Network, ...]:
        """Return the networks that we are on with no router between; none where the system does not tell."""
        return tuple(each.network for each in self._networks.attached)

    def attached_6(self) -> tuple[ipaddress.IPv6Network, ...]:
        """Return the same of IPv6, without the links themselves (fe80::/10)."""
        return self._networks.six.attached

    def links(self) -> tuple[Link, ...]:
        """Return the interfaces on which neighbours may hear of us by IPv6.

        Not one with a public IPv4 address: what is beside that is a provider's network, not a home.
        """
        if self._bind != ANY_HOST or not self._six:
            return ()
        public = [ipaddress.IPv4Address(host) for host in self.hosts() if scope(host) is Scope.PUBLIC]
        outside = {each.interface for each in self._networks.attached if any(host in each.network for host in public)}
        return tuple(each for each in self._networks.six.links if each.interface not in outside)

    def is_self(self, address: Address) -> bool:
        """Return whether this is our own socket, as far as we know."""
        if address in (self._mapped, self._let_in, self._seen):
            return True
        if address.port != self._port:
            return False
        if scope(address.host) is Scope.LOOPBACK:
            return self._bind in (ANY_HOST, address.host)
        host = address.host
        if host in self.hosts() or host in self.hosts_6() or host == self._observed():
            return True
        return self._six and any(host == each.local for each in self._networks.six.links)

    # -- changes -----------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever our addresses are others."""
        self._listeners.append(listener)

    def map_to(self, address: Address | None) -> None:
        """Take what a router forwards to us, or None when it no longer does."""
        self._mapped = address
        self._tell()

    def let_in(self, address: Address | None) -> None:
        """Take where a router lets IPv6 packets for us in, or None when it no longer does."""
        self._let_in = address
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
            self._counted.clear()
            # what was asked on the network before is not so any longer
            self._towards, self._towards_6 = LocalAddresses(), LocalAddresses(six=True)
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
