"""Calls as a CSV file (RFC 4180) for a spreadsheet, which must not take what a caller wrote for a formula."""

import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from core.files.private import private_file
from core.files.shown import plain
from core.ledger.record import CallRecord

HEADER: Final = ("time", "peer_id", "address", "service", "request_bytes", "reply_bytes", "seconds", "outcome")
# How a cell that is computed may begin (OWASP, CSV injection), in full width too, as Excel takes it in some languages.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_csv(path: Path, calls: Iterable[CallRecord]) -> int:
    """Write calls to a file that only its owner can read, whole or not at all; return how many. Raises OSError."""
    rows = 0
    with private_file(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for call in calls:
            writer.writerow(_cells(call))
            rows += 1
    return rows


def moment(when: float) -> str:
    """Return Unix seconds as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds")


def _cells(call: CallRecord) -> tuple[str | int, ...]:
    return (
        moment(call.when), _harmless(call.peer_id or ""), _harmless(call.address), _harmless(call.service),
        call.request_bytes, call.reply_bytes, f"{call.seconds:.6f}", _harmless(call.outcome),
    )  # fmt: skip


def _harmless(text: str) -> str:
    """Return a cell that is text to a spreadsheet, as an apostrophe says, with nothing hidden in it.

    Tabs and ends of lines stay as they are: within quotes they belong to the cell.
    """
    shown = "".join(each if each in "\t\r\n" else plain(each) for each in text)
    return f"'{shown}" if shown.lstrip(" ").startswith(_FORMULA) else shown
