"""Which service a key means."""

import pytest

from core.services.fibonacci import FibonacciService
from core.services.service import Registry
from core.serving.catalog import Catalog


@pytest.fixture
def catalog() -> Catalog:
    catalog = Catalog(Registry(FibonacciService()))
    catalog.add("fibonacci")
    return catalog


@pytest.mark.parametrize("key", ["fibonacci", "fibonacci_worker", "127.0.0.1:1337", "peer.example:20001"])
def test_names_and_addresses_reach_the_shared_service(catalog: Catalog, key: str) -> None:
    service = catalog.find(key)
    assert service is not None
    assert service.name == "fibonacci"


@pytest.mark.parametrize("key", ["", "weather", "fibonacci_consumer", "host:notaport"])
def test_other_names_mean_nothing(catalog: Catalog, key: str) -> None:
    assert catalog.find(key) is None


def test_nothing_is_found_once_it_is_no_longer_shared(catalog: Catalog) -> None:
    catalog.remove("fibonacci")
    assert catalog.find("127.0.0.1:1337") is None
    assert catalog.find("fibonacci") is None
    assert not catalog


def test_what_is_not_over_utp_is_found_by_no_key_there(catalog: Catalog) -> None:
    catalog.add("fibonacci", utp=False)
    for key in ("fibonacci", "fibonacci_worker", "127.0.0.1:1337"):
        assert catalog.find(key) is not None
        assert catalog.find_over_utp(key) is None
    catalog.add("fibonacci")
    for key in ("fibonacci_worker", "127.0.0.1:1337"):
        assert catalog.find_over_utp(key) is catalog.find(key)
