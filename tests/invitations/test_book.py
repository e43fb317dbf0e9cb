"""The book of invitations on a clock moved by hand: states, bounds, two programs, damaged files."""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from core.errors import LocalError
from core.invitations.book import MAX_INVITATIONS, Book
from core.invitations.entries import DAY, Invitation, State
from core.invitations.store import InvitationStore
from core.invitations.tries import IN_ALL, PER_HOST, PER_PEER, Tries
from core.peer_id import PeerId
from core.trust.entries import EVERY
from tests.trust.people import ANN, BOB, EVE, NOW, peer_id


def verifier(number: int) -> bytes:
    return number.to_bytes(32, "big")


def add(
    book: Book, number: int = 1, now: float = NOW, *, uses: int = 1, days: float = 7.0, name: str = "Bob"
) -> Invitation:
    return book.add(verifier(number), name, frozenset({"photos"}), now, uses=uses, days=days, called="Ann")


def states(book: Book, now: float) -> list[State]:
    return [each.state(now) for each in book.held.values()]


def test_an_invitation_is_open_until_it_expires_is_used_or_withdrawn() -> None:
    book = Book()
    for number in (1, 2, 3):
        add(book, number)
    assert book.any_open(NOW)
    assert book.spend(verifier(1), BOB, NOW + 1) is not None
    book.withdraw(2, NOW + 2)
    assert states(book, NOW + 7 * DAY - 1) == [State.ACCEPTED, State.WITHDRAWN, State.OPEN]
    assert states(book, NOW + 7 * DAY) == [State.ACCEPTED, State.WITHDRAWN, State.EXPIRED]
    assert not book.any_open(NOW + 7 * DAY)
    for number, now in ((1, NOW + 3), (2, NOW + 3), (3, NOW + 7 * DAY), (4, NOW)):
        assert book.spend(verifier(number), EVE, now) is None
    assert book.withdraw(1, NOW).withdrawn is None  # who has joined stays
    with pytest.raises(LocalError, match="no invitation 9"):
        book.withdraw(9, NOW)


def test_a_peer_joins_once_and_hears_the_same_again() -> None:
    book = Book()
    add(book, uses=2)
    first = book.spend(verifier(1), BOB, NOW)
    assert first == book.spend(verifier(1), BOB, NOW + 90 * DAY)
    assert [each.peer_id for each in book.held[1].joined] == [BOB]
    assert [peer for _, peer in book.unsettled()] == [BOB]
    book.settle(1, BOB)
    book.settle(7, BOB)
    assert book.unsettled() == []
    assert book.spend(verifier(1), ANN, NOW) is not None
    assert book.spend(verifier(1), EVE, NOW) is None


def test_the_book_is_bounded_and_keeps_what_is_open() -> None:
    book = Book()
    for number in range(MAX_INVITATIONS):
        add(book, number)
    with pytest.raises(LocalError, match="withdraw some") as caught:
        add(book, 999)
    assert caught.value.name == "ERR_INVITATIONS_FULL"
    book.withdraw(50, NOW)
    assert add(book, 999).number == MAX_INVITATIONS + 1
    assert len(book.held) == MAX_INVITATIONS
    assert 50 not in book.held


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": " \n"}, "name of the person"),
        ({"uses": 0}, "1 to 100 people"),
        ({"uses": 101}, "1 to 100 people"),
        ({"days": 0.0}, "at most 365 days"),
        ({"days": float("nan")}, "at most 365 days"),
        ({"days": 366.0}, "at most 365 days"),
        ({"services": frozenset({"a\n"})}, "printable"),
        ({"services": frozenset(map(str, range(65)))}, "at most 64"),
        ({"services": EVERY | {"a"}}, "alone"),
    ],
)
def test_what_makes_no_sense_is_said(wrong: dict[str, object], sentence: str) -> None:
    right: dict[str, object] = {"name": "Bob", "services": frozenset(), "uses": 1, "days": 7.0}
    given = right | wrong
    book = Book()
    with pytest.raises(LocalError, match=sentence):
        book.add(verifier(1), given["name"], given["services"], NOW, uses=given["uses"], days=given["days"], called="")  # type: ignore[arg-type]
    assert book == Book()


def full() -> Book:
    book = Book()
    add(book, 1, uses=3)
    add(book, 2, name="Zoë")
    book.spend(verifier(1), BOB, NOW)
    book.settle(1, BOB)
    book.withdraw(2, NOW)
    return book


def test_the_document_is_read_back_and_a_damaged_one_is_not() -> None:
    book = full()
    data = book.dump()
    assert Book.load(data) == book
    document = json.loads(data)
    row = document["invitations"][0]
    for key, wrong in {
        "number": 0, "name": "", "services": ["a\n"], "verifier": "ab", "made": "x", "expires": float("inf"),
        "uses": 101, "called": 3, "joined": [{"id": str(BOB), "at": NOW, "settled": 1}], "withdrawn": True,
    }.items():  # fmt: skip
        other = {**document, "invitations": [{**row, key: wrong}, *document["invitations"][1:]]}
        with pytest.raises(ValueError, match=r"."):
            Book.load(json.dumps(other).encode())
        missing = {name: value for name, value in row.items() if name != key}
        with pytest.raises(ValueError, match=r"."):
            Book.load(json.dumps({**document, "invitations": [missing]}).encode())
    for at in range(0, len(data) - 2, 7):
        with pytest.raises(ValueError, match=r"."):
            Book.load(data[:at])
    wrong_documents: list[object] = [
        [],
        {},
        {**document, "schema": 2},
        {**document, "last": 0},
        {**document, "invitations": [row, row]},
    ]
    for wrong_document in wrong_documents:
        with pytest.raises(ValueError, match=r"."):
            Book.load(json.dumps(wrong_document).encode())
    twice = [row, {**row, "number": 2}]
    with pytest.raises(ValueError, match="twice"):
        Book.load(json.dumps({**document, "invitations": twice}).encode())


# -- the file ---------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_two_programs_change_one_book_and_the_first_to_spend_has_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "default.invitations.json"
    one, two = InvitationStore(path), InvitationStore(path)
    await one.open()
    await one.change(lambda book: add(book))
    assert (path.stat().st_mode & 0o777, two.book.held) == (0o600, {})
    told: list[int] = []
    two.listen(lambda: told.append(1))
    await two.refresh()
    await two.refresh()
    assert (two.book, told) == (one.book, [1])

    def spending(who: PeerId) -> Callable[[Book], Invitation | None]:
        return lambda book: book.spend(verifier(1), who, NOW)

    spent = await asyncio.gather(*(store.change(spending(who)) for store in (one, two) for who in (BOB, EVE)))
    assert sum(each is not None for each in spent) == 2  # one peer, and the same one again
    who = {each.joined[0].peer_id for each in spent if each}
    assert len(who) == 1
    await asyncio.gather(*(store.change(partial(add, number=n)) for n, store in enumerate([one, two] * 10, 10)))
    await one.refresh()
    assert len(one.book.held) == 21


@pytest.mark.parametrize("damage", ["cut", "empty", "huge", "directory", "dangling"])
@pytest.mark.asyncio
async def test_a_damaged_file_opens_nothing_and_is_kept(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "default.invitations.json"
    store = InvitationStore(path)
    await store.change(lambda book: add(book))
    data = path.read_bytes()
    path.unlink()
    if damage == "directory":
        path.mkdir()
    elif damage == "dangling":
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.write_bytes({"cut": data[:-9], "empty": b"", "huge": b" " * (1 << 22) + data}[damage])
    await store.refresh()
    assert store.book == Book()
    assert store.problem is not None
    assert "invitations reset" in store.problem
    with pytest.raises(LocalError) as caught:
        await store.change(lambda book: add(book, 2))
    assert caught.value.name == "ERR_INVITATIONS"
    if damage in {"cut", "empty", "huge"}:
        bad = path.read_bytes()
        kept = await store.reset()
        assert kept is not None
        assert kept.read_bytes() == bad
        assert not store.problem
        assert await store.reset() is None
        await store.change(lambda book: add(book, 2))


@pytest.mark.asyncio
async def test_without_a_file_it_is_in_memory(tmp_path: Path) -> None:
    store = InvitationStore()
    await store.open()
    await store.change(lambda book: add(book))
    with pytest.raises(LocalError):
        await store.change(lambda book: book.withdraw(3, NOW))
    await store.refresh()
    assert (len(store.book.held), store.problem, await store.reset()) == (1, None, None)
    assert os.listdir(tmp_path) == []


# -- tries ------------------------------------------------------------------------------------------------------------


def test_tries_are_bounded_of_a_host_of_a_peer_and_in_all() -> None:
    def taken(hosts: int, peers: int, tries: Tries) -> int:
        return sum(
            not tries.take(f"192.0.2.{n % hosts}", peer_id(n % peers + 1), 0.0, invited=False) for n in range(500)
        )

    assert taken(1, 500, Tries()) == PER_HOST[1]
    assert taken(250, 1, Tries()) == PER_PEER[1]
    assert taken(250, 500, Tries()) == IN_ALL[1]
    tries = Tries()
    for _ in range(100):  # who is right is never held up
        assert tries.take("192.0.2.1", BOB, 0.0, invited=True) == 0.0
        tries.forgive("192.0.2.1", BOB, 0.0)
    for _ in range(10):
        tries.take("192.0.2.1", BOB, 0.0, invited=True)
    assert tries.take("192.0.2.1", BOB, 0.0, invited=True) == pytest.approx(10.0)
    assert tries.take("192.0.2.1", BOB, 10.1, invited=True) == 0.0
    assert tries.refused == 1


def test_strangers_leave_those_who_name_an_invitation_their_tries() -> None:
    tries = Tries()
    for number in range(1000):
        tries.take(f"198.51.{number // 250}.{number % 250}", peer_id(number + 10), 0.0, invited=False)
    assert tries.take("192.0.2.9", peer_id(5), 0.0, invited=False) > 0.0
    assert tries.take("192.0.2.9", BOB, 0.0, invited=True) == 0.0


def test_an_entry_says_who_joined() -> None:
    made = replace(add(Book()), uses=2)
    assert made.by(PeerId(bytes(32))) is None
