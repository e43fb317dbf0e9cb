"""BEP 44 items: immutable values keyed by their hash, mutable ones keyed by an Ed25519 key and a salt."""

import hashlib
from dataclasses import field
from typing import TYPE_CHECKING

from core.frozen import dataclass
from core.wire.bencoding import Bencoded, encode
from core.wire.krpc import QueryRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_VALUE_BYTES = 1000  # BEP 44, PROTOCOL section 1
MAX_SALT_BYTES = 64  # BEP 44
KEY_BYTES = 32  # Ed25519 public key
SIGNATURE_BYTES = 64
MAX_SEQUENCE = 2**63 - 1  # BEP 44: a 64-bit number

VALUE_TOO_BIG = 205
BAD_SIGNATURE = 206
SALT_TOO_BIG = 207
CAS_MISMATCH = 301
SEQUENCE_OLD = 302


class ItemRefused(QueryRefused):
    """An item broke a rule of BEP 44; `code` is 205, 206, 207, 301 or 302."""


@dataclass(frozen=True, slots=True)
class Item:
    """A value to put or that a get found. With `key` it is mutable: `signature`, `sequence`, `salt` count too.

    `cas`: store only if the sequence number stored so far is this one (BEP 44 "compare and swap").
    """

    value: Bencoded
    key: bytes | None = None
    signature: bytes = field(default=b"", repr=False)
    sequence: int = 0
    salt: bytes = b""
    cas: int | None = None
    _target: bytes | None = field(default=None, init=False, repr=False, compare=False)  # asked for four times a put

    def target(self) -> bytes:
        """Return the 20-byte key to get it by: SHA-1 of the bencoded value, or of public key and salt."""
        if self._target is not None:
            return self._target
        found = mutable_target(self.key, self.salt) if self.key is not None else immutable_target(self.value)
        object.__setattr__(self, "_target", found)
        return found

    def check(self) -> None:
        """Raise ItemRefused if a size, or a mutable item's signature, is wrong."""
        try:
            # PROTOCOL section 1: 1,000 bytes of value; the Node grape counts a string's own, without bencoding's prefix
            size = len(self.value) if isinstance(self.value, bytes) else len(encode(self.value))
        except ValueError as error:
            raise ItemRefused(VALUE_TOO_BIG, str(error)) from None
        if size > MAX_VALUE_BYTES:
            raise ItemRefused(VALUE_TOO_BIG, f"the value is {size} bytes: more than {MAX_VALUE_BYTES}")
        if len(self.salt) > MAX_SALT_BYTES:
            raise ItemRefused(SALT_TOO_BIG, f"the salt is {len(self.salt)} bytes: more than {MAX_SALT_BYTES}")
        if self.key is not None and not self._signed():
            raise ItemRefused(BAD_SIGNATURE, "the signature does not fit key, salt, sequence number and value")

    def _signed(self) -> bool:
        if self.key is None or not 0 <= self.sequence <= MAX_SEQUENCE:
            return False
        # Here, as most grapes never meet a mutable item: it takes 7 MB, and 6 ms once.
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(
                self.signature, signed_bytes(self.value, self.sequence, self.salt)
            )
        except (InvalidSignature, ValueError):
            return False
        return True


def immutable_target(value: Bencoded) -> bytes:
    """Return SHA-1 of the bencoded value. Raises ValueError for what cannot be bencoded."""
    return hashlib.sha1(encode(value), usedforsecurity=False).digest()


def mutable_target(key: bytes, salt: bytes = b"") -> bytes:
    """Return SHA-1 of the public key followed by the salt."""
    return hashlib.sha1(key + salt, usedforsecurity=False).digest()


def signed_bytes(value: Bencoded, sequence: int, salt: bytes = b"") -> bytes:
    """Return what BEP 44 signs: salt (if any), seq and v as in a bencoded dictionary, without its `d` and `e`."""
    salted = b"4:salt" + encode(salt) if salt else b""
    return salted + b"3:seq" + encode(sequence) + b"1:v" + encode(value)


def sign_item(
    private_key: "Ed25519PrivateKey", value: Bencoded, sequence: int, salt: bytes = b"", cas: int | None = None
) -> Item:
    """Return a mutable item signed with `private_key`. Raises ValueError for a value that cannot be bencoded."""
    return Item(
        value=value,
        key=private_key.public_key().public_bytes_raw(),
        signature=private_key.sign(signed_bytes(value, sequence, salt)),
        sequence=sequence,
        salt=salt,
        cas=cas,
    )
