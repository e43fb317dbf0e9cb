"""Whatever is searched for, exactly the calls are found that contain it, newest first: it is no SQL and no pattern.
Whatever callers wrote is kept, and found by it; nothing is raised.
"""

import tempfile
from pathlib import Path

from core.ledger.record import MAX_TEXT, CallRecord, Filter, row_of
from core.ledger.store import CallStore
from tests.fuzz.inputs import Input, sized

WATCHED = ["core.ledger.store", "core.ledger.record"]
_PLACE = tempfile.TemporaryDirectory(prefix="fuzz-ledger-")
_STORE = CallStore(Path(_PLACE.name, "calls.sqlite3"), rows=40)
SEEDS = [
    b"\3" + sized(b"fib", b"fibonacci", b"ok"),
    b"\3" + sized(b"%", b"100%", b"ERR_%") + b"\3" + sized(b"_", b"a_b", b"\\"),
    b"\1" + sized(b"' OR 1=1 --", b"x", b"x"),
    b"\3" + sized(b"\xed\xa0\x80\0", b"\0\0", b"\xff"),
]
_NOW = 1_700_000_000.0
MAX_INPUT = 600


def run(data: bytes) -> None:
    source = Input(data)
    while source:
        kind = source.byte()
        text, service, outcome = (source.block().decode("utf-8", "replace") for _ in "abc")
        if kind & 1:
            call = CallRecord(_NOW, None if kind & 4 else "AAAAAAA", "192.0.2.7:1", service, 1, 2, 0.5, outcome)
            _STORE.add([row_of(call)], _NOW)
        look(Filter(text, service if kind & 2 else "", outcome if kind & 8 else ""))


def look(wanted: Filter) -> None:
    """Search, and compare with what a look at all of them finds."""
    every = list(_STORE.query(Filter(), -1))
    if len(every) > 40:
        raise AssertionError("more rows than there may be")
    found = list(_STORE.query(wanted, -1))
    if found != [call for call in every if fits(call, wanted)]:
        raise AssertionError(f"{wanted} found {found}")


def fits(call: CallRecord, wanted: Filter) -> bool:
    """Do what the SQL does, the simple way; LIKE ignores the case of ASCII letters only. A NUL is kept as U+FFFD."""
    text = lowered(clean(wanted.text))
    columns = (call.peer_id or "", call.address, call.service, call.outcome)
    return (
        (not wanted.text or any(text in lowered(column) for column in columns))
        and (not wanted.service or call.service == clean(wanted.service))
        and (not wanted.outcome or call.outcome == clean(wanted.outcome))
    )


def lowered(text: str) -> str:
    """Return it with its ASCII letters in lower case."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def clean(text: str) -> str:
    """Return what is kept of it."""
    return text[:MAX_TEXT].replace("\0", "\ufffd")
