"""Reading JSON, at once or in small steps.

One call of the `json` module for 10 MB holds the interpreter for up to half a second. `load_steps` does the same work
in many calls for small parts, and yields after each; who runs it decides when to pause. No step is longer than 3 ms
on a 2 GHz machine (32 integers of the 4,300 digits that Python allows); most take a few microseconds.
"""

import codecs
import json
import math
import re
from collections.abc import Callable, Generator
from typing import Final, TypeAlias

from core.values import JsonValue
from core.wire.json_scan import ESCAPE_TEXT, SCALAR_TEXT, skip_space

_WINDOW: Final = 2048  # bytes in which a container is expected to end; if it does, it is read at once
_RETRY: Final = 256  # bytes between attempts that fail; so they read the text 8 times at most
# What is looked for was scanned before, so these may be loose. Repeats are bounded: by the time that they take, and
# because the regex engine keeps some memory per round.
_STRING_TEXT: Final = rb'"(?:[^"\\]{1,256}+|\\.){0,16}+"'
_SPACED: Final = rb"[ \t\n\r]*+(?:%b|%b)[ \t\n\r]*+" % (_STRING_TEXT, SCALAR_TEXT)
# Short elements, or members, that are followed by another one
_ELEMENTS: Final = re.compile(rb"(?:%b,){1,32}+" % _SPACED)
_MEMBERS: Final = re.compile(rb"(?:[ \t\n\r]*+%b[ \t\n\r]*+:%b,){1,32}+" % (_STRING_TEXT, _SPACED))
_SCALAR: Final = re.compile(SCALAR_TEXT)
_PART: Final = re.compile(rb'(?:[^"\\]{1,4096}+|%b){0,64}+' % ESCAPE_TEXT)  # of a string: at most 256 KiB
_LIST, _QUOTE, _COMMA = b'[",'
_OPENING: Final = b"[{"
_CLOSING: Final = b"]}"

_Container: TypeAlias = "list[JsonValue] | dict[str, JsonValue]"


def _finite(text: str) -> float:
    """Return a JSON number that has a fraction or an exponent. Raises ValueError when a float cannot hold it."""
    number = float(text)
    if math.isinf(number):
        raise ValueError("beyond a float's range")
    return number


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


_PARSER: Final = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse)
_SCAN: Final[Callable[[str, int], tuple[JsonValue, int]]] = _PARSER.scan_once  # type: ignore[attr-defined]
"""(text, at) -> (value, end). Raises StopIteration where no value begins."""


def load(data: bytes | bytearray) -> JsonValue:
    """Read one value, at once. All that a `Scanner` refuses is refused but escaped half surrogates, and depth.

    Raises UnicodeDecodeError for what is not UTF-8, ValueError for what is not JSON or out of range.
    """
    text = data.decode()
    try:
        value, end = _SCAN(text, 0)
    except StopIteration:
        value, end = None, -1
    if end != len(text):  # space around it, or no JSON; asking for that first would cost a third of the time
        value = _PARSER.decode(text)
    return value


def load_from(text: str, at: int) -> tuple[JsonValue, int]:
    """Read the value that begins at `at`, as `load` does; return where it ends, too. Raises ValueError."""
    try:
        return _SCAN(text, at)
    except StopIteration:
        raise ValueError("no value begins here") from None


def load_steps(data: bytes | bytearray) -> Generator[None, None, JsonValue]:
    """Read as `load` does what a `Scanner` found to be whole: a list or object from the first byte to the last."""
    return (yield from _Loading(data).steps())


class _Loading:
    """A value being read: the containers that are open, outermost first, and where the reading is."""

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = data
        self._at = 0
        self._open: list[_Container] = []
        self._key = ""  # under which the next value is put, in an object
        self._try_at = _RETRY  # from here on a container may be read at once

    def steps(self) -> Generator[None, None, JsonValue]:
        root = self._begin()
        self._open.append(root)
        while self._open:
            yield
            if self._run():
                continue
            if self._skip_space() in _CLOSING:
                self._open.pop()
                self._at += 1
                self._skip_comma()
                continue
            if isinstance(self._open[-1], dict):
                self._key = yield from self._string()
                self._skip_space()
                self._at += 1  # the colon
            yield from self._value(self._skip_space())
        return root

    def _value(self, first: int) -> Generator[None, None, None]:
        """Take one value, or open it."""
        if first in _OPENING:
            if not self._small():
                made = self._begin()
                self._put(made)
                self._open.append(made)
            return
        self._put((yield from self._string()) if first == _QUOTE else self._scalar())
        self._skip_comma()

    def _skip_space(self) -> int:
        """Return the byte that comes then."""
        self._at = skip_space(self._data, self._at)
        return self._data[self._at]

    def _skip_comma(self) -> None:
        if self._open and self._skip_space() == _COMMA:
            self._at += 1

    def _begin(self) -> _Container:
        """Take the byte that opens a container; return that, empty."""
        made: _Container = [] if self._data[self._at] == _LIST else {}
        self._at += 1
        return made

    def _put(self, value: JsonValue) -> None:
        top = self._open[-1]
        if isinstance(top, list):
            top.append(value)
        else:
            top[self._key] = value

    def _run(self) -> bool:
        """Take what is short and followed by something; tell whether there was any."""
        top = self._open[-1]
        found = (_ELEMENTS if isinstance(top, list) else _MEMBERS).match(self._data, self._at)
        if found is None:
            return False
        text = found[0][:-1].decode()
        if isinstance(top, list):
            top += _PARSER.decode(f"[{text}]")
        else:
            top.update(_PARSER.decode(f"{{{text}}}"))
        self._at = found.end()
        return True

    def _small(self) -> bool:
        """Take a container that ends soon; tell whether it does."""
        if self._at < self._try_at:
            return False
        text = self._data[self._at : self._at + _WINDOW].decode(errors="replace")  # the end may cut a character
        try:
            value, end = _PARSER.raw_decode(text)
            used = end if text.isascii() else len(text[:end].encode())
            self._data[self._at : self._at + used].decode()
        except ValueError:  # too long; or it holds what is found again, and then reported, once it is open
            self._try_at = self._at + _RETRY
            return False
        self._at += used
        self._put(value)
        self._skip_comma()
        return True

    def _scalar(self) -> JsonValue:
        """Take a number or a word."""
        found = _SCALAR.match(self._data, self._at)
        text = "" if found is None else found[0].decode()
        self._at += len(text)
        value: JsonValue = _PARSER.decode(text)
        return value

    def _string(self) -> Generator[None, None, str]:
        """Take a string, in parts if it is long."""
        parts: list[str] = []
        utf8 = codecs.getincrementaldecoder("utf-8")()  # a part may end within a character
        self._at += 1
        while True:
            found = _PART.match(self._data, self._at)
            part = b"" if found is None else found[0]
            self._at += len(part)
            last = self._data[self._at] == _QUOTE
            parts.append(_PARSER.decode(f'"{utf8.decode(part, last)}"'))
            if last:
                self._at += 1
                return "".join(parts)
            yield
