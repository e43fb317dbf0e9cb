"""What two peers leave for one another at a broker: their networks and a climb's word, sealed with the pair's key."""

import base64
import binascii
import os
from typing import Protocol

from core.errors import RemoteError
from core.frozen import frozen
from core.nat.side import SIDE_BYTES, Side, parse_side
from core.peer_id import PeerId
from core.values import Address
from core.wire.compact import PEER_6_BYTES, pack_peer_6, unpack_peer_6
from core.wire.probe_packet import ProbeCodec

SEAL, PROBE = b"ladder", b"probe"  # purposes of the two keys of a pair
_NONCE_BYTES = 12  # ChaCha20-Poly1305 (RFC 8439)
_SIX, _SIX_MOST = 6, 4  # what begins IPv6 addresses, and how many are read; a climb's word is 20 bytes, they are never


class Identity(Protocol):
    """What is needed of our identity."""

    @property
    def peer_id(self) -> PeerId:
        """Our Peer ID."""

    def agree(self, other: PeerId, purpose: bytes) -> bytes:
        """Return 32 bytes that only the two of us know. Raises LocalError."""


@frozen
class Word:
    """What one side says: where and behind what it is, and perhaps what its climb says, or else where it has IPv6."""

    side: Side
    climb: bytes = b""
    six: tuple[Address, ...] = ()

    def __bytes__(self) -> bytes:
        """Return it as it is sealed. A climb's word stands alone: older peers of ours take nothing behind it."""
        six = b"" if self.climb or not self.six else bytes((_SIX,)) + b"".join(map(pack_peer_6, self.six))
        return bytes(self.side) + self.climb + six

    @classmethod
    def read(cls, data: bytes) -> "Word":
        """Read what was sealed. Raises RemoteError."""
        side, rest = parse_side(data[:SIDE_BYTES]), data[SIDE_BYTES:]
        count, odd = divmod(len(rest) - 1, PEER_6_BYTES)
        if odd or not 1 <= count <= _SIX_MOST or rest[0] != _SIX:
            return cls(side, rest)
        places = (rest[at : at + PEER_6_BYTES] for at in range(1, len(rest), PEER_6_BYTES))
        return cls(side, six=tuple(map(unpack_peer_6, places)))


class Sealer:
    """Seals and opens the words of one pair. Raises LocalError for a key with which nothing is secret."""

    def __init__(self, identity: Identity, other: PeerId) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # loaded with the identity

        self._own, self._other = identity.peer_id.key, other.key
        self._cipher = ChaCha20Poly1305(identity.agree(other, SEAL))
        self.first = self._own < self._other
        self.codec = ProbeCodec(identity.agree(other, PROBE), self.first)

    def seal(self, word: Word) -> str:
        """Return a word as text."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, bytes(word), self._own + self._other)
        return base64.b64encode(nonce + sealed).decode()

    def open(self, text: str) -> Word | None:
        """Return the other side's word; None for anything else."""
        from cryptography.exceptions import InvalidTag

        try:
            data = base64.b64decode(text, validate=True)
            opened = self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], self._other + self._own)
            return Word.read(opened)
        except (binascii.Error, InvalidTag, ValueError, RemoteError):
            return None
