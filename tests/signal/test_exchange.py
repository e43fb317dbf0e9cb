"""The exchange by itself: its bounds, and what is refused."""

from itertools import pairwise
from random import Random

import pytest

from core.signal import pace
from core.signal.caller import WHOLE
from core.signal.exchange import CALLS, PER_LOOK, PER_NODE, Exchange
from core.signal.keys import box, door, doors
from core.signal.letter import NAT_MANY, Letter, seal
from core.signal.own_letters import CONTACTS
from core.signal.pace import EAGER, FEW, IDLE, IDLE_MOST, OTHERS, SOONEST, STIRRED_LOOKS
from core.signal.wishes import Contact, Listen, Located, Read, Ring, Rung, Wish, Write
from core.values import Address

CLOCK = 1_800_001_000.0  # in the middle of an epoch
BELL = b"b" * 32


def contact(number: int = 1) -> Contact:
    return Contact(number, bytes([number]) * 32, b"ours", b"theirs")


def exchange(*contacts: Contact) -> Exchange:
    made = Exchange(Random(1), lambda day: BELL)
    made.know(contacts or (contact(),))
    made.be_at([Address("11.0.0.1", 4000)], 1)
    return made


def wishes(of: Exchange, now: float = 0.0) -> list[Wish]:
    of.tick(now, CLOCK + now)
    return of.wishes()


def letter_of(theirs: Contact, at: float = CLOCK, sequence: int = 5, port: int = 5000) -> tuple[bytes, int]:
    of = box(theirs.secret, theirs.theirs, int(CLOCK) // 3600)
    return seal(Letter(int(at), (Address("11.0.0.2", port),), BELL), of, sequence, Random(2)), sequence


def reading(found: list[Wish]) -> Read:
    return next(each for each in found if isinstance(each, Read) and each.box.epoch == int(CLOCK) // 3600)


def settle(of: Exchange, now: float) -> None:
    """Have all that is wished for come to its end, without news."""
    for second in range(29):
        for each in wishes(of, now + second):
            of.done(each.number, 8, now + second)
    of.events()


def test_who_neither_listens_nor_calls_asks_nothing() -> None:
    assert wishes(exchange()) == []


def test_who_listens_writes_to_its_people_two_at_a_time_and_looks_at_its_door() -> None:
    ours = exchange(*map(contact, range(1, 6)))
    ours.listen(True, True)
    found = wishes(ours)
    assert sum(isinstance(each, Write) for each in found) == 2
    assert [each.door for each in found if isinstance(each, Listen)] == doors(lambda day: BELL, CLOCK)
    for each in found:
        ours.done(each.number, 8, 0.5)
    assert sum(isinstance(each, Write) for each in wishes(ours, 1.0)) == 2


def test_of_too_many_people_the_first_get_letters() -> None:
    ours = exchange(*map(contact, range(1, CONTACTS + 20)))
    ours.listen(True, False)
    written = set()
    for second in range(200):
        for each in wishes(ours, float(second)):
            if isinstance(each, Write):
                written.add(each.box.public)
            ours.done(each.number, 8, float(second))
    assert len(written) == CONTACTS == ours.letters()


def test_of_too_many_calls_the_first_is_given_up() -> None:
    ours = exchange(*map(contact, range(1, CALLS + 3)))
    for number in range(1, CALLS + 3):
        ours.call(number, float(number), CLOCK)
    found = wishes(ours, CALLS + 3.0)
    assert len({each.box.public for each in found if isinstance(each, Read)}) == 2 * CALLS


def test_with_many_people_the_door_is_looked_at_more_rarely_as_their_letters_take_as_much() -> None:
    for people, seconds in ((1, IDLE), (FEW, IDLE), (FEW + 3, IDLE + 3), (CONTACTS, IDLE_MOST)):
        ours = exchange(*map(contact, range(1, people + 1)))
        ours.listen(True, False)
        assert ours.interval(0.0) == seconds


@pytest.mark.parametrize(("eager", "seconds"), [(True, EAGER), (False, IDLE)])
def test_the_door_is_looked_at_often_while_somebody_waits_and_at_a_few_nodes_in_turn(
    eager: bool, seconds: float
) -> None:
    ours = exchange()
    ours.listen(True, eager)
    looks = []
    for tick in range(240):
        for each in wishes(ours, tick / 2):
            ours.done(each.number, 0, tick / 2)
            if isinstance(each, Listen):
                looks.append((tick / 2, each.part))
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(looks)]
    assert set(gaps) == {seconds}
    assert seconds >= SOONEST
    assert {part for _, part in looks if part} == set(range(1, OTHERS + 1)), "the nearest, and the others in turn"
    whole = sum(not part for _, part in looks)
    assert abs(whole - len(looks) / pace.WHOLE) < 1 if eager else not whole


def test_a_look_that_is_not_over_is_not_begun_again() -> None:
    ours = exchange()
    ours.listen(True, True)
    wishes(ours)
    assert not any(isinstance(each, Listen) for each in wishes(ours, 30.0))


def test_ringers_are_told_once_and_few_of_one_node_and_of_one_look() -> None:
    ours = exchange()
    ours.listen(True, True)
    number = next(each.number for each in wishes(ours) if isinstance(each, Listen))
    for node in range(10):
        listed = [Address(f"11.{node}.0.{ringer}", 5000) for ringer in range(1, 50)]
        for word in (f"21.0.{node}.1", f"22.0.{node}.1"):
            ours.ringers(number, listed, 0.5, CLOCK, word)
            rung = [each for each in ours.events() if isinstance(each, Rung)]
            assert len(rung) <= PER_NODE
    ours.done(number, 0, 0.6)
    ours.events()
    number = next(each.number for each in wishes(ours, 6.0) if isinstance(each, Listen))
    for word in ("21.0.0.1", "22.0.0.1"):
        ours.ringers(number, [Address("11.0.0.1", 5000)], 6.1, CLOCK, word)
    assert ours.events() == [], "told six seconds ago"
    assert PER_LOOK < 10 * PER_NODE
    ours.ringers(99_999, [Address("11.9.9.9", 5000)], 6.1, CLOCK)
    assert ours.events() == [], "of a look that we did not wish for"


def test_whom_one_node_alone_lists_is_punched_rarely_and_nobody_is_read_for_it() -> None:
    ours = exchange(contact(1))
    ours.listen(True, False)
    rung, read = 0, 0
    for second in range(3600):
        for each in wishes(ours, float(second)):
            read += isinstance(each, Read)
            if isinstance(each, Listen):
                junk = [Address(f"11.{second % 250}.{second // 250}.{ringer}", 5000) for ringer in range(1, 51)]
                ours.ringers(each.number, junk, float(second), CLOCK + second, "21.0.0.1")
            ours.done(each.number, 1, float(second))
        rung += sum(isinstance(each, Rung) for each in ours.events())
    assert 60 <= rung <= 70, "one a minute, and six at once"
    assert read == 0


def test_who_is_listed_by_one_node_alone_is_punched_though_another_lists_a_crowd() -> None:
    """A caller need not wait for the look at the others: that is 2.5 s, and 7 s where nobody waits."""
    ours = exchange(contact(1))
    ours.listen(True, False)
    for look in range(10):
        found = wishes(ours, 40.0 * look)
        number = next(each.number for each in found if isinstance(each, Listen))
        junk = [Address(f"11.{look}.1.{ringer}", 5000) for ringer in range(1, 51)]
        ours.ringers(number, junk, 40.0 * look, CLOCK, "21.0.0.1")
        if look == 9:
            ours.ringers(number, [Address("11.200.0.7", 5000)], 40.0 * look, CLOCK, "22.0.0.1")
        for each in found:
            ours.done(each.number, 8, 40.0 * look)
        rung = [told.address.host for told in ours.events() if isinstance(told, Rung)]
        assert len(rung) <= 4, "a crowd leaves some of what there is"
        settle(ours, 40.0 * look)
    assert rung[0] == "11.200.0.7"


def test_who_is_listed_by_a_second_node_in_a_later_look_is_answered() -> None:
    ours = exchange(contact(1))
    ours.listen(True, False)
    ringer, found = Address("11.0.0.7", 5000), []
    for second in range(40):
        for each in wishes(ours, float(second)):
            if isinstance(each, Listen):
                word = "21.0.0.1" if second < 5 else "22.0.0.1"
                ours.ringers(each.number, [ringer], float(second), CLOCK + second, word)
            found.append(isinstance(each, Read))
            ours.done(each.number, 1, float(second))
    assert any(found)


def test_who_has_another_port_at_each_node_is_answered_once_two_list_its_host() -> None:
    """So rings a caller behind a symmetric NAT, whose letter the ladder needs."""
    ours = exchange(contact(1))
    ours.listen(True, True)
    number = next(each.number for each in wishes(ours) if isinstance(each, Listen))
    ours.ringers(number, [Address("11.0.0.7", 5001)], 0.5, CLOCK, "21.0.0.1")
    assert ours.events() == []
    ours.ringers(number, [Address("11.0.0.7", 5002)], 0.5, CLOCK, "22.0.0.1")
    assert [each for each in ours.events() if isinstance(each, Rung)] == [Rung(Address("11.0.0.7", 5002))]
    assert any(isinstance(each, Read) for each in wishes(ours, 0.6))


def test_who_calls_writes_reads_and_rings_once_it_knows_the_bell() -> None:
    ours, them = exchange(), contact()
    ours.call(1, 0.0, CLOCK)
    found = wishes(ours)
    assert {type(each) for each in found} == {Write, Read}
    read = reading(found)
    assert ours.came(read.number, *letter_of(them), 0.4, CLOCK)
    (located,) = ours.events()
    assert isinstance(located, Located)
    assert (located.letter.addresses, located.seconds) == ((Address("11.0.0.2", 5000),), 0.4)
    assert [each.door for each in wishes(ours, 0.5) if isinstance(each, Ring)] == [door(BELL, int(CLOCK) // 300)]


def test_a_replayed_or_forged_letter_is_not_told() -> None:
    ours, them = exchange(), contact()
    ours.call(1, 0.0, CLOCK)
    read = reading(wishes(ours))
    assert ours.came(read.number, *letter_of(them, sequence=9), 0.1, CLOCK)
    assert not ours.came(read.number, *letter_of(them, sequence=9), 0.2, CLOCK), "again"
    assert not ours.came(read.number, *letter_of(them, sequence=7, port=1), 0.2, CLOCK), "an older one"
    sealed, _ = letter_of(them, sequence=7)
    assert not ours.came(read.number, sealed, 10, 0.2, CLOCK), "an older one under a new number"
    assert not ours.came(read.number, *letter_of(contact(2), sequence=20), 0.2, CLOCK), "of another pair"
    assert not ours.came(read.number, *letter_of(them, at=CLOCK - 86400, sequence=21), 0.2, CLOCK), "of yesterday"
    assert len(ours.events()) == 1


def test_a_call_ends_when_somebody_hangs_up_or_nobody_renews_it() -> None:
    ours = exchange()
    ours.call(1, 0.0, CLOCK)
    for each in wishes(ours):
        ours.done(each.number, 0, 0.5)
    ours.hang_up(1)
    assert wishes(ours, 10.0) == []
    ours.call(1, 20.0, CLOCK)
    for each in wishes(ours, 20.0):
        ours.done(each.number, 0, 20.5)
    assert wishes(ours, 90.0) == []


def test_the_next_call_begins_with_what_was_read_before() -> None:
    ours = exchange()
    ours.call(1, 0.0, CLOCK)
    ours.came(reading(wishes(ours)).number, *letter_of(contact()), 0.4, CLOCK)
    ours.hang_up(1)
    ours.events()
    ours.call(1, 60.0, CLOCK + 60.0)
    assert [type(each) for each in ours.events()] == [Located]


def test_who_is_removed_is_neither_written_to_nor_called() -> None:
    ours = exchange()
    ours.listen(True, True)
    ours.call(1, 0.0, CLOCK)
    ours.know([])
    assert not ours.knows(1)
    assert all(isinstance(each, Listen) for each in wishes(ours))


def rings(ours: Exchange, address: Address, now: float) -> None:
    """Have two nodes list somebody at our door, in the next look."""
    looks: list[int] = []
    while not looks:
        looks = [each.number for each in wishes(ours, now) if isinstance(each, Listen)]
        now += 0.5
    for word in ("21.0.0.1", "22.0.0.1"):
        ours.ringers(looks[0], [address], now, CLOCK + now, word)
    for each in looks:
        ours.done(each, 1, now)


def read_names(ours: Exchange, many: int, seconds: range) -> list[int]:
    """Return whose boxes are read, one after the other."""
    publics = {box(bytes([number]) * 32, b"theirs", int(CLOCK) // 3600).public: number for number in range(1, many + 1)}
    found = []
    for second in seconds:
        for each in wishes(ours, float(second)):
            if isinstance(each, Read) and each.box.public in publics:
                found.append(publics[each.box.public])
            ours.done(each.number, 0, float(second))
    return found


def test_when_somebody_rings_everybody_has_a_turn_to_be_read_and_the_next_ring_begins_with_the_others() -> None:
    many = 11
    ours = exchange(*map(contact, range(1, many + 1)))
    ours.listen(True, True)
    rings(ours, Address("11.5.5.5", 5000), 0.0)
    assert read_names(ours, many, range(1, 30)) == list(range(1, many + 1)), "each once, four at a time"
    rings(ours, Address("11.5.5.6", 5000), 31.0)
    assert read_names(ours, many, range(32, 60))[:4] == [1, 2, 3, 4], "whose turn was longest ago"


def test_the_fifth_of_five_who_ring_at_once_is_read() -> None:
    ours = exchange(*map(contact, range(1, 9)))
    ours.listen(True, True)
    number = next(each.number for each in wishes(ours) if isinstance(each, Listen))
    for word in ("21.0.0.1", "22.0.0.1", "23.0.0.1"):
        ours.ringers(number, [Address(f"11.1.0.{each}", 5000) for each in range(1, 6)], 0.5, CLOCK, word)
    ours.done(number, 2, 0.5)
    assert set(read_names(ours, 8, range(1, 20))) == set(range(1, 9))


def test_nodes_that_invent_rings_have_few_boxes_read() -> None:
    ours = exchange(*map(contact, range(1, 60)))
    ours.listen(True, True)
    read = 0
    for minute in range(60):
        rings(ours, Address(f"11.7.{minute}.1", 5000), 60.0 * minute)
        read += len(read_names(ours, 59, range(60 * minute + 1, 60 * minute + 50)))
    assert read <= 4 * (4 + 12 + 1), "four rounds, and one every five minutes"


def test_who_rings_with_a_letter_that_we_have_is_told_with_all_its_addresses_and_nobody_else_is_read() -> None:
    ours, them = exchange(contact(1), contact(2)), contact(1)
    ours.listen(True, False)
    rings(ours, Address("11.0.0.2", 5000), 0.0)
    read = reading([each for each in wishes(ours, 1.0) if isinstance(each, Read)])
    assert ours.came(read.number, *letter_of(them), 1.5, CLOCK)
    ours.done(read.number, 1, 1.5)
    ours.events()
    assert read_names(ours, 2, range(7, 60)) == [], "it is known who rang"
    rings(ours, Address("11.0.0.2", 5000), 66.0)
    assert [type(each) for each in ours.events()] == [Rung, Located]
    assert read_names(ours, 2, range(67, 90)) == [1]


def test_after_a_call_an_idle_peer_looks_often_for_a_while() -> None:
    ours = exchange()
    ours.listen(True, False)
    rings(ours, Address("11.0.0.2", 5000), 0.0)
    read = reading(wishes(ours, 1.0))
    ours.came(read.number, *letter_of(contact()), 1.5, CLOCK)
    looks = []
    for tick in range(4 * 1200):
        for each in wishes(ours, 2.0 + tick / 4):
            ours.done(each.number, 0, 2.0 + tick / 4)
            if isinstance(each, Listen):
                looks.append(2.0 + tick / 4)
    gaps = [later - earlier for earlier, later in pairwise(looks)]
    assert 8 <= gaps.count(EAGER) <= STIRRED_LOOKS, "for a minute"
    assert gaps[-1] == IDLE


def answered_call() -> tuple[Exchange, Contact]:
    """Return an exchange that calls somebody whose letter it has."""
    ours, them = exchange(), contact()
    ours.call(1, 0.0, CLOCK)
    found = wishes(ours)
    assert ours.came(reading(found).number, *letter_of(them), 0.2, CLOCK)
    for each in found:
        ours.done(each.number, 8, 0.2)
    return ours, them


def test_a_call_reads_one_box_at_three_nodes_and_now_and_then_all() -> None:
    ours, _ = answered_call()
    reads: list[Read] = []
    for tick in range(1, 300):
        for each in wishes(ours, tick / 10):
            if isinstance(each, Read):
                reads.append(each)
            ours.done(each.number, 8, tick / 10)
    assert len(reads) >= 10
    epoch = int(CLOCK) // 3600
    assert {each.box.epoch for each in reads[:10]} == {epoch}, "where the letter was"
    assert sum(each.part == 0 for each in reads) <= len(reads) / WHOLE + 1


def test_the_boxes_of_other_hours_are_read_too_as_the_other_side_may_have_gone_on_to_the_next() -> None:
    ours, _ = answered_call()
    epochs = set()
    for tick in range(1, 900):
        ours.hurry(1, tick / 10, CLOCK)
        for each in wishes(ours, tick / 10):
            if isinstance(each, Read):
                epochs.add(each.box.epoch - int(CLOCK) // 3600)
            ours.done(each.number, 8, tick / 10)
    assert epochs == {0, -1, 1}


def test_who_lists_the_other_side_is_asked_for_until_that_is_known() -> None:
    ours, _ = answered_call()
    for unproved in (True, False):
        looks = 0
        for tick in range(1, 100):
            now = (0 if unproved else 20) + tick / 10
            ours.hurry(1, now, CLOCK, unproved=unproved)
            for each in wishes(ours, now):
                looks += isinstance(each, Listen)
                ours.done(each.number, 8, now)
        assert (looks > 0) == unproved


def test_a_letter_that_was_written_before_our_network_was_known_is_written_again_at_once() -> None:
    ours = exchange()
    ours.listen(True, False)
    (first,) = [each for each in wishes(ours) if isinstance(each, Write)]
    ours.done(first.number, 8, 0.5)
    ours.be_at([Address("11.0.0.1", 4000)], 1, b"side")
    (second,) = [each for each in wishes(ours, 1.5) if isinstance(each, Write)]
    ours.done(second.number, 8, 2.0)
    ours.be_at([Address("11.0.0.1", 4001)], 1, b"other side")
    assert not [each for each in wishes(ours, 4.0) if isinstance(each, Write)], "a change waits, as before"
    assert [each for each in wishes(ours, 17.0) if isinstance(each, Write)]


def test_who_rings_from_another_port_behind_a_hard_router_is_known_by_its_letter() -> None:
    ours, them = exchange(contact(1), contact(2)), contact(1)
    ours.listen(True, False)
    rings(ours, Address("11.0.0.2", 5000), 0.0)
    read = reading([each for each in wishes(ours, 1.0) if isinstance(each, Read)])
    of = box(them.secret, them.theirs, int(CLOCK) // 3600)
    letter = Letter(int(CLOCK), (Address("11.0.0.2", 5000),), BELL, NAT_MANY)
    assert ours.came(read.number, seal(letter, of, 5, Random(2)), 5, 1.5, CLOCK)
    ours.done(read.number, 1, 1.5)
    ours.events()
    rings(ours, Address("11.0.0.2", 7777), 66.0)
    assert [type(each) for each in ours.events()] == [Rung, Located]


def test_whom_one_node_lists_alone_is_looked_for_at_another_soon() -> None:
    ours = exchange()
    ours.listen(True, False)
    (look,) = [each for each in wishes(ours) if isinstance(each, Listen)]
    ours.ringers(look.number, [Address("11.0.0.7", 5000)], 0.2, CLOCK, "21.0.0.1")
    ours.done(look.number, 1, 0.3)
    (again,) = [each for each in wishes(ours, SOONEST + 0.5) if isinstance(each, Listen)]
    ours.done(again.number, 1, SOONEST + 0.6)
    assert not [each for each in wishes(ours, 2 * SOONEST + 1.0) if isinstance(each, Listen)]
