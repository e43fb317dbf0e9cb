"""The settings file as text: how it is written, and what can be read of one that is damaged.

Pure. Damage costs what it hit: a file that is cut keeps the fields before the cut, and a wrong value costs its field.
Fields about openness that were hit become closed ones (`CLOSED`).
"""

import dataclasses
import json
import re
import types
import typing
from collections.abc import Mapping
from json.decoder import JSONDecoder
from typing import Any, Final, Literal

from core.errors import LocalError
from core.frozen import frozen
from core.profile.fields import CLOSED, Settings, WindowState, check_field
from core.trust.audience import Audience

SCHEMA: Final = 1
MAX_FILE_BYTES: Final = 1 << 20  # a settings file is a few hundred bytes; a huge one is not ours
MAX_DEPTH: Final = 16  # lists and objects in each other in a share; what writes the file goes into each
MAX_SAID: Final = 3  # problems in the sentence; more are the same mistake again
ALIKE: Final = 0.8  # of 1: how like the name of a missing field one is that nobody knows, to be a slip of the pen
MAX_SHOWN: Final = 60  # characters of a wrong value in the sentence
UNCONFIRMED: Final = "unconfirmed"  # the file was damaged, was written again since, and its owner has not looked yet

_COMMA: Final = re.compile(r'("(?:[^"\\\n]|\\.)*")|,(?=\s*[}\]])')  # a text, which stays, or a comma too many
_UNREADABLE: Final = "\ufffd"  # what decoding puts in the place of bytes that are no text
_SPACE: Final = re.compile(r"[\s,]*")


@frozen
class Reading:
    """What could be read, and what is wrong: words for a sentence; none for a sound file.

    `unknown` are the members that this version does not know, to be written again. `rewritten`: it is sound, and was
    written in the place of a damaged one.
    """

    settings: Settings
    problems: tuple[str, ...] = ()
    unknown: Mapping[str, object] = dataclasses.field(default_factory=dict)
    rewritten: bool = False

    def words(self) -> str:
        """Return what is wrong, in words."""
        more = len(self.problems) - MAX_SAID
        return "; ".join([*self.problems[:MAX_SAID], *([f"and {more} more"] if more > 0 else [])])


def nothing(problem: str) -> Reading:
    """Return what is read of a file that cannot be read at all."""
    return Reading(Settings().closed(), (problem,))


def dump(settings: Settings, unknown: Mapping[str, object], unconfirmed: str | None) -> bytes:
    """Return the document."""
    head = {"schema": SCHEMA} | ({UNCONFIRMED: unconfirmed} if unconfirmed else {})
    return (json.dumps({**unknown, **head, **dataclasses.asdict(settings)}, indent=2) + "\n").encode()


def read(data: bytes) -> Reading:
    """Read a document. Raises nothing: whatever is wrong is in the reading."""
    if len(data) > MAX_FILE_BYTES:
        return nothing("it is far too large")
    document, damage = _parse(data)
    if damage is None and document.get("schema") != SCHEMA:
        damage = _wrong_schema(document.get("schema"))
    fields, problems = _fields(document, cut=damage is not None)
    unconfirmed = document.get(UNCONFIRMED)
    said = [str(unconfirmed)[:500]] if unconfirmed and damage is None else []
    known = {"schema", UNCONFIRMED, *(each.name for each in dataclasses.fields(Settings))}
    unknown = {name: value for name, value in document.items() if name not in known} if damage is None else {}
    problems = [*said, *([damage] if damage else []), *problems]
    return Reading(Settings(**fields), tuple(problems), unknown, rewritten=said == problems != [])


def _wrong_schema(schema: object) -> str:
    if type(schema) is int and schema > SCHEMA:
        return f"it was written by a newer version of Grapevine (schema {schema}; this one knows {SCHEMA})"
    return f"it is not a settings file of schema {SCHEMA}"


# -- JSON, as far as it can be read ---------------------------------------------------------------------------------


def _parse(data: bytes) -> tuple[dict[str, Any], str | None]:
    """Return the members of the outermost object, as far as they can be read, and what is wrong with the text."""
    if not data.strip(b"\0 \t\r\n"):
        return {}, "it is empty"
    damage: str | None = None
    try:
        text = data.decode(json.detect_encoding(data)).removeprefix("\ufeff")  # which some editors begin a text with
    except UnicodeDecodeError as error:
        damage = f"it is not text in UTF-8 (byte {error.start + 1})"
        text = data.decode(errors="replace")
    twice: list[str] = []
    try:
        document = json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, twice))
    except json.JSONDecodeError as error:
        damage = damage or f"line {error.lineno}, column {error.colno}: {_what(error, text)}"
    except (ValueError, RecursionError):  # a number of 5,000 digits, or brackets in brackets in brackets
        return {}, "it is not JSON that a settings file has"
    else:
        if twice:
            damage = damage or f"{_shown(twice[0])} is there twice"
        if isinstance(document, dict):
            return document, damage
        return {}, "it is not a JSON object"
    return _members(_COMMA.sub(lambda found: found[1] or "", text)), damage


def _once(pairs: list[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    """Return an object without the members that are there twice: nobody knows which of them is meant.

    In their place is one that cannot be read, as those that are no UTF-8.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice += (again := [name for name in found if names.count(name) > 1])
        found = {name: value for name, value in pairs if name not in again} | {_UNREADABLE: None}
    return found


def _what(error: json.JSONDecodeError, text: str) -> str:
    if error.pos >= len(text.rstrip()):
        return "it ends too early"
    before = text[: error.pos].rstrip()
    if before.endswith(",") or text[error.pos] == ",":
        return "there is a comma too many"
    return f"it is not JSON ({error.msg})"


def _members(text: str) -> dict[str, Any]:
    """Return the whole members of an object from its begin on, up to what cannot be read."""
    found: dict[str, Any] = {}
    decoder, at = JSONDecoder(), text.find("{") + 1
    try:
        while at > 0:
            at = _space(text, at)
            name, at = decoder.raw_decode(text, at)
            at = _space(text, at)
            if not isinstance(name, str) or text[at] != ":":
                break
            value, at = decoder.raw_decode(text, _space(text, at + 1))
            if isinstance(value, int | float) and at >= len(text.rstrip()):
                break  # a number that the cut has shortened
            found[name] = value
    except (ValueError, IndexError, RecursionError):
        pass
    return found


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


# -- fields ---------------------------------------------------------------------------------------------------------


def _fields(document: Mapping[str, Any], *, cut: bool) -> tuple[dict[str, Any], list[str]]:
    """Return the fields that can be used, closed ones in the place of those that cannot, and what is wrong.

    `cut`: something is missing, so a field about openness that is not there is closed as well.
    """
    problems: list[str] = []
    fields: dict[str, Any] = dict(CLOSED) if cut else {}
    hints = typing.get_type_hints(Settings)
    strangers = [name for name in document if name not in hints]
    for name in (each.name for each in dataclasses.fields(Settings)):
        if name not in document:
            import difflib  # only for a name that was mistyped

            similar = difflib.get_close_matches(name, strangers, 1, ALIKE)
            if similar:
                problems.append(f"nobody knows {_shown(similar[0])}: {name} may be meant")
                fields |= {name: CLOSED[name]} if name in CLOSED else {}
            continue
        try:
            if name == "audiences":
                fields[name] = _audiences(document[name], problems)
            elif name == "window":
                fields[name] = _window(document[name])
            elif name in ("shares", "uses"):
                fields[name] = _entries(name, document[name])
            else:
                fields[name] = _checked(name, document[name], hints[name])
            check_field(name, fields[name])
        except LocalError as error:
            problems.append(str(error))
            fields.pop(name, None)
            if name in CLOSED:
                fields[name] = CLOSED[name]
    if "sharing" not in document and "sharing" not in fields:
        fields["sharing"] = fields.get("share_at_start", ())
    return fields, problems


def _audiences(value: object, problems: list[str]) -> dict[str, Audience]:
    """Return who may call what; a service with an audience that nobody knows is off."""
    if not isinstance(value, dict) or any(_UNREADABLE in service for service in value):
        raise LocalError(f"audiences has the wrong kind of value: {_shown(value)}")
    found = {}
    for service, audience in value.items():
        try:
            found[service] = Audience(audience)
        except ValueError:
            found[service] = Audience.OFF
            problems.append(f"nobody knows the audience {_shown(audience)} of {_shown(service)}")
    return found


def _entries(name: str, value: object) -> tuple[Any, ...]:
    """Return a list as it is: what cannot be read of it costs one entry, and only when that is wanted."""
    if not isinstance(value, list):
        raise LocalError(f"{name} has the wrong kind of value: {_shown(value)}")
    if _is_deep(value, MAX_DEPTH):
        raise LocalError(f"{name} has lists or objects in each other more than {MAX_DEPTH} deep")
    return tuple(value)


def _is_deep(value: object, most: int) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return most < 0 or any(_is_deep(each, most - 1) for each in inside)


def _window(value: object) -> WindowState:
    if not isinstance(value, dict):
        raise LocalError(f"window has the wrong kind of value: {_shown(value)}")
    fields = {name: value.get(name) or "" for name in ("geometry", "state")}
    return WindowState(**{name: str(_checked(f"window.{name}", each, str)) for name, each in fields.items()})


def _checked(name: str, value: object, hint: Any) -> object:  # noqa: ANN401 - an annotation has no better type
    origin = typing.get_origin(hint)
    if origin is Literal:
        good = value in typing.get_args(hint)
    elif origin is tuple:
        good = isinstance(value, list) and all(isinstance(item, str) and _UNREADABLE not in item for item in value)
        value = tuple(value) if good and isinstance(value, list) else value
    else:
        expected = hint if isinstance(hint, type) else types.NoneType
        good = type(value) is expected
    if not good:
        raise LocalError(f"{name} has the wrong kind of value: {_shown(value)}")
    return value


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
