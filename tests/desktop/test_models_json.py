"""JSON is checked with sentences, and shown within a bound."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.values import JsonValue
from desktop.models.json_check import MAX_CHARACTERS, check_json
from desktop.models.pretty import ELLIPSIS, full, pretty, preview

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=10), inner, max_size=8),
    max_leaves=20,
)


@settings(max_examples=20)
@given(JSON)
def test_what_is_shown_whole_is_the_value(value: JsonValue) -> None:
    shown = pretty(value, 1_000_000)
    assert shown.complete
    assert json.loads(shown.text) == value
    assert json.loads(full(value)) == value


@settings(max_examples=20)
@given(JSON, st.integers(1, 60))
def test_a_preview_is_one_line_within_its_bound(value: JsonValue, limit: int) -> None:
    text = preview(value, limit)
    assert len(text) <= limit + 1
    assert "\n" not in text
    assert text.endswith(ELLIPSIS) or json.loads(text) == value


@given(st.text(max_size=40) | st.text(alphabet='{}[]":,0123456789eE+-.truefalsn \n\\u', max_size=40))
def test_any_text_is_a_value_or_a_sentence(text: str) -> None:
    checked = check_json(text)
    if checked.problem is None:
        assert json.loads(text) == checked.value
    else:
        assert checked.problem.endswith(".")
        assert 0 <= checked.position <= len(text)


def test_a_short_list_stays_on_one_line() -> None:
    assert pretty([1, 1, 2, 3, 5, 8, 13, 21, 34, 55]).text == "[1, 1, 2, 3, 5, 8, 13, 21, 34, 55]"


def test_a_long_list_is_wrapped() -> None:
    lines = pretty(list(range(100))).text.splitlines()
    assert lines[0] == "["
    assert lines[-1] == "]"
    assert max(len(line) for line in lines) <= 64


def test_a_huge_answer_costs_no_more_than_its_bound() -> None:
    numbers: list[JsonValue] = [10**2000] * 5000
    started = time.thread_time()
    shown = pretty(numbers, 20_000)
    assert time.thread_time() - started < 0.2  # writing all of it takes seconds
    assert not shown.complete
    assert len(shown.text) == 20_001


def test_deep_nesting_is_cut_not_raised() -> None:
    deep: JsonValue = []
    for _ in range(5000):
        deep = [deep]
    shown = pretty(deep)
    assert not shown.complete
    assert ELLIPSIS in shown.text
    with pytest.raises(ValueError, match="too deep"):
        full(deep)


def test_a_number_above_the_digit_limit_is_left_out() -> None:
    shown = pretty([10**5000, 7])
    assert not shown.complete
    assert shown.text == f"[{ELLIPSIS}, 7]"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The payload is empty"),
        ("  \n", "The payload is empty"),
        ('{"length": 10', "Line 1, column 14: a comma"),
        ('{"length": 10,\n "mode": }', "Line 2, column 10: a value is expected"),
        ("{length: 10}", "Line 1, column 2: a name in"),
        ('{"length" 10}', "Line 1, column 11: a colon"),
        ("[1, 2] 3", "Line 1, column 8: the value is complete"),
        ('"abc', "Line 1, column 1: this text has no closing quote"),
        ('"a\nb"', "Line 1, column 3: a line break"),
        ('"\\x"', "this backslash"),
        ("NaN", "JSON has no NaN"),
        ("[-Infinity]", "JSON has no -Infinity"),
        ("1e999", "JSON has no number as large as 1e999"),
        ("9" * 5000, "too many digits"),
        ('"\\ud800"', "half of a pair"),
        ("[" * 100_000, "nested too deep"),
        ('"' + "a" * MAX_CHARACTERS + '"', "too long"),
    ],
)
def test_wrong_payloads_are_explained(text: str, sentence: str) -> None:
    problem = check_json(text).problem
    assert problem is not None
    assert sentence in problem
