"""core.dht.items: the test vectors that BEP 44 publishes."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from core.dht.items import Item, ItemRefused, sign_item, signed_bytes

PUBLIC = bytes.fromhex("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548")
VALUE = b"Hello World!"
PLAIN = Item(
    VALUE,
    key=PUBLIC,
    signature=bytes.fromhex(
        "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff"
        "1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01"
    ),
    sequence=1,
)
SALTED = replace(
    PLAIN,
    salt=b"foobar",
    signature=bytes.fromhex(
        "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d"
        "df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08"
    ),
)
SIGNER = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def test_vector_1_mutable() -> None:
    assert signed_bytes(VALUE, 1) == b"3:seqi1e1:v12:Hello World!"
    PLAIN.check()
    assert PLAIN.target().hex() == "4a533d47ec9c7d95b1ad75f576cffc641853b750"


def test_vector_2_mutable_with_salt() -> None:
    assert signed_bytes(VALUE, 1, b"foobar") == b"4:salt6:foobar3:seqi1e1:v12:Hello World!"
    SALTED.check()
    assert SALTED.target().hex() == "411eba73b6f087ca51a3795d9c8c938d365e32c1"


def test_vector_3_immutable() -> None:
    assert Item(VALUE).target().hex() == "e5f96f6f38320f0f33959cb4d3d656452117aadb"


@pytest.mark.parametrize(
    "item",
    [
        replace(PLAIN, value=b"Hello World?"),
        replace(PLAIN, sequence=2),
        replace(PLAIN, sequence=-1),
        replace(PLAIN, salt=b"foobar"),
        replace(SALTED, salt=b""),
        replace(PLAIN, signature=PLAIN.signature[:-1]),
        replace(PLAIN, key=PUBLIC[:-1]),
        replace(PLAIN, key=b"\xff" * 32),
    ],
)
def test_any_change_breaks_the_signature(item: Item) -> None:
    with pytest.raises(ItemRefused) as caught:
        item.check()
    assert caught.value.code == 206


@given(st.binary(max_size=900), st.integers(0, 2**63 - 1), st.binary(max_size=64))
def test_what_we_sign_passes_our_check(value: bytes, sequence: int, salt: bytes) -> None:
    item = sign_item(SIGNER, value, sequence, salt)
    item.check()
    with pytest.raises(ItemRefused):
        replace(item, value=value + b"!").check()
