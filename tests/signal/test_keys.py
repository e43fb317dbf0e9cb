"""Keys of boxes and bells: the same on both sides, and nobody else's. The vectors hold the format."""

import hashlib
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from core.errors import RemoteError
from core.peer_id import PeerId
from core.signal.keys import INVITER, JOINER, Box, bell, box, door, invitation_secret, montgomery, pair_secret
from core.signal.letter import CONTENT, LETTER, SKEW, VALID, Letter, pack, seal, unpack, unseal
from core.values import Address

ANNA = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
BERT = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
EVE = Ed25519PrivateKey.from_private_bytes(bytes(range(64, 96)))
NOW = 1_800_000_000
BOX = box(b"s" * 32, JOINER, NOW // 3600)
LETTER_TO_BERT = Letter(NOW, (Address("11.0.0.1", 4000), Address("192.168.7.10", 4000)), b"b" * 32, 1)


def own_id(key: Ed25519PrivateKey) -> PeerId:
    return PeerId(key.public_key().public_bytes_raw())


def test_vectors() -> None:
    """They are in docs/protocol-additions.md: who writes another peer checks itself by them."""
    pair = pair_secret(ANNA, own_id(BERT))
    anna = box(pair, own_id(ANNA).key, 500_000)
    inviter = box(invitation_secret(bytes(16), own_id(ANNA)), INVITER, 500_000)
    ring = bell(ANNA, 20_833)
    assert {
        "pair": pair.hex(),
        "box": anna.public.hex(),
        "sealer": anna.sealer.hex(),
        "invitation": inviter.public.hex(),
        "bell": ring.hex(),
        "door": door(ring, 6_000_000).hex(),
    } == VECTORS


VECTORS = {
    "pair": "0581cdf642db69a360af62d8a1ee7eff78a03b79e8677bff89ca0af7bb45da28",
    "box": "3e64372cfcc5b267727e61e6df1e852aea4dd6190d445bad845386b565323726",
    "sealer": "6b59668ffd2e58bfc313002fdb4b593ba3880f0fbeb2a8e58632eddeb83f1000",
    "invitation": "c1e2d47766657f1280ed82e0d94f72ebdb06081b7ba93ec8e6c60fbc1deafccb",
    "bell": "719bb502943da981f1b82d69407f49f09724f53c24236c4ca78a52ea5f92ffd0",
    "door": "d38e357b07390f59d960bf78200d9c0ac8dd941b",
}


def test_both_sides_have_one_secret_and_a_third_has_another() -> None:
    assert pair_secret(ANNA, own_id(BERT)) == pair_secret(BERT, own_id(ANNA))
    assert pair_secret(ANNA, own_id(BERT)) != pair_secret(EVE, own_id(BERT))
    assert pair_secret(ANNA, own_id(BERT)) != pair_secret(EVE, own_id(ANNA))


@pytest.mark.parametrize("key", [ANNA, BERT, EVE])
def test_the_montgomery_key_is_that_of_the_same_scalar(key: Ed25519PrivateKey) -> None:
    scalar = hashlib.sha512(key.private_bytes_raw()).digest()[:32]
    theirs = X25519PrivateKey.from_private_bytes(scalar).public_key().public_bytes_raw()
    assert montgomery(key.public_key().public_bytes_raw()) == theirs


@pytest.mark.parametrize(
    "key", [bytes(32), b"\x01" + bytes(31), b"\xff" * 32, (2**255 - 20).to_bytes(32, "little")],
    ids=["zero", "one", "no number of the field", "minus one"],
)  # fmt: skip
def test_a_peer_id_that_everybody_shares_a_secret_with_is_refused(key: bytes) -> None:
    with pytest.raises(RemoteError):
        pair_secret(ANNA, PeerId(key))


def test_each_direction_hour_and_secret_has_a_box_of_its_own() -> None:
    boxes = {
        box(secret, direction, epoch).public
        for secret in (b"a" * 32, b"b" * 32)
        for direction in (INVITER, JOINER, own_id(ANNA).key)
        for epoch in (1, 2)
    }
    assert len(boxes) == 12


def test_each_day_and_each_five_minutes_have_another_door() -> None:
    assert len({door(bell(key, day), epoch) for key in (ANNA, BERT) for day in (1, 2) for epoch in (1, 2)}) == 8


def test_a_letter_is_read_by_who_has_the_box_and_is_always_equally_long() -> None:
    for letter in (LETTER_TO_BERT, Letter(NOW), Letter(NOW, tuple(Address("11.0.0.1", p) for p in range(1, 40)))):
        sealed = seal(letter, BOX, 7, Random(1))
        assert len(sealed) == LETTER < 400
        read = unseal(sealed, BOX, 7, NOW)
        assert (read.at, read.bell, read.nat) == (letter.at, letter.bell, letter.nat)
        assert read.addresses == letter.addresses[:10]


SEALED = seal(LETTER_TO_BERT, BOX, 7, Random(1))
CHANGED: dict[str, tuple[object, Box, int]] = {
    "a bit": (SEALED[:-1] + bytes([SEALED[-1] ^ 1]), BOX, 7),
    "the sequence number": (SEALED, BOX, 8),
    "the box": (SEALED, box(b"s" * 32, INVITER, NOW // 3600), 7),
    "the length": (SEALED + b"x", BOX, 7),
    "a number": (7, BOX, 7),
    "nothing": (b"", BOX, 7),
}


@pytest.mark.parametrize("what", CHANGED)
def test_what_was_changed_or_moved_is_refused(what: str) -> None:
    sealed, of, sequence = CHANGED[what]
    with pytest.raises(RemoteError):
        unseal(sealed, of, sequence, NOW)


@pytest.mark.parametrize("seconds", [VALID + SKEW + 1, -SKEW - 1])
def test_a_letter_of_long_ago_or_of_the_future_is_refused(seconds: int) -> None:
    sealed = seal(LETTER_TO_BERT, BOX, 7, Random(1))
    with pytest.raises(RemoteError, match="clocks"):
        unseal(sealed, BOX, 7, NOW + seconds)


def test_a_clock_that_is_wrong_by_an_hour_does_no_harm() -> None:
    sealed = seal(LETTER_TO_BERT, BOX, 7, Random(1))
    assert unseal(sealed, BOX, 7, NOW + 3600) == unseal(sealed, BOX, 7, NOW - 3600) == LETTER_TO_BERT


@pytest.mark.parametrize("seed", range(50))
def test_a_content_that_a_friend_makes_up_is_read_or_refused(seed: int) -> None:
    random = Random(seed)
    content = bytearray(pack(LETTER_TO_BERT))
    for _ in range(random.randrange(1, 6)):
        content[random.randrange(60)] = random.randrange(256)
    try:
        letter = unpack(bytes(content))
    except RemoteError:
        return
    assert len(letter.addresses) <= 10
    assert len(content) == CONTENT
