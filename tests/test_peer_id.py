"""Peer IDs: written and read back, and every slip of a finger found."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.peer_id import PeerId, looks_like_id

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
keys = st.binary(min_size=32, max_size=32)


@given(keys)
def test_what_is_written_is_read_back(key: bytes) -> None:
    text = str(PeerId(key))
    assert re.fullmatch(r"([A-Z2-7]{7}-){7}[A-Z2-7]{7}", text)
    assert PeerId.parse(text) == PeerId(key)


def test_one_id_never_changes_its_text() -> None:
    """People keep IDs on paper: this text is the format."""
    text = "AAAQEAY-EAUDAO5-CAJBIFQ-YDIOB4X-IBCEQTC-QKRMFYM-YDENBWH-A5DYPQS"
    assert str(PeerId(bytes(range(32)))) == text
    assert PeerId(bytes(range(32))).short == "AAAQEAY"


@given(keys, st.integers(0, 55), st.integers(1, 31))
def test_one_wrong_character_is_found(key: bytes, at: int, step: int) -> None:
    bare = str(PeerId(key)).replace("-", "")
    wrong = ALPHABET[(ALPHABET.index(bare[at]) + step) % 32]
    with pytest.raises(ValueError, match="mistyped"):
        PeerId.parse(bare[:at] + wrong + bare[at + 1 :])


def test_the_sentence_names_the_groups() -> None:
    text = str(PeerId(bytes(range(32))))
    with pytest.raises(ValueError, match="mistyped in CAJBIFQ-YDIOB4Z"):
        PeerId.parse(text.replace("YDIOB4X", "YDIOB4Z"))


def test_swapped_neighbours_are_found() -> None:
    rng = random.Random(1)
    missed = swapped = 0
    for _ in range(2000):
        bare = str(PeerId(rng.randbytes(32))).replace("-", "")
        at = rng.choice([at for at in range(55) if at % 14 < 12])  # within one checked part
        first, second = bare[at], bare[at + 1]
        if first == second:
            continue
        swapped += 1
        try:
            PeerId.parse(bare[:at] + second + first + bare[at + 2 :])
            missed += {first, second} != {"A", "7"}  # the one pair that Luhn cannot tell: 0 and 31
        except ValueError:
            pass
    assert swapped > 1500
    assert missed == 0


def test_case_spaces_and_look_alikes_are_forgiven() -> None:
    peer_id = PeerId(bytes(range(200, 232)))
    text = str(peer_id)
    assert PeerId.parse(f"  {text.lower().replace('-', ' ')}\n") == peer_id
    assert PeerId.parse(text.replace("O", "0").replace("I", "1").replace("B", "8")) == peer_id


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has 56 letters and digits; this has 0"),
        ("fibonacci", "this has 9"),
        ("9" * 56, "not '9'"),
        ("A" * 57, "this has 57"),
        ("A" * 100_000, "copy it whole"),
        ("Ä" + "A" * 55, "not 'Ä'"),
    ],
)
def test_what_is_no_id_is_refused_in_words(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        PeerId.parse(text)


def test_bits_beyond_the_key_must_be_zero() -> None:
    """Else many texts would be one peer."""
    accepted = 0
    bare = str(PeerId(bytes(32))).replace("-", "")
    for last in ALPHABET:
        for check in ALPHABET:
            try:
                PeerId.parse(bare[:54] + last + check)
                accepted += 1
            except ValueError:
                pass
    assert accepted == 2  # of the 32 last characters, those whose four low bits are 0: A and Q


def test_a_key_of_another_length_is_no_id() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PeerId(b"short")


def test_a_mistyped_id_still_looks_like_one() -> None:
    text = str(PeerId(bytes(range(32))))
    assert looks_like_id(text)
    assert looks_like_id(text[:-2])
    assert not looks_like_id("fibonacci")
    assert not looks_like_id("192.0.2.7:20001")
