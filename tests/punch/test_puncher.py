"""One puncher on a hand-moved clock: the series, how it ends, its answers and its bounds."""

import pytest

from core.errors import LocalError
from core.punch.events import PunchEvent, PunchFinished, PunchHeard, PunchSent
from core.punch.puncher import PunchConfig, Puncher
from core.values import Address

PUNCH, ACK = bytes.fromhex("c3bf"), bytes.fromhex("c3bf06")
BOB = Address("203.0.113.9", 6000)
EVE = Address("198.51.100.66", 666)


def sent(puncher: Puncher, now: float) -> list[tuple[Address, list[bytes]]]:
    """Take what is to be sent, as plain tuples."""
    return [(burst.to, burst.datagrams) for burst in puncher.transmit(now)]


def run_out(puncher: Puncher, until: float) -> list[float]:
    """Take what is to be sent now, then tick at every deadline up to `until`; return when punches left."""
    times, now = [], 0.0
    while True:
        times += [round(now, 6) for _, datagrams in sent(puncher, now) for datagram in datagrams if datagram == PUNCH]
        due = puncher.deadline()
        if due is None or due > until:
            return times
        now = due
        puncher.tick(now)


def test_the_first_punch_leaves_at_once() -> None:
    puncher = Puncher()
    puncher.punch(BOB, 7.0)
    assert sent(puncher, 7.0) == [(BOB, [PUNCH])]
    assert puncher.events() == [PunchSent(BOB)]
    assert puncher.deadline() == pytest.approx(7.05)


def test_a_series_that_hears_nothing_is_five_punches_50_ms_apart() -> None:
    puncher = Puncher()
    puncher.punch(BOB, 0.0)
    assert run_out(puncher, 60.0) == [0.0, 0.05, 0.1, 0.15, 0.2]
    assert puncher.events()[-1] == PunchFinished(BOB, heard=False, confirmed=False)
    assert puncher.deadline() is None
    assert puncher.statistics().running == 0


def test_hearing_alone_does_not_stop_a_series() -> None:
    puncher = Puncher()
    puncher.punch(BOB, 0.0)
    puncher.receive([PUNCH], BOB, 0.01)
    assert run_out(puncher, 60.0) == [0.0, 0.05, 0.1, 0.15, 0.2]
    assert puncher.statistics().punches_sent == 5


@pytest.mark.parametrize("by", ["ack", "utp"])
def test_knowing_that_it_was_heard_stops_a_series(by: str) -> None:
    puncher = Puncher()
    puncher.punch(BOB, 0.0)
    if by == "ack":
        puncher.receive([ACK], BOB, 0.01)
    else:
        puncher.confirm(BOB, 0.01)
    assert puncher.events() == [PunchSent(BOB), PunchFinished(BOB, heard=True, confirmed=True)]
    assert puncher.deadline() is None
    assert puncher.heard_at(BOB) == 0.01


def test_an_ack_from_elsewhere_stops_nothing() -> None:
    puncher = Puncher()
    puncher.punch(BOB, 0.0)
    puncher.receive([ACK], EVE, 0.01)
    puncher.confirm(EVE, 0.01)
    assert puncher.statistics().running == 1
    assert puncher.heard_at(BOB) is None


def test_joining_a_running_series_changes_nothing() -> None:
    puncher = Puncher()
    puncher.punch(BOB, 0.0)
    puncher.transmit(0.0)
    puncher.punch(BOB, 0.02)
    assert sent(puncher, 0.02) == []
    assert puncher.deadline() == pytest.approx(0.05)
    run_out(puncher, 60.0)
    assert puncher.statistics().punches_sent == 5


def test_a_new_series_may_follow_a_finished_one() -> None:
    puncher = Puncher()
    puncher.punch(BOB, 0.0)
    run_out(puncher, 0.9)
    puncher.punch(BOB, 1.0)
    assert sent(puncher, 1.0) == [(BOB, [PUNCH])]


def test_a_series_waits_half_a_second_for_a_slow_answer() -> None:
    puncher = Puncher()
    puncher.punch(BOB, 0.0)
    run_out(puncher, 0.6)
    assert puncher.statistics().running == 1
    puncher.receive([ACK], BOB, 0.65)
    assert puncher.events()[-1] == PunchFinished(BOB, heard=True, confirmed=True)
    assert puncher.deadline() is None


def test_punching_while_an_answer_is_awaited_ends_that_series_and_starts_another() -> None:
    puncher = Puncher()
    puncher.punch(BOB, 0.0)
    run_out(puncher, 0.6)
    puncher.events()
    puncher.punch(BOB, 0.65)
    assert sent(puncher, 0.65) == [(BOB, [PUNCH])]
    assert puncher.events() == [PunchFinished(BOB, heard=False, confirmed=False), PunchSent(BOB)]
    assert puncher.deadline() == pytest.approx(0.7)


def test_an_answer_later_than_the_series_still_counts_as_heard() -> None:
    puncher = Puncher()
    puncher.punch(BOB, 0.0)
    run_out(puncher, 1.0)
    puncher.receive([ACK], BOB, 1.5)  # a slow round trip
    assert puncher.heard_since(BOB, 0.0)
    assert puncher.heard_since(BOB, 1.5)
    assert not puncher.heard_since(BOB, 1.6)


def test_a_series_reports_hearing_from_before_it_began_while_that_is_fresh() -> None:
    def finish(began: float) -> PunchEvent:
        puncher = Puncher(PunchConfig(heard_for=30.0))
        puncher.receive([PUNCH], BOB, 0.0)
        puncher.punch(BOB, began)
        run_out(puncher, began + 1)
        return puncher.events()[-1]

    assert finish(1.0) == PunchFinished(BOB, heard=True, confirmed=False)
    assert finish(40.0) == PunchFinished(BOB, heard=False, confirmed=False)


def test_a_late_tick_sends_one_punch_not_the_missed_ones() -> None:
    puncher = Puncher()
    puncher.punch(BOB, 0.0)
    puncher.transmit(0.0)
    puncher.tick(0.19)
    assert sent(puncher, 0.19) == [(BOB, [PUNCH])]
    assert puncher.deadline() == pytest.approx(0.24)


def test_an_early_tick_is_harmless() -> None:
    puncher = Puncher()
    puncher.punch(BOB, 0.0)
    puncher.transmit(0.0)
    puncher.tick(0.049)
    assert sent(puncher, 0.049) == []


def test_every_received_punch_is_reported_and_acknowledged_once() -> None:
    puncher = Puncher()
    puncher.receive([PUNCH, memoryview(PUNCH)], BOB, 1.0)
    assert sent(puncher, 1.0) == [(BOB, [ACK, ACK])]
    assert puncher.events() == [PunchHeard(BOB, first=True), PunchHeard(BOB, first=False)]
    assert puncher.deadline() is None  # acknowledged only: punching back is a role's decision


def test_an_ack_is_never_answered() -> None:
    puncher = Puncher()
    puncher.receive([ACK], BOB, 1.0)
    assert sent(puncher, 1.0) == []
    assert puncher.events() == []
    assert puncher.statistics().acks_heard == 1


def test_foreign_datagrams_are_counted_and_dropped() -> None:
    puncher = Puncher()
    puncher.receive([b"", b"\xc3", b"d1:ad2:id20:", b"\xc3\xbf\x06\x06"], BOB, 1.0)
    assert puncher.statistics().dropped == 4
    assert sent(puncher, 1.0) == []
    assert puncher.heard_at(BOB) is None


@pytest.mark.parametrize(
    ("host", "port", "says"),
    [
        ("203.0.113.9", 0, "port"),
        ("203.0.113.9", 65536, "port"),
        ("203.0.113.9", -1, "port"),
        ("224.0.0.1", 5000, "multicast"),
        ("239.255.255.250", 1900, "multicast"),
        ("255.255.255.255", 5000, "broadcast"),
        ("240.0.0.1", 5000, "reserved"),
        ("0.0.0.0", 5000, "unspecified"),
        ("0.1.2.3", 5000, "unspecified"),
        ("example.org", 5000, "IP address"),
        ("", 5000, "IP address"),
        ("::", 5000, "unspecified"),
        ("ff02::1", 5000, "multicast"),
        ("fe80::1", 5000, "one link"),
        ("2002:cb00:7142::1", 5000, "reserved"),
    ],
)
def test_unusable_targets_are_refused_with_a_reason(host: str, port: int, says: str) -> None:
    puncher = Puncher()
    with pytest.raises(LocalError, match=says):
        puncher.punch(Address(host, port), 0.0)
    assert sent(puncher, 0.0) == []
    puncher.receive([PUNCH], Address(host, port), 0.0)  # and nothing is sent there in answer
    assert sent(puncher, 0.0) == []
    assert puncher.statistics().dropped == 1


def test_loopback_and_private_addresses_can_be_punched() -> None:
    puncher = Puncher()
    for host in ("127.0.0.1", "192.168.1.2", "10.0.0.1", "100.64.0.1"):
        puncher.punch(Address(host, 5000), 0.0)
    assert len(sent(puncher, 0.0)) == 4


def test_acks_toward_one_address_are_limited_and_refill() -> None:
    puncher = Puncher(PunchConfig(acks_each=10.0))
    puncher.receive([PUNCH] * 100, BOB, 0.0)
    assert sent(puncher, 0.0) == [(BOB, [ACK] * 10)]
    assert puncher.statistics().acks_withheld == 90
    puncher.receive([PUNCH] * 100, BOB, 0.5)
    assert sent(puncher, 0.5) == [(BOB, [ACK] * 5)]
    puncher.receive([PUNCH], EVE, 0.5)  # the others are not affected
    assert sent(puncher, 0.5) == [(EVE, [ACK])]


def test_acks_toward_all_addresses_are_limited() -> None:
    puncher = Puncher(PunchConfig(acks_each=10.0, acks_all=25.0))
    for index in range(100):
        puncher.receive([PUNCH], Address("203.0.113.1", 1000 + index), 0.0)
    assert puncher.statistics().acks_sent == 25
    assert puncher.statistics().punches_heard == 100


def test_too_many_series_are_refused_and_make_room_again() -> None:
    puncher = Puncher(PunchConfig(series=3))
    for index in range(3):
        puncher.punch(Address("203.0.113.1", 1000 + index), 0.0)
    with pytest.raises(LocalError, match="3 addresses are being punched"):
        puncher.punch(BOB, 0.0)
    puncher.confirm(Address("203.0.113.1", 1001), 0.1)
    puncher.punch(BOB, 0.1)
    assert puncher.statistics().running == 3


def test_the_least_recently_heard_address_is_forgotten_first() -> None:
    puncher = Puncher(PunchConfig(remembered=2))
    carol = Address("203.0.113.10", 6000)
    puncher.receive([PUNCH], BOB, 0.0)
    puncher.receive([PUNCH], carol, 1.0)
    puncher.receive([PUNCH], BOB, 2.0)
    puncher.receive([PUNCH], EVE, 3.0)
    assert puncher.heard_at(carol) is None
    assert puncher.heard_at(BOB) == 2.0
    puncher.events()
    puncher.receive([PUNCH], carol, 4.0)
    assert puncher.events() == [PunchHeard(carol, first=True)]


def test_what_nobody_takes_is_bounded() -> None:
    puncher = Puncher(PunchConfig(pending=10, acks_each=1000.0))
    puncher.receive([PUNCH] * 500, BOB, 0.0)
    assert len(puncher.events()) == 10
    assert sent(puncher, 0.0) == [(BOB, [ACK] * 10)]
    statistics = puncher.statistics()
    assert (statistics.acks_withheld, statistics.overflowed) == (200, 290 * 2)  # 300 a second are told
    assert statistics.acks_sent == 10


def test_whom_we_punch_is_heard_in_a_flood_of_forged_ones() -> None:
    puncher = Puncher(PunchConfig(acks_all=50.0))
    puncher.punch(BOB, 0.0)
    puncher.events()
    for number in range(10_000):
        puncher.receive([PUNCH], Address(f"203.0.{number // 250}.{number % 250 + 1}", 4000), 0.0)
    puncher.receive([PUNCH], BOB, 0.0)
    told = puncher.events()
    assert len(told) == 51
    assert told[-1] == PunchHeard(BOB, first=True)
    assert puncher.statistics().acks_withheld == 9950


def test_the_deadline_is_that_of_the_series_due_first() -> None:
    puncher = Puncher()
    puncher.punch(BOB, 0.0)
    puncher.punch(EVE, 0.03)
    assert puncher.deadline() == pytest.approx(0.05)
    puncher.tick(0.05)
    assert puncher.deadline() == pytest.approx(0.08)
    run_out(puncher, 0.6)
    assert puncher.deadline() == pytest.approx(0.7)  # the end of the first


def test_a_series_with_senseless_bounds_cannot_be_configured() -> None:
    with pytest.raises(ValueError, match=r"PunchConfig\.packets"):
        PunchConfig(packets=0)
    with pytest.raises(ValueError, match=r"PunchConfig\.delay"):
        PunchConfig(delay=-1.0)


def test_it_is_idle_only_with_nothing_to_send_to_tell_or_to_wait_for() -> None:
    puncher = Puncher()
    assert puncher.idle()
    puncher.punch(BOB, 0.0)
    assert not puncher.idle()
    run_out(puncher, 10.0)
    puncher.transmit(10.0)
    assert not puncher.idle()  # the end of the series is yet to be told
    puncher.events()
    assert puncher.idle()
    puncher.receive([PUNCH], BOB, 11.0)
    assert not puncher.idle()
