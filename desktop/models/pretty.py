"""JSON for people: short lists on one line, everything else indented, and never more than a bound.

The demo's largest answer is 10.5 MB; a text widget takes seconds for that. So the window shows the first
`DISPLAY_CHARACTERS` and offers the rest as a copy.
"""

import json
from dataclasses import dataclass

from core.values import JsonValue

DISPLAY_CHARACTERS = 20_000  # some 300 lines: more than anybody reads, laid out by Qt in under 10 ms
WRAP_COLUMN = 60  # characters; a list of plain values is filled up to here
MAX_DEPTH = 32  # nested lists and objects; deeper is shown as an ellipsis
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True, slots=True)
class Pretty:
    """Text for the screen; `complete` is False when something was left out."""

    text: str
    complete: bool


class _Full(Exception):
    """The bound is reached."""


def pretty(value: JsonValue, limit: int = DISPLAY_CHARACTERS, column: int = WRAP_COLUMN) -> Pretty:
    """Return a value laid out, at most about `limit` characters. The work is bounded by the limit too.

    Lists of plain values are filled up to `column` characters a line.
    """
    writer = _Writer(limit, column=column)
    try:
        writer.value(value, 0)
    except _Full:
        return Pretty("".join(writer.parts)[:limit] + ELLIPSIS, complete=False)
    return Pretty("".join(writer.parts), writer.complete)


def preview(value: JsonValue, limit: int = 60) -> str:
    """Return the beginning of a value on one line."""
    writer = _Writer(limit, inline=True)
    try:
        writer.value(value, 0)
    except _Full:
        return "".join(writer.parts)[:limit] + ELLIPSIS
    return "".join(writer.parts)


def full(value: JsonValue) -> str:
    """Return all of a value, indented. Slow for a large one: call it off the UI thread.

    Raises ValueError when it is nested too deep to write.
    """
    try:
        return json.dumps(value, indent=2, ensure_ascii=False)
    except RecursionError:
        raise ValueError("the answer is nested too deep to write out") from None


def _printable(text: str) -> str:
    """Return JSON with its own escapes for what would turn or hide the text around it; it stays the same value."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


class _Writer:
    """Writes text until the limit."""

    def __init__(self, limit: int, *, inline: bool = False, column: int = WRAP_COLUMN) -> None:
        self._inline = inline
        self._column = column
        self.parts: list[str] = []
        self.complete = True
        self._left = limit

    def value(self, value: JsonValue, depth: int) -> None:
        if isinstance(value, dict | list) and value and depth >= MAX_DEPTH:
            self.complete = False
            self._put(ELLIPSIS)
        elif isinstance(value, dict) and value:
            self._object(value, depth)
        elif isinstance(value, list) and value:
            self._list(value, depth)
        else:
            self._put(self._scalar(value))

    def _put(self, text: str) -> None:
        self.parts.append(text)
        self._left -= len(text)
        if self._left < 0:
            raise _Full

    def _scalar(self, value: JsonValue) -> str:
        if isinstance(value, str):
            value = value[: max(self._left, 0) + 1]  # a longer one ends in _Full: its escaped form is longer still
        try:
            return _printable(json.dumps(value, ensure_ascii=False))
        except ValueError:  # an int above Python's digit limit
            self.complete = False
            return ELLIPSIS

    def _object(self, value: dict[str, JsonValue], depth: int) -> None:
        before, between, after = self._breaks(depth)
        opening = "{" + before
        for key, item in value.items():
            self._put(f"{opening}{self._scalar(key)}: ")
            self.value(item, depth + 1)
            opening = between
        self._put(after + "}")

    def _breaks(self, depth: int) -> tuple[str, str, str]:
        """Return what stands before the first item, between two, and after the last."""
        if self._inline:
            return "", ", ", ""
        inner = "\n" + "  " * (depth + 1)
        return inner, "," + inner, "\n" + "  " * depth

    def _list(self, value: list[JsonValue], depth: int) -> None:
        if self._inline or any(isinstance(item, dict | list) for item in value[: self._left + 1]):
            before, between, after = self._breaks(depth)
            opening = "[" + before
            for item in value:
                self._put(opening)
                self.value(item, depth + 1)
                opening = between
            self._put(after + "]")
        else:
            self._filled(value, depth, "  " * (depth + 1))

    def _filled(self, value: list[JsonValue], depth: int, inner: str) -> None:
        """Write plain values side by side: on one line if they fit, else wrapped at the column."""
        line: list[str] = []
        used, wrapped = 2 * depth, False
        for item in value:
            text = self._scalar(item)
            if line and used + len(text) + 2 > self._column:
                self._put(("" if wrapped else "[\n") + inner + ", ".join(line) + ",\n")
                line, used, wrapped = [], len(inner), True
            line.append(text)
            used += len(text) + 2
            if used > self._left:
                self._put(("" if wrapped else "[\n") + inner + ", ".join(line))
                raise _Full
        closing = "\n" + "  " * depth + "]" if wrapped else "]"
        self._put((inner if wrapped else "[") + ", ".join(line) + closing)
