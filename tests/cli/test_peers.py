"""PEER is a Peer ID or a name of the list."""

import pytest

from core.cli.peers import find
from core.errors import LocalError
from core.trust.entries import KnownPeer
from tests.secure.sides import ANNA, BERT, MALLORY

KNOWN = [
    KnownPeer(ANNA.peer_id, "Anna", 0.0),
    KnownPeer(BERT.peer_id, "bert", 0.0),
    KnownPeer(MALLORY.peer_id, "Anna/x", 0.0),
]


def test_by_id_and_by_name() -> None:
    place = find(f"{ANNA.peer_id}/ssh", KNOWN)
    assert place == (ANNA.peer_id, "Anna", "ssh")
    assert find(f"{ANNA.peer_id}", []).name == ANNA.peer_id.short
    assert find("Anna/holiday/a b.jpg", KNOWN) == (ANNA.peer_id, "Anna", "holiday/a b.jpg")
    assert find("anna/ssh", KNOWN).peer_id == ANNA.peer_id
    assert find("BERT", KNOWN).peer_id == BERT.peer_id
    assert find("Anna/x/ssh", KNOWN) == (MALLORY.peer_id, "Anna/x", "ssh")


def test_nobody_is_guessed() -> None:
    for text in ("carl/ssh", "ann/ssh", ANNA.peer_id.short, f"{str(ANNA.peer_id)[:-1]}A/ssh", "", "/ssh"):
        with pytest.raises(LocalError):
            find(text, KNOWN)
    twice = [*KNOWN, KnownPeer(MALLORY.peer_id, "anna", 0.0)]
    assert find("anna/ssh", twice).peer_id == MALLORY.peer_id
    assert find("Anna/ssh", twice).peer_id == ANNA.peer_id
    with pytest.raises(LocalError, match="2 peers"):
        find("ANNA/ssh", twice)


def test_a_service_is_asked_for() -> None:
    with pytest.raises(LocalError, match="name a service too"):
        _ = find("bert", KNOWN).service
