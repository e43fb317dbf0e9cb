"""core.dht.tokens: bound to the requester's IP, and to one or two periods."""

from random import Random

import pytest

from core.dht.tokens import TOKEN_BYTES, Tokens

PERIOD = 300.0  # seconds


def make(seed: int = 1) -> Tokens:
    """Return tokens that were made at time 0."""
    return Tokens(Random(seed), PERIOD, 0.0)


def test_a_token_is_valid_for_its_host_only() -> None:
    tokens = make()
    token = tokens.issue("10.0.0.1", 0.0)
    assert len(token) == TOKEN_BYTES == 20
    assert tokens.valid(token, "10.0.0.1", 1.0)
    assert not tokens.valid(token, "10.0.0.2", 1.0)
    assert not tokens.valid(b"", "10.0.0.1", 1.0)
    assert not tokens.valid(token + b"x", "10.0.0.1", 1.0)
    assert not make(seed=2).valid(token, "10.0.0.1", 1.0)


@pytest.mark.parametrize(
    ("issued_at", "age", "valid"),
    [(0.0, 599.0, True), (0.0, 600.0, False), (299.0, 300.0, True), (299.0, 301.0, False)],
)
def test_the_current_and_the_previous_secret_count(issued_at: float, age: float, valid: bool) -> None:
    tokens = make()
    token = tokens.issue("10.0.0.1", issued_at)
    assert tokens.valid(token, "10.0.0.1", issued_at + age) is valid


def test_the_secret_changes_every_period() -> None:
    tokens = make()
    seen = {tokens.issue("10.0.0.1", number * PERIOD) for number in range(5)}
    assert len(seen) == 5
    assert tokens.issue("10.0.0.1", 4 * PERIOD + 299.0) in seen


def test_after_a_long_silence_nothing_old_is_valid() -> None:
    tokens = make()
    token = tokens.issue("10.0.0.1", 0.0)
    assert not tokens.valid(token, "10.0.0.1", 1e6)
