"""What is known of other sockets: bounded, and friends are kept."""

from dataclasses import dataclass

from core.peer_id import PeerId
from core.reach.remotes import MAX_OF_HOST, MAX_REACHED, Remotes
from core.values import Address

A = Address("192.0.2.1", 1)


@dataclass(slots=True)
class Note:
    count: int = 0


@dataclass(slots=True)
class OtherNote:
    count: int = 0


def test_each_part_has_a_note_of_its_own_and_finds_it_again() -> None:
    it = Remotes()
    it.use(A).note(Note).count = 7
    assert it.use(A).note(Note).count == 7
    assert it.use(A).note(OtherNote).count == 0
    assert it.get(Address("192.0.2.2", 1)) is None


def test_it_is_bounded_in_all_and_of_each_host() -> None:
    it = Remotes(1000)
    for number in range(5000):
        it.use(Address(f"45.0.{number % 50}.7", 1 + number))
    assert len(it) <= 1000
    one = Remotes()
    for number in range(5000):
        one.use(Address("45.0.0.7", 1 + number))
    assert len(one) == MAX_OF_HOST


def test_a_friend_and_its_notes_outlive_a_flood() -> None:
    it = Remotes(1000)
    it.use(A).note(Note).count = 7
    it.keep(A)
    for number in range(5000):
        it.use(Address(f"45.0.{number % 250}.7", 1 + number))
    assert it.use(A).note(Note).count == 7


def test_where_peers_were_reached_is_bounded() -> None:
    it = Remotes()
    ids = [PeerId(number.to_bytes(32, "big")) for number in range(MAX_REACHED + 1)]
    for each in ids:
        it.note_reached(each, A)
    assert it.reached(ids[0]) is None
    assert it.reached(ids[-1]) == A
