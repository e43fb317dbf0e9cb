"""Finding where a JSON value ends while it arrives in pieces, in one pass, and that it can no longer become one.

RFC 8259, strictly: no NaN, no bare control character, and no escaped lone surrogate (section 8.2 leaves that open; a
str with one cannot be sent on as UTF-8). Bytes above 7f are let through: decoding the value checks its UTF-8.
"""

import re
from typing import Final

_SPACES: Final = b" \t\n\r"
_SPACE: Final = re.compile(rb"[ \t\n\r]*+")
ESCAPE_TEXT: Final = (
    rb'\\(?:["\\/bfnrt]|u(?:[0-9a-cA-CeEfF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}'
    rb"|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))"
)
SCALAR_TEXT: Final = rb"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+|true|false|null"
PLAIN_TEXT: Final = rb'"[^"\\\x00-\x1f]*+"'
_ESCAPE: Final = re.compile(ESCAPE_TEXT)
_HIGH_SURROGATE: Final = re.compile(rb"\\u[dD][89abAB]")
_SCALAR: Final = re.compile(SCALAR_TEXT)
_WORD: Final = re.compile(rb"[0-9A-Za-z+.-]*+")
_WHOLE_SCALAR: Final = re.compile(rb"(?:%b)(?=[,\]} \t\n\r])" % SCALAR_TEXT)
# Repeats are bounded because the regex engine keeps some memory per round.
_STRING: Final = re.compile(rb'(?:[^"\\\x00-\x1f]++|%b){0,256}+' % ESCAPE_TEXT)
# Whole runs of plain elements at once: what makes a long list of numbers cheap. Only with the comma that follows,
# so that what the end of a piece cuts is left to the steps below.
_ELEMENTS: Final = re.compile(
    rb"(?:[ \t\n\r]*+(?:%b|%b)[ \t\n\r]*+,){1,256}+" % (PLAIN_TEXT, SCALAR_TEXT),
)
_MEMBERS: Final = re.compile(
    rb"(?:[ \t\n\r]*+%b[ \t\n\r]*+:[ \t\n\r]*+(?:%b|%b)[ \t\n\r]*+,){1,256}+" % (PLAIN_TEXT, PLAIN_TEXT, SCALAR_TEXT)
)
_QUOTE, _BACKSLASH, _LIST, _END_LIST, _DICT, _END_DICT = b'"\\[]{}'


class InvalidJson(Exception):
    """What came is no JSON, whatever may follow."""


class OverLimit(Exception):
    """More containers are open, or there are more in all, than the limits allow."""


# What may come next, as integers because they index a table. White space may too, in the states before DONE.
_ELEMENT, _FIRST_ELEMENT, _VALUE, _KEY, _FIRST_KEY, _COLON, _NEXT_IN_LIST, _NEXT_IN_DICT = range(8)
_DONE, _STRING_STATE, _KEY_STRING, _ESCAPE_STATE, _KEY_ESCAPE, _WORD_STATE = range(8, 14)
# What a byte may do besides leading to a state.
_PUSH, _POP, _INVALID, _BEGIN_WORD, _BEGIN_ELEMENT, _BEGIN_KEY = range(100, 106)
_REASONS: Final = {
    _KEY: "a key is not a string",
    _FIRST_KEY: "a key is not a string",
    _COLON: "a key is not followed by a colon",
    _NEXT_IN_LIST: "a value is followed by neither a comma nor the end of its list",
    _NEXT_IN_DICT: "a value is followed by neither a comma nor the end of its object",
}


def _row(state: int, special: dict[bytes, int], other: int = _INVALID) -> list[int]:
    """Return what each of the 256 bytes does in a state."""
    row = [other] * 256
    for bytes_, action in {_SPACES: state, **special}.items():
        for byte in bytes_:
            row[byte] = action
    return row


_TABLE: Final = [
    *_row(_ELEMENT, {b"[{": _PUSH, b'"': _BEGIN_ELEMENT}, _BEGIN_ELEMENT),
    *_row(_FIRST_ELEMENT, {b"[{": _PUSH, b"]": _POP}, _BEGIN_ELEMENT),
    *_row(_VALUE, {b"[{": _PUSH, b'"': _STRING_STATE}, _BEGIN_WORD),
    *_row(_KEY, {b'"': _BEGIN_KEY}),
    *_row(_FIRST_KEY, {b'"': _BEGIN_KEY, b"}": _POP}),
    *_row(_COLON, {b":": _VALUE}),
    *_row(_NEXT_IN_LIST, {b",": _ELEMENT, b"]": _POP}),
    *_row(_NEXT_IN_DICT, {b",": _KEY, b"}": _POP}),
]


class Scanner:
    """Follows one list or object; the state is a few bytes and one byte per open container.

    `scanned` counts the bytes looked at by all calls: tests of linearity read it.
    """

    def __init__(self, max_depth: int, max_containers: int) -> None:
        self._max_depth = max_depth
        self._max_containers = max_containers
        self._containers = 0  # that this value has opened
        self._state = _VALUE
        self._open = bytearray()  # the open containers, outermost first, by their opening byte
        self._partial = bytearray()  # of an escape or a word that the end of a piece cut
        self.scanned = 0

    @property
    def done(self) -> bool:
        """Whether the value is complete."""
        return self._state == _DONE

    def start(self) -> None:
        """Begin a new value."""
        self._state = _VALUE
        self._containers = 0
        self._open.clear()
        self._partial.clear()

    def scan(self, data: bytes, at: int) -> int:
        """Go on from `data[at]`; return where the value ends, or len(data) while it is not `done`.

        Raises InvalidJson at the first byte, at the latest the first token, that no value can have there; OverLimit.
        """
        began, end, table = at, len(data), _TABLE
        try:
            while at < end:
                state = self._state
                if state >= _DONE:
                    if state == _DONE:
                        break
                    at = self._inside(data, at)
                    continue
                action = table[state << 8 | data[at]]
                if action < _PUSH:
                    self._state = action
                    at += 1
                elif action == _POP:
                    self._open.pop()
                    self._state = self._next()
                    at += 1
                else:
                    at = self._begin(data, at, action)
        finally:
            self.scanned += at - began
        return at

    def _next(self) -> int:
        """Return the state after a whole value."""
        if not self._open:
            return _DONE
        return _NEXT_IN_LIST if self._open[-1] == _LIST else _NEXT_IN_DICT

    def _begin(self, data: bytes, at: int, action: int) -> int:
        """Begin a container, a string or a word, or take a run of plain ones; return where to go on."""
        if action == _PUSH:
            if len(self._open) >= self._max_depth:
                raise OverLimit(f"nested deeper than {self._max_depth}")
            self._containers += 1
            if self._containers > self._max_containers:
                raise OverLimit(f"more than {self._max_containers:,} lists and objects")
            self._open.append(data[at])
            self._state = _FIRST_ELEMENT if data[at] == _LIST else _FIRST_KEY
            return at + 1
        if action == _INVALID:
            raise InvalidJson(_REASONS[self._state])
        if action == _BEGIN_KEY:
            run = _MEMBERS.match(data, at)
            self._state = _KEY_STRING if run is None else _KEY
            return at + 1 if run is None else run.end()
        if action == _BEGIN_ELEMENT and (run := _ELEMENTS.match(data, at)):
            self._state = _ELEMENT
            return run.end()
        if data[at] == _QUOTE:
            self._state = _STRING_STATE
            return at + 1
        if word := _WHOLE_SCALAR.match(data, at):
            self._state = self._next()
            return word.end()
        self._state = _WORD_STATE
        return at

    def _inside(self, data: bytes, at: int) -> int:
        """Go on inside of a string, an escape or a word."""
        if self._state == _WORD_STATE:
            return self._word(data, at)
        if self._state in (_STRING_STATE, _KEY_STRING):
            return self._string(data, at)
        return self._escape(data, at)

    def _string(self, data: bytes, at: int) -> int:
        end = _after(_STRING, data, at)
        if end == len(data):
            return end
        byte, in_key = data[end], self._state == _KEY_STRING
        if byte == _QUOTE:
            self._state = _COLON if in_key else self._next()
            return end + 1
        if byte == _BACKSLASH:
            self._state = _KEY_ESCAPE if in_key else _ESCAPE_STATE
        elif byte < 0x20:
            raise InvalidJson("a string contains a control character")
        return end

    def _escape(self, data: bytes, at: int) -> int:
        known = len(self._partial)
        escape = bytes(self._partial + data[at : at + 12 - known])  # the longest: a pair of surrogates
        self._partial.clear()
        needed = 6 if escape[1:2] == b"u" else 2
        if len(escape) >= 6 and _HIGH_SURROGATE.match(escape):
            needed = 12
        if len(escape) < needed:
            self._partial += escape
            return len(data)
        if not _ESCAPE.fullmatch(escape, 0, needed):
            raise InvalidJson("a string contains an escape that is none, or half a pair of surrogates")
        self._state = _KEY_STRING if self._state == _KEY_ESCAPE else _STRING_STATE
        return at + needed - known

    def _word(self, data: bytes, at: int) -> int:
        end = _after(_WORD, data, at)
        self._partial += data[at:end]
        if end < len(data):  # what follows ends the word
            if not _SCALAR.fullmatch(self._partial):
                raise InvalidJson("there is something that is no JSON value")
            self._partial.clear()
            self._state = self._next()
        return end


def skip_space(data: bytes | bytearray, at: int) -> int:
    """Return where the white space that begins at `at` ends."""
    return _after(_SPACE, data, at)


def _after(pattern: re.Pattern[bytes], data: bytes | bytearray, at: int) -> int:
    """Return where a match at `at` ends, of a pattern that also matches nothing."""
    found = pattern.match(data, at)
    return at if found is None else found.end()
