"""The ways to others and the attempts that led there, from events alone."""

from collections.abc import Collection
from dataclasses import replace

import pytest

from core.mapping.status import PortOpen
from core.nat.report import Filtering, Mapping, NatReport
from core.news.attempts import KEPT_OPEN, PUNCHES, SEARCHES, STEPS, STILL
from core.news.events import NatSnapshot, PeerRow, PunchEnded, PunchReceived, PunchSent, Role
from core.news.hub import Hub
from core.news.joins import SearchProgress
from core.news.paths import Paths
from core.news.seen import Attempt, Connections, Outcome, PathRow, Via, Way
from core.peer_id import PeerId
from core.values import Address

ANNA = PeerId(bytes([250]) * 32)
FAR = Address("203.0.113.5", 40817)
MOVED = Address("203.0.113.5", 51022)
BEHIND = NatSnapshot(NatReport(Mapping.ENDPOINT_INDEPENDENT, Filtering.STRICT))


class Clock(Hub):
    """A hub whose time the test moves."""

    at = 1000.0

    def __init__(self) -> None:
        super().__init__(lambda: self.at)


class Lab:
    def __init__(self, way: Way | None = None, carried: Collection[Address] = ()) -> None:
        self.hub = Clock()
        self.paths = Paths(self.hub, lambda: ("198.51.100.7",), lambda address: way, lambda address: address in carried)

    def tell(self, after: float, make: type, *rest: object) -> None:
        self.hub.at += after
        self.hub.emit(make(self.hub.at, *rest))

    def see(self, *rows: PeerRow, nat: NatSnapshot = BEHIND) -> Connections:
        return self.paths.snapshot(rows, (), (), nat)

    def attempt(self) -> Attempt:
        return self.see().attempts[0]


@pytest.fixture
def lab() -> Lab:
    return Lab()


def row(address: Address = FAR, *, sent: int = 5, received: int = 3, served: int = 0) -> PeerRow:
    return PeerRow(address, Role.WORKER, "fibonacci_worker", 900.0, 990.0, True, sent, received, served, 0, 0.05)


def path(lab: Lab, address: Address, nat: NatSnapshot = BEHIND, **counts: int) -> PathRow:
    return lab.see(row(address, **counts), nat=nat).paths[0]


def test_datagrams_in_a_connection_of_tcp_are_said_to_be_there() -> None:
    lab = Lab(carried={FAR})
    seen = path(lab, FAR)
    assert (seen.via, seen.badge) == (Via.TCP, "over TCP")
    assert "in a connection of TCP" in seen.reason
    assert path(lab, MOVED).via is Via.PUNCHED, "only that address"
    assert path(lab, Address("127.0.0.1", 5)).via is Via.COMPUTER


def test_who_is_not_heard_has_no_path(lab: Lab) -> None:
    assert lab.see(row(received=0)).paths == ()


@pytest.mark.parametrize(
    ("address", "nat", "via"),
    [
        (Address("127.0.0.1", 5), BEHIND, Via.COMPUTER),
        (Address("198.51.100.7", 5), BEHIND, Via.COMPUTER),
        (Address("192.168.1.9", 5), BEHIND, Via.LAN),
        (FAR, BEHIND, Via.PUNCHED),
        (FAR, NatSnapshot(NatReport(Mapping.NONE)), Via.DIRECT),
        (FAR, NatSnapshot(NatReport(Mapping.ENDPOINT_INDEPENDENT, Filtering.LOOSE)), Via.DIRECT),
        (FAR, replace(BEHIND, port=PortOpen(Address("198.51.100.2", 4000), "PCP", "")), Via.MAPPED),
        (Address("240.0.0.9", 1), BEHIND, Via.RELAYED),
    ],
)
def test_the_way_is_told_from_the_address_and_our_network(
    lab: Lab, address: Address, nat: NatSnapshot, via: Via
) -> None:
    found = path(lab, address, nat)
    assert found.via is via
    assert found.reason.endswith(".")
    assert bool(found.better) == (via is Via.RELAYED)


def test_a_call_that_no_punch_preceded_is_direct(lab: Lab) -> None:
    assert path(lab, FAR, sent=0, received=0, served=1).via is Via.DIRECT


@pytest.mark.parametrize(
    ("host", "via"),
    [("2001:db8::7", Via.IPV6), ("fd12::7", Via.LAN), ("fe80::7%eth0", Via.LAN), ("::1", Via.COMPUTER)],
)
def test_the_way_over_ipv6_is_told_from_the_address(lab: Lab, host: str, via: Via) -> None:
    assert path(lab, Address(host, 40817)).via is via


def test_a_lane_tells_who_passes_packets_on_or_where_it_leads_now() -> None:
    virtual = Address("240.0.0.9", 1)
    relayed = path(Lab(Way(None, "Bert")), virtual)
    assert (relayed.badge, relayed.via) == ("relayed by Bert", Via.RELAYED)
    assert "Bert passes the packets on" in relayed.reason
    assert path(Lab(Way(Address("192.168.1.9", 5), "Bert")), virtual).badge == "LAN"


def test_the_round_trip_of_the_connection_goes_before_that_of_the_last_request(lab: Lab) -> None:
    found = lab.paths.snapshot([row()], (), [(FAR, None, 0.0), (FAR, 0.0381234, 0.02549)], BEHIND).paths[0]
    assert (found.round_trip, found.loss) == (0.0381, 0.025)
    assert path(lab, FAR).round_trip == 0.05
    assert path(lab, FAR).loss is None


def test_two_roles_of_one_socket_are_one_path(lab: Lab) -> None:
    both = lab.see(row(), replace(row(), role=Role.CONSUMER, since=800.0, rtt=None, peer_id=ANNA)).paths
    assert [(each.since, each.peer_id, each.round_trip) for each in both] == [(800.0, ANNA, 0.05)]


def test_punches_are_an_attempt_with_packets_time_and_outcome(lab: Lab) -> None:
    lab.tell(0, PunchSent, FAR)
    lab.tell(0.05, PunchSent, FAR)
    going = lab.attempt()
    assert (going.outcome, going.sent, going.seconds) == (Outcome.GOING_ON, 2, None)
    lab.tell(0.05, PunchReceived, FAR, True)
    lab.tell(1.0, PunchSent, FAR)  # keeps it open, and is none of the attempt
    done = lab.attempt()
    assert (done.outcome, done.sent, done.received, done.how) == (Outcome.OPEN, 2, 1, "plain punching")
    assert done.seconds == pytest.approx(0.1)
    assert done.message == "open after 100 ms"
    assert path(lab, FAR).since == pytest.approx(1000.1)


def test_a_rung_of_the_ladder_is_named_where_it_led(lab: Lab) -> None:
    lab.tell(0, PunchSent, FAR)
    lab.tell(0.8, PunchEnded, FAR, True, MOVED, 0.8, "open by birthday", "birthday", 1234)
    found = path(lab, MOVED)
    assert (found.via, found.how) == (Via.PUNCHED, "birthday")
    assert "many ports" in found.reason
    assert found.better
    assert lab.attempt().sent == 1234


def test_the_same_failure_again_is_counted_and_told_once(lab: Lab) -> None:
    for _ in range(3):
        lab.tell(60, PunchSent, FAR)
        lab.tell(2, PunchEnded, FAR, False, None, 2.0, "no answer within 2.0 s")
    assert [(each.tries, each.outcome, each.message) for each in lab.see().attempts] == [
        (3, Outcome.FAILED, "no answer within 2.0 s")
    ]


def test_a_way_that_fell_silent_is_attempted_again(lab: Lab) -> None:
    lab.tell(0, PunchSent, FAR)
    lab.tell(0, PunchReceived, FAR, True)
    lab.tell(KEPT_OPEN + 1, PunchSent, FAR)
    assert [each.outcome for each in lab.see().attempts] == [Outcome.GOING_ON, Outcome.OPEN]


def test_a_search_is_told_step_by_step(lab: Lab) -> None:
    lab.tell(0, SearchProgress, ANNA, "network", "this network: nobody")
    lab.tell(0.1, SearchProgress, ANNA, "record", "its own record: at 203.0.113.5:40817")
    lab.tell(0.1, SearchProgress, ANNA, "way", "connected directly")
    done = lab.attempt()
    assert (done.peer_id, done.outcome, len(done.steps)) == (ANNA, Outcome.OPEN, 3)
    lab.tell(1, SearchProgress, ANNA, "network", "this network: nobody")
    lab.tell(1, SearchProgress, ANNA, "end", "not reached in time")
    assert [each.outcome for each in lab.see().attempts] == [Outcome.FAILED, Outcome.OPEN]


def test_a_search_that_nobody_ended_counts_as_given_up(lab: Lab) -> None:
    lab.tell(0, SearchProgress, ANNA, "network", "this network: nobody")
    lab.hub.at += STILL + 1
    assert lab.attempt().outcome is Outcome.FAILED


def test_strangers_that_are_punched_push_out_no_search_and_the_log_is_bounded(lab: Lab) -> None:
    for number in range(SEARCHES + 5):
        lab.tell(1, SearchProgress, PeerId(bytes([number]) * 32), "network", "this network: nobody")
    for number in range(PUNCHES * 3):
        lab.tell(0, PunchSent, Address("198.51.100.9", 1000 + number))
    for number in range(STEPS * 3):
        lab.tell(0, SearchProgress, ANNA, "record", f"asked {number}")
    attempts = lab.see().attempts
    assert len(attempts) == SEARCHES + PUNCHES
    assert max(len(each.steps) for each in attempts) == STEPS
    assert attempts[0].steps[0].message == "asked 0"  # the first stays


def test_a_session_is_a_path_since_it_was_seen_first(lab: Lab) -> None:
    def see() -> PathRow:
        return lab.paths.snapshot((), [(ANNA, FAR)], [(FAR, 0.02, 0.0)], BEHIND).paths[0]

    first = see()
    assert (first.peer_id, first.since, first.round_trip) == (ANNA, 1000.0, 0.02)
    lab.hub.at += 50
    assert see().since == 1000.0
    lab.see()
    assert see().since == 1050.0
