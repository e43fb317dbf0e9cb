"""A NAT by its RFC 4787 behaviours: which outside port a flow gets, and who may come in through it."""

import enum
import random
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from core.values import Address


class Mapping(enum.Enum):
    """RFC 4787 section 4.1: what an outside port depends on, besides the inside address and port."""

    ENDPOINT_INDEPENDENT = "EIM"
    ADDRESS_DEPENDENT = "ADM"
    ADDRESS_AND_PORT_DEPENDENT = "APDM"  # "symmetric"


class Filtering(enum.Enum):
    """RFC 4787 section 5: whose datagrams are let in through an outside port."""

    ENDPOINT_INDEPENDENT = "EIF"  # "full cone"
    ADDRESS_DEPENDENT = "ADF"
    ADDRESS_AND_PORT_DEPENDENT = "APDF"


@dataclass(frozen=True, slots=True)
class NatKind:
    """The behaviour of a NAT. The default is the common home router: EIM with APDF, keeping ports when it can."""

    mapping: Mapping = Mapping.ENDPOINT_INDEPENDENT
    filtering: Filtering = Filtering.ADDRESS_AND_PORT_DEPENDENT
    timeout: float = 30.0  # seconds without outbound traffic (RFC 4787 REQ-5 asks for 120 s; many routers give 30)
    inbound_refreshes: bool = False  # REQ-6: inbound refresh is optional
    preserves_ports: bool = True  # section 4.2.1; a taken port, or False, gives a random one
    hairpins: bool = False  # section 6: inside to inside by the outside address; often missing


Remote: TypeAlias = tuple[str, int]
_Key: TypeAlias = tuple[Address, str, int]


@dataclass(slots=True)
class _Flow:
    key: _Key
    inside: Address
    port: int
    used_at: float
    contacted: dict[Remote, float] = field(default_factory=dict)  # who was sent to, as the filter sees them, and when


class Table(Protocol):
    """The mappings of a NAT, whatever its kind."""

    @property
    def hairpins(self) -> bool:
        """Whether two insides reach one another at their outside addresses."""

    def outbound(self, inside: Address, remote: Address, now: float) -> int:
        """Return the outside port for a datagram that leaves."""

    def inbound(self, port: int, remote: Address, now: float) -> Address | None:
        """Return the inside address for a datagram that comes; None when it is filtered."""

    def flush(self) -> None:
        """Forget all mappings."""


class NatTable:
    """The mappings of one NAT. Times are the world's seconds."""

    def __init__(self, kind: NatKind, rng: random.Random) -> None:
        self.kind = kind
        self._rng = rng
        self._by_key: dict[_Key, _Flow] = {}
        self._by_port: dict[int, _Flow] = {}

    @property
    def hairpins(self) -> bool:
        """Whether two insides reach one another at their outside addresses."""
        return self.kind.hairpins

    def outbound(self, inside: Address, remote: Address, now: float) -> int:
        """Return the outside port for a datagram from `inside` to `remote`; makes or refreshes the mapping."""
        key = self._mapping_key(inside, remote)
        flow = self._by_key.get(key)
        if flow is not None and self._expired(flow.used_at, now):
            self._forget(flow)
            flow = None
        if flow is None:
            flow = _Flow(key, inside, self._free_port(inside.port, now), now)
            self._by_key[key] = self._by_port[flow.port] = flow
        flow.used_at = now
        flow.contacted[self._filter_key(remote)] = now
        return flow.port

    def inbound(self, port: int, remote: Address, now: float) -> Address | None:
        """Return the inside address for a datagram from `remote` to the outside port; None when it is filtered."""
        flow = self._by_port.get(port)
        if flow is None or self._expired(flow.used_at, now):
            return None
        if self.kind.filtering is not Filtering.ENDPOINT_INDEPENDENT:
            contacted_at = flow.contacted.get(self._filter_key(remote))
            if contacted_at is None or self._expired(contacted_at, now):
                return None
        if self.kind.inbound_refreshes:
            flow.used_at = now
            flow.contacted[self._filter_key(remote)] = now
        return flow.inside

    def flush(self) -> None:
        """Forget all mappings, as a rebooted router does."""
        self._by_key.clear()
        self._by_port.clear()

    def _expired(self, used_at: float, now: float) -> bool:
        return now - used_at > self.kind.timeout

    def _forget(self, flow: _Flow) -> None:
        del self._by_key[flow.key]
        del self._by_port[flow.port]

    def _mapping_key(self, inside: Address, remote: Address) -> _Key:
        match self.kind.mapping:
            case Mapping.ENDPOINT_INDEPENDENT:
                return (inside, "", 0)
            case Mapping.ADDRESS_DEPENDENT:
                return (inside, remote.host, 0)
            case Mapping.ADDRESS_AND_PORT_DEPENDENT:
                return (inside, remote.host, remote.port)

    def _filter_key(self, remote: Address) -> Remote:
        exact = self.kind.filtering is Filtering.ADDRESS_AND_PORT_DEPENDENT
        return (remote.host, remote.port if exact else 0)

    def _free_port(self, wanted: int, now: float) -> int:
        port = wanted if self.kind.preserves_ports else self._rng.randrange(1024, 65536)
        while (holder := self._by_port.get(port)) is not None:
            if self._expired(holder.used_at, now):
                self._forget(holder)
            else:
                port = self._rng.randrange(1024, 65536)
        return port
