"""What one side of a pair tells the other of its network: the part of a report by which a way is chosen."""

import struct
from typing import Final

from core.errors import RemoteError
from core.frozen import frozen
from core.nat.report import Filtering, Mapping, NatReport, Ports
from core.scope import Scope, scope
from core.values import Address
from core.wire.compact import pack_peer, unpack_peer

SURE_HOSTS: Final = 2  # reflector hosts that agree, until one port for all is believed
LEAST_PORT: Final = 1024  # nobody is probed below: there are well-known services (NAT.md 7.3)
_VERSION: Final = 1
_LAYOUT: Final = struct.Struct("!BBBBBBHH6s")
SIDE_BYTES: Final = _LAYOUT.size
_MAPPINGS, _FILTERINGS, _PORTS = tuple(Mapping), tuple(Filtering), tuple(Ports)


@frozen
class Side:
    """`address`: the serving socket as a broker or a reflector saw it. `hosts`: reflector hosts that were asked."""

    address: Address
    mapping: Mapping = Mapping.UNKNOWN
    filtering: Filtering = Filtering.UNKNOWN
    ports: Ports = Ports.UNKNOWN
    step: int = 0
    block: tuple[int, int] | None = None
    hosts: int = 0
    carrier: bool = False

    @property
    def hard(self) -> bool:
        """Whether its port toward us cannot be known beforehand."""
        return self.mapping.hard

    @property
    def sure(self) -> bool:
        """Whether enough reflectors agree on its mapping. Two different ports are proof; equal ones need two hosts."""
        return self.hard or self.mapping is Mapping.NONE or self.hosts >= SURE_HOSTS

    @property
    def known(self) -> bool:
        """Whether anybody was asked."""
        return self.hosts > 0

    def __bytes__(self) -> bytes:
        low, high = self.block or (0, 0)
        return _LAYOUT.pack(
            _VERSION, _MAPPINGS.index(self.mapping), _FILTERINGS.index(self.filtering), _PORTS.index(self.ports),
            min(self.step, 255), min(self.hosts, 127) | (0x80 if self.carrier else 0), low, high,
            pack_peer(self.address),
        )  # fmt: skip


def side_of(report: NatReport, address: Address) -> Side:
    """Return what a report says, of a socket that is seen at `address`."""
    return Side(
        _told(address, report.mapping), report.mapping, report.filtering, report.ports, report.step, report.block,
        report.hosts, report.carrier,
    )  # fmt: skip


def parse_side(data: bytes) -> Side:
    """Read what the other side tells. Raises RemoteError for what makes no sense.

    Where each destination sees another port, the one that somebody saw may be any, and does not matter.
    """
    if len(data) != SIDE_BYTES:
        raise RemoteError(f"what a peer tells of its network is {SIDE_BYTES} bytes")
    version, mapping, filtering, ports, step, hosts, low, high, where = _LAYOUT.unpack(data)
    if version != _VERSION or max(mapping, filtering, ports) > 5:
        raise RemoteError("what a peer tells of its network is of another version")
    try:
        known = _MAPPINGS[mapping], _FILTERINGS[filtering], _PORTS[ports]
    except IndexError:
        raise RemoteError("what a peer tells of its network makes no sense") from None
    block = (low, high) if LEAST_PORT <= low < high else None
    address = _told(unpack_peer(where), known[0])
    if scope(address.host) is Scope.INVALID or address.port < LEAST_PORT:
        raise RemoteError("what a peer tells of its network has no usable address")
    return Side(address, *known, step, block, hosts & 0x7F, bool(hosts & 0x80))


def _told(address: Address, mapping: Mapping) -> Address:
    """Return an address as a side tells it: of a port that will be another one for us, a low number says nothing.

    One of 32 pairs whose NAT chooses ports at random had one below 1024 at one of two brokers, and never climbed.
    """
    low = 0 < address.port < LEAST_PORT
    return Address(address.host, LEAST_PORT) if low and mapping.hard else address
