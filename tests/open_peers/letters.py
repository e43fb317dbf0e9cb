"""Letters that are really signed, for the tests of open peers."""

from random import Random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.dht.items import sign_item
from core.wire.open_message import OpenItem


def letter(number: int, sequence: int = 1, size: int = 316) -> OpenItem:
    """Return a letter in the box of a number."""
    value = Random(1000 * number + sequence).randbytes(size)
    signed = sign_item(Ed25519PrivateKey.from_private_bytes(number.to_bytes(32)), value, sequence)
    assert signed.key is not None
    return OpenItem(signed.key, value, signed.signature, sequence)
