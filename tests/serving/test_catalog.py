"""Which service a key means, and what a caller is told when it means none."""

import pytest

from core.services.fibonacci import FibonacciService
from core.services.service import Caller, Registry
from core.serving.catalog import Sharing, UnknownService
from core.values import Address

CALLER = Caller(Address("192.0.2.1", 5))


@pytest.fixture
def sharing() -> Sharing:
    sharing = Sharing(Registry(FibonacciService()))
    sharing.add("fibonacci")
    return sharing


@pytest.mark.parametrize("key", ["fibonacci", "fibonacci_worker", "127.0.0.1:1337", "peer.example:20001"])
def test_names_and_addresses_reach_the_shared_service(sharing: Sharing, key: str) -> None:
    assert sharing.handle(key, {"length": 3}, CALLER) == [1, 1, 2]
    assert sharing.label(key) == "fibonacci_worker"


@pytest.mark.parametrize("key", ["", "weather", "fibonacci_consumer", "host:notaport"])
def test_other_names_are_refused_by_name(sharing: Sharing, key: str) -> None:
    with pytest.raises(UnknownService) as caught:
        sharing.find(key)
    assert caught.value.name == "ERR_SERVICE_UNKNOWN"


def test_nothing_is_answered_once_it_is_no_longer_shared(sharing: Sharing) -> None:
    sharing.remove("fibonacci")
    with pytest.raises(UnknownService):
        sharing.find("127.0.0.1:1337")


def test_requests_are_counted_by_outcome(sharing: Sharing) -> None:
    sharing.note("fibonacci_worker", None)
    sharing.note("127.0.0.1:1", "ERR_PAYLOAD: no")
    sharing.note("weather", "ERR_SERVICE_UNKNOWN: no")
    tally = sharing.tallies["fibonacci"]
    assert (tally.served, tally.failed) == (1, 1)


def test_an_absurd_key_is_shown_short(sharing: Sharing) -> None:
    with pytest.raises(UnknownService) as caught:
        sharing.find("x" * 100_000)
    assert len(str(caught.value)) < 200
