"""How a joiner shows that it has the secret, to this inviter, from its own Peer ID, now: a signature. Pure.

The secret gives an Ed25519 key (HKDF, RFC 5869, salted with the inviter's Peer ID). The inviter keeps the public half
only, so that nobody joins with what is read in its file. What is signed names both Peer IDs, which TLS has verified on
both sides, and a number of each side that is used once: a proof is worth nothing from another peer, to another peer, or
a second time.
"""

from typing import TYPE_CHECKING, Final

from core.invitations.link import Link
from core.peer_id import PeerId

if TYPE_CHECKING:  # 7 MB: a peer that nobody invites, and that invites nobody, does not load it for this
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NONCE_BYTES: Final = 16
VERIFIER_BYTES: Final = 32
PROOF_BYTES: Final = 64
_LABEL: Final = b"grapevine invitation proof 1"
_INFO: Final = b"grapevine invitation key 1"


def _key(link: Link) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    seed = HKDF(SHA256(), 32, salt=link.peer_id.key, info=_INFO).derive(link.secret)
    return Ed25519PrivateKey.from_private_bytes(seed)


def verifier(link: Link) -> bytes:
    """Return what the inviter keeps of a link's secret; it also names the invitation."""
    return _key(link).public_key().public_bytes_raw()


def prove(link: Link, joiner: PeerId, act: str, inviters: bytes, joiners: bytes) -> bytes:
    """Return the proof for one act; `inviters` and `joiners` are the nonces of both."""
    return _key(link).sign(_signed(link.peer_id, joiner, act, inviters, joiners))


def proves(
    proof: bytes, kept: bytes, inviter: PeerId, joiner: PeerId, act: str, inviters: bytes, joiners: bytes
) -> bool:
    """Tell whether a proof is right. Nothing is raised, whatever it is."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(kept)
        key.verify(proof, _signed(inviter, joiner, act, inviters, joiners))
    except (InvalidSignature, ValueError):
        return False
    return True


def _signed(inviter: PeerId, joiner: PeerId, act: str, inviters: bytes, joiners: bytes) -> bytes:
    parts = (_LABEL, act.encode(), inviter.key, joiner.key, inviters, joiners)
    return b"".join(len(part).to_bytes(2) + part for part in parts)
