"""The desk of an open peer: what it keeps, what it tells, and what strangers may take of it."""

import contextlib
import dataclasses

import pytest

from core.open_peers.config import ITEMS_AT_ONCE, KEYS, RUNG_FOR, DeskConfig
from core.open_peers.desk import Desk, OpenBusy, OpenRefused
from core.open_peers.names import AGE, NAMES_HOST, Names
from core.values import Address
from tests.open_peers.letters import letter

ANNA, BERT = Address("11.0.1.2", 4001), Address("11.0.2.2", 4002)


def host(number: int) -> Address:
    return Address(f"12.{number // 256}.{number % 256}.1", 4000)


def test_a_letter_is_told_to_who_waits_for_it_with_the_address_it_came_from() -> None:
    desk = Desk()
    assert desk.watch(BERT, [letter(1).key], trusted=False)
    assert desk.leave([letter(1)], ANNA, False, 1.0) == {BERT}
    found = desk.found(BERT, 0, 1.0)
    assert [(each.value, each.seen, each.rung) for each in found.items] == [(letter(1).value, ANNA, False)]
    assert found.you == BERT
    assert desk.found(BERT, found.news, 1.0).items == (), "each once"
    assert desk.found(ANNA, 0, 1.0).items == (), "who does not say the key is told nothing"
    assert desk.introduced == 1


def test_a_letter_waits_for_who_comes_later_and_a_ring_only_for_a_minute() -> None:
    desk = Desk()
    desk.leave([letter(1)], ANNA, False, 0.0, ring=True)
    desk.watch(BERT, [letter(1).key], trusted=False)
    assert [each.rung for each in desk.found(BERT, 0, RUNG_FOR - 1).items] == [True]
    assert [each.rung for each in desk.found(BERT, 0, RUNG_FOR + 1).items] == [False]
    assert desk.found(BERT, 0, desk.config.item_age + 1).items == ()
    desk.sweep(desk.config.item_age + 1)
    assert desk.letters() == 0


def test_who_rings_is_told_though_the_letter_is_known_and_a_renewal_is_not() -> None:
    desk = Desk()
    desk.watch(BERT, [letter(1).key], trusted=False)
    desk.leave([letter(1)], ANNA, False, 0.0)
    assert desk.leave([letter(1)], ANNA, False, 1.0) == set()
    assert desk.leave([letter(1)], ANNA, False, 2.0, ring=True) == {BERT}
    moved = Address(ANNA.host, 9999)
    assert desk.leave([letter(1)], moved, False, 3.0) == {BERT}, "it comes from elsewhere now"
    assert desk.found(BERT, 0, 3.0).items[0].seen == moved


def test_an_older_letter_a_forged_one_and_a_long_one_are_not_taken() -> None:
    desk = Desk()
    desk.watch(BERT, [letter(1).key], trusted=False)
    desk.leave([letter(1, 5)], ANNA, False, 0.0)
    assert desk.leave([letter(1, 4)], ANNA, False, 0.0) == set()
    assert desk.found(BERT, 0, 0.0).items[0].sequence == 5
    forged = dataclasses.replace(letter(1, 6), value=letter(1, 7).value)
    with pytest.raises(OpenRefused):
        desk.leave([forged], ANNA, False, 0.0)
    with pytest.raises(OpenRefused):
        desk.leave([letter(1, 6, size=500)], ANNA, False, 0.0)
    with pytest.raises(OpenRefused):
        desk.leave([letter(n) for n in range(1, ITEMS_AT_ONCE + 2)], ANNA, False, 0.0)
    assert desk.refused == {"ERR_OPEN_REFUSED": 3}
    assert desk.found(BERT, 0, 0.0).items[0].sequence == 5


def test_keys_are_said_once_and_other_keys_take_their_place() -> None:
    desk = Desk()
    assert not desk.watch(BERT, None, trusted=False), "nothing is known of it"
    desk.watch(BERT, [letter(1).key], trusted=False)
    assert desk.watch(BERT, None, trusted=False)
    desk.watch(BERT, [letter(2).key], trusted=False)
    assert desk.leave([letter(1)], ANNA, False, 0.0) == set()
    assert desk.leave([letter(2)], ANNA, False, 0.0) == {BERT}
    desk.leave_off(BERT)
    assert desk.leave([letter(2, 2)], ANNA, False, 0.0) == set()


def test_one_watcher_watches_so_many_keys() -> None:
    desk = Desk()
    desk.watch(BERT, [*(n.to_bytes(32) for n in range(KEYS)), letter(1).key], trusted=False)
    assert desk.leave([letter(1)], ANNA, False, 0.0) == set()


def test_a_host_has_its_share_of_places_and_trusted_peers_have_theirs() -> None:
    desk = Desk(DeskConfig(watchers=20, watchers_host=3, watchers_kept=5))
    for port in range(5000, 5010):
        desk.watch(Address("13.0.0.1", port), [letter(1).key], trusted=False)
    assert desk.watchers() == 3
    friend = Address("14.0.0.1", 4000)
    desk.watch(friend, [letter(1).key], trusted=True)
    for number in range(200):
        desk.watch(host(number), [letter(2).key], trusted=False)
    assert desk.watchers() == 16
    assert desk.watch(friend, None, trusted=True), "strangers did not crowd it out"
    assert desk.leave([letter(1)], ANNA, False, 0.0) == {friend}


def test_letters_of_many_hosts_make_room_for_each_other_and_not_for_one_alone() -> None:
    desk = Desk(DeskConfig(items=30, items_host=10, items_kept=5, items_rate_all=1e6, items_all_burst=1e9))
    desk.leave([letter(999)], BERT, False, 0.0)
    for number in range(1, 40):
        desk.leave([letter(number)], ANNA, False, float(number))
    assert desk.letters() == 11
    desk.watch(host(1), [letter(999).key], trusted=False)
    assert desk.found(host(1), 0, 50.0).items, "the letter of somebody else is still there"


def admitted(desk: Desk, hosts: list[str]) -> int:
    """Return how many of these requests are taken, all at one moment."""
    taken = 0
    for each in hosts:
        with contextlib.suppress(OpenBusy):
            desk.admit(each, False, 100, 0.0)
            taken += 1
    return taken


def test_one_host_may_ask_so_often_and_all_together_leave_a_part_to_trusted_peers() -> None:
    desk = Desk(DeskConfig(requests_all=1.0, requests_all_burst=100.0))
    assert admitted(desk, [ANNA.host] * 1000) == desk.config.requests_burst
    assert admitted(desk, [BERT.host]) == 1
    assert admitted(desk, [host(number).host for number in range(1000)]) < 60
    desk.admit("14.0.0.1", True, 100, 0.0)
    with pytest.raises(OpenBusy):
        desk.admit("14.0.0.2", False, 100, 0.0)


def test_a_day_of_an_attack_by_many_hosts_takes_what_is_said_and_no_more() -> None:
    desk, taken = Desk(), 0
    for number in range(40_000):
        now = number * 86_400 / 40_000
        for each in range(2):
            try:
                desk.admit(host((2 * number + each) % 5000).host, False, 10_000, now)
                taken += 10_250
            except OpenBusy:
                continue
    assert taken <= 86_400 * desk.config.bytes_all + desk.config.bytes_all_burst
    assert taken > 100_000_000, "it is used"


def test_who_is_open_no_longer_forgets_everybody() -> None:
    desk = Desk()
    desk.watch(BERT, [letter(1).key], trusted=False)
    desk.leave([letter(1)], ANNA, False, 0.0)
    desk.clear()
    assert (desk.watchers(), desk.letters()) == (0, 0)
    assert desk.leave([letter(1, 2)], ANNA, False, 0.0) == set()


def test_a_name_is_announced_where_it_comes_from_for_a_while() -> None:
    names = Names()
    names.announce("fibonacci_worker", ANNA, False, 0.0)
    names.announce("fibonacci_worker", BERT, False, 10.0)
    assert names.lookup("fibonacci_worker", 11.0) == [BERT, ANNA]
    assert names.lookup("fibonacci_worker", AGE + 5.0) == [BERT]
    assert names.lookup("other", 11.0) == []
    for number in range(100):
        names.announce(f"n{number}", Address("13.0.0.1", 4000), False, 20.0)
    assert len(names) == NAMES_HOST + 1
    assert names.lookup("fibonacci_worker", 21.0) == [BERT]
