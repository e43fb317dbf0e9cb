"""The keys of mailboxes and doorbells. Pure; docs/protocol-additions.md has the same in words, and test vectors.

Two share a *meeting secret*: X25519 of their identity keys, or what an invitation's secret gives. Of it, HKDF (RFC
5869) makes a box for each direction and hour: the key of its writer, and the key that seals what is in it. Nothing in
them tells an outsider whose they are, or that two boxes belong together.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from core.errors import RemoteError
from core.peer_id import PeerId

if TYPE_CHECKING:  # 7 MB of cryptography, which who meets nobody this way does not load
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SECRET_BYTES: Final = 32  # of a meeting secret, and of a bell
KEY_BYTES: Final = 20  # of what a DHT looks up
HOUR: Final = 3600  # seconds of a box's epoch
BELL_EPOCH: Final = 300  # seconds of a doorbell's epoch
DAY_HOURS: Final = 24  # of a bell
INVITER: Final = b"inviter"  # the directions of an invitation's boxes: its inviter does not know yet who will join
JOINER: Final = b"joiner"
_PRIME: Final = 2**255 - 19
_PAIR: Final = b"grapevine meeting pair 1"
_INVITATION: Final = b"grapevine meeting invitation 1"
_BOX: Final = b"grapevine meeting box 1"
_BELL: Final = b"grapevine meeting bell 1"
_DOOR: Final = b"grapevine meeting door 1"


def derive(secret: bytes, info: bytes, size: int, salt: bytes = b"") -> bytes:
    """Return HKDF-SHA256 (RFC 5869) of a secret."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), size, salt=salt or None, info=info).derive(secret)


def montgomery(key: bytes) -> bytes:
    """Return the X25519 key of an Ed25519 public key: u = (1 + y) / (1 - y) (RFC 7748 section 4.1).

    Raises RemoteError for one that is no point's.
    """
    y = int.from_bytes(key, "little") & (2**255 - 1)
    if y >= _PRIME or y == 1:
        raise RemoteError("this Peer ID is no usable key")
    return ((1 + y) * pow(1 - y, -1, _PRIME) % _PRIME).to_bytes(32, "little")


def pair_secret(own: "Ed25519PrivateKey", peer: PeerId) -> bytes:
    """Return the meeting secret of us and a peer, the same on both sides. Raises RemoteError for an unusable ID."""
    import hashlib

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    scalar = hashlib.sha512(own.private_bytes_raw()).digest()[:32]  # RFC 8032 section 5.1.5; X25519 clamps it
    try:
        shared = X25519PrivateKey.from_private_bytes(scalar).exchange(
            X25519PublicKey.from_public_bytes(montgomery(peer.key))
        )
    except ValueError:  # a point of small order: anybody knows what is shared with it
        raise RemoteError("this Peer ID is no usable key") from None
    both = sorted((own.public_key().public_bytes_raw(), peer.key))
    return derive(shared, _PAIR, SECRET_BYTES, salt=b"".join(both))


def invitation_secret(secret: bytes, inviter: PeerId) -> bytes:
    """Return the meeting secret of an invitation. It gives no way to join, which takes the invitation's own secret."""
    return derive(secret, _INVITATION, SECRET_BYTES, salt=inviter.key)


@dataclass(frozen=True, slots=True)
class Box:
    """One direction of a meeting secret in one hour. `writer` is an Ed25519 seed, `sealer` an AEAD key."""

    epoch: int
    writer: bytes = field(repr=False)
    sealer: bytes = field(repr=False)
    public: bytes  # the writer's public key, under which a DHT keeps it


@lru_cache(maxsize=1024)
def box(secret: bytes, direction: bytes, epoch: int) -> Box:
    """Return the box that `direction` (the writer's Peer ID, or INVITER or JOINER) writes in an hour since 1970."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    info = b"".join((_BOX, len(direction).to_bytes(1), direction, epoch.to_bytes(8)))
    keys = derive(secret, info, 64)
    public = Ed25519PrivateKey.from_private_bytes(keys[:32]).public_key().public_bytes_raw()
    return Box(epoch, keys[:32], keys[32:], public)


def bell(own: "Ed25519PrivateKey", day: int) -> bytes:
    """Return our bell of a day (its hours since 1970 / 24), which our people find in our boxes, and nobody guesses."""
    return derive(own.private_bytes_raw(), _BELL + day.to_bytes(8), SECRET_BYTES)


def door(bell: bytes, epoch: int) -> bytes:
    """Return the 20 bytes under which a DHT lists who rings a bell, in one epoch of five minutes since 1970."""
    return derive(bell, _DOOR + epoch.to_bytes(8), KEY_BYTES)
