"""The roster: discovery, loss, counters, and its bound."""

import itertools
from collections.abc import Callable

import pytest

from core.news.events import Discovered, Lost, PeerEvent, Role
from core.news.hub import Hub
from core.news.roster import KEEP_ANSWERED, KEEP_SILENT, MISSED_LOOKUPS, Roster
from core.peer_id import PeerId
from core.values import Address

A, B, C = Address("192.0.2.1", 1), Address("192.0.2.2", 2), Address("192.0.2.3", 3)
KEY = "fibonacci_consumer"
CONSUMER = (Role.CONSUMER, KEY)


class HandHub(Hub):
    """A hub on a hand-moved clock that keeps what it was told."""

    time = 1000.0

    def __init__(self) -> None:
        super().__init__(lambda: self.time)
        self.told: list[PeerEvent] = []
        self.subscribe(self.told.append)


@pytest.fixture
def hub() -> HandHub:
    return HandHub()


def test_a_new_name_in_the_listing_is_discovered_once(hub: HandHub) -> None:
    roster = Roster(hub)
    roster.note_listing(KEY, Role.CONSUMER, [A])
    roster.note_listing(KEY, Role.CONSUMER, [A, B])
    assert hub.told == [Discovered(1000.0, KEY, A), Discovered(1000.0, KEY, B)]
    assert [(row.address, row.listed) for row in roster.rows()] == [(A, True), (B, True)]


def test_a_peer_is_lost_when_it_left_the_listing_and_is_silent(hub: HandHub) -> None:
    roster = Roster(hub)
    roster.note_listing(KEY, Role.CONSUMER, [A, B])
    hub.told.clear()
    for _ in range(MISSED_LOOKUPS - 1):
        roster.note_listing(KEY, Role.CONSUMER, [B])
        assert all(row.listed for row in roster.rows())  # the DHT samples: one miss says little
    roster.note_listing(KEY, Role.CONSUMER, [B])
    assert not hub.told  # it was seen a moment ago
    assert [row.listed for row in roster.rows()] == [False, True]
    hub.time += KEEP_SILENT
    roster.note_listing(KEY, Role.CONSUMER, [B])
    assert [type(event) for event in hub.told] == [Lost]
    assert [row.address for row in roster.rows()] == [B]


def test_a_peer_that_punches_stays_without_a_listing(hub: HandHub) -> None:
    roster = Roster(hub)
    assert roster.note_punch_received(A, CONSUMER) is True
    for _ in range(10):
        hub.time += KEEP_SILENT / 2
        assert roster.note_punch_received(A, CONSUMER) is False
        roster.note_listing(KEY, Role.CONSUMER, [])
    assert [row.punches_received for row in roster.rows()] == [11]


def test_counters_tell_what_happened(hub: HandHub) -> None:
    roster = Roster(hub)
    roster.note_listing(KEY, Role.CONSUMER, [A])
    roster.note_punch_sent(A)
    roster.note_served(A, KEY)
    roster.note_reply(B, "fibonacci_worker", 0.25)
    consumer, worker = roster.rows()
    assert (consumer.punches_sent, consumer.requests_served, consumer.replies) == (1, 1, 0)
    assert (worker.role, worker.replies, worker.rtt) == (Role.WORKER, 1, 0.25)


def test_who_a_peer_is_is_what_its_last_request_or_reply_proved(hub: HandHub) -> None:
    roster = Roster(hub)
    anna, bert = PeerId(b"a" * 32), PeerId(b"b" * 32)
    roster.note_listing(KEY, Role.CONSUMER, [A])
    assert [row.peer_id for row in roster.rows()] == [None]
    roster.note_served(A, KEY, anna)
    roster.note_reply(B, "fibonacci_worker", 0.25, bert)
    assert [row.peer_id for row in roster.rows()] == [anna, bert]
    roster.note_served(A, KEY)  # another is there now, behind the same router, say
    assert [row.peer_id for row in roster.rows()] == [None, bert]


def test_every_change_moves_the_revision(hub: HandHub) -> None:
    roster = Roster(hub)
    seen = [hub.revision]
    acts: list[Callable[[], object]] = [
        lambda: roster.note_listing(KEY, Role.CONSUMER, [A]),
        lambda: roster.note_punch_sent(A),
        lambda: roster.note_punch_received(A, CONSUMER),
        lambda: roster.note_served(A, KEY),
        lambda: roster.forget(KEY, "over"),
    ]
    for act in acts:
        act()
        seen.append(hub.revision)
    assert all(later > earlier for earlier, later in itertools.pairwise(seen))


def test_full_it_makes_room_by_the_unlisted_and_longest_silent(hub: HandHub) -> None:
    roster = Roster(hub, limit=2)
    roster.note_listing(KEY, Role.CONSUMER, [A])
    roster.note_punch_received(B, CONSUMER)
    hub.time += KEEP_SILENT
    roster.note_punch_received(C, CONSUMER)
    assert {row.address for row in roster.rows()} == {A, C}
    assert [event.peer for event in hub.told if isinstance(event, Lost)] == [B]


def test_full_of_living_peers_it_takes_in_no_strangers_whose_source_may_be_forged(hub: HandHub) -> None:
    roster = Roster(hub, limit=2)
    roster.note_listing(KEY, Role.CONSUMER, [A])
    roster.note_punch_received(B, CONSUMER)
    hub.told.clear()
    hub.time += KEEP_SILENT - 1
    for port in range(100, 200):
        assert roster.note_punch_received(Address("192.0.2.66", port), CONSUMER) is None
    assert not hub.told
    roster.note_listing(KEY, Role.CONSUMER, [A, C])  # but a listing and a request are believed
    assert {row.address for row in roster.rows()} == {A, C}


def test_a_stranger_without_a_role_gets_no_row(hub: HandHub) -> None:
    roster = Roster(hub)
    assert roster.note_punch_received(A, None) is None
    assert (roster.rows(), hub.told) == ((), [])
    roster.note_listing(KEY, Role.CONSUMER, [A])
    assert roster.note_punch_received(A, None) is True


def test_who_is_looked_up_by_nobody_is_lost_by_silence_alone(hub: HandHub) -> None:
    """A row made by a request of ours, or by a caller, belongs to no listing."""
    roster = Roster(hub)
    roster.note_served(A, KEY)
    roster.note_reply(B, "192.0.2.2:2", 0.1)
    hub.time += KEEP_SILENT - 1
    roster.sweep()
    assert len(roster) == 2
    hub.time += 1
    roster.sweep()
    assert [row.address for row in roster.rows()] == [B]
    hub.time += KEEP_ANSWERED
    roster.sweep()
    assert [event.peer for event in hub.told if isinstance(event, Lost)] == [A, B]


def test_a_listed_peer_is_kept_however_silent(hub: HandHub) -> None:
    roster = Roster(hub)
    roster.note_listing(KEY, Role.CONSUMER, [A])
    hub.time += 100 * KEEP_SILENT
    roster.sweep()
    assert len(roster) == 1


def test_any_sign_of_life_counts(hub: HandHub) -> None:
    roster = Roster(hub)
    roster.note_served(A, KEY)
    hub.time += KEEP_SILENT - 1
    roster.note_alive(A)
    hub.time += KEEP_SILENT - 1
    roster.sweep()
    assert roster.seen_since(A, hub.time - KEEP_SILENT)
    assert not roster.seen_since(A, hub.time)
    assert not roster.seen_since(B, 0.0)


def test_forgetting_a_role_loses_its_peers_only(hub: HandHub) -> None:
    roster = Roster(hub)
    roster.note_listing(KEY, Role.CONSUMER, [A])
    roster.note_listing("fibonacci_worker", Role.WORKER, [A])
    roster.forget(KEY, "no longer looked for")
    assert [row.role for row in roster.rows()] == [Role.WORKER]
