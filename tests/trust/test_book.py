"""The document: whatever it holds, reading it gives a sound list or a ValueError, and nothing in between."""

import json
import random
from typing import Any

import pytest

from core.trust import book as book_module
from core.trust.book import Book
from core.trust.entries import EVERY, KnownPeer, Pending
from tests.trust.people import ANN, BOB, EVE, HERE, NOW, peer_id

HOSTILE: list[Any] = [
    None, True, -1, 0, 1e308, -1e308, 10**400, float("nan"), float("inf"), "", "x", "\x00", "\ud800", "\u202e", "*", [],
    {}, [[]], {"id": 5}, "A" * 300, str(EVE), [1], ["*", "x"], "1.2.3.4", "h:99999", "h:1", "\ud800:5",
]  # fmt: skip


def full() -> Book:
    """Return a list with something of everything."""
    book = Book(dropped=3)
    book.keep(KnownPeer(ANN, "Ann 🍇", NOW, NOW + 1, frozenset({"lamp", "clock"})))
    book.keep(KnownPeer(BOB, "", NOW, None, EVERY))
    book.keep(KnownPeer(EVE, 'quote " and \\', NOW, None, frozenset(), blocked=True))
    book.wait(Pending(peer_id(7), "lamp", HERE, NOW, NOW + 5, 2))
    book.grants[peer_id(7), "clock"] = NOW + 600
    book.refused[peer_id(8), "clock"] = NOW + 60
    return book


def test_it_comes_back_as_it_was() -> None:
    assert Book.load(full().dump()) == full()
    assert Book.load(Book().dump()) == Book()
    assert json.loads(full().dump())["peers"][0]["name"] == "Ann 🍇"


def places(value: object) -> list[tuple[Any, Any]]:
    """Return every (container, key) in a document."""
    if isinstance(value, dict):
        return [(value, key) for key in value] + [p for each in value.values() for p in places(each)]
    if isinstance(value, list):
        return [(value, at) for at in range(len(value))] + [p for each in value for p in places(each)]
    return []


@pytest.mark.parametrize("seed", range(20))
def test_hostile_values_anywhere(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(100):
        document = json.loads(full().dump())
        for _ in range(chance.randint(1, 3)):
            container, key = chance.choice(places(document))
            if chance.random() < 0.2:
                del container[key]
            else:
                container[key] = chance.choice(HOSTILE)
        try:
            book = Book.load(json.dumps(document).encode())
        except ValueError:
            continue
        assert Book.load(book.dump()) == book
        assert all(peer.name.isprintable() for peer in book.peers.values())


@pytest.mark.parametrize("seed", range(5))
def test_hostile_bytes_anywhere(seed: int) -> None:
    chance = random.Random(seed)
    whole = full().dump()
    for _ in range(300):
        data = bytearray(whole[: chance.randint(0, len(whole))] if chance.random() < 0.3 else whole)
        for _ in range(chance.randint(0, 4)):
            data[chance.randrange(len(data) or 1) : chance.randrange(len(data) or 1) + 1] = chance.randbytes(1)
        try:
            book = Book.load(bytes(data))
        except ValueError:
            continue
        assert Book.load(book.dump()) == book


def test_a_peer_twice_or_too_many_are_damage_and_no_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    document = json.loads(full().dump())
    document["peers"].append({**document["peers"][2], "blocked": False, "services": ["*"]})
    with pytest.raises(ValueError, match="twice"):
        Book.load(json.dumps(document).encode())
    whole = full().dump()
    monkeypatch.setattr(book_module, "MAX_PEERS", 2)
    with pytest.raises(ValueError, match="more than 2"):
        Book.load(whole)
