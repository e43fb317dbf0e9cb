"""Who could be taken for somebody known is said to be another peer; a name or a part of an ID proves nothing."""

import pytest

from core.peer_id import PeerId
from core.trust.entries import EVERY, KnownPeer
from desktop.models.lookalike import name_form, same_looking, same_named, warning
from desktop.models.people import called, names
from tests.desktop.fake_peer import ALICE, BOB, EVE, NOW

ANNA = KnownPeer(ALICE, "Anna", NOW, None, EVERY)


def starting_like(peer_id: PeerId) -> PeerId:
    """Return another ID that begins with the same 25 bits, so the same five characters."""
    return PeerId(peer_id.key[:4] + bytes(28))


def test_an_id_that_begins_or_ends_alike_is_warned_of() -> None:
    begins = starting_like(ALICE)
    ends = PeerId(b"\x01\x02\x03" + ALICE.key[3:])
    for other in (begins, ends):
        assert same_looking(other, [ANNA]) == ANNA
        assert "looks like the one of \u201cAnna\u201d" in warning(other, [ANNA])
    assert warning(EVE, [ANNA]) == ""
    assert warning(ALICE, [ANNA]) == ""


def test_a_peer_that_its_owner_has_let_in_is_no_longer_warned_of() -> None:
    other = starting_like(ALICE)
    assert warning(other, [ANNA, KnownPeer(other, "Anna's phone", NOW, None, EVERY)]) == ""
    for known in (KnownPeer(other, "", NOW), KnownPeer(other, "", NOW, None, EVERY, blocked=True)):
        assert warning(other, [ANNA, known])  # known, blocked, but never let in


@pytest.mark.parametrize("name", ["anna", "ANNA ", "\u0410nna", "Anna\u200b", "A n-n.a", "\u00c1nna"])
def test_names_that_look_alike(name: str) -> None:
    assert name_form(name) == name_form("Anna")
    assert same_named(name, BOB, [ANNA]) == ANNA
    assert same_named(name, ALICE, [ANNA]) is None


@pytest.mark.parametrize("name", ["", "Hanna", "Ben", "\u200b"])
def test_names_that_do_not(name: str) -> None:
    assert same_named(name, BOB, [ANNA]) is None


def test_two_of_one_name_are_told_apart_by_their_ids() -> None:
    known = (ANNA, KnownPeer(BOB, "anna", NOW))
    assert called(BOB, known) == f"anna ({BOB.short})"
    assert names(known)[ALICE] == f"Anna ({ALICE.short})"
    assert called(ALICE, [ANNA]) == "Anna"
    assert called(EVE, known) == EVE.short
