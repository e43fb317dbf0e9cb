"""core.dht.lookup: which nodes a search asks, in which order, and when it ends."""

from core.dht.lookup import Search, Target
from core.values import Address
from core.wire.compact import Contact
from tests.dht.net import loopback

OWN = b"\xee" * 20
TARGET = b"\x00" * 20


def contact(number: int) -> Contact:
    """Return a node at distance `number` of TARGET, at a port of its own."""
    return Contact(number.to_bytes(20, "big"), loopback(1000 + number))


def make(k: int = 3, concurrency: int = 2, max_queries: int = 50) -> Search:
    """Return a search for TARGET."""
    return Search(TARGET, OWN, k, concurrency, max_queries)


def asked(search: Search) -> Target:
    """Return the nodes that the search asks now."""
    target = search.next()
    assert target is not None
    return target


def answer(search: Search, target: Target, *heard: Contact) -> None:
    """Answer under the id that was asked for, telling of other nodes."""
    assert target.id is not None
    search.answered(target, Contact(target.id, target.address))
    search.add(heard)


def test_asks_the_nearest_first_and_not_too_many_at_once() -> None:
    search = make()
    search.add([contact(5), contact(1), contact(3)])
    first, second = asked(search), asked(search)
    assert [first.address, second.address] == [contact(1).address, contact(3).address]
    assert search.next() is None
    answer(search, first)
    assert asked(search).address == contact(5).address


def test_ends_when_the_k_nearest_have_answered() -> None:
    search = make(k=2)
    search.add([contact(8), contact(9), contact(10)])
    first, second = asked(search), asked(search)
    answer(search, first, contact(1))
    assert not search.done()
    answer(search, second)
    last = asked(search)
    assert last.address == contact(1).address
    answer(search, last)
    assert search.next() is None
    assert search.done()
    assert search.closest() == [contact(1), contact(8)]


def test_the_next_one_takes_the_place_of_one_that_fails() -> None:
    search = make(k=1, concurrency=1)
    search.add([contact(1), contact(2)])
    search.failed(asked(search))
    assert not search.done()
    answer(search, asked(search))
    assert search.done()
    assert search.closest() == [contact(2)]


def test_nobody_is_asked_twice_nor_ourselves_nor_the_unusable() -> None:
    search = make()
    search.add_seeds([loopback(1001)])
    search.add([contact(1), Contact(OWN, loopback(5)), Contact(b"z" * 20, Address("224.0.0.1", 5))])
    search.add([Contact(b"y" * 20, Address("10.0.0.1", 0))])
    seed = asked(search)
    assert (seed.id, seed.address) == (None, loopback(1001))
    search.answered(seed, contact(1))
    assert search.next() is None
    assert search.done()
    assert search.closest() == [contact(1)]


def test_a_node_that_answers_under_another_id_counts_under_that() -> None:
    search = make()
    search.add([contact(1)])
    search.answered(asked(search), Contact(contact(7).id, contact(1).address))
    assert search.closest() == [Contact(contact(7).id, contact(1).address)]
    assert search.done()


def test_our_own_answer_is_none() -> None:
    search = make()
    search.add_seeds([loopback(9)])
    search.answered(asked(search), Contact(OWN, loopback(9)))
    assert search.closest() == []
    assert search.done()


def test_what_could_not_be_sent_is_asked_again() -> None:
    search = make()
    search.add_seeds([loopback(9)])
    search.add([contact(1)])
    for _ in range(3):
        seed = asked(search)
        search.put_back(seed)
        assert seed.address == loopback(9)
    asked(search)
    search.put_back(asked(search))
    assert asked(search).address == contact(1).address


def test_a_trap_of_ever_nearer_nodes_ends() -> None:
    search = make(k=20, concurrency=16, max_queries=200)
    search.add([contact(10_000)])
    queries = 0
    while (target := search.next()) is not None:
        queries += 1
        answer(search, target, *(contact(10_000 - 20 * queries - number) for number in range(20)))
    assert queries == 200
    assert search.done()
    assert len(search.closest()) == 20


def test_candidates_are_bounded_and_the_farthest_make_room() -> None:
    search = make(k=3, max_queries=10_000)
    search.add(contact(number) for number in range(1, 5001))
    assert len(search._candidates) == 8 * 3
    first, second = asked(search), asked(search)
    assert {first.address, second.address} == {contact(1).address, contact(2).address}
