"""The rule for addresses that have not answered: what leaves, and how much. Time is moved by hand."""

import pytest

from core.reach.held_back import HeldBack
from core.reach.outreach import Outreach, OutreachConfig, refusal
from core.scope import network, surroundings
from core.values import Address

CONFIG = OutreachConfig()
A, B, BROKER = Address("203.0.113.1", 5000), Address("203.0.113.1", 5001), Address("203.0.113.9", 4000)
SERIES = 5


def told(*addresses: Address, now: float = 0.0) -> Outreach:
    it = Outreach()
    for address in addresses:
        it.told(address, now)
    return it


def drain(it: Outreach, address: Address, now: float) -> int:
    """Take packets until none leaves."""
    count = 0
    while it.take(address, now):
        count += 1
        assert count < 1000
    return count


def test_an_address_that_nobody_names_gets_nothing() -> None:
    it = Outreach()
    assert it.packets(A, 0.0, SERIES) == 0
    assert not it.may_dial(A, 0.0, 1)
    assert not it.may_meet(A, BROKER, 0.0, 11)


def test_who_is_named_gets_one_probe_at_a_time_and_four_in_all_for_a_minute() -> None:
    it = Outreach()
    sent = []
    for second in range(130):
        it.told(A, float(second))
        if packets := it.packets(A, float(second), SERIES):
            sent.append((second, packets))
    assert sent[:5] == [(0, 1), (1, 1), (2, 1), (3, 1), (3 + int(CONFIG.failed_for), 1)]


def test_an_ipv6_network_is_one_host() -> None:
    """A machine that has a /64 has all of its addresses, so that more of them bring it nothing."""
    of_one = [Address(f"2001:db8::{number:x}", 5000) for number in range(1, 40)]
    it, alone = told(*of_one), told(of_one[0])
    assert sum(drain(it, each, 0.0) for each in of_one) == drain(alone, of_one[0], 0.0) > 0
    other = Address("2001:db8:0:1::1", 5000)
    it.told(other, 0.0)
    assert drain(it, other, 0.0) > 0


@pytest.mark.parametrize(
    ("host", "by", "says"),
    [
        ("2001:db8::7", None, None),
        ("2001:db8::7", "127.0.0.1", None),
        ("fd12::7", "2001:db8::1", "private"),
        ("::1", "2001:db8::1", "this machine"),
        ("::1", "127.0.0.1", None),
        ("::ffff:127.0.0.1", "2001:db8::1", "this machine"),
        ("::ffff:192.168.1.1", None, "private"),
        ("fe80::7%eth0", "127.0.0.1", "one link"),
        ("ff02::1", None, "no address"),
        ("2002:cb00:7142::1", None, "no address"),
    ],
)
def test_what_is_named_of_ipv6_is_under_the_same_rule(host: str, by: str | None, says: str | None) -> None:
    reason = refusal(Address(host, 5000), by, lambda address: False)
    assert reason is None if says is None else says in str(reason)
    assert refusal(Address("2001:db8::7", 53), None, lambda address: False) is not None


@pytest.mark.parametrize(
    ("by", "told"),
    [(None, True), ("127.0.0.1", True), ("fe80::9%eth0", True), ("fe80::9%wlan0", False), (A.host, False)],
)
def test_a_neighbour_on_a_link_is_named_by_this_machine_and_on_that_link_only(by: str | None, told: bool) -> None:
    assert (refusal(Address("fe80::7%eth0", 5000), by, lambda address: True) is None) is told


def test_silent_neighbours_of_one_network_do_not_keep_another_from_being_asked() -> None:
    near = [Address(f"fd12::{number:x}", 5000) for number in range(1, 21)]

    def asked(it: Outreach) -> int:
        for each in near:
            it.told(each, 0.0)
        return sum(it.packets(each, 0.0, 1) for each in near)

    together, apart = Outreach(), Outreach()
    apart.counted = str
    assert asked(together) == CONFIG.silent
    assert asked(apart) == len(near)


def test_on_a_link_each_machine_is_a_host() -> None:
    assert network("fe80::7%eth0") != network("fe80::8%eth0")
    assert surroundings("fe80::7%eth0") == surroundings("fe80::8%eth0")


def test_who_answers_gets_whole_series() -> None:
    it = told(A)
    it.validated(A, 0.0)
    assert [it.packets(A, second, SERIES) for second in (0.0, 1.0, 100.0)] == [SERIES] * 3
    assert it.packets(A, CONFIG.validated_for, SERIES) <= 1


def test_the_grapes_socket_shares_the_row_and_leaves_the_end_of_it() -> None:
    it = told(A)
    lent = 0
    while it.lend(A.host, 0.0):
        lent += 1
    assert lent == CONFIG.row - CONFIG.unlent
    assert drain(it, A, 0.0) == CONFIG.unlent - CONFIG.kept
    assert not it.lend(A.host, 2.0)  # what comes back is first the peer's own
    assert it.lend(A.host, 60.0)
    assert it.lend("203.0.113.77", 0.0)


def test_answers_count_once_a_second() -> None:
    """A busy peer answers a thousand times in it, and each costs as little as a look."""
    it = told(A)
    for now in (0.0, 0.5, 0.999):
        it.validated(A, now)
    assert not it.free(A, CONFIG.validated_for)
    it.validated(A, 1.0)
    assert it.free(A, CONFIG.validated_for)


def test_a_punch_may_be_forged_so_it_is_worth_three_packets_and_no_series() -> None:
    it = Outreach()
    it.heard(A, 0.0)
    assert it.packets(A, 0.0, SERIES) == 1
    assert drain(it, A, 0.0) == CONFIG.heard - 1


def test_forged_punches_bring_no_more_than_the_rate() -> None:
    it = told(A)
    count = 0
    for tenth in range(6000):
        it.heard(A, tenth / 10)
        it.told(A, tenth / 10)
        count += drain(it, A, tenth / 10)
    assert count <= CONFIG.row + 600 * CONFIG.row_rate
    assert count / 600 < 2.0


def test_named_for_ever_and_silent_for_ever_is_a_meeting_a_minute() -> None:
    it, count = Outreach(), 0
    for second in range(600):
        it.told(A, float(second))
        count += drain(it, A, float(second))
    assert count <= CONFIG.burst + 600 * CONFIG.rate


def test_four_addresses_of_a_host_are_tried_at_a_time_and_their_places_are_handed_on() -> None:
    many = [Address(A.host, 5000 + number) for number in range(20)]
    it = told(*many)
    assert [address for address in many if it.packets(address, 0.0, SERIES)] == many[: CONFIG.silent]
    it.heard(many[0], 0.5)
    assert it.packets(many[5], 0.5, SERIES) == 1
    for address in many:
        it.told(address, 10.0)
    assert [address for address in many[6:] if it.packets(address, 10.0, SERIES)] == many[6 : 6 + CONFIG.silent]


def test_new_targets_are_bounded_in_all() -> None:
    it, tried = Outreach(), 0
    for second in range(10):
        for number in range(200):
            address = Address(f"45.{second}.{number}.7", 5000)
            it.told(address, float(second))
            tried += it.packets(address, float(second), SERIES)
    assert tried <= CONFIG.new_burst + 10 * CONFIG.new_rate


def test_what_is_no_longer_named_is_no_longer_tried() -> None:
    it = told(A)
    assert it.packets(A, CONFIG.told_for, SERIES) == 0


def test_a_meeting_gets_its_six_openers_and_five_punches_and_four_of_a_host_a_minute() -> None:
    it = told(A)
    assert it.may_meet(A, BROKER, 0.0, 11)
    assert it.take(A, 0.0, 11)
    assert not it.may_meet(B, BROKER, 0.0, 11), "its packets would be too many"
    begun = 1
    for second in range(1, 60):
        it.told(A, float(second))
        if it.may_meet(Address(A.host, 6000 + second), BROKER, float(second), 1):
            begun += 1
    assert begun <= CONFIG.meetings + 1


def test_two_in_one_home_are_met_one_after_the_other() -> None:
    it = told(A)
    assert it.may_meet(A, BROKER, 0.0, 11)
    assert it.take(A, 0.0, 11)
    it.validated(A, 0.4)
    assert it.may_meet(B, BROKER, 0.4, 11)


def meet(it: Outreach, address: Address, now: float) -> bool:
    """Meet it as brokers arrange it, if that is allowed: openers and punches leave."""
    it.told(address, now)
    return it.may_meet(address, BROKER, now, 11) and it.take(address, now, 11)


def moved(port: int) -> Address:
    return Address(A.host, port)


def test_a_host_that_proved_itself_is_met_again_when_its_router_restarts() -> None:
    """The first meeting was lost with the router, and the broker names other ports of the same host."""
    it = Outreach()
    assert meet(it, A, 0.0)
    assert not meet(it, moved(6000), 2.0), "it may be a bystander"
    it.proved(A, 2.5)
    assert meet(it, moved(6000), 3.0)
    assert meet(it, moved(6001), 3.0), "another program there has moved too"


def test_what_a_host_that_proved_itself_gets_is_bounded_too() -> None:
    it = Outreach()
    sent = 0
    for second in range(60):
        now = float(second)
        it.proved(A, now)
        sent += 11 * sum(meet(it, moved(6000 + 10 * second + each), now) for each in range(10))
    assert sent <= CONFIG.burst * (1 + CONFIG.refills + 60 * CONFIG.refills_rate) + 60 * CONFIG.rate


def test_all_hosts_that_proved_themselves_have_one_bound_together() -> None:
    it = Outreach()
    begun = 0
    for number in range(100):
        here = Address(f"45.1.{number}.7", 5000)
        assert meet(it, here, 0.0) or number >= CONFIG.meetings_told
        it.proved(here, 0.0)
    for number in range(100):
        it.told(Address(f"45.1.{number}.7", 6000), 1.0)
        begun += it.take(Address(f"45.1.{number}.7", 6000), 1.0, 11)
    assert 0 < begun - (100 - CONFIG.meetings_told) <= CONFIG.refills_in_all


def test_the_proof_of_a_host_ends_with_its_time() -> None:
    it = Outreach()
    it.proved(A, 0.0)
    assert meet(it, A, CONFIG.told_for)
    assert not meet(it, moved(6000), CONFIG.told_for + 1.0)


def test_a_broker_arranges_so_many_meetings_and_another_one_has_its_own() -> None:
    it = Outreach()
    begun = {BROKER: 0, A: 0}
    for broker in begun:
        for number in range(200):
            address = Address(f"45.{broker.port % 250}.{number}.7", 5000)
            it.told(address, 0.0)
            begun[broker] += it.may_meet(address, broker, 0.0, 11)
    assert begun == {BROKER: CONFIG.meetings_told, A: CONFIG.meetings_told}


def test_calls_count_their_syns() -> None:
    it = told(A)
    assert it.may_dial(A, 0.0, 4)
    assert it.may_dial(B, 0.0, 4)
    assert not it.may_dial(A, 0.0, 4)


def test_a_failed_meeting_keeps_probes_away() -> None:
    it = told(A)
    it.failed(A, 0.0)
    it.told(A, 30.0)
    assert it.packets(A, 30.0, SERIES) == 0
    it.heard(A, 31.0)
    assert it.packets(A, 31.0, SERIES) == CONFIG.few


@pytest.mark.parametrize("address", [A, Address("127.0.0.1", 5000)])
def test_the_owners_word_and_this_machine_are_not_counted(address: Address) -> None:
    it = Outreach()
    if address is A:
        it.permit(A)
    assert it.packets(address, 0.0, SERIES) == SERIES
    assert it.may_dial(address, 0.0, 100)
    assert it.may_meet(address, BROKER, 0.0, 100)


def test_a_friend_is_remembered_in_a_flood_of_forged_sources() -> None:
    it = told(A)
    it.validated(A, 0.0)
    for number in range(20_000):
        it.heard(Address(f"45.{number % 250}.{number // 250}.7", 5000), 1.0)
    assert it.packets(A, 2.0, SERIES) == SERIES


@pytest.mark.parametrize(
    ("address", "by", "said"),
    [
        (Address("203.0.113.1", 5000), None, None),
        (Address("203.0.113.1", 1023), None, "well-known"),
        (Address("224.0.0.1", 5000), None, "no address"),
        (Address("192.168.1.7", 5000), None, None),  # a network of ours
        (Address("192.168.2.7", 5000), "192.168.2.1", "not ours"),
        (Address("127.0.0.1", 5000), "203.0.113.1", "this machine"),
        (Address("127.0.0.1", 5000), None, "this machine"),
        (Address("127.0.0.1", 5000), "127.0.0.1", None),
        (Address("100.64.0.7", 5000), "100.64.0.1", None),
        (Address("100.64.0.7", 5000), "203.0.113.1", "not ours"),
    ],
)
def test_what_is_refused_whoever_names_it(address: Address, by: str | None, said: str | None) -> None:
    reason = refusal(address, by, lambda each: each.host.startswith("192.168.1."))
    assert reason is None if said is None else said in (reason or "")


def test_what_is_held_back_has_a_name() -> None:
    assert HeldBack("x").name == "ERR_HELD_BACK"


def test_answers_share_what_a_host_gets_with_punches_and_the_grape() -> None:
    it = Outreach()
    kinds = (it.may_answer, it.may_acknowledge, lambda source, now: it.lend(source.host, now))
    sent = sum(kind(A, 0.0) for _ in range(100) for kind in kinds)
    assert sent <= CONFIG.row
    assert not it.may_answer(B, 0.0), "another port is the same host"
    assert it.may_answer(B, 1 / CONFIG.row_rate)
    it.told(A, 1.0)
    it.validated(A, 1.0)
    assert all(it.may_answer(A, 1.0) for _ in range(100))


@pytest.mark.parametrize("form", ["203.0.113.{}", "2001:db8:7:{:x}::1"])
def test_a_network_gets_so_many_answers_whatever_hosts_are_in_it(form: str) -> None:
    """One who has a /48 of IPv6 has 65,536 hosts, as they are counted."""
    it = Outreach()
    hosts = [Address(form.format(number), 5000) for number in range(1, 251)]
    assert sum(it.may_answer(each, 0.0) for each in hosts) == CONFIG.around
    assert sum(it.may_answer(each, 2.0) for each in hosts) == 2 * CONFIG.around_rate
    assert it.may_answer(Address("198.51.100.1", 5000), 0.0)


def test_answers_in_all_are_bounded_and_whoever_has_answered_is_not_counted() -> None:
    it, known = Outreach(), Address("198.51.100.7", 5000)
    it.validated(known, 0.0)
    flood = (Address(f"45.{number >> 8}.{number & 255}.1", 5000) for number in range(2 * int(CONFIG.answers)))
    assert sum(it.may_answer(each, 0.0) for each in flood) == CONFIG.answers
    assert it.may_answer(known, 0.0)


def test_after_a_whole_meeting_the_connection_that_it_was_for_is_answered() -> None:
    it = told(A)
    assert it.take(A, 0.0, 11), "six openers and five punches"
    assert sum(it.may_acknowledge(A, 0.0) for _ in range(5)) >= 3
    assert it.may_answer(A, 0.0), "its SYN"


def test_a_named_host_is_still_called_whatever_is_forged_in_its_name() -> None:
    it = told(A)
    while it.may_answer(A, 0.0):
        pass
    assert it.may_dial(A, 0.0, 2)
