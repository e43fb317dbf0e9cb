"""The demo service: exact at any size, and strict about its payload."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import LocalError
from core.services.fibonacci import MAX_LENGTH, FibonacciService, fibonacci
from core.services.service import Caller, PayloadError, Registry
from core.values import Address, JsonValue
from tests.support.virtual_time import run

CALLER = Caller(Address("192.0.2.1", 5))


def answer(payload: JsonValue) -> JsonValue:
    async def ask() -> JsonValue:
        outcome = FibonacciService().handle(payload, CALLER)
        return await outcome if isinstance(outcome, Awaitable) else outcome

    return asyncio.run(ask())


def test_the_protocols_own_example() -> None:
    assert answer({"length": 10}) == [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]
    assert answer({"length": 0}) == []


@given(st.integers(3, 400))
def test_each_number_is_the_sum_of_the_two_before(length: int) -> None:
    numbers = fibonacci(length)
    assert len(numbers) == length
    assert all(c == a + b for a, b, c in zip(numbers, numbers[1:], numbers[2:], strict=False))


def test_the_longest_is_exact_and_printable() -> None:
    numbers = answer({"length": MAX_LENGTH})
    assert isinstance(numbers, list)
    assert len(numbers) == MAX_LENGTH
    assert len(str(numbers[-1])) == 2090


def test_answers_share_their_numbers_and_they_are_forgotten_soon() -> None:
    """FAULTS.md A1: 14 answers that waited for their reader held 14 times the same 5 MB."""

    async def scene() -> None:
        service = FibonacciService()

        async def ask(length: int) -> list[int]:
            outcome = service.handle({"length": length}, CALLER)
            assert isinstance(outcome, Awaitable)
            numbers = await outcome
            assert isinstance(numbers, list)
            return [number for number in numbers if isinstance(number, int)]

        short, long, again = await asyncio.gather(ask(2000), ask(3000), ask(2000))
        assert short == again == fibonacci(2000)
        assert long == fibonacci(3000)
        assert all(mine is theirs for mine, theirs in zip(short, long, strict=False))
        assert all(mine is theirs for mine, theirs in zip(short, again, strict=True))
        short.clear()
        assert len(await ask(3000)) == 3000, "what a caller does with its answer is not seen by the next one"
        await asyncio.sleep(11)
        later = await ask(3000)
        assert later == long
        assert later[-1] is not long[-1], "they were forgotten"

    run(scene())


@pytest.mark.parametrize(
    "payload",
    [None, 10, "10", [], {}, {"length": "10"}, {"length": -1}, {"length": MAX_LENGTH + 1}, {"length": 1.0},
     {"length": True}, {"length": None}, {"length": 1, "more": 2}, {"Length": 1}, {"length": 10**100}],
)  # fmt: skip
def test_anything_else_is_refused_with_what_is_expected(payload: JsonValue) -> None:
    with pytest.raises(PayloadError, match="0 to 10000") as caught:
        answer(payload)
    assert len(str(caught.value)) < 200


def test_the_registry_names_what_it_has() -> None:
    registry = Registry(FibonacciService())
    assert [service.name for service in registry] == ["fibonacci"]
    with pytest.raises(LocalError, match="fibonacci"):
        registry.get("weather")
    with pytest.raises(LocalError, match="already"):
        registry.add(FibonacciService())


class Counted(list[JsonValue]):
    """A list that counts how many of its items were looked at."""

    seen = 0

    def __iter__(self) -> Iterator[JsonValue]:
        for item in super().__iter__():
            self.seen += 1
            yield item


def test_a_payload_of_megabytes_is_refused_without_writing_it_out() -> None:
    numbers = Counted(["0123456789"] * 100_000)
    with pytest.raises(PayloadError, match=r'got .*"0123456789", .*[.]{3}$'):
        answer({"length": numbers})
    assert 0 < numbers.seen < 20


def test_a_refused_payload_is_freed_without_the_garbage_collector() -> None:
    class Payload(list[JsonValue]):
        """A list that can be watched."""

    def refused(payload: JsonValue) -> str:
        try:  # no pytest.raises: it keeps the error in a cycle of its own
            FibonacciService().handle({"length": payload}, CALLER)
        except PayloadError as refusal:
            return str(refusal)
        return ""

    payload = Payload(["0123456789"] * 100)
    watch = weakref.ref(payload)
    gc.disable()
    try:
        assert "0123" in refused(payload)
        del payload
        assert watch() is None
    finally:
        gc.enable()
