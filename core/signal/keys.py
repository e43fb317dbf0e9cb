"""The keys of mailboxes and doorbells. Pure; docs/protocol-additions.md has the same in words, and test vectors.

Two share a *meeting secret*: X25519 of their identity keys (`Identity.agree` for PURPOSE), or what an invitation's
secret gives (`core.invitations.proof`). Of it, HKDF (RFC 5869) makes a box for each direction and hour: the key of its
writer, and the key that seals what is in it. Nothing in them tells an outsider whose they are, or that two boxes belong
together.
"""

from collections.abc import Callable
from dataclasses import field
from functools import lru_cache
from typing import Final

from core.frozen import frozen

PURPOSE: Final = b"mailbox"  # of the secret that two peers agree upon
SECRET_BYTES: Final = 32  # of a meeting secret, and of a bell
KEY_BYTES: Final = 20  # of what a DHT looks up
HOUR: Final = 3600  # seconds of a box's epoch
BELL_EPOCH: Final = 300  # seconds of a doorbell's epoch
DAY_HOURS: Final = 24  # of a bell
INVITER: Final = b"inviter"  # the directions of an invitation's boxes: its inviter does not know yet who will join
JOINER: Final = b"joiner"
_BOX: Final = b"grapevine meeting box 1"
_BELL: Final = b"grapevine meeting bell 1"
_DOOR: Final = b"grapevine meeting door 1"
_WITNESS: Final = b"grapevine meeting witness 1"


def derive(secret: bytes, info: bytes, size: int) -> bytes:
    """Return HKDF-SHA256 (RFC 5869) of a secret."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), size, salt=None, info=info).derive(secret)


@frozen
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


def bell(own: bytes, day: int) -> bytes:
    """Return our bell of a day (its hours since 1970 / 24): `own` is our identity's secret.

    Our people find it in our boxes, and nobody guesses it.
    """
    return derive(own, _BELL + day.to_bytes(8), SECRET_BYTES)


def door(bell: bytes, epoch: int) -> bytes:
    """Return the 20 bytes under which a DHT lists who rings a bell, in one epoch of five minutes since 1970."""
    return derive(bell, _DOOR + epoch.to_bytes(8), KEY_BYTES)


def witness(secret: bytes, direction: bytes, epoch: int) -> bytes:
    """Return the 20 bytes under which one side of a pair is listed for the other, in one epoch of five minutes.

    Nodes list who sent them an announcement with a token that they had given to that very host (BEP 5). So they are
    witnesses that the pair's `direction` is where it says.
    """
    return derive(secret, b"".join((_WITNESS, len(direction).to_bytes(1), direction, epoch.to_bytes(8))), KEY_BYTES)


def doors(bell: Callable[[int], bytes], clock: float) -> list[bytes]:
    """Return where our people ring now: near the end of an epoch and of a day, at two doors."""
    now, day = int(clock) // BELL_EPOCH, int(clock) // (HOUR * DAY_HOURS)
    found = [door(bell(day), now)]
    if clock % BELL_EPOCH < 45:
        found.append(door(bell(day), now - 1))  # who rang a moment ago
    elif clock % BELL_EPOCH > BELL_EPOCH - 15:
        found.append(door(bell(day), now + 1))  # whose clock is a little ahead
    if clock % (HOUR * DAY_HOURS) < 2 * BELL_EPOCH:
        found.append(door(bell(day - 1), now))  # who has yesterday's letter
    return list(dict.fromkeys(found))
