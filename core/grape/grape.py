"""A grape: a DHT node on UDP with the HTTP API in front, stand-alone or inside a peer."""

import asyncio
import contextlib
import logging
import random as random_module
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

from core.aio.tasks import TaskSet
from core.dht.config import DhtConfig
from core.dht.dual import DualNode
from core.dht.items import Item
from core.dht.node import Node
from core.dht.statistics import DhtStatistics
from core.dht.strangers import Share, whole
from core.errors import LocalError
from core.frozen import frozen
from core.grape.api import Api
from core.grape.bootstrap import Bootstrapper, local_grapes
from core.grape.config import ANY_HOST, LOOPBACK, GrapeConfig
from core.grape.dht import Dht, WatchedNode
from core.grape.http import ApiServer, HttpStatistics, serve_http
from core.grape.listening import bind_tcp
from core.grape.local_address import LocalAddresses
from core.grape.service import DhtService, FoundItem, outcome
from core.net.dual_socket import open_dual, takes_six
from core.net.pump import Pump, Route
from core.net.udp import UdpSocket, UdpStatistics, resolve
from core.scope import Scope, scope
from core.values import Address

log = logging.getLogger(__name__)

ANYWHERE_6 = Address("2001:db8::1", 9)  # RFC 3849: routed like any, never sent to
OWN_OPERATIONS = 64  # at once of the peer whose grape this is, beside those over HTTP


@frozen
class GrapeStatistics:
    """Counts since the grape opened; `dht` are the engine's."""

    nodes: int
    http: HttpStatistics
    udp: UdpStatistics
    dht: DhtStatistics


class Grape:
    """A running grape; made by `open_grape`. Names are service names, as in `fibonacci_worker`.

    `on_change` is called on the loop, with the grape, after the number of known nodes changed.
    """

    def __init__(
        self, node: Node | DualNode, dht: Dht, server: ApiServer, udp: UdpSocket, pump: Pump, url: str
    ) -> None:
        self.url = url
        self.on_change: Callable[[Grape], None] | None = None
        self.on_begin_again: Callable[[], None] = lambda: None
        self._node = node
        self._dht = dht
        self._server = server
        self._udp = udp
        self._pump = pump

    @property
    def dht(self) -> DhtService:
        """The operations, for callers in this process."""
        return self._dht

    @property
    def dht_address(self) -> Address:
        """Our UDP address as bound."""
        return self._udp.address

    def nodes(self) -> int:
        """Return how many other grapes are known."""
        return self._node.nodes()

    @property
    def alone(self) -> bool:
        """No other grape is known; this one answers by itself."""
        return self._node.nodes() == 0

    def begin_again(self) -> None:
        """Join again now, and look who is still there: we slept, or are on another network."""
        self._node.begin_again(self._pump.now())
        self._pump.flush()
        self.on_begin_again()

    def meet(self, address: Address) -> None:
        """Ask the grape that somebody says is there, with one packet, and join it if it answers."""
        self._node.meet(address, self._pump.now())
        self._pump.flush()

    def knows(self, address: Address) -> bool:
        """Return whether this grape answers ours."""
        return self._node.knows(address)

    def neighbours(self, count: int) -> list[Address]:
        """Return live nodes, those nearest to us first."""
        return self._node.neighbours(count)

    def observed(self) -> Address | None:
        """Return our UDP address as other grapes see it (BEP 42), once some have said so."""
        return self._node.observed()

    def observed_6(self) -> Address | None:
        """Return the same of IPv6."""
        return self._node.observed_6() if isinstance(self._node, DualNode) else None

    async def lookup(self, name: str) -> list[Address]:
        """Return the peers announced under `name`, [] for none."""
        return list(await outcome(partial(self._dht.lookup, name.encode())))

    async def announce(self, name: str, port: int) -> int:
        """Announce a service of this machine and return the number of grapes that stored it."""
        return await outcome(partial(self._dht.announce, name.encode(), Address(LOOPBACK, port)))

    async def put(self, item: Item) -> bytes:
        """Store an item, return its 20-byte target."""
        return await outcome(partial(self._dht.put, item))

    async def get(self, target: bytes, salt: bytes = b"") -> FoundItem | None:
        """Return the item under a 20-byte target, None when nobody has it."""
        return await outcome(partial(self._dht.get, target, salt))

    def statistics(self) -> GrapeStatistics:
        """Return the counts so far."""
        return GrapeStatistics(
            self._node.nodes(), self._server.statistics(), self._udp.statistics(), self._node.statistics()
        )

    def nodes_changed(self) -> None:
        """Tell `on_change`; the engine's wiring calls this."""
        if self.on_change is not None:
            self.on_change(self)


@contextlib.asynccontextmanager
async def open_grape(
    config: GrapeConfig | None = None, *, random: random_module.Random | None = None, share: Share = whole
) -> AsyncIterator[Grape]:
    """Run a grape until the block ends; it answers HTTP as soon as the block begins.

    `share`: as `core.dht.strangers` has it. Raises LocalError that names port and flag when the ports, or with
    `port_search` all of them, are in use.
    """
    config = config or GrapeConfig()
    random = random or random_module.SystemRandom()
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        udp, sock = await _bind_pair(config)
        stack.push_async_callback(udp.wait_closed)
        stack.callback(udp.close)
        node = _node(config, random, loop.time(), share, udp)
        pump = Pump(udp.send, lambda _: route)
        stack.callback(pump.close)
        dht = Dht(node, pump, udp.address, join_patience=config.join_patience)
        changed = _Changes()
        route: Route[Any] = Route(WatchedNode(node, changed.soon), dht.on_event)
        pump.add(route)
        server = await stack.enter_async_context(
            serve_http(Api(dht, max_operations=config.max_operations, random=random), config, sock)
        )
        stack.callback(dht.close)  # before the server stops: its answers under way end at once
        grape = Grape(node, dht, server, udp, pump, _url(sock.getsockname()))
        changed.listeners = (dht.nodes_changed, grape.nodes_changed)
        udp.start(pump.receive)
        joining, bootstrapper = _join(config, dht, node, pump)
        stack.push_async_callback(joining.aclose)
        grape.on_begin_again = bootstrapper.begin_again
        yield grape


class _Changes:
    """Calls its listeners once per turn of the loop, outside of the pump that noticed."""

    def __init__(self) -> None:
        self.listeners: tuple[Callable[[], None], ...] = ()
        self._due = False

    def soon(self) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._call)

    def _call(self) -> None:
        self._due = False
        for listener in self.listeners:
            listener()


def _join(config: GrapeConfig, dht: Dht, node: Node | DualNode, pump: Pump) -> tuple[TaskSet, Bootstrapper]:
    """Start joining the bootstrap nodes; returns the owner of the task that goes on looking, and what looks."""

    def join(addresses: Sequence[Address]) -> None:
        node.bootstrap(addresses, pump.now())
        pump.flush()

    tasks = TaskSet("grape")
    port = dht.address.port
    bootstrapper = Bootstrapper(
        config.bootstrap_nodes(),
        join,
        local=(lambda: local_grapes(port)) if config.local_peers else None,
        alone=lambda: node.nodes() == 0,
    )
    if bootstrapper.start():
        dht.expect_neighbours()
    tasks.spawn(bootstrapper.run(), name="find bootstrap nodes")
    return tasks, bootstrapper


def _node(
    config: GrapeConfig, random: random_module.Random, now: float, share: Share, udp: UdpSocket
) -> Node | DualNode:
    """Return our node: of both networks where the socket takes IPv6."""
    numbers = _dht_config(config)
    four = Node(numbers, random, now, local_address=LocalAddresses(), share=share, client=config.client)
    if not takes_six(udp):
        return four
    towards = LocalAddresses(six=True)
    six = Node(numbers, random, now, local_address=towards, share=share, client=config.client, beside=four)

    def place(requester: Address) -> Address | None:
        """Return our IPv6 address for one who asked over IPv4, unless it means nothing there."""
        host = towards(ANYWHERE_6)
        reaches = host is not None and Scope.LOOPBACK < scope(host) >= scope(requester.host)
        return Address(host, udp.address.port) if host is not None and reaches else None

    six.place = place
    return DualNode(four, six)


def _dht_config(config: GrapeConfig) -> DhtConfig:
    return DhtConfig(
        concurrency=config.dht_concurrency,
        peer_max_age=config.peer_max_age,
        max_operations=config.max_operations + OWN_OPERATIONS,
        max_tables=config.max_tables,
        max_values=config.max_values,
        node_liveness=config.node_liveness,
    )


async def _bind_pair(config: GrapeConfig) -> tuple[UdpSocket, socket.socket]:
    """Return the first pair of free ports. Raises LocalError for the first pair when none is free."""
    first: LocalError | None = None
    host = config.http_host or config.bind
    for dht_port, api_port in config.port_pairs():
        sock: socket.socket | None = None
        try:
            sock = bind_tcp(host, api_port)
            return await _open_udp(Address(config.bind, dht_port)), sock
        except LocalError as error:
            first = first or error
            if sock is not None:
                sock.close()
    if config.port_search and first is not None:
        pairs = len(config.port_pairs())
        raise LocalError(f"{first} (nor is one of the next {pairs - 1} pairs of ports free)") from first
    raise first or LocalError("there are no ports to try")


async def _open_udp(bind: Address) -> UdpSocket:
    try:
        return await open_dual(await resolve(bind))
    except LocalError as error:
        raise LocalError(f"{error} (the flag is --dp)") from error


def _url(bound: tuple[Any, ...]) -> str:
    host = bound[0] if bound[0] not in (ANY_HOST, "::") else LOOPBACK
    return f"http://{f'[{host}]' if ':' in host else host}:{bound[1]}"
