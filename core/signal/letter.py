"""What is in a mailbox: where its writer is, sealed and always equally long. Pure.

A letter is 12 bytes of nonce and ChaCha20-Poly1305 (RFC 8439) of CONTENT bytes; the writer's public key and the
sequence number are authenticated with it. The content is filled up with zeros.
"""

import ipaddress
import struct
from dataclasses import field
from random import Random
from typing import Final

from core.errors import RemoteError
from core.frozen import frozen
from core.scope import usable
from core.signal.keys import Box
from core.values import Address, canonical

VERSION: Final = 1
CONTENT: Final = 288  # bytes: the head, and ten addresses of either kind
LETTER: Final = 12 + CONTENT + 16  # bytes; BEP 44 takes 1,000, and every node that keeps it sends it in one packet
MAX_ADDRESSES: Final = 10
WORD: Final = 52  # bytes of a word at most: a side's report has 16 (`core.nat.side`), a climb's word 20
VALID: Final = 7800  # seconds after it was written: BEP 44's two hours, and one round of renewing
SKEW: Final = 5400  # seconds that two clocks may differ: an hour of a wrong time zone, and a half
NAT_ONE, NAT_MANY = 1, 2  # one mapping for all, another for each
_HEAD: Final = struct.Struct(">BQBB32sB")  # version, time, NAT, flags, bell, addresses
_NONCE: Final = 12
_HAS_BELL, _HAS_WORD = 1, 2  # flags; who does not know one of them reads the rest


@frozen
class Letter:
    """`at`: Unix seconds of the writer's clock. `nat`: 0 unknown, 1 one mapping for all, 2 another for each.

    `bell`: how to call the writer; none: it does not listen. `addresses`: the likeliest first. `word`: for the ladder,
    which reads it; empty: nothing.
    """

    at: int
    addresses: tuple[Address, ...] = ()
    bell: bytes | None = field(default=None, repr=False)
    nat: int = 0
    word: bytes = field(default=b"", repr=False)

    def is_at(self, address: Address) -> bool:
        """Return whether its writer may be at an address: a hard NAT gives each node another port of it to list."""
        if self.nat == NAT_MANY:
            return any(each.host == address.host for each in self.addresses)
        return address in self.addresses


def pack(letter: Letter) -> bytes:
    """Return the content: ten addresses of either kind and a word have room. Raises ValueError for a longer word."""
    if len(letter.word) > WORD:
        raise ValueError(f"a word has {WORD} bytes at the most")
    packed = [_pack_address(each) for each in letter.addresses[:MAX_ADDRESSES]]
    word = bytes([len(letter.word)]) + letter.word if letter.word else b""
    flags = (_HAS_BELL if letter.bell is not None else 0) | (_HAS_WORD if word else 0)
    head = _HEAD.pack(VERSION, letter.at, letter.nat, flags, letter.bell or b"", len(packed))
    return (head + b"".join(packed) + word).ljust(CONTENT, b"\0")


def unpack(content: bytes) -> Letter:
    """Read a content. Raises RemoteError; addresses of a kind that we do not know are skipped."""
    if len(content) != CONTENT:
        raise RemoteError("a letter has another length")
    version, at, nat, flags, bell, count = _HEAD.unpack_from(content)
    if version != VERSION or count > MAX_ADDRESSES:
        raise RemoteError("a letter is of a version that we do not know")
    addresses, rest = _addresses(content[_HEAD.size :], count)
    word = rest[1 : 1 + rest[0]] if flags & _HAS_WORD and rest and rest[0] <= WORD else b""
    return Letter(at, tuple(addresses), bell if flags & _HAS_BELL else None, nat, word)


def seal(letter: Letter, into: Box, sequence: int, random: Random) -> bytes:
    """Return the letter as it is stored. `random` is a secure one outside of tests."""
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    nonce = random.randbytes(_NONCE)
    return nonce + ChaCha20Poly1305(into.sealer).encrypt(nonce, pack(letter), _bound(into, sequence))


def unseal(sealed: object, of: Box, sequence: int, now: float) -> Letter:
    """Open a letter at the Unix time `now`. Raises RemoteError for one that is forged, moved, or out of date."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    if not isinstance(sealed, bytes) or len(sealed) != LETTER:
        raise RemoteError("this is no letter")
    try:
        content = ChaCha20Poly1305(of.sealer).decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(of, sequence))
    except InvalidTag:
        raise RemoteError("a letter is forged, or was put into another box") from None
    letter = unpack(content)
    if not now - VALID - SKEW <= letter.at <= now + SKEW:
        raise RemoteError("a letter is out of date, or one of the two clocks is wrong")
    return letter


def _bound(to: Box, sequence: int) -> bytes:
    return b"grapevine letter 1" + to.public + sequence.to_bytes(8)


def _pack_address(address: Address) -> bytes:
    host = ipaddress.ip_address(address.host)
    return bytes([host.version]) + host.packed + address.port.to_bytes(2)


def _addresses(data: bytes, count: int) -> tuple[list[Address], bytes]:
    """Return the addresses, and what comes after them."""
    found, at = [], 0
    for _ in range(count):
        size = {4: 4, 6: 16}.get(data[at]) if at < len(data) else None
        if size is None or at + 3 + size > len(data):
            raise RemoteError("the addresses of a letter cannot be read")
        host = ipaddress.ip_address(data[at + 1 : at + 1 + size])
        address = Address(canonical(str(host)), int.from_bytes(data[at + 1 + size : at + 3 + size]))
        at += 3 + size
        if usable(address):
            found.append(address)
    return found, data[at:]
