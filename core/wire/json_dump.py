"""Writing JSON, at once or in small steps.

One call of the `json` module for 10 MB holds the interpreter for half a second. `dump_steps` does the same work in many
calls for small parts, and yields after each; who runs it decides when to pause. Meanwhile nobody may change the value.
"""

import itertools
import json
from collections.abc import Callable, Generator, Iterable, Iterator
from json import encoder as _json
from typing import Final

from core.wire.json_scan import OverLimit

_FEW: Final = 256  # elements or members that are weighed together, and written together if they are light
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _writer() -> Callable[[object, int], Iterable[str]] | None:
    """Return what `_ENCODER.encode` makes for each call, once: making it costs more than a short message does.

    It looks for no circles: they end in RecursionError.
    """
    make = getattr(_json, "c_make_encoder", None)
    if make is None:
        return None
    found: Callable[[object, int], Iterable[str]] = make(
        None, _ENCODER.default, _json.encode_basestring, None, ":", ",", False, False, False
    )
    return found


_WRITE: Final = _writer()
_QUOTED: Final[Callable[[str], str]] = _json.encode_basestring
_SMALL_PARTS: Final = 256  # of a small value: its values, and what stands between them
_SMALL_DEPTH: Final = 8  # containers in one another
_SMALL_TEXT: Final = 512  # characters of a string
_SMALL_BITS: Final = 256  # of an integer
STEP: Final = 16 * 1024  # characters written by a step; as four integers of the 4,300 digits that Python allows, 1 ms


def dump(value: object, max_depth: int) -> str:
    """Return the JSON text of `value`, compact and not escaped, at once.

    Raises ValueError (NaN, an infinity, more than 4,300 digits), TypeError for what is no JSON type,
    RecursionError (a circle, too) and OverLimit.
    """
    text = _ENCODER.encode(value) if _WRITE is None or not isinstance(value, list) else "".join(_WRITE(value, 0))
    if len(text) > max_depth and brackets(text) > max_depth and _depth(value) > max_depth:  # counting is quick
        raise OverLimit(f"nested deeper than {max_depth}")
    return text


def encode_small(value: object, max_bytes: int) -> bytes | None:
    """Return the JSON text of a value that is small and plain, encoded, as most messages are; None for all others.

    That spares the message `weight`, and is quicker than the encoder of `dump`, which is made for long ones. None says
    nothing else: the other ways tell whether a value can be sent.
    """
    parts: list[str] = []
    if not _add_small(value, parts, _SMALL_DEPTH):
        return None
    try:
        data = "".join(parts).encode()
    except UnicodeEncodeError:  # half a surrogate
        return None
    return data if len(data) <= max_bytes else None


def _add_small(value: object, parts: list[str], depth: int) -> bool:
    """Add the parts of a value's text; False: it is not small and plain."""
    kind = type(value)
    if isinstance(value, str) and kind is str:
        if len(value) > _SMALL_TEXT:
            return False
        parts.append(_QUOTED(value))
    elif isinstance(value, int) and kind is int:
        if value.bit_length() > _SMALL_BITS:
            return False
        parts.append(str(value))
    elif value is None:
        parts.append("null")
    elif isinstance(value, list) and kind is list:
        return _add_list(value, parts, depth)
    elif isinstance(value, dict) and kind is dict:
        return _add_dict(value, parts, depth)
    elif value is True or value is False:
        parts.append("true" if value else "false")
    elif isinstance(value, float) and kind is float and value - value == 0.0:  # neither NaN nor an infinity
        parts.append(repr(value))
    else:
        return False
    return True


def _add_list(value: list[object], parts: list[str], depth: int) -> bool:
    before = "["
    for item in value:
        parts.append(before)
        if depth == 0 or len(parts) > _SMALL_PARTS or not _add_small(item, parts, depth - 1):
            return False
        before = ","
    parts.append("]" if value else "[]")
    return True


def _add_dict(value: dict[object, object], parts: list[str], depth: int) -> bool:
    before = "{"
    for key, item in value.items():
        if not isinstance(key, str) or type(key) is not str or len(key) > _SMALL_TEXT:
            return False
        parts.append(before)
        parts.append(_QUOTED(key))
        parts.append(":")
        if depth == 0 or len(parts) > _SMALL_PARTS or not _add_small(item, parts, depth - 1):
            return False
        before = ","
    parts.append("}" if value else "{}")
    return True


def brackets(text: str) -> int:
    """Return how many lists and objects begin in a JSON text, at most: some may be within strings."""
    return text.count("[") + text.count("{")


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while containers := [item for item in level if isinstance(item, list | tuple | dict)]:
        depth += 1
        level = [item for each in containers for item in (each.values() if isinstance(each, dict) else each)]
    return depth


def weight(value: object, limit: int) -> int:
    """Return about how many characters the JSON text of `value` has; stops counting soon after `limit`."""
    total, todo = 0, [value]
    while todo and total <= limit:
        item = todo.pop()
        total += 4
        if isinstance(item, str):
            total += len(item)
        elif isinstance(item, int):
            total += item.bit_length() // 3
        elif isinstance(item, (list, tuple)):  # a union would be made for each item
            total += len(item)
            if total <= limit:
                todo.extend(item)
        elif isinstance(item, dict):
            total += len(item)
            if total <= limit:
                todo.extend(item)
                todo.extend(item.values())
    return total


def dump_steps(value: object, max_depth: int) -> Iterator[str]:
    """Yield the text that `dump` returns in pieces of about STEP characters; raises what it does."""
    if isinstance(value, str) and len(value) > STEP:
        yield '"'
        for at in range(0, len(value), STEP):
            yield dump(value[at : at + STEP], max_depth)[1:-1]
        yield '"'
    elif isinstance(value, list | tuple | dict) and weight(value, STEP) > STEP:
        if max_depth < 1:
            raise OverLimit("nested too deeply")
        yield from _dict_steps(value, max_depth) if isinstance(value, dict) else _list_steps(value, max_depth)
    else:
        yield dump(value, max_depth)


def _list_steps(value: list[object] | tuple[object, ...], max_depth: int) -> Iterator[str]:
    before = "["
    for at in range(0, len(value), _FEW):
        few = list(value[at : at + _FEW])
        if weight(few, STEP) <= STEP:
            yield before + dump(few, max_depth)[1:-1]
            before = ","
            continue
        for item in few:
            yield before
            yield from dump_steps(item, max_depth - 1)
            before = ","
    yield "]"


def _dict_steps(value: dict[object, object], max_depth: int) -> Iterator[str]:
    items, before = iter(value.items()), "{"
    while few := dict(itertools.islice(items, _FEW)):
        if weight(few, STEP) <= STEP:
            yield before + dump(few, max_depth)[1:-1]
            before = ","
            continue
        for key, item in few.items():
            yield before + dump({key: 0}, max_depth)[1:-2]  # "key":
            yield from dump_steps(item, max_depth - 1)
            before = ","
    yield "}"


def count_containers(value: object) -> Generator[None, None, int]:
    """Return how many lists and objects there are; yields now and then, as `dump_steps` does. No circles."""
    count, todo = 0, [value]
    while todo:
        item = todo.pop()
        if isinstance(item, list | tuple | dict):
            count += 1
            todo += item.values() if isinstance(item, dict) else item
            yield
    return count
