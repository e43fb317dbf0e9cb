"""Calls as a CSV file (RFC 4180) for a spreadsheet, which must not take what a caller wrote for a formula."""

import contextlib
import csv
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from core.ledger.record import CallRecord

HEADER: Final = ("time", "peer_id", "address", "service", "request_bytes", "reply_bytes", "seconds", "outcome")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")  # how a cell that is computed may begin (OWASP, CSV injection)


def write_csv(path: Path, calls: Iterable[CallRecord]) -> int:
    """Write calls to a file that only its owner can read, whole or not at all; return how many. Raises OSError."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    rows = 0
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(HEADER)
            for call in calls:
                writer.writerow(_cells(call))
                rows += 1
            file.flush()
            os.fsync(handle)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
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
    """Return a cell that is text to a spreadsheet: an apostrophe says so."""
    return f"'{text}" if text.startswith(_FORMULA) else text
