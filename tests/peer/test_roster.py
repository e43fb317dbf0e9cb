"""The roster: discovery, loss, counters, and its bound."""

import itertools

import pytest

from core.events import Discovered, Lost, PeerEvent, Role
from core.hub import Hub
from core.roster import KEEP_SILENT, MISSED_LOOKUPS, Roster
from core.values import Address

A, B = Address("192.0.2.1", 1), Address("192.0.2.2", 2)
KEY = "fibonacci_consumer"


class HandHub(Hub):
    """A hub on a hand-moved clock that keeps what it was told."""

    time = 1000.0

    def __init__(self) -> None:
        super().__init__()
        self.told: list[PeerEvent] = []
        self.subscribe(self.told.append)

    def now(self) -> float:  # type: ignore[override]
        return self.time


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
    for _ in range(MISSED_LOOKUPS):
        roster.note_listing(KEY, Role.CONSUMER, [B])
    assert not hub.told  # it was seen a moment ago
    assert [row.listed for row in roster.rows()] == [False, True]
    hub.time += KEEP_SILENT
    roster.note_listing(KEY, Role.CONSUMER, [B])
    assert [type(event) for event in hub.told] == [Lost]
    assert [row.address for row in roster.rows()] == [B]


def test_a_peer_that_punches_stays_without_a_listing(hub: HandHub) -> None:
    roster = Roster(hub)
    assert roster.note_punch_received(A, Role.CONSUMER, KEY) is True
    for _ in range(10):
        hub.time += KEEP_SILENT / 2
        assert roster.note_punch_received(A, Role.CONSUMER, KEY) is False
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


def test_every_change_moves_the_revision(hub: HandHub) -> None:
    roster = Roster(hub)
    seen = [hub.revision]
    for act in (
        lambda: roster.note_listing(KEY, Role.CONSUMER, [A]),
        lambda: roster.note_punch_sent(A),
        lambda: roster.note_punch_received(A, Role.CONSUMER, KEY),
        lambda: roster.note_served(A, KEY),
        lambda: roster.forget(KEY, "over"),
    ):
        act()
        seen.append(hub.revision)
    assert all(later > earlier for earlier, later in itertools.pairwise(seen))


def test_full_it_makes_room_by_the_unlisted_and_longest_silent(hub: HandHub) -> None:
    roster = Roster(hub, limit=2)
    roster.note_listing(KEY, Role.CONSUMER, [A])
    hub.time += 1
    roster.note_punch_received(B, Role.CONSUMER, KEY)
    hub.time += 1
    third = Address("192.0.2.3", 3)
    roster.note_punch_received(third, Role.CONSUMER, KEY)
    assert {row.address for row in roster.rows()} == {A, third}
    assert [event.peer for event in hub.told if isinstance(event, Lost)] == [B]


def test_forgetting_a_role_loses_its_peers_only(hub: HandHub) -> None:
    roster = Roster(hub)
    roster.note_listing(KEY, Role.CONSUMER, [A])
    roster.note_listing("fibonacci_worker", Role.WORKER, [A])
    roster.forget(KEY, "no longer looked for")
    assert [row.role for row in roster.rows()] == [Role.WORKER]
