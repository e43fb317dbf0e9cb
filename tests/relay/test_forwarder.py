"""A relay passes on what its two asked for, as long as it came, within its bounds, and nothing to anybody else."""

from random import Random

from core.identity.identity import Identity
from core.peer_id import PeerId
from core.relay.config import RelayConfig
from core.relay.forwarder import Forwarder, PairEnded
from core.values import Address
from core.wire.relay_packet import FROM_RELAY, OVERHEAD, TO_RELAY
from tests.relay.sides import ANN, BOB, FAY

ANNS, BOBS, OTHER = Address("198.51.100.1", 5000), Address("198.51.100.2", 5001), Address("203.0.113.66", 1)


def frame(slot: bytes, size: int = 100) -> bytes:
    return bytes((TO_RELAY,)) + slot + bytes(size - 9)


def joined(config: RelayConfig | None = None) -> tuple[Forwarder, bytes, bytes]:
    relay = Forwarder(config or RelayConfig(), Random(1))
    made = relay.join((ANN, lambda: ANNS), (BOB, lambda: BOBS), 0.0, trusted=True)
    assert made is not None
    return relay, *made.slots


def test_a_packet_goes_to_the_other_side_under_its_slot_and_as_long_as_it_came() -> None:
    relay, anns, bobs = joined()
    relay.receive([frame(anns, 500)], ANNS, 1.0)
    (burst,) = relay.transmit(1.0)
    assert burst.to == BOBS
    assert burst.datagrams == [bytes((FROM_RELAY,)) + bobs + bytes(491)]


def test_from_elsewhere_or_with_another_slot_nothing_is_passed_on() -> None:
    relay, anns, bobs = joined()
    relay.receive([frame(anns)], OTHER, 1.0)
    relay.receive([frame(bobs)], ANNS, 1.0)
    relay.receive([frame(bytes(8))], ANNS, 1.0)
    relay.receive([frame(anns, OVERHEAD)], ANNS, 1.0)
    assert relay.transmit(1.0) == []
    assert relay.statistics().unknown == 4


def test_a_side_that_moved_is_followed_and_one_that_is_gone_gets_nothing() -> None:
    relay = Forwarder(RelayConfig(), Random(1))
    places: dict[str, Address | None] = {"ann": ANNS, "bob": BOBS}
    made = relay.join((ANN, lambda: places["ann"]), (BOB, lambda: places["bob"]), 0.0, trusted=True)
    assert made is not None
    places["bob"] = OTHER
    relay.receive([frame(made.slots[0])], ANNS, 1.0)
    assert relay.transmit(1.0)[0].to == OTHER
    places["bob"] = None
    relay.receive([frame(made.slots[0])], ANNS, 1.0)
    assert relay.transmit(1.0) == []


def test_bytes_a_second_of_a_pair_are_bounded() -> None:
    relay, anns, _ = joined(RelayConfig(pair_rate=1000.0, pair_burst=2000.0))
    for _ in range(30):
        relay.receive([frame(anns)], ANNS, 1.0)
    assert len(relay.transmit(1.0)[0].datagrams) == 20
    assert relay.statistics().over_rate == 10
    relay.receive([frame(anns)] * 20, ANNS, 2.0)
    assert len(relay.transmit(2.0)[0].datagrams) == 10


def test_the_volume_of_a_day_is_bounded_and_the_next_day_begins_again() -> None:
    relay, anns, _ = joined(RelayConfig(day_bytes=1000, idle=1e9, lifetime=1e9))
    relay.receive([frame(anns)] * 20, ANNS, 1.0)
    assert len(relay.transmit(1.0)[0].datagrams) == 10
    assert relay.join((ANN, lambda: ANNS), (FAY, lambda: OTHER), 2.0, trusted=True) is None
    relay.receive([frame(anns)], ANNS, 86_402.0)
    assert relay.transmit(86_402.0) != []


def test_pairs_are_bounded_per_peer_and_in_all_with_places_for_friends() -> None:
    relay = Forwarder(RelayConfig(pairs=4, kept=2, pairs_of_peer=3), Random(1))

    def join(trusted: bool) -> bool:
        return relay.join((ANN, lambda: ANNS), (BOB, lambda: BOBS), 0.0, trusted=trusted) is not None

    assert [join(False), join(False), join(False), join(True), join(True)] == [True, True, False, True, True]
    assert relay.statistics().refused == 1


def test_pairs_end_when_idle_or_old_and_only_an_owner_ends_one() -> None:
    relay, anns, bobs = joined(RelayConfig(idle=10.0, lifetime=30.0))
    relay.leave(anns, BOB)
    assert relay.events() == []
    for at in (8.0, 16.0, 24.0):
        relay.receive([frame(anns)], ANNS, at)
        relay.tick(at)
    assert relay.events() == []
    relay.tick(30.0)
    assert relay.events() == [PairEnded((anns, bobs), (ANN, BOB), "its time is over: ask again")]
    assert relay.idle() or relay.transmit(30.0)
    relay, anns, bobs = joined(RelayConfig(idle=10.0))
    assert relay.deadline() == 10.0
    relay.tick(10.0)
    assert [each.reason for each in relay.events()] == ["nothing was passed on for a while"]
    relay, anns, bobs = joined()
    relay.leave(bobs, BOB)
    assert [each.slots for each in relay.events()] == [(anns, bobs)]


def strangers(config: RelayConfig) -> tuple[Forwarder, bytes]:
    relay = Forwarder(config, Random(1))
    made = relay.join((ANN, lambda: ANNS), (BOB, lambda: BOBS), 0.0, trusted=False)
    assert made is not None
    return relay, made.slots[0]


def test_strangers_have_a_rate_of_their_own() -> None:
    relay, anns = strangers(RelayConfig(stranger_rate=500.0, stranger_burst=1000.0))
    relay.receive([frame(anns)] * 30, ANNS, 1.0)
    assert len(relay.transmit(1.0)[0].datagrams) == 10
    relay.receive([frame(anns)] * 30, ANNS, 2.0)
    assert len(relay.transmit(2.0)[0].datagrams) == 5


def test_a_pair_of_strangers_ends_after_its_volume() -> None:
    relay, anns = strangers(RelayConfig(stranger_bytes=1000))
    relay.receive([frame(anns)] * 20, ANNS, 1.0)
    assert len(relay.transmit(1.0)[0].datagrams) == 10
    (ended,) = relay.events()
    assert "ask again" in ended.reason


def test_strangers_leave_most_of_a_day_to_friends() -> None:
    relay, anns = strangers(RelayConfig(strangers_day=1000, idle=1e9, lifetime=1e9))
    friends = relay.join((ANN, lambda: ANNS), (FAY, lambda: OTHER), 0.0, trusted=True)
    assert friends is not None
    relay.receive([frame(anns)] * 20, ANNS, 1.0)
    assert len(relay.transmit(1.0)[0].datagrams) == 10
    assert relay.join((BOB, lambda: BOBS), (FAY, lambda: OTHER), 2.0, trusted=False) is None
    relay.receive([frame(friends.slots[0])], ANNS, 2.0)
    assert relay.transmit(2.0) != []
    relay.receive([frame(anns)], ANNS, 86_402.0)
    assert relay.transmit(86_402.0) != [], "a new day"


MANY = [Identity.from_secret(bytes([9, number]) * 16).peer_id for number in range(40)]


def ask(relay: Forwarder, who: int, host: str, called: PeerId = BOB, *, trusted: bool = False) -> bytes | None:
    """Have somebody ask for a pair from a host; return its slot."""
    place = Address(host, 1)
    made = relay.join((MANY[who], lambda: place), (called, lambda: BOBS), float(who), trusted=trusted)
    return None if made is None else made.slots[0]


def test_strangers_who_call_somebody_keep_neither_friends_nor_other_strangers_away() -> None:
    relay = Forwarder(RelayConfig(), Random(1))
    crowd = [ask(relay, number, "203.0.113.66") for number in range(10)]
    assert [slot is not None for slot in crowd] == [True] * 8 + [False] * 2
    assert ask(relay, 11, "198.51.100.1") is not None, "in the place of one of the host that has most"
    assert [each.peers[0] for each in relay.events()] == [MANY[0]]
    assert all(ask(relay, number, "198.51.100.2", trusted=True) for number in range(12, 20))
    assert ask(relay, 20, "198.51.100.2", trusted=True) is None, "a friend's own bound"
    assert len(relay.pairs()) == 16


def test_one_host_does_not_take_all_places_of_strangers() -> None:
    relay = Forwarder(RelayConfig(pairs=12, kept=4), Random(1))
    crowd = [ask(relay, number, f"2001:db8:bad:{number}::1", MANY[39 - number]) for number in range(12)]
    assert sum(slot is not None for slot in crowd) == 8
    assert ask(relay, 20, "198.51.100.1", MANY[21]) is not None
    assert all(ask(relay, number, "198.51.100.2", MANY[number + 5], trusted=True) for number in range(22, 27))
    assert ask(relay, 20, "198.51.100.1", MANY[22]) is not None
    assert len(relay.pairs()) == 12


def test_pairs_of_friends_make_room_for_nobody() -> None:
    relay = Forwarder(RelayConfig(pairs=4, kept=2), Random(1))
    assert all(ask(relay, number, "198.51.100.2", MANY[number + 9], trusted=True) for number in range(4))
    assert ask(relay, 5, "203.0.113.66") is None
    assert ask(relay, 6, "198.51.100.2", trusted=True) is None
    assert len(relay.pairs()) == 4


def test_strangers_together_leave_half_of_a_second_to_friends() -> None:
    config = RelayConfig(rate=4000.0, burst=4000.0, strangers_rate=2000.0, strangers_burst=2000.0)
    relay = Forwarder(config, Random(1))
    slots = [ask(relay, number, f"203.0.113.{number}", MANY[39 - number]) for number in range(5)]
    friends = ask(relay, 10, "198.51.100.1", MANY[11], trusted=True)
    for number, slot in enumerate(slots):
        relay.receive([frame(slot or b"")] * 10, Address(f"203.0.113.{number}", 1), 10.0)
    relay.receive([frame(friends or b"")] * 30, Address("198.51.100.1", 1), 10.0)
    assert relay.statistics().passed == 20 + 20


def test_one_host_does_not_use_up_the_day_of_all_strangers() -> None:
    relay = Forwarder(RelayConfig(stranger_day=1000), Random(1))
    first, second = ask(relay, 1, "203.0.113.66", MANY[30]), ask(relay, 2, "203.0.113.66", MANY[31])
    other = ask(relay, 3, "198.51.100.1", MANY[32])
    relay.receive([frame(first or b"")] * 8, Address("203.0.113.66", 1), 1.0)
    relay.receive([frame(second or b"")] * 8, Address("203.0.113.66", 1), 1.0)
    relay.receive([frame(other or b"")] * 8, Address("198.51.100.1", 1), 1.0)
    assert relay.statistics().passed == 10 + 8
    assert ask(relay, 4, "203.0.113.66", MANY[33]) is None
    assert ask(relay, 4, "203.0.113.66", MANY[33], trusted=True) is not None


def test_strangers_fill_half_of_what_waits_to_leave() -> None:
    relay = Forwarder(RelayConfig(queued=20), Random(1))
    slot, friends = ask(relay, 1, "203.0.113.66"), ask(relay, 2, "198.51.100.1", MANY[30], trusted=True)
    relay.receive([frame(slot or b"")] * 30, Address("203.0.113.66", 1), 1.0)
    relay.receive([frame(friends or b"")] * 30, Address("198.51.100.1", 1), 1.0)
    assert [len(burst.datagrams) for burst in relay.transmit(1.0)] == [10 + 10]
