"""Keys of boxes and bells: the same on both sides, and nobody else's. The vectors hold the format."""

import contextlib
from random import Random

import pytest

from core.errors import RemoteError
from core.identity.identity import Identity
from core.invitations.link import Link
from core.invitations.proof import meeting_secret, verifier
from core.signal.keys import INVITER, JOINER, PURPOSE, Box, bell, box, door
from core.signal.letter import LETTER, SKEW, VALID, Letter, pack, seal, unpack, unseal
from core.values import Address

ANNA = Identity.from_secret(bytes(range(32)))
BERT = Identity.from_secret(bytes(range(32, 64)))
NOW = 1_800_000_000
BOX = box(b"s" * 32, JOINER, NOW // 3600)
LETTER_TO_BERT = Letter(NOW, (Address("11.0.0.1", 4000), Address("192.168.7.10", 4000)), b"b" * 32, 1)


def test_vectors() -> None:
    """They are in docs/protocol-additions.md: who writes another peer checks itself by them."""
    pair = ANNA.agree(BERT.peer_id, PURPOSE)
    assert pair == BERT.agree(ANNA.peer_id, PURPOSE)
    anna = box(pair, ANNA.peer_id.key, 500_000)
    inviter = box(meeting_secret(verifier(Link(ANNA.peer_id, bytes(16)))), INVITER, 500_000)
    ring = bell(ANNA.secret, 20_833)
    assert {
        "pair": pair.hex(),
        "box": anna.public.hex(),
        "sealer": anna.sealer.hex(),
        "invitation": inviter.public.hex(),
        "bell": ring.hex(),
        "door": door(ring, 6_000_000).hex(),
    } == VECTORS


VECTORS = {
    "pair": "7cbbe45fb4a297551efdef51257d31996f29ed2ae22be96a73a2f6fc95f6af5a",
    "box": "eb805e554be5c366c0633f61201d4bfd33372169fbfc4c29ad232452fb10183e",
    "sealer": "de452e460eb79cd0117d22fc46cbb6a6dbb87f069254d79b261918d00cb24914",
    "invitation": "687e96f98f173050cf98e5f2b2db3996ba91bfbfb7dbb4f6075b4c03b95eb0dc",
    "bell": "719bb502943da981f1b82d69407f49f09724f53c24236c4ca78a52ea5f92ffd0",
    "door": "d38e357b07390f59d960bf78200d9c0ac8dd941b",
}


def test_each_direction_hour_and_secret_has_a_box_of_its_own() -> None:
    boxes = {
        box(secret, direction, epoch).public
        for secret in (b"a" * 32, b"b" * 32)
        for direction in (INVITER, JOINER, ANNA.peer_id.key)
        for epoch in (1, 2)
    }
    assert len(boxes) == 12


def test_each_day_and_each_five_minutes_have_another_door() -> None:
    assert (
        len({door(bell(each.secret, day), epoch) for each in (ANNA, BERT) for day in (1, 2) for epoch in (1, 2)}) == 8
    )


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


def test_a_content_that_a_friend_makes_up_is_read_or_refused() -> None:
    read = 0
    for seed in range(50):
        random = Random(seed)
        content = bytearray(pack(LETTER_TO_BERT))
        for _ in range(random.randrange(1, 6)):
            content[random.randrange(60)] = random.randrange(256)
        with contextlib.suppress(RemoteError):
            assert len(unpack(bytes(content)).addresses) <= 10, seed
            read += 1
    assert 0 < read < 50
