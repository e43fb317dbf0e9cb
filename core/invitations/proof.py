"""How a joiner shows that it has the secret, to this inviter, from its own Peer ID, now: a signature. Pure.

The secret gives an Ed25519 key (HKDF, RFC 5869, salted with the inviter's Peer ID). The inviter keeps the public half
only, so that nobody joins with what is read in its file. What is signed names both Peer IDs, which TLS has verified on
both sides, the TLS session itself (RFC 9266), and a number of each side that is used once: a proof is worth nothing
from another peer, to another peer, in another session, or a second time.
"""

import hmac
from typing import TYPE_CHECKING, Final, NamedTuple

from core.invitations.link import Link
from core.peer_id import PeerId

if TYPE_CHECKING:  # 7 MB: a peer that nobody invites, and that invites nobody, does not load it for this
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NONCE_BYTES: Final = 16
VERIFIER_BYTES: Final = 32
PROOF_BYTES: Final = 64
BINDING_BYTES: Final = 32
_LABEL: Final = b"grapevine invitation proof 2"
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


def meeting_secret(kept: bytes) -> bytes:
    """Return by what the two recognise each other on a network: the link or the verifier is needed to make it."""
    return hmac.digest(kept, b"grapevine invitation meeting 1", "sha256")


class Terms(NamedTuple):
    """What a proof is for: the two peers, what it does, in which session, and the nonces of both."""

    inviter: PeerId
    joiner: PeerId
    act: str
    binding: bytes  # of the TLS session, 32 bytes: RFC 9266 "tls-exporter"
    inviters: bytes
    joiners: bytes

    def signed(self) -> bytes:
        """Return what is signed."""
        parts = (
            _LABEL, self.act.encode(), self.inviter.key, self.joiner.key, self.binding, self.inviters, self.joiners,
        )  # fmt: skip
        return b"".join(len(part).to_bytes(2) + part for part in parts)


def prove(link: Link, terms: Terms) -> bytes:
    """Return the proof for one act."""
    return _key(link).sign(terms.signed())


def proves(proof: bytes, kept: bytes, terms: Terms) -> bool:
    """Tell whether a proof is right; without a session there is none. Nothing is raised, whatever it is."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(kept).verify(proof, terms.signed())
    except (InvalidSignature, ValueError):
        return False
    return len(terms.binding) == BINDING_BYTES
