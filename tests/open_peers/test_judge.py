"""Who is believed to be an open peer: nobody before it has shown it, and no list because it is long."""

from random import Random

import pytest

from core.open_peers.config import (
    CHECKS_BURST,
    GOOD,
    GOOD_FOR,
    HEARD,
    HEARD_NETWORK,
    KNOWN,
    LIAR_FOR,
    LOOK_EVERY,
    LOOK_FIRST,
    LOOK_LATER,
    SILENT_FOR,
)
from core.open_peers.judge import STRIKES, VAIN, Judge, OpenPeer
from core.open_peers.keys import nearest, place
from core.open_peers.saved import dump, load
from core.peer_id import PeerId
from core.values import Address
from core.wire.kept_list import MAX_BYTES

PLACE = place(b"p" * 32, 20_000)


def peer(number: int) -> PeerId:
    return PeerId(number.to_bytes(32))


def somewhere(random: Random) -> Address:
    return Address(f"{random.randrange(20, 200)}.{random.randrange(256)}.{random.randrange(256)}.7", 4000)


def many(count: int, seed: int = 1) -> list[Address]:
    random = Random(seed)
    return [somewhere(random) for _ in range(count)]


def listed(judge: Judge, addresses: list[Address]) -> None:
    for at in range(0, len(addresses), 50):
        judge.heard(addresses[at : at + 50], 0.0, f"21.0.{at // 50}.1")


def checked(judge: Judge, places: list[bytes], now: float = 0.0) -> list[Address]:
    """Return those that it wants checked, all at once."""
    found = []
    while (chosen := judge.to_check(places, now)) is not None:
        found.append(chosen.address if isinstance(chosen, OpenPeer) else chosen)
    return found


def test_the_nearest_to_a_place_are_checked_first_whoever_was_heard_first() -> None:
    judge, everybody = Judge(b"o" * 32), many(200)
    listed(judge, everybody)
    found = checked(judge, [PLACE])
    assert found[: GOOD // 2] == nearest(everybody, PLACE, GOOD // 2)
    assert len(found) <= CHECKS_BURST


def test_what_several_nodes_list_is_checked_before_what_one_alone_does() -> None:
    judge, everybody = Judge(b"o" * 32), many(100)
    judge.heard(everybody[:50], 0.0, "21.0.0.1")
    judge.heard(everybody[50:], 0.0, "21.0.0.2")
    honest = nearest(everybody, PLACE, 100)[-3:]  # the farthest
    for node in range(1, 4):
        judge.heard(honest, 0.0, f"22.0.0.{node}")
    found = checked(judge, [PLACE])
    assert sorted(found[:3]) == sorted(honest)
    assert found[3] == nearest(everybody, PLACE, 1)[0]


def test_with_no_place_nobody_can_guess_whom_we_check_first() -> None:
    everybody = many(100)
    orders = []
    for own in (b"a" * 32, b"b" * 32):
        judge = Judge(own)
        listed(judge, everybody)
        orders.append(checked(judge, [])[:5])
    assert orders[0] != orders[1]


def test_nobody_is_good_before_it_has_shown_it_and_a_liar_is_remembered() -> None:
    judge = Judge(b"o" * 32)
    good, liar, silent = many(3)
    listed(judge, [good, liar, silent])
    assert judge.good(0.0) == []
    assert sorted(checked(judge, [])) == sorted([good, liar, silent])
    judge.proved(good, peer(1), 0.0)
    judge.failed(liar, 0.0, lied=True)
    judge.failed(silent, 0.0, lied=False)
    assert [each.address for each in judge.good(0.0)] == [good]
    listed(judge, [liar, Address(liar.host, 9), silent])
    assert checked(judge, []) == [], "neither the host that lied nor the silent one"
    judge.heard([liar, silent], SILENT_FOR + 1, "23.0.0.1")
    assert checked(judge, [], SILENT_FOR + 1) == [silent]
    judge.heard([liar], LIAR_FOR + 1, "23.0.0.1")
    assert liar in checked(judge, [], LIAR_FOR + 1)
    assert judge.lies == 1


def test_a_check_holds_for_some_hours_and_work_renews_it() -> None:
    judge = Judge(b"o" * 32)
    one, other = many(2)
    for number, each in enumerate((one, other)):
        judge.proved(each, peer(number + 1), 0.0)
    judge.served(one, GOOD_FOR - 1)
    assert [each.address for each in judge.good(GOOD_FOR + 1)] == [one]
    assert checked(judge, [], GOOD_FOR + 1) == [other]


def test_one_that_fails_again_and_again_is_given_up() -> None:
    judge = Judge(b"o" * 32)
    (one,) = many(1)
    judge.proved(one, peer(1), 0.0)
    for _ in range(STRIKES - 1):
        judge.struck(one, 1.0)
    assert judge.good(1.0)
    judge.struck(one, 1.0)
    assert judge.good(1.0) == []


def test_an_identity_that_moves_has_one_place() -> None:
    judge = Judge(b"o" * 32)
    before, after = many(2)
    judge.proved(before, peer(1), 0.0)
    judge.proved(after, peer(1), 1.0)
    assert [each.address for each in judge.good(1.0)] == [after]


def test_of_too_many_the_farthest_from_all_places_goes() -> None:
    judge, everybody = Judge(b"o" * 32), many(KNOWN + 20)
    for number, each in enumerate(everybody):
        judge.proved(each, peer(number + 1), 0.0, [PLACE])
    assert len(judge.kept()) == KNOWN
    assert [each.address for each in judge.at(PLACE, 3, 0.0)] == nearest(everybody, PLACE, 3)


def test_junk_in_the_lists_costs_little_and_keeps_nobody_out() -> None:
    judge = Judge(b"o" * 32)
    (honest,) = many(1)
    listed(judge, [honest])
    listed(judge, [Address(f"66.66.{n % 256}.{n // 256 + 1}", 5000 + n) for n in range(2000)])
    assert judge.waiting() <= HEARD_NETWORK + 1
    listed(judge, many(3000, seed=9))
    assert judge.waiting() <= HEARD


def test_junk_of_its_own_network_pushes_no_honest_one_out_whoever_is_heard_last() -> None:
    """As in the lab, where liars name 50 addresses each, with some in common, beside the one that is there."""
    judge, random = Judge(b"o" * 32), Random(3)
    honest = Address("11.0.1.3", 4000)
    for node in range(8):
        judge.heard([honest], 0.0, f"21.0.0.{node}")
    for node in range(12):
        junk = [Address(f"11.0.249.{each}", 7778) for each in random.sample(range(1, 255), 50)]
        judge.heard(junk, 0.0, f"22.0.0.{node}")
    assert checked(judge, [PLACE])[0] == honest


def test_junk_that_is_in_every_list_is_checked_after_who_is_in_one() -> None:
    """Three nodes of each list lie, and name the same: twelve words, but never more than three in one list."""
    judge, random = Judge(b"o" * 32), Random(3)
    honest = Address("11.0.1.3", 4000)
    for node in range(7):
        judge.heard([honest], 0.0, f"21.0.0.{node}", "1")
    junk = [somewhere(random) for _ in range(50)]
    for shard in range(4):
        for node in range(3):
            judge.heard(junk, 0.0, f"22.0.{shard}.{node}", f"{shard}")
    assert checked(judge, [PLACE])[0] == honest


def test_who_is_listed_by_half_as_many_comes_before_junk_and_after_who_is_listed_most() -> None:
    judge, everybody = Judge(b"o" * 32), many(30)
    most, half, *junk = nearest(everybody, PLACE, 30)[::-1]  # junk is nearer
    for node in range(8):
        judge.heard([most, *([half] if node < 4 else []), *(junk if node < 2 else [])], 0.0, f"21.0.0.{node}")
    assert checked(judge, [PLACE])[:2] == [most, half]


def test_one_node_has_one_word_and_what_was_checked_has_to_be_listed_again() -> None:
    judge = Judge(b"o" * 32)
    first, second = many(2)
    judge.heard([first], 0.0, "21.0.0.1")
    judge.heard([second], 0.0, "21.0.0.1")
    assert checked(judge, []) == [second]
    judge.failed(second, 0.0, lied=False)
    assert judge.waiting() == 0
    assert checked(judge, [], SILENT_FOR + 1) == []


def test_lists_are_looked_at_rarely_once_there_are_enough() -> None:
    judge = Judge(b"o" * 32)
    assert judge.should_look(0.0)
    judge.looked(0.0)
    assert not judge.should_look(10.0)
    for number, each in enumerate(many(GOOD)):
        judge.proved(each, peer(number + 1), 0.0)
    assert not judge.should_look(LOOK_EVERY - 1)
    assert judge.should_look(LOOK_EVERY)


def test_who_finds_nobody_looks_again_soon_and_then_more_rarely() -> None:
    judge, now, looks = Judge(b"o" * 32), 0.0, list[float]()
    while now < 4 * LOOK_EVERY:
        if judge.should_look(now):
            judge.looked(now)
            looks.append(now)
        now += 1.0
    assert looks[:3] == [0.0, LOOK_FIRST, LOOK_FIRST + LOOK_LATER * LOOK_FIRST]
    assert looks[-1] - looks[-2] == LOOK_EVERY


def test_a_network_full_of_junk_does_not_take_all_checks() -> None:
    """Nodes that lie all list the same network, however near to the place: one that many list comes after a few."""
    judge, honest = Judge(b"o" * 32), somewhere(Random(7))
    junk = nearest([Address(f"98.1.{number}.1", 4000) for number in range(200)], PLACE, 40)
    for node in range(6):
        judge.heard([*junk, honest], 0.0, f"21.0.{node}.1", "1")
    asked = []
    while honest not in asked and (chosen := judge.to_check([PLACE], 0.0)) is not None:
        assert isinstance(chosen, Address)
        asked.append(chosen)
        if chosen != honest:
            judge.failed(chosen, 0.0, lied=False)
    assert honest in asked[: VAIN + 1]


def test_those_of_an_earlier_run_are_checked_before_they_are_used() -> None:
    judge, kept = Judge(b"o" * 32), [(each, peer(n + 1)) for n, each in enumerate(many(5))]
    judge.recall(load(dump(kept)))
    assert judge.good(0.0) == []
    assert sorted(checked(judge, [])) == sorted(each for each, _ in kept)


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        b'{"schema": 2, "open_peers": []}',
        b'{"schema": 1, "open_peers": [1]}',
        b'{"schema": 1, "open_peers": [{"address": "11.0.0.1:1", "id": "x"}]}',
        b'{"schema": 1, "open_peers": [{"address": "224.0.0.1:1", "id": "' + str(peer(1)).encode() + b'"}]}',
        b" " * (MAX_BYTES + 1),
    ],
)
def test_a_damaged_list_is_not_used(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"it is|in it|a Peer ID"):
        load(data)
