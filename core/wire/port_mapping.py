"""The datagrams that ask a router for a port: PCP (RFC 6887) and its forerunner NAT-PMP (RFC 6886).

Both go to UDP port 5351 of the router and begin with a version: 2 is PCP, 0 is NAT-PMP. A router that only knows
NAT-PMP answers a PCP request with version 0 and result 1. All fields are big endian. Lifetimes are seconds.
"""

import ipaddress
import struct
from typing import Final

from core.frozen import frozen
from core.values import Address, Buffer

PORT: Final = 5351  # of the router, for both
NONCE_BYTES: Final = 12
LONGEST: Final = 1100  # bytes of a PCP message (RFC 6887 section 7)
SUCCESS: Final = 0
UNSUPPORTED_VERSION: Final = 1  # in both
RESULTS: Final = {
    2: "it does not allow this",
    7: "it has no connection to the Internet yet",
    8: "it has no port left",
    10: "this computer has as many ports as it may have",
    11: "it cannot give the port that was asked for",
    12: "it reads our address as another one",
}
"""PCP's results that an owner can do something about, as words (RFC 6887 section 7.4)."""
PMP_RESULTS: Final = {
    2: "it does not allow this",
    3: "it has no connection to the Internet yet",
    4: "it has no port left",
}
"""NAT-PMP's (RFC 6886 section 3.5)."""

_UDP: Final = 17  # IANA's protocol numbers, in PCP
_TCP: Final = 6
_MAP: Final = 1  # PCP's opcode; NAT-PMP's for UDP
_PMP_TCP: Final = 2  # NAT-PMP's opcode for TCP
_ANSWER: Final = 0x80  # set in the opcode of an answer
_PCP: Final = struct.Struct("!BBHI16s")
_PCP_ANSWER: Final = struct.Struct("!BBBBII12x")
_PCP_MAP: Final = struct.Struct("!12sB3xHH16s")
_PMP_MAP: Final = struct.Struct("!BBHHHI")
_PMP_MAP_ANSWER: Final = struct.Struct("!BBHIHHI")
_PMP_HOST_ANSWER: Final = struct.Struct("!BBHI4s")


class MalformedAnswer(ValueError):
    """A datagram from the router that is no answer to what we ask."""


@frozen
class Answer:
    """What a router answered. `epoch`: seconds since it began; it falls when the router forgot what it had mapped.

    `host`, `port`: where the Internet reaches us, if it said so. `lifetime`: seconds that it is mapped for.
    `nonce`: PCP's, ours when it is about our mapping; empty for NAT-PMP. `internal`: our port that it is about, and
    `tcp` whether that is one of TCP; None where it does not say.
    """

    version: int
    result: int
    epoch: int
    host: str | None = None
    port: int | None = None
    lifetime: int = 0
    nonce: bytes = b""
    internal: int | None = None
    tcp: bool | None = None


def _mapped(host: str) -> bytes:
    if ":" in host:
        return ipaddress.IPv6Address(host).packed
    return b"\x00" * 10 + b"\xff\xff" + ipaddress.IPv4Address(host).packed


def _plain(packed: bytes) -> str | None:
    found = ipaddress.IPv6Address(packed)
    if found.ipv4_mapped is not None:
        found_4 = found.ipv4_mapped
        return None if found_4 == ipaddress.IPv4Address(0) else str(found_4)
    return str(found) if int(found) else None


def pcp_map(client: Address, nonce: bytes, suggested: Address | None, lifetime: int, *, tcp: bool = False) -> bytes:
    """Return PCP's request to map `client`'s port, of UDP or TCP (RFC 6887 sections 7.1, 11.1). `lifetime` 0: end it.

    `client`: our host and port on the router's network; of IPv6, what the router's firewall is to let in. `suggested`:
    what we had before, None for any.
    """
    head = _PCP.pack(2, _MAP, 0, lifetime, _mapped(client.host))
    anywhere = "::" if ":" in client.host else "0.0.0.0"
    host, port = (anywhere, client.port) if suggested is None else suggested
    return head + _PCP_MAP.pack(nonce, _TCP if tcp else _UDP, client.port, port, _mapped(host))


def pmp_host() -> bytes:
    """Return NAT-PMP's question for the router's address on the Internet (RFC 6886 section 3.2)."""
    return b"\x00\x00"


def pmp_map(internal: int, suggested: int, lifetime: int, *, tcp: bool = False) -> bytes:
    """Return NAT-PMP's request to map our port `internal` (RFC 6886 section 3.3). `lifetime` 0: end it."""
    return _PMP_MAP.pack(0, _PMP_TCP if tcp else _MAP, 0, internal, suggested if lifetime else 0, lifetime)


def parse(datagram: Buffer) -> Answer:
    """Read an answer of either. Raises MalformedAnswer for anything else."""
    data = bytes(datagram[: LONGEST + 1])
    if len(data) < 4 or len(data) > LONGEST or not data[1] & _ANSWER:
        raise MalformedAnswer("no answer of a router")
    if data[0] == 2:
        return _parse_pcp(data)
    if data[0] == 0:
        return _parse_pmp(data)
    raise MalformedAnswer(f"version {data[0]} of the protocol is not known")


def _parse_pcp(data: bytes) -> Answer:
    if len(data) < _PCP_ANSWER.size or len(data) % 4:
        raise MalformedAnswer("a PCP answer is cut")
    version, opcode, _, result, lifetime, epoch = _PCP_ANSWER.unpack_from(data)
    if opcode & ~_ANSWER != _MAP or len(data) < _PCP_ANSWER.size + _PCP_MAP.size:
        if result == SUCCESS:
            raise MalformedAnswer("a PCP answer is not about a mapping")
        return Answer(version, result, epoch, lifetime=lifetime)
    nonce, protocol, internal, port, host = _PCP_MAP.unpack_from(data, _PCP_ANSWER.size)
    if protocol not in (_UDP, _TCP):
        raise MalformedAnswer("a PCP answer is neither about UDP nor about TCP")
    return Answer(version, result, epoch, _plain(host), port, lifetime, nonce, internal, protocol == _TCP)


def _parse_pmp(data: bytes) -> Answer:
    opcode = data[1] & ~_ANSWER
    result = int.from_bytes(data[2:4])
    if result != SUCCESS:  # these may be cut after the epoch (RFC 6886 section 3.5)
        return Answer(0, result, int.from_bytes(data[4:8]))
    if opcode == 0 and len(data) >= _PMP_HOST_ANSWER.size:
        _, _, _, epoch, packed = _PMP_HOST_ANSWER.unpack_from(data)
        return Answer(0, result, epoch, host=str(ipaddress.IPv4Address(packed)))
    if opcode in (_MAP, _PMP_TCP) and len(data) >= _PMP_MAP_ANSWER.size:
        _, _, _, epoch, internal, port, lifetime = _PMP_MAP_ANSWER.unpack_from(data)
        return Answer(0, result, epoch, port=port, lifetime=lifetime, internal=internal, tcp=opcode == _PMP_TCP)
    raise MalformedAnswer("a NAT-PMP answer is cut, or not about a port")
