"""An Internet of namespaces: a core that routes, public machines, and sites of every kind (`tests.natlab.kinds`).

    public --+                                     +-- router --- host
             |                                     |
             +------------- core ------------------+
             |                                     |
    public --+                                     +-- carrier --- router --- host

All links are point to point, so sites come and go without a thought for one another. Public addresses are out of
11.0.0.0/16: peer software may refuse the documentation ranges. Nothing leaves the machine.

The core is long: a packet with a TTL under 12 dies in it, and its sender is told so, as on the way to another city.
One that opens its own router's door therefore never reaches the other's.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from tests.natlab import namespaces as ns
from tests.natlab.kinds import LAYERS, Kind, Layer, Lifetimes, Ports, rules
from tests.natlab.wire import Wire
from tests.support.tools import unavailable

HOPS = 12  # of the core
_GATEWAY = "11.0.255.1"  # the core's end of every link
_INNER_GATEWAY = "11.0.254.1"  # a firewall's, toward the public address behind it: it must not be its own gateway's
_CARRIER_GATEWAY = "100.64.255.1"
_LONG = f"""
table ip core {{
  chain prerouting {{ type filter hook prerouting priority mangle; policy accept;
    ip ttl < {HOPS} ip ttl set 1
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Public:
    """A machine with public addresses."""

    namespace: str
    addresses: tuple[str, ...]

    @property
    def inside(self) -> Sequence[str]:
        """Prefix of a command that runs there."""
        return ns.inside(self.namespace)


@dataclass(slots=True)
class Site:
    """One or more machines behind what `kind` says. `outside` is the address that the Internet sees."""

    kind: Kind
    outside: str
    hosts: list[str] = field(default_factory=list)  # namespaces
    routers: list[str] = field(default_factory=list)  # namespaces, the carrier's first
    local: list[str] = field(default_factory=list)  # the hosts' own addresses
    wire: Wire | None = None

    @property
    def inside(self) -> Sequence[str]:
        """Prefix of a command on the first machine."""
        return ns.inside(self.hosts[0])

    def forget(self) -> None:
        """Have every router forget what it knows, as one that restarts."""
        for router in self.routers:
            ns.forget_connections(router)
            for what in ("map ip grapevine inside", "set ip grapevine told"):
                ns.run(*ns.inside(router), "nft", "flush", *what.split())


@dataclass(frozen=True, slots=True)
class Line:
    """What is special about a site: a slow or lossy wire to its first machine, its routers' habits."""

    delay: float = 0.0  # seconds each way between the host and its router, so out of its router's sight
    loss: float = 0.0
    hairpin: bool = False
    lifetimes: Lifetimes = field(default_factory=Lifetimes)


@dataclass(frozen=True, slots=True)
class _Uplink:
    """Where a router or a host is plugged in: the other end's namespace and device, the address, its gateway."""

    namespace: str
    device: str
    address: str
    gateway: str


class Internet:
    """Builds and removes places. Its verbs block for some 0.1 s; they may be called from several threads."""

    def __init__(self) -> None:
        self._stem = ns.stem()
        self._numbers = itertools.count(1)
        self.core = f"{self._stem}-core"
        self._made: set[str] = set()
        self._wires: set[Wire] = set()

    def open(self) -> None:
        """Build the core."""
        self._namespaces(self.core)
        ns.set_options(self.core, {"ipv4/ip_forward": 1, "ipv4/icmp_ratelimit": 0})
        ns.configure(self.core)
        ns.load_rules(self.core, _LONG)

    def close(self) -> None:
        """Remove everything, and end what still runs in it."""
        for wire in self._wires:
            wire.close()
        ns.remove(sorted(self._made))

    def public(self, addresses: int = 1) -> Public:
        """Add a machine with so many public addresses."""
        number = next(self._numbers)
        place = Public(self._name(number, "public"), tuple(f"11.0.{100 + index}.{number % 250 + 1}" if index else
                       _public_address(number) for index in range(addresses)))  # fmt: skip
        self._namespaces(place.namespace)
        uplink = _Uplink(self.core, f"p{number}", place.addresses[0], _GATEWAY)
        self._plug(place.namespace, "wan", uplink)
        for more in place.addresses[1:]:
            ns.configure(place.namespace, f"addr add {more}/32 dev wan")
            ns.configure(self.core, f"route add {more}/32 dev {uplink.device}")
        return place

    def site(self, kind: Kind, line: Line | None = None, *, hosts: int = 1, behind: Site | None = None) -> Site:
        """Add a site. `behind`: a carrier's customer, at the first router of another site."""
        line = line or Line()
        number = next(self._numbers)
        uplink = _Uplink(self.core, f"s{number}", _public_address(number), _GATEWAY)
        if behind is not None:
            uplink = _Uplink(behind.routers[0], f"s{number}", f"100.64.{number % 250}.2", _CARRIER_GATEWAY)
        site = Site(kind, behind.outside if behind else uplink.address)
        for depth, layer in enumerate(LAYERS[kind], start=1 if behind else 0):
            uplink = self._router(site, layer, uplink, line, depth, number)
        site.hosts = [self._name(number, f"host{index}") for index in range(hosts)]
        self._namespaces(*site.hosts)
        self._hosts(site, uplink, line, number)
        return site

    def move(self, site: Site, to: Site) -> None:
        """Carry a site's first machine to the network of another one, whose own machine goes."""
        machine, other = site.hosts[0], to.hosts[0]
        address = to.local[0]
        gateway = address.rsplit(".", 1)[0] + ".1"
        ns.configure(machine, "link delete eth0")
        ns.configure(other, f"link set eth0 netns {machine}")
        ns.configure(
            machine,
            f"addr add {address}/32 dev eth0",
            "link set eth0 up",
            f"route add {gateway}/32 dev eth0",
            f"route add default via {gateway} dev eth0 src {address}",
        )

    def remove(self, *names: str, kill: bool = False) -> None:
        """Remove namespaces; `kill` what runs in them, which takes a look at every process of the machine."""
        if kill:
            ns.remove(names)
        else:
            ns.batch(*(f"netns delete {name}" for name in names))
        self._made.difference_update(names)

    def remove_site(self, site: Site) -> None:
        """Remove a site whose programs have ended."""
        if site.wire is not None:
            self._wires.discard(site.wire)
            site.wire.close()
        self.remove(*site.hosts, *site.routers)

    # -- the parts

    def _name(self, number: int, what: str) -> str:
        return f"{self._stem}-{what}_{number}"

    def _namespaces(self, *names: str) -> None:
        self._made.update(names)
        ns.batch(*(f"netns add {name}" for name in names))

    def _plug(self, namespace: str, device: str, uplink: _Uplink) -> None:
        """Join a namespace to its uplink with a cable: it gets the address, and everything goes that way."""
        ns.batch(f"link add {device} netns {namespace} type veth peer name {uplink.device} netns {uplink.namespace}")
        self._configure_link(namespace, device, uplink)

    def _configure_link(self, namespace: str, device: str, uplink: _Uplink) -> None:
        address, gateway = uplink.address, uplink.gateway
        ns.configure(
            uplink.namespace,
            f"addr add {gateway}/32 dev {uplink.device}",
            f"link set {uplink.device} up",
            f"route add {address}/32 dev {uplink.device}",
        )
        ns.configure(
            namespace,
            f"addr add {address}/32 dev {device}",
            f"link set {device} up",
            f"route add {gateway}/32 dev {device}",
            f"route add default via {gateway} dev {device} src {address}",
        )

    def _router(self, site: Site, layer: Layer, uplink: _Uplink, line: Line, depth: int, number: int) -> _Uplink:
        """Add a router to a site; return where the next thing inside plugs in."""
        router = self._name(number, f"router{depth}")
        site.routers.append(router)
        self._namespaces(router)
        self._plug(router, "wan", uplink)
        lifetimes = {
            "netfilter/nf_conntrack_udp_timeout": line.lifetimes.one_way,
            "netfilter/nf_conntrack_udp_timeout_stream": line.lifetimes.stream,
        }
        ns.load_rules(router, rules(layer, uplink.address, depth=depth, hairpin=line.hairpin, lifetimes=line.lifetimes))
        ns.set_options(router, {"ipv4/ip_forward": 1, **lifetimes})
        if layer.ports is Ports.UNTOUCHED:  # the host behind it owns a public address of its own
            address = f"11.0.200.{number % 250 + 1}"
            ns.configure(self.core, f"route add {address}/32 via {uplink.address} dev {uplink.device} onlink")
            site.outside = address
            return _Uplink(router, "lan", address, _INNER_GATEWAY)
        if len(LAYERS[site.kind]) > len(site.routers):
            return _Uplink(router, "lan", f"100.64.{number % 250}.2", _CARRIER_GATEWAY)
        return _Uplink(router, "lan", f"192.168.{number % 250}.10", f"192.168.{number % 250}.1")

    def _hosts(self, site: Site, uplink: _Uplink, line: Line, number: int) -> None:
        first = site.hosts[0]
        if line.delay or line.loss:
            ends = ((first, "eth0"), (uplink.namespace, uplink.device))
            site.wire = Wire(*ends, delay=line.delay, loss=line.loss, seed=number)
            self._wires.add(site.wire)
            self._configure_link(first, "eth0", uplink)
            site.local = [uplink.address]
        elif len(site.hosts) == 1:
            self._plug(first, "eth0", uplink)
            site.local = [uplink.address]
        else:
            self._home_network(site, uplink, number)

    def _home_network(self, site: Site, uplink: _Uplink, number: int) -> None:
        """Put several machines on a bridge, as a home router does."""
        router, network = uplink.namespace, f"192.168.{number % 250}"
        ns.configure(router, "link add lan type bridge", f"addr add {network}.1/24 dev lan", "link set lan up")
        with contextlib.suppress(OSError):  # else the NAT works inside the bridge, and a hairpin loses its own
            ns.set_options(router, {"bridge/bridge-nf-call-iptables": 0})
        for index, host in enumerate(site.hosts):
            address = f"{network}.{10 + index}"
            ns.batch(f"link add eth0 netns {host} type veth peer name port{index} netns {router}")
            ns.configure(router, f"link set port{index} master lan", f"link set port{index} up")
            ns.configure(host, f"addr add {address}/24 dev eth0", "link set eth0 up",
                         f"route add default via {network}.1")  # fmt: skip
            site.local.append(address)


def _public_address(number: int) -> str:
    return f"11.0.{1 + number // 250}.{1 + number % 250}"


@contextlib.contextmanager
def internet() -> Iterator[Internet]:
    """Build an Internet, and take it down whatever happens; its programs end with it."""
    ns.remove_leftovers()
    built = Internet()
    try:
        try:
            built.open()
        except OSError as error:
            unavailable(f"cannot build network namespaces with nftables here: {error}")
        yield built
    finally:
        built.close()


@contextlib.asynccontextmanager
async def visiting(built: Internet, kind: Kind, line: Line | None = None) -> AsyncIterator[Site]:
    """Have a site while it is needed; built in a thread, so that others' programs go on."""
    site = await asyncio.to_thread(built.site, kind, line)
    try:
        if site.wire is not None:
            site.wire.start()
        yield site
    finally:
        await asyncio.to_thread(built.remove_site, site)
