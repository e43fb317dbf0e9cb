"""Settings of a grape: what is refused in words, and which ports are tried."""

import pytest

from core.errors import LocalError
from core.grape.config import GrapeConfig
from core.values import Address


def test_pairs_of_ports_rise_together() -> None:
    pairs = GrapeConfig(port_search=2).port_pairs()
    assert pairs == [(20001, 30001), (20002, 30002), (20003, 30003)]


def test_any_port_stays_any_and_is_tried_once() -> None:
    assert GrapeConfig(dht_port=0, api_port=0, port_search=5).port_pairs() == [(0, 0)]
    assert GrapeConfig(dht_port=0, api_port=30001, port_search=1).port_pairs() == [(0, 30001), (0, 30002)]


def test_search_ends_at_the_last_port() -> None:
    assert GrapeConfig(dht_port=65534, api_port=1, port_search=5).port_pairs() == [(65534, 1), (65535, 2)]


def test_bootstrap_nodes_are_parsed_once_each() -> None:
    config = GrapeConfig(bootstrap=("127.0.0.1:1", Address("127.0.0.1", 1), "host.example:2"))
    assert config.bootstrap_nodes() == [Address("127.0.0.1", 1), Address("host.example", 2)]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"dht_port": 70000}, "--dp 70000"),
        ({"api_port": -1}, "--aph -1"),
        ({"bootstrap": ("nonsense",)}, "--bn: 'nonsense' is not host:port"),
        ({"bootstrap": tuple(f"h:{n}" for n in range(1, 100))}, "99 bootstrap nodes"),
        ({"dht_concurrency": 0}, "dht_concurrency is 0"),
        ({"peer_max_age": 0.0}, "peer_max_age"),
    ],
)
def test_wrong_setting_is_refused_in_words(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(LocalError, match=words):
        GrapeConfig(**wrong)  # type: ignore[arg-type]
