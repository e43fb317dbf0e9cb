"""Which certificates count, and whose they are.

Accepted is any self-signed Ed25519 certificate and nothing else. What it says does not matter: TLS 1.3 has its owner
sign the handshake (RFC 8446 section 4.4.3), so that the side that shows it has the key, and the key is the Peer ID.
A clock that cannot be right, as of a board without a battery, does not judge: the key is what counts.
"""

from dataclasses import dataclass
from time import time as clock
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from OpenSSL import SSL, crypto

from core.errors import RemoteError
from core.peer_id import PeerId

_NOT_YET_VALID: Final = 9  # X509_V_ERR_CERT_NOT_YET_VALID
_CLOCK_IS_RIGHT: Final = 1_704_067_200.0  # Unix seconds of 2024-01-01: a clock that says less has lost the time
_SELF_SIGNED: Final = 18  # X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: to OpenSSL an error, to us the only right one


@dataclass(slots=True)
class Judgement:
    """What is known of the other side's certificate: which peer we expect, which it is, or what is wrong with it."""

    expected: PeerId | None
    found: PeerId | None = None
    error: RemoteError | None = None


def verify(tls: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int) -> bool:
    """Judge a certificate as it comes, before anything of ours is shown to a wrong peer.

    Called by OpenSSL, twice; the connection's app data is the `Judgement`.
    """
    judgement: Judgement = tls.get_app_data()
    if depth or not (error in (0, _SELF_SIGNED) or (error == _NOT_YET_VALID and clock() < _CLOCK_IS_RIGHT)):
        judgement.error = _not_ours("is not a self-signed certificate of our time")
    else:
        try:
            _judge(certificate.to_cryptography(), judgement)
        except Exception:  # of a library that reads what strangers wrote: it may be anything
            judgement.error = _not_ours("cannot be read")
    return judgement.error is None


def judge_connection(tls: SSL.Connection, judgement: Judgement) -> None:
    """Judge a session whose handshake is done; where a ticket was used, `verify` was not called."""
    certificate = tls.get_peer_certificate(as_cryptography=True)
    if certificate is None:
        judgement.error = _not_ours("is missing")
        return
    _judge(certificate, judgement)
    chain = tls.get_peer_cert_chain(as_cryptography=True) or []
    if any(other != certificate for other in chain):
        judgement.error = _not_ours("comes with others: a peer has one")


def _judge(certificate: x509.Certificate, judgement: Judgement) -> None:
    key = certificate.public_key()
    if not isinstance(key, Ed25519PublicKey):
        judgement.error = _not_ours("has no Ed25519 key")
        return
    judgement.found = found = PeerId(key.public_bytes_raw())
    expected = judgement.expected
    if expected is not None and found != expected:
        judgement.error = RemoteError(
            f"peer {found.short} answered there, not {expected.short}, who was called", name="ERR_WRONG_PEER"
        )


def _not_ours(why: str) -> RemoteError:
    return RemoteError(f"the other side's certificate {why}", name="ERR_CERTIFICATE")
