"""What a grape can be told. Defaults are the Node grape's where it has any."""

import re
from typing import TypeAlias

from core.errors import LocalError
from core.frozen import frozen
from core.values import Address

ANY_HOST = "0.0.0.0"
LOOPBACK = "127.0.0.1"

# Embedded grapes take 20001, 20002, ... and so find one another on one machine by looking at the same ports. Sixteen:
# more peers than anybody runs on one desktop, and looking at 16 ports takes 0.2 ms.
LOCAL_PORT_FIRST = 20001
LOCAL_PORT_COUNT = 16

MAX_BOOTSTRAP = 48  # the engine keeps 64; the rest is for the local ones

_HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")

BootstrapNode: TypeAlias = Address | str


@frozen
class GrapeConfig:
    """A grape's settings. Port 0 means any free one. Times are seconds; the command line takes milliseconds."""

    dht_port: int = 20001  # UDP; the customary first grape (PROTOCOL.md section 2)
    api_port: int = 30001  # TCP
    bootstrap: tuple[BootstrapNode, ...] = ()  # "host:port"; names are resolved at start and again while that fails
    bind: str = ANY_HOST  # the DHT's interface
    http_host: str | None = None  # the HTTP API's interface; None: as `bind`. An embedded grape's is LOOPBACK
    lazy_http: bool = False  # load the HTTP parser with the first connection, which waits 0.1 s: an embedded grape
    # is called by its own peer in process, and seldom by anybody else
    api_hosts: tuple[str, ...] = ()  # names by which clients reach the HTTP API, beside its numbers and localhost
    port_search: int = 0  # how many following pairs (dht+1, api+1), ... to try while one of both is in use
    local_peers: bool = False  # also bootstrap off the grapes at the customary ports of this machine
    dht_concurrency: int = 16  # queries in flight per lookup
    client: bool = False  # it serves its own peer: behind a NAT it asks others not to ask it, and says little
    peer_max_age: float = 120.0  # a peer is listed this long after its last announce
    max_tables: int = 5000  # names with peers, kept at once; the Node grape's dht_maxTables
    max_values: int = 5000  # BEP 44 items kept at once; dht_maxValues
    node_liveness: float = 300.0  # how often to look for dead nodes; dht_nodeLiveness
    check_max_payload_size: int = 8192  # bytes of an HTTP body; more is answered 413
    cache_max_age: float = 0.0  # accepted and without effect, as in the Node grape 1.0.0: every lookup is fresh
    join_patience: float = 0.3  # the first operations wait this long for a bootstrap node's answer: a LAN answers in
    # 1 ms and most of the Internet in 0.2 s, and a person who clicked does not notice
    # DHT operations at once over HTTP, half as many for one other host; more are answered with an error name
    max_operations: int = 256
    max_connections: int = 1024  # HTTP connections at once; one more, and the host with most loses its oldest
    idle_timeout: float = 30.0  # a connection that sends no whole request for this long is closed
    body_timeout: float = 10.0  # a request's body arrives within this, or the connection is closed

    def __post_init__(self) -> None:
        """Raise LocalError with a sentence that names the first wrong value."""
        for flag, port in (("--dp", self.dht_port), ("--aph", self.api_port)):
            if not 0 <= port <= 65535:
                raise LocalError(f"{flag} {port} is not a port: use 0 (any free one) to 65535")
        _check_names(self.api_hosts)
        if len(self.bootstrap) > MAX_BOOTSTRAP:
            raise LocalError(f"--bn names {len(self.bootstrap)} bootstrap nodes: {MAX_BOOTSTRAP} are enough")
        for node in self.bootstrap:
            try:
                Address.parse(str(node))
            except ValueError as error:
                raise LocalError(f"--bn: {error}") from None
        for name in ("dht_concurrency", "max_tables", "max_values", "max_operations", "max_connections"):
            if getattr(self, name) < 1:
                raise LocalError(f"{name} is {getattr(self, name)}: it must be at least 1")
        for name in ("peer_max_age", "node_liveness", "check_max_payload_size", "idle_timeout", "body_timeout"):
            if getattr(self, name) <= 0:
                raise LocalError(f"{name} is {getattr(self, name)}: it must be more than 0")

    def port_pairs(self) -> list[tuple[int, int]]:
        """Return the (DHT, HTTP) ports to try, in order."""
        pairs = [(self.dht_port, self.api_port)]
        for step in range(1, self.port_search + 1):
            pair = (self.dht_port and self.dht_port + step, self.api_port and self.api_port + step)
            if max(pair) <= 65535 and pair not in pairs:
                pairs.append(pair)
        return pairs

    def bootstrap_nodes(self) -> list[Address]:
        """Return the bootstrap nodes; their hosts may be names."""
        nodes = [node if isinstance(node, Address) else Address.parse(node) for node in self.bootstrap]
        return list(dict.fromkeys(nodes))


def _check_names(hosts: tuple[str, ...]) -> None:
    for host in hosts:
        if not _HOST_NAME.fullmatch(host):
            raise LocalError(f"--api-host {host!r} is not a host name: write it without http:// and without a port")
