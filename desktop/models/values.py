"""Values of another peer's sensor: as text for the list, as numbers for the curve. All of it comes from outside."""

import json
import math
from collections.abc import Hashable
from typing import Final, NamedTuple

from core.values import JsonValue
from desktop.models.safe import ELLIPSIS, shown
from desktop.models.table import Column, Columns, RowsModel
from desktop.models.words import clock

MOST: Final = 300  # values that are shown: five minutes of one a second, and a point for each pixel or two
LONGEST: Final = 300  # characters of a value's text
_LATEST: Final = 253402300799.0  # Unix seconds, the end of the year 9999: dates have no later one


class ValueRow(NamedTuple):
    """`at` is Unix seconds, by the other side's clock; `number` None where the value is none that can be drawn."""

    at: float
    text: str
    number: float | None


def value_row(at: float, value: JsonValue) -> ValueRow:
    """Return a value for the window, in little memory, whatever it is."""
    moment = at if math.isfinite(at) and 0 <= at <= _LATEST else 0.0
    return ValueRow(moment, _text(value), number_of(value))


def number_of(value: JsonValue) -> float | None:
    """Return what can be drawn of a value: a finite number, or the first one in an object."""
    if isinstance(value, dict):
        return next((found for each in value.values() if (found := _number(each)) is not None), None)
    return _number(value)


def _number(value: JsonValue) -> float | None:
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _text(value: JsonValue) -> str:
    """Return the beginning of a value's JSON, and write nothing beyond that."""
    if isinstance(value, str):
        return shown(value, LONGEST)
    text = ""
    try:
        for part in json.JSONEncoder(ensure_ascii=False).iterencode(value):
            text += part[: LONGEST + 1]
            if len(text) > LONGEST:
                break
    except (ValueError, RecursionError):  # a whole number of more than 4,300 digits, or too deep
        text += ELLIPSIS
    return shown(text, LONGEST)


class ValueColumn(Columns):
    """What is shown of a value."""

    WHEN = Column[ValueRow]("When", lambda row, _scene: clock(row.at))
    VALUE = Column[ValueRow]("Value", lambda row, _scene: row.text)


class ValueModel(RowsModel[ValueRow]):
    """Values, the newest on top."""

    columns = ValueColumn

    def key(self, row: ValueRow) -> Hashable:
        """Return the value itself: none changes."""
        return row
