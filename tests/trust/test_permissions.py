"""Every audience against every kind of caller, and what becomes of one that is not let in."""

import asyncio

import pytest

from core.trust.audience import Audience
from core.trust.entries import EVERY, Pending
from core.trust.permissions import REFUSALS, Permissions
from core.trust.store import NOT_AGAIN, ONCE_HOLDS, Change, TrustStore
from core.values import Address, Caller
from tests.trust.people import ANN, BOB, EVE, HERE, NOW, caller, peer_id

ENCRYPT, TRUST, BLOCKED, OFF = (
    "ERR_ENCRYPTION_REQUIRED", "ERR_NOT_TRUSTED", "ERR_BLOCKED", "ERR_SERVICE_OFF"
)  # fmt: skip
PLAIN = Caller(HERE)
KINDS = {
    "plain": PLAIN,
    "unknown": Caller(HERE, peer_id(99)),
    "trusted with it": Caller(HERE, ANN),
    "trusted with all": Caller(HERE, peer_id(4)),
    "trusted with another": Caller(HERE, BOB),
    "known, with nothing": Caller(HERE, peer_id(3)),
    "blocked": Caller(HERE, EVE),
}
TABLE = {
    Audience.TRUSTED: (ENCRYPT, TRUST, None, None, TRUST, TRUST, BLOCKED),
    Audience.IDENTIFIED: (ENCRYPT, None, None, None, None, None, BLOCKED),
    Audience.ANYONE: (None, None, None, None, None, None, BLOCKED),
    Audience.OFF: (OFF, OFF, OFF, OFF, OFF, OFF, BLOCKED),
}
CASES = [
    (audience, kind, refusal)
    for audience, refusals in TABLE.items()
    for kind, refusal in zip(KINDS, refusals, strict=True)
]


def acquainted() -> TrustStore:
    """Return a list of people in memory."""
    store = TrustStore()

    async def meet() -> None:
        await store.trust(ANN, "Ann", frozenset({"weather"}), NOW)
        await store.trust(BOB, "Bob", frozenset({"clock"}), NOW)
        await store.trust(peer_id(3), "Cid", frozenset(), NOW)
        await store.trust(peer_id(4), "Dee", EVERY, NOW)
        await store.block(EVE, NOW)

    asyncio.run(meet())
    return store


@pytest.mark.parametrize(("audience", "kind", "refusal"), CASES)
def test_every_audience_and_every_kind_of_caller(audience: Audience, kind: str, refusal: str | None) -> None:
    store = acquainted()
    permissions = Permissions(store, {"weather": audience})
    decided = permissions.decide("weather", KINDS[kind], NOW)
    assert (decided and decided.name) == refusal
    assert [each.peer_id for each in store.pending()] == ([KINDS[kind].peer_id] if refusal == TRUST else [])


def test_the_names_are_those_that_a_caller_by_name_may_try_elsewhere() -> None:
    assert {ENCRYPT, TRUST, BLOCKED, OFF} == REFUSALS


def test_only_the_demo_is_open_by_default() -> None:
    permissions = Permissions(TrustStore())
    assert permissions.audience("fibonacci") is Audience.ANYONE
    assert permissions.audience("weather") is Audience.TRUSTED
    permissions.set_audience("fibonacci", Audience.OFF)
    assert permissions.audience("fibonacci") is Audience.OFF


def test_a_service_is_never_closed_to_its_owner_but_when_it_is_off() -> None:
    permissions = Permissions(TrustStore(), own=lambda: ANN)
    assert permissions.decide("weather", Caller(HERE, ANN), NOW) is None
    assert permissions.decide("weather", Caller(HERE, BOB), NOW) is not None
    assert permissions.decide("weather", PLAIN, NOW) is not None
    permissions.set_audience("weather", Audience.OFF)
    assert permissions.decide("weather", Caller(HERE, ANN), NOW) is not None


def test_every_refusal_is_a_sentence_about_what_to_do() -> None:
    permissions = Permissions(TrustStore())
    plain = permissions.decide("weather", PLAIN, NOW)
    unknown = permissions.decide("weather", caller(7), NOW)
    assert plain is not None
    assert unknown is not None
    assert "encrypted peers" in str(plain)
    assert "weather" in str(plain)
    assert "the owner was asked" in str(unknown)


def test_a_plain_caller_never_becomes_a_pending_request() -> None:
    store = TrustStore()
    permissions = Permissions(store)
    for _ in range(3):
        permissions.decide("weather", PLAIN, NOW)
    assert store.pending() == ()


def test_one_who_asks_again_is_counted_and_shown_once_a_minute() -> None:
    shown: list[Pending] = []
    store = TrustStore()
    permissions = Permissions(store, on_pending=shown.append)
    there = Address("192.0.2.9", 6)
    for at in (0.0, 1.0, NOT_AGAIN - 1, NOT_AGAIN + 1):
        permissions.decide("weather", caller(7, there if at else HERE), NOW + at)
    (pending,) = store.pending()
    assert pending == Pending(peer_id(7), "weather", there, NOW, NOW + NOT_AGAIN + 1, 4)
    assert [each.times for each in shown] == [1, 4]


def test_accept_once_is_once() -> None:
    store = TrustStore()
    permissions = Permissions(store)
    key = (peer_id(7), "weather")
    assert permissions.decide("weather", caller(7), NOW) is not None
    asyncio.run(store.accept_once(key, NOW))
    assert store.pending() == ()
    assert permissions.decide("clock", caller(7), NOW + 1) is not None, "it was for another service"
    assert permissions.decide("weather", caller(8), NOW + 1) is not None, "it was for another peer"
    assert permissions.decide("weather", caller(7), NOW + 1) is None
    assert permissions.decide("weather", caller(7), NOW + 2) is not None
    assert (peer_id(7), "weather") in [each.key for each in store.pending()]
    assert store.find(peer_id(7)) is None


def test_accept_once_does_not_wait_for_ever() -> None:
    store = TrustStore()
    permissions = Permissions(store)
    permissions.decide("weather", caller(7), NOW)
    asyncio.run(store.accept_once((peer_id(7), "weather"), NOW))
    assert permissions.decide("weather", caller(7), NOW + ONCE_HOLDS) is not None


def test_accept_always_is_for_that_service() -> None:
    store = TrustStore()
    permissions = Permissions(store)
    permissions.decide("weather", caller(7), NOW)
    permissions.decide("clock", caller(7), NOW)
    asyncio.run(store.accept_always((peer_id(7), "weather"), NOW))
    assert permissions.decide("weather", caller(7), NOW) is None
    assert permissions.decide("weather", caller(7), NOW + 1e6) is None
    assert permissions.decide("clock", caller(7), NOW) is not None


def test_a_refused_one_may_ask_again_and_is_not_shown_for_a_minute() -> None:
    shown: list[Pending] = []
    store = TrustStore()
    permissions = Permissions(store, on_pending=shown.append)
    permissions.decide("weather", caller(7), NOW)
    asyncio.run(store.refuse((peer_id(7), "weather"), NOW))
    refusal = permissions.decide("weather", caller(7), NOW + NOT_AGAIN - 1)
    assert refusal is not None
    assert refusal.name == TRUST
    assert store.pending() == ()
    assert len(shown) == 1
    permissions.decide("weather", caller(7), NOW + NOT_AGAIN)
    assert len(store.pending()) == 1
    assert len(shown) == 2


def test_a_blocked_one_is_refused_without_a_word_to_the_owner() -> None:
    shown: list[Pending] = []
    store = TrustStore()
    permissions = Permissions(store, {"clock": Audience.ANYONE}, on_pending=shown.append)
    permissions.decide("weather", caller(7), NOW)
    asyncio.run(store.accept_once((peer_id(7), "weather"), NOW))
    asyncio.run(store.block(peer_id(7), NOW))
    for service in ("weather", "clock"):
        refusal = permissions.decide(service, caller(7), NOW + 1)
        assert refusal is not None
        assert refusal.name == BLOCKED
    assert store.pending() == ()
    assert len(shown) == 1


def test_last_seen_is_kept_to_the_minute() -> None:
    store = acquainted()
    told: list[Change] = []
    store.listen(told.append)
    permissions = Permissions(store)
    for at in (1.0, 2.0, 59.0, 62.0):
        assert permissions.decide("weather", Caller(HERE, ANN), NOW + at) is None
    known = store.find(ANN)
    assert known is not None
    assert known.last_seen == NOW + 62.0
    assert told == [Change.NOTED, Change.NOTED]


def test_asking_what_would_be_changes_nothing() -> None:
    store = TrustStore()
    permissions = Permissions(store)
    permissions.decide("weather", caller(7), NOW)
    asyncio.run(store.accept_once((peer_id(7), "weather"), NOW))
    assert permissions.refusal("weather", caller(7)) is not None
    assert store.pending() == ()
    assert permissions.decide("weather", caller(7), NOW) is None
