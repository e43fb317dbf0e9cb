"""Numbers and times in words people read; Unix seconds in, short text out."""

import datetime
import functools

from PySide6.QtCore import QCoreApplication

PLAIN = "plain"  # a peer without an identity, where another has its name
PLAIN_HINT = "A plain Grenache peer: nobody knows who that is"
REFUSALS = frozenset(  # error names with which the owner's rules turn a caller away: nothing has failed then
    {
        *("ERR_NOT_TRUSTED", "ERR_ENCRYPTION_REQUIRED", "ERR_BLOCKED", "ERR_SERVICE_OFF"),
        *("ERR_RATE_LIMITED", "ERR_BROKER_RATE", "ERR_BROKER_FULL"),
    }
)
JUST_NOW = 1.5  # seconds; below that a ticking "1 s ago" says nothing


def span(seconds: float) -> str:
    """Return a length of time in at most two units: `8 s`, `3 min`, `2 h 05 min`, `4 d 3 h`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    if hours < 24:
        return f"{hours} h {minutes % 60:02d} min"
    return f"{hours // 24} d {hours % 24} h"


def ago(now: float, then: float) -> str:
    """Return how long ago `then` was. A clock that was set back reads as "now", never as a negative time."""
    return "now" if now - then < JUST_NOW else f"{span(now - then)} ago"


def clock(at: float) -> str:
    """Return the local time of day with milliseconds, `18:04:09.512`."""
    try:
        second = int(at // 1)
        return f"{_clock(second)}.{int((at - second) * 1000):03}"
    except (ValueError, OverflowError, OSError):
        return "?"


def day(at: float) -> str:
    """Return the local date, `2026-11-27`."""
    try:
        return datetime.datetime.fromtimestamp(at).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return "?"


def moment(at: float) -> str:
    """Return the local date and time, `2026-11-27 18:04:09`."""
    try:
        return datetime.datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "?"


@functools.lru_cache(maxsize=64)  # a batch of a hundred lines is of one second or two, and strftime takes 3 us
def _clock(second: int) -> str:
    return datetime.datetime.fromtimestamp(second).strftime("%H:%M:%S")


def trip(seconds: float | None) -> str:
    """Return a round trip: `0.4 ms`, `182 ms`, `1.24 s`; a dash while there is none."""
    if seconds is None:
        return "\N{EN DASH}"
    if seconds < 0.00995:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 100 else span(seconds)


def size(amount: float) -> str:
    """Return an amount of bytes in at most three digits: `0 B`, `4.2 kB`, `318 MB`. A kB is 1,000 bytes."""
    units = ["TB", "GB", "MB", "kB", "B"]
    while amount >= 999.5 and len(units) > 1:
        amount /= 1000
        units.pop()
    unit = units[-1]
    return f"{amount:.1f} {unit}" if amount < 9.95 and unit != "B" else f"{amount:,.0f} {unit}"


def count(number: int, noun: str, plural: str = "") -> str:
    """Return `1 grape`, `3 grapes`, `1,204 requests`; in another language its own plural of `%n grapes`."""
    many = plural or f"{noun}s"
    translated = QCoreApplication.translate("count", f"%n {many}", "", number)
    if translated != f"{number} {many}":
        return translated
    return f"{number:,} {noun if number == 1 else many}"


VERDICTS = {  # of a request by its ending, which `desktop.views.contract` names
    "reply": "answered",
    "error": "answered with an error",
    "refused": "refused",
    "unsent": "not sent",
    "cancelled": "cancelled",
}


def verdict(ending: str) -> str:
    """Return how a request ended, in a word or two: an error is an answer, a refusal no failure."""
    return VERDICTS.get(ending, "no answer")
