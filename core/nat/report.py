"""What is known of the network that a peer is behind, in the terms of RFC 4787, and whether others get in."""

import enum
from dataclasses import replace

from core.frozen import frozen
from core.scope import Scope, scope
from core.values import Address


class Mapping(enum.Enum):
    """What an outside port depends on, besides the inside address and port (RFC 4787 section 4.1)."""

    UNKNOWN = "unknown"
    NONE = "none"  # nothing is translated
    ENDPOINT_INDEPENDENT = "endpoint independent"
    ADDRESS_DEPENDENT = "address dependent"
    ADDRESS_AND_PORT_DEPENDENT = "address and port dependent"

    @property
    def hard(self) -> bool:
        """Whether others cannot know the port beforehand ("symmetric")."""
        return self in (Mapping.ADDRESS_DEPENDENT, Mapping.ADDRESS_AND_PORT_DEPENDENT)

    @property
    def easy(self) -> bool:
        """Whether the port that one sees is the port that all see."""
        return self in (Mapping.NONE, Mapping.ENDPOINT_INDEPENDENT)


class Filtering(enum.Enum):
    """Whose datagrams are let in (RFC 4787 section 5). We tell apart only what changes how others get in."""

    UNKNOWN = "unknown"
    LOOSE = "loose"  # of more than the very addresses that were sent something
    STRICT = "strict"  # of those alone: address and port dependent


class Ports(enum.Enum):
    """Which ports the mappings of a NAT get."""

    UNKNOWN = "unknown"
    KEPT = "kept"  # the inside's own
    FIXED = "fixed"  # another, but the same for all destinations
    IN_ORDER = "in order"  # each new mapping gets the next one
    BLOCK = "block"  # any of a small range (RFC 7422: a carrier's share for one customer)
    RANDOM = "random"


@frozen
class NatReport:
    """What was found, `at` monotone seconds. Ranges are of ports, first and last included; `step` is of ports."""

    mapping: Mapping = Mapping.UNKNOWN
    filtering: Filtering = Filtering.UNKNOWN
    ports: Ports = Ports.UNKNOWN
    step: int = 0  # from one new mapping to the next; 0 unless IN_ORDER
    block: tuple[int, int] | None = None  # set for BLOCK, and for IN_ORDER: where ports were seen
    observed: tuple[Address, ...] = ()  # our serving socket as reflectors saw it, the newest first, each once
    reflectors: int = 0  # that answered
    hosts: int = 0  # of those reflectors
    asked: int = 0
    carrier: bool = False  # a carrier's NAT is in between
    hairpin: bool | None = None  # None: not tried
    lifetime: float | None = None  # seconds that a mapping is kept; None: not measured
    blocked: bool = False  # no UDP came back, though the network is there
    confidence: float = 0.0  # 0..1
    at: float = 0.0

    @property
    def host(self) -> str | None:
        """The host that the newest reflector saw."""
        return self.observed[0].host if self.observed else None

    @property
    def local(self) -> bool:
        """Whether nobody beyond our own network was asked."""
        return self.host is not None and scope(self.host) < Scope.CARRIER

    @property
    def open(self) -> bool:
        """Whether anybody gets in who knows our address."""
        return self.mapping.easy and self.filtering is Filtering.LOOSE

    def same(self, other: "NatReport") -> bool:
        """Return whether both say the same of the network, whatever the ports seen and the times."""
        return _plain(self) == _plain(other)


def _plain(report: NatReport) -> NatReport:
    hosts = tuple(sorted({Address(each.host, 0) for each in report.observed}))
    return replace(report, block=None, observed=hosts, reflectors=0, hosts=0, asked=0, confidence=0.0, at=0.0)
