"""How much each caller may ask: on a hand-moved clock, and between peers."""

import pytest

from core.limits.bounds import CALLERS
from core.peer_id import PeerId
from core.serving.quota import STRANGER, Allowance, Quotas
from core.serving.refusals import RateLimited
from core.values import Address, Caller

SMALL = Allowance(10.0, 20.0, 1000.0, 4000.0, 2)
LARGE = Allowance(100.0, 200.0, 10_000.0, 40_000.0, 8)
ANNA = PeerId(b"a" * 32)
PUBLIC = Address("203.0.113.5", 4000)


def asked(quotas: Quotas, caller: Caller, times: int, now: float, *, trusted: bool = False) -> int:
    """Return how many of so many requests were taken."""
    taken = 0
    for _ in range(times):
        try:
            quotas.take(caller, trusted, now)
        except RateLimited:
            continue
        taken += 1
    return taken


def test_a_burst_then_the_rate() -> None:
    quotas = Quotas(SMALL, LARGE)
    caller = Caller(PUBLIC)
    assert asked(quotas, caller, 50, 0.0) == 20
    assert asked(quotas, caller, 50, 1.0) == 10
    assert asked(quotas, caller, 50, 100.0) == 20
    assert quotas.refused["requests"] == 30 + 40 + 30


def test_ids_cost_nothing_so_strangers_are_their_host() -> None:
    quotas = Quotas(SMALL, LARGE)
    taken = sum(
        asked(quotas, Caller(Address(PUBLIC.host, 1000 + number), PeerId(bytes([number]) * 32)), 5, 0.0)
        for number in range(20)
    )
    assert taken == 20


def test_whom_the_owner_trusts_has_an_account_of_its_own_and_a_larger_one() -> None:
    quotas = Quotas(SMALL, LARGE)
    assert asked(quotas, Caller(PUBLIC), 50, 0.0) == 20  # a flood from the same address
    assert asked(quotas, Caller(PUBLIC, ANNA), 300, 0.0, trusted=True) == 200


@pytest.mark.parametrize(("host", "taken"), [("127.0.0.1", 300), ("192.168.1.7", 200), ("203.0.113.9", 20)])
def test_this_machine_is_not_counted_and_the_home_s_network_is_not_the_internet(host: str, taken: int) -> None:
    assert asked(Quotas(SMALL, LARGE), Caller(Address(host, 4000)), 300, 0.0) == taken


def test_bytes_are_counted_when_they_are_known() -> None:
    quotas = Quotas(SMALL, LARGE)
    caller = Caller(PUBLIC)
    account = quotas.take(caller, False, 0.0)
    assert account is not None
    account.charge(10_000, 0.0)
    with pytest.raises(RateLimited, match="MB a second: wait 6 s"):
        quotas.take(caller, False, 0.0)
    assert asked(quotas, caller, 1, 6.1) == 1


def test_requests_at_the_same_time() -> None:
    quotas = Quotas(SMALL, LARGE)
    caller = Caller(PUBLIC)
    for _ in range(2):
        account = quotas.take(caller, False, 0.0)
        assert account is not None
        account.under_way += 1
    with pytest.raises(RateLimited, match="wait for one to end"):
        quotas.take(caller, False, 0.0)
    assert account is not None
    account.under_way -= 1
    quotas.take(caller, False, 0.0)


def test_the_table_is_bounded_and_a_clock_that_goes_back_gives_nothing() -> None:
    quotas = Quotas(SMALL, LARGE)
    for number in range(CALLERS + 50):
        quotas.take(Caller(Address(f"203.0.{number // 250}.{number % 250}", 1)), False, 0.0)
    assert len(quotas) == CALLERS
    caller = Caller(Address("203.0.113.77", 1))
    asked(quotas, caller, 50, 10.0)
    assert asked(quotas, caller, 1, 5.0) == 0
    with pytest.raises(ValueError, match="above 0"):
        Allowance(0, 1, 1, 1, 1)
    assert STRANGER.requests > 0
