"""The one record of what a peer offers and wants, and the names of roles."""

import pytest

from core.errors import LocalError
from core.services.fibonacci import FibonacciService
from core.services.intents import Intent, Intents
from core.services.names import Role, RoleName, worker_of
from core.services.service import Registry, consumer_key, worker_key

OFFER, WANT = Intent("fibonacci", Role.WORKER), Intent("fibonacci", Role.CONSUMER)


def intents() -> Intents:
    return Intents(Registry(FibonacciService()))


def test_the_names_of_roles_are_those_of_the_demo() -> None:
    assert str(RoleName("fibonacci", Role.WORKER)) == worker_key("fibonacci") == "fibonacci_worker"
    assert str(RoleName("fibonacci", Role.WORKER).other) == consumer_key("fibonacci") == "fibonacci_consumer"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("fibonacci_worker", RoleName("fibonacci", Role.WORKER)),
        ("a_worker_consumer", RoleName("a_worker", Role.CONSUMER)),
        ("fibonacci", None),
        ("_worker", None),
        ("worker", None),
        ("fibonacci_broker", None),
        ("", None),
    ],
)
def test_a_name_is_read_once(text: str, name: RoleName | None) -> None:
    assert RoleName.parse(text) == name
    assert name is None or str(name) == text


@pytest.mark.parametrize("text", ["fibonacci", "fibonacci_worker"])
def test_a_person_may_write_the_service_or_its_worker(text: str) -> None:
    assert worker_of(text) == RoleName("fibonacci", Role.WORKER)


def test_everybody_hears_once_of_each_change_and_last_come_is_first_to_let_go() -> None:
    it = intents()
    told: list[tuple[str, Intent, bool]] = []
    for name in "ab":
        it.subscribe(lambda intent, on, name=name: told.append((name, intent, on)))  # type: ignore[misc]
    it.declare(OFFER)
    it.declare(OFFER)
    it.withdraw(OFFER.name)
    it.withdraw(OFFER.name)
    assert told == [("a", OFFER, True), ("b", OFFER, True), ("b", OFFER, False), ("a", OFFER, False)]


def test_a_listener_sees_the_record_as_it_is_after_the_change() -> None:
    it = intents()
    seen: list[tuple[bool, tuple[str, ...]]] = []
    it.subscribe(lambda intent, on: seen.append((it.offers("fibonacci"), it.of(Role.WORKER))))
    it.declare(OFFER)
    it.withdraw(OFFER.name)
    assert seen == [(True, ("fibonacci",)), (False, ())]


def test_both_roles_are_apart_and_a_new_payload_is_no_new_intent() -> None:
    it = intents()
    told: list[Intent] = []
    it.subscribe(lambda intent, on: told.append(intent))
    it.declare(WANT)
    it.declare(Intent("fibonacci", Role.CONSUMER, {"length": 3}))
    assert len(told) == 1
    known = it.get(WANT.name)
    assert known is not None
    assert known.payload == {"length": 3}
    assert (it.offers("fibonacci"), it.wants("fibonacci")) == (False, True)


def test_an_unknown_service_and_a_closed_peer_are_errors() -> None:
    it = intents()
    with pytest.raises(LocalError, match="services here: fibonacci"):
        it.declare(Intent("weather", Role.WORKER))
    it.declare(OFFER)
    it.close()
    assert list(it) == []
    with pytest.raises(LocalError, match="closed"):
        it.declare(OFFER)
