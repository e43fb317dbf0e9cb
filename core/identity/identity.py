"""An Ed25519 key and what is made of it: the Peer ID, signatures, and a self-signed certificate for TLS.

The certificate says nothing that the key does not: it is made from the key whenever it is needed, always the same
bytes (Ed25519 signatures are deterministic, RFC 8032), so only the key has to be kept.
"""

import base64
import datetime
import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.errors import LocalError
from core.peer_id import PeerId

if TYPE_CHECKING:  # a third of what `grapevine id` took to start
    from cryptography.x509 import Certificate

SECRET_BYTES: Final = 32  # the seed (RFC 8032 section 5.1.5)
MIN_PASSPHRASE: Final = 8  # characters; the export is a file that may be copied and guessed at leisure
MAX_PASSPHRASE: Final = 1023  # bytes; the library takes no longer one
_PKCS8: Final = bytes.fromhex("302e020100300506032b657004220420")  # what stands before a key (RFC 8410 section 7)
_BEGIN: Final = b"-----BEGIN PRIVATE KEY-----\n"
_END: Final = b"\n-----END PRIVATE KEY-----\n"
_PRIME: Final = 2**255 - 19  # of both curves
MAX_EXPORT: Final = 16_384  # bytes; an exported key has some 500
# A peer's clock may be wrong by years (a board without a battery), and a key is trusted until its owner says otherwise.
_FROM: Final = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_UNTIL: Final = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)  # RFC 5280 section 4.1.2.5: "never"


class Identity:
    """A private key. Never printed: `repr` shows the Peer ID only."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        public = key.public_key().public_bytes_raw()
        self.peer_id: Final = PeerId(public)

    def __repr__(self) -> str:
        return f"<Identity {self.peer_id.short}>"

    @classmethod
    def generate(cls) -> "Identity":
        """Make a new one, from the system's secure source."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_secret(cls, secret: bytes) -> "Identity":
        """Take up what `secret` returned. Raises LocalError when it is none."""
        if len(secret) != SECRET_BYTES:
            raise LocalError(f"a private key has {SECRET_BYTES} bytes, not {len(secret)}", name="ERR_IDENTITY")
        return cls(Ed25519PrivateKey.from_private_bytes(secret))

    @property
    def secret(self) -> bytes:
        """The key itself, to be kept."""
        return self._key.private_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """Return the 64 bytes of a signature."""
        return self._key.sign(data)

    def agree(self, other: PeerId, purpose: bytes) -> bytes:
        """Return 32 bytes that only the two of us can know; the same on both sides, another for each `purpose`.

        X25519 (RFC 7748) of both keys as points of the Montgomery curve, then HKDF. Raises LocalError for a key with
        which nothing is secret.
        """
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        scalar = hashlib.sha512(self.secret).digest()[:32]  # RFC 8032 section 5.1.5, step 1
        try:
            theirs = X25519PublicKey.from_public_bytes(_montgomery(other.key))
            shared = X25519PrivateKey.from_private_bytes(scalar).exchange(theirs)
        except ValueError:
            raise LocalError(f"nothing can be agreed upon with the key of {other.short}", name="ERR_IDENTITY") from None
        both = b"".join(sorted((self.peer_id.key, other.key)))
        return HKDF(SHA256(), 32, salt=both, info=b"grapevine agreement 1 " + purpose).derive(shared)

    @property
    def private_key(self) -> Ed25519PrivateKey:
        """For TLS."""
        return self._key

    @cached_property
    def certificate(self) -> "Certificate":
        """Self-signed, X.509; its names say nothing about the user."""
        from cryptography import x509
        from cryptography.x509.oid import NameOID

        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "grapevine")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self._key.public_key())
        return builder.serial_number(1).not_valid_before(_FROM).not_valid_after(_UNTIL).sign(self._key, None)

    def export(self, passphrase: str) -> bytes:
        """Return the key as an encrypted PKCS #8 PEM text. Raises LocalError for a passphrase that is too short."""
        if len(passphrase) < MIN_PASSPHRASE:
            raise LocalError(f"use a passphrase of at least {MIN_PASSPHRASE} characters", name="ERR_PASSPHRASE")
        return self.to_pem(passphrase)

    def to_pem(self, passphrase: str | None) -> bytes:
        """Return the key as PKCS #8 PEM, encrypted when there is a passphrase. Raises LocalError for one too long."""
        if not passphrase:
            return _BEGIN + base64.b64encode(_PKCS8 + self.secret) + _END
        from cryptography.hazmat.primitives import serialization

        kind = serialization.BestAvailableEncryption(_secret(passphrase))
        return self._key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, kind)

    @classmethod
    def from_pem(cls, data: bytes, passphrase: str | None) -> "Identity":
        """Read what `to_pem` or `export` returned.

        Raises LocalError: ERR_PASSPHRASE when it is missing or wrong, ERR_IDENTITY for anything that is no such key.
        """
        if len(data) > MAX_EXPORT:
            raise LocalError("this is not an exported identity: it is far too large", name="ERR_IDENTITY")
        if (secret := _unwrapped(data)) is not None:
            return cls.from_secret(secret)
        return cls(_from_foreign_pem(data, passphrase))


def _unwrapped(data: bytes) -> bytes | None:
    """Return the secret of a PEM text as `to_pem` writes it without a passphrase, or None: it is another one."""
    if not (data.startswith(_BEGIN) and data.endswith(_END)):
        return None
    try:
        der = base64.b64decode(data[len(_BEGIN) : -len(_END)], validate=True)
    except ValueError:
        return None
    return der[len(_PKCS8) :] if der.startswith(_PKCS8) and len(der) == len(_PKCS8) + SECRET_BYTES else None


def _from_foreign_pem(data: bytes, passphrase: str | None) -> Ed25519PrivateKey:
    """Read any other key. Raises LocalError, as `Identity.from_pem` says."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    encrypted = b"ENCRYPTED" in data
    if encrypted and not passphrase:
        raise LocalError("this identity is protected by a passphrase, which is missing", name="ERR_PASSPHRASE")
    try:
        secret = _secret(passphrase) if passphrase and encrypted else None
        key = serialization.load_pem_private_key(data, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if encrypted:
            raise LocalError("the passphrase is wrong, or the file is damaged", name="ERR_PASSPHRASE") from error
        raise LocalError("this is not an exported identity", name="ERR_IDENTITY") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise LocalError("this key is not an Ed25519 key, as Grapevine's are", name="ERR_IDENTITY")
    return key


def _montgomery(key: bytes) -> bytes:
    """Return an Ed25519 key as one of X25519: u = (1 + y) / (1 - y) (RFC 7748 section 4.1). Raises ValueError."""
    y = int.from_bytes(key, "little") & (1 << 255) - 1
    return ((1 + y) * pow(1 - y, -1, _PRIME) % _PRIME).to_bytes(32, "little")


def _secret(passphrase: str) -> bytes:
    """Return the bytes of a passphrase: those of the environment as they are, though they may be no UTF-8."""
    secret = passphrase.encode("utf-8", "surrogateescape")
    if len(secret) > MAX_PASSPHRASE:
        raise LocalError(f"use a passphrase of at most {MAX_PASSPHRASE} bytes", name="ERR_PASSPHRASE")
    return secret
