"""JSON in steps: the same text and the same values as at once, and no step that takes long."""

import contextlib
import enum
import json
import time
from collections.abc import Generator, Iterator
from typing import TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.values import JsonValue
from core.wire import json_dump, json_load
from core.wire.json_dump import STEP, count_containers, dump, dump_steps, encode_small, weight
from core.wire.json_load import load_steps
from core.wire.json_scan import OverLimit

T = TypeVar("T")

text = st.text(st.sampled_from('ab"\\\n\x7fé€😀/[]{},: '), max_size=12) | st.text(max_size=400)
scalar = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
# Few in each, and deep: to draw took nearly all of the time of these tests.
value = st.recursive(
    scalar, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=8
)
container = st.lists(value, max_size=6) | st.dictionaries(text, value, max_size=6)


sizes = st.sampled_from([4, 40, 300])


class Subclass(enum.StrEnum):
    """A string that is none: what json makes of it is for json to say."""

    WORD = "word"


@given(value | st.integers(min_value=-(10**90), max_value=10**90))
@example(-0.0)
@example([1e16, 1e-7, True, False, None, {}, [], {"": [[]]}, "\u2028\ud7ff"])
@example([[0] * 300])
@example([[[[[[[[[[1]]]]]]]]]])
def test_a_small_value_has_the_text_that_it_has_otherwise(data: JsonValue) -> None:
    small = encode_small(data, 1000)
    assert small in (None, dump(data, 128).encode())
    if small is None:
        assert len(dump(data, 128).encode()) > 70 or str(data).count("[") > 8


@pytest.mark.parametrize(
    "data",
    [float("nan"), float("inf"), "\ud800", {"\ud800": 1}, {1: 2}, (1,), Subclass.WORD, {"a"}, b"a", [1, object()]],
)
def test_what_is_not_plain_json_is_left_to_the_others(data: object) -> None:
    assert encode_small(data, 1000) is None


def test_a_small_value_that_refers_to_itself_or_is_too_long_is_left_to_the_others() -> None:
    circle: list[object] = []
    circle.append(circle)
    assert encode_small(circle, 1000) is None
    assert encode_small(["x" * 90], 94) == b'["' + b"x" * 90 + b'"]'
    assert encode_small(["x" * 90], 93) is None


@contextlib.contextmanager
def steps_of(size: int) -> Iterator[None]:
    """Let small values take many steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_dump, "STEP", size)
        patch.setattr(json_dump, "_FEW", 3)
        patch.setattr(json_load, "_WINDOW", size)
        patch.setattr(json_load, "_RETRY", size // 4)
        yield


def drain(steps: Generator[None, None, T]) -> tuple[T, int]:
    """Run steps to their end; return the result and how many there were."""
    count = 1
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: T = stop.value
            return result, count
        count += 1


@given(container, sizes)
@example([["x" * 500, "é" * 500, {"k": ["\n" * 300]}], {"😀": 1e300}, -0.0, []], 40)
def test_written_in_steps_is_the_text_written_at_once(made: JsonValue, size: int) -> None:
    with steps_of(size):
        assert "".join(dump_steps(made, 128)) == dump(made, 128)


@given(container, st.sampled_from([None, 1]), st.booleans(), sizes)
@example([[1, [2, {"a": {"b": [[], {}, [[]]]}}]], "\\u00e9", 12345678901234567890], None, True, 4)
def test_read_in_steps_is_the_value_read_at_once(made: JsonValue, indent: int | None, ascii: bool, size: int) -> None:
    data = json.dumps(made, indent=indent, ensure_ascii=ascii).encode()
    with steps_of(size):
        assert drain(load_steps(data))[0] == made
        assert drain(load_steps(bytearray(data)))[0] == made


def test_the_last_of_equal_keys_counts_wherever_they_are() -> None:
    data = b'{"a":[1,2,[3,4]],"b":1,"a":{"c":[5,6,7,8,9,10]},"b":"' + b"x" * 50 + b'"}'
    with steps_of(4):
        assert drain(load_steps(data))[0] == json.loads(data)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"[[1],1e999]", "range"),
        (b"[" + b"9" * 5000 + b"]", "limit"),
        (b'["\xff",1]', "utf-8"),
        (b'[["\xc3"]]', "utf-8"),
        (b'{"\xff":[1]}', "utf-8"),
        (b'["\\n\xff"]', "utf-8"),
    ],
)
def test_what_cannot_be_read_at_once_cannot_be_read_in_steps(bad: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        json_load.load(bad)
    with pytest.raises(ValueError, match=reason):
        drain(load_steps(bad))


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 6])
def test_depth_is_limited_as_at_once(depth: int) -> None:
    made: JsonValue = "x" * 30
    for level in range(4):
        made = [made, "y" * 30] if level % 2 else {"k": made, "l": [1]}
    if depth < 5:  # the shortest list of the innermost object
        with pytest.raises(OverLimit):
            dump(made, depth)
        with pytest.raises(OverLimit), steps_of(4):
            list(dump_steps(made, depth))
        return
    with steps_of(4):
        assert "".join(dump_steps(made, depth)) == dump(made, depth)


def test_a_circle_ends_in_an_error() -> None:
    circle: list[JsonValue] = ["x" * STEP]
    circle.append(circle)
    with pytest.raises(OverLimit):
        list(dump_steps(circle, 128))


@settings(max_examples=40)
@given(container)
def test_containers_are_counted(made: JsonValue) -> None:
    bare = json.dumps(made, default=str)
    in_strings = "".join(json.dumps(item) for item in _strings(made))
    expected = sum(bare.count(mark) - in_strings.count(mark) for mark in "[{")
    assert drain(count_containers(made))[0] == expected


def _strings(made: JsonValue) -> Iterator[str]:
    if isinstance(made, str):
        yield made
    elif isinstance(made, list):
        for item in made:
            yield from _strings(item)
    elif isinstance(made, dict):
        for key, item in made.items():
            yield key
            yield from _strings(item)


@settings(max_examples=40)
@given(container)
def test_weight_is_near_the_length_and_stops_at_the_limit(made: JsonValue) -> None:
    length = len(dump(made, 128))
    assert weight(made, 1 << 30) >= length / 8  # escapes of control characters: six for one; floats: up to 24 for 4
    assert (weight(made, 20) > 20) == (weight(made, 1 << 30) > 20)


def test_weighing_looks_at_no_more_than_it_needs() -> None:
    class Counted(list[JsonValue]):
        looked = 0

        def __len__(self) -> int:
            Counted.looked += 1
            return super().__len__()

    many: JsonValue = [Counted([1] * 10) for _ in range(1000)]
    assert weight(many, 2000) > 2000
    assert Counted.looked < 100


@pytest.mark.parametrize(
    "made",
    [
        [10**2000] * 400,
        [1] * 200_000,
        ["x" * 800_000],
        ["é\n" * 200_000],
        {f"key {index}": {"a": [index]} for index in range(20_000)},
        [[[[1, 2], "y" * 5000]]] * 100,
    ],
    ids=["long integers", "numbers", "text", "escapes", "objects", "nested"],
)
def test_a_step_is_short(made: JsonValue) -> None:
    """By the processor's time of the whole: that of one step depends on who else runs on the machine."""
    pieces = list(dump_steps(made, 128))
    assert max(map(len, pieces)) <= 6 * STEP
    data = "".join(pieces).encode()
    began = time.process_time()
    result, count = drain(load_steps(data))
    took = time.process_time() - began
    assert result == made
    assert count >= len(data) / (300 * 1024)
    assert took / count < 0.005
