"""Check what somebody types as JSON and say, in a sentence, where it is wrong and what was expected."""

import json
from dataclasses import dataclass

from core.values import JsonValue

MAX_CHARACTERS = 200_000  # a payload typed or pasted here; checking that many takes about 2 ms
_WORDS = {
    "Expecting value": 'a value is expected here: a number, a "text", true, false, null, [ or {',
    "Expecting property name enclosed in double quotes": 'a name in "double quotes" is expected here',
    "Expecting ',' delimiter": "a comma, or the closing bracket, is expected here",
    "Expecting ':' delimiter": "a colon is expected after the name",
    "Extra data": "the value is complete here; remove what follows",
    "Unterminated string starting at": "this text has no closing quote",
    "Invalid control character at": "a line break inside a text is written \\n",
    "Invalid \\escape": 'this backslash is not followed by one of " \\ / b f n r t u',
    "Invalid \\uXXXX escape": "four hexadecimal digits are expected after \\u",
    "Illegal trailing comma before end of object": "remove this comma: nothing follows it",
    "Illegal trailing comma before end of array": "remove this comma: nothing follows it",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome: `problem` is None when `value` is to be used, else a sentence; `position` points into the text."""

    value: JsonValue
    problem: str | None = None
    position: int = 0


def check_json(text: str) -> Checked:
    """Read a JSON text. Never raises."""
    if not text.strip():
        return Checked(None, 'The payload is empty. Write a JSON value, for example {"length": 10} or null.')
    if len(text) > MAX_CHARACTERS:
        return Checked(None, f"The payload is too long for this editor: at most {MAX_CHARACTERS:,} characters.")
    try:
        value: JsonValue = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        return _explain(error)
    except UnicodeEncodeError:
        return Checked(None, "A \\u escape in a text is half of a pair (\\ud800 to \\udfff); write both halves.")
    except RecursionError:
        return Checked(None, "The payload is nested too deep.")
    except ValueError as error:
        return Checked(None, _number_problem(str(error)))
    return Checked(value)


def _explain(error: json.JSONDecodeError) -> Checked:
    words = _WORDS.get(error.msg)
    if words is None:  # some of Python's messages carry the character they are about
        words = next((known for start, known in _WORDS.items() if error.msg.startswith(start)), error.msg)
    return Checked(None, f"Line {error.lineno}, column {error.colno}: {words}.", error.pos)


def _number_problem(message: str) -> str:
    return message if message.startswith("JSON has no") else "A number in the payload has too many digits."


def _refuse_constant(name: str) -> JsonValue:
    raise ValueError(f"JSON has no {name}. Use a number, a text or null.")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"JSON has no number as large as {text[:20]}.")
    return value
