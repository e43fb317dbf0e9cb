"""The file with the calls: SQLite, bounded by rows and by age. Everything here blocks, and belongs to one thread.

Write-ahead logging lets other programs (`grapevine calls`) read, and write, while a peer of the profile runs; what a
crash interrupts is undone at the next opening (https://www.sqlite.org/wal.html).
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Final

from core.errors import LocalError
from core.files.kept import keep_damaged
from core.files.private import close_to_others, make_private_directory
from core.ledger.record import BATCH, CallRecord, Filter, Row, clean

MAX_ROWS: Final = 100_000  # some 15 MB
MAX_AGE: Final = 30 * 86_400.0  # seconds
SCHEMA: Final = 1
_BUSY: Final = 5.0  # seconds to wait for another program's transaction; ours take milliseconds
_LOG_BYTES: Final = 4 << 20  # that the write-ahead log keeps; SQLite copies it at 1,000 pages, which is that much
_DAMAGE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_COLUMNS: Final = "at, peer_id, address, service, request_bytes, reply_bytes, seconds, outcome, number"
_INSERT: Final = f"INSERT INTO calls ({_COLUMNS.removesuffix(', number')}) VALUES "
_ROW: Final = "(?, ?, ?, ?, ?, ?, ?, ?)"
# Rows of a statement. Each statement takes the interpreter's lock three times, and the loop wants it too: to wake the
# other thread costs it up to 50 us in a virtual machine. By single rows a recorded request took half as long again.
_AT_ONCE: Final = (BATCH, 64, 8, 1)
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS calls (
    number INTEGER PRIMARY KEY, at REAL NOT NULL, peer_id TEXT, address TEXT NOT NULL, service TEXT NOT NULL,
    request_bytes INTEGER NOT NULL, reply_bytes INTEGER NOT NULL, seconds REAL NOT NULL, outcome TEXT NOT NULL
) STRICT
"""


class LedgerError(LocalError):
    """The calls could not be read or written."""

    name = "ERR_LEDGER"


class Damaged(LedgerError):
    """What is there is no record of calls that we can read."""


class CallStore:
    """The open file. Raises LedgerError for what the disk refuses, Damaged for a file that cannot be used."""

    def __init__(self, path: Path, *, read_only: bool = False, rows: int = MAX_ROWS, age: float = MAX_AGE) -> None:
        self._path, self._rows, self._age = path, rows, age
        with _said(path):
            if not read_only:
                make_private_directory(path.parent)
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))  # SQLite gives its other files the same mode
                close_to_others(path)
            uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
            if read_only and not path.exists():
                uri = "file::memory:?mode=memory"  # nobody has called yet
            self._base = sqlite3.connect(uri, uri=True, timeout=_BUSY, isolation_level=None)
        try:
            with _said(path):
                self._check()
                if not read_only:
                    self._prepare()
        except BaseException:
            self._base.close()
            raise

    def _check(self) -> None:
        [[state]] = self._base.execute("PRAGMA quick_check(1)")  # 50 ms for a full file
        [[schema]] = self._base.execute("PRAGMA user_version")
        if state != "ok":
            raise Damaged(f"the calls in {self._path} are damaged: {state}")
        if schema not in (0, SCHEMA):
            raise Damaged(f"the calls in {self._path} have schema {schema}; this program knows {SCHEMA}")

    def _prepare(self) -> None:
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = NORMAL")  # a crash of the machine may cost the last calls only
        self._base.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        self._base.execute("PRAGMA secure_delete = ON")  # what went is not to be found in the file
        with self._transaction():
            self._base.execute(_TABLE)
            self._base.execute("CREATE INDEX IF NOT EXISTS calls_at ON calls (at)")
            self._base.execute(f"PRAGMA user_version = {SCHEMA}")

    def add(self, rows: Sequence[Row], now: float) -> None:
        """Keep these calls, in one transaction, and let go of the oldest. `now`: Unix seconds."""
        with _said(self._path), self._transaction():
            self._insert(rows)
            self._base.execute(
                "DELETE FROM calls WHERE at < ? OR number <= (SELECT max(number) FROM calls) - ?",
                [now - self._age, self._rows],
            )

    def _insert(self, rows: Sequence[Row]) -> None:
        """Add rows, many by a statement: for each statement the loop may have to wait until this thread goes on."""
        at, most = 0, self._base.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // _ROW.count("?")
        for many in _AT_ONCE:
            if many > most:  # of SQLite before 3.32, which knows 999 values in a statement
                continue
            while len(rows) - at >= many:
                self._base.execute(_insertion(many), [*chain.from_iterable(rows[at : at + many])])
                at += many

    def query(self, wanted: Filter, limit: int) -> Iterator[CallRecord]:
        """Return the newest calls, the newest first; `limit` -1 is all."""
        where, values = _where(wanted)
        sql = f"SELECT {_COLUMNS} FROM calls {where} ORDER BY number DESC LIMIT ?"
        with _said(self._path):
            if self._made():
                for row in self._base.execute(sql, [*values, limit]):
                    yield CallRecord(*row)

    def clear(self) -> None:
        """Forget every call, and give back the space."""
        with _said(self._path):
            self._base.execute("DELETE FROM calls")
            self._base.execute("VACUUM")
            self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # the log had them too

    def close(self) -> None:
        """Close the file."""
        with _said(self._path):
            self._base.close()

    def _made(self) -> bool:
        """Tell whether there is a table: another program may only just have made the file."""
        [[found]] = self._base.execute("SELECT count(*) FROM sqlite_master WHERE name = 'calls'")
        return bool(found)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._base.execute("COMMIT")
        except BaseException:
            if self._base.in_transaction:
                self._base.execute("ROLLBACK")
            raise


def set_aside(path: Path) -> Path:
    """Move a file that cannot be used, with what belongs to it, out of the way; return its new name. Raises OSError."""
    kept = keep_damaged(path)
    with contextlib.suppress(FileNotFoundError):
        path.with_name(f"{path.name}-wal").replace(kept.with_name(f"{kept.name}-wal"))
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    path.unlink()
    return kept


@cache
def _insertion(rows: int) -> str:
    """Return the statement that adds so many rows; of 512 it has 13 KB."""
    return _INSERT + ", ".join([_ROW] * rows)


def _where(wanted: Filter) -> tuple[str, list[str | int]]:
    """Return the condition in SQL, made of constants, and its values."""
    conditions: list[str] = []
    values: list[str | int] = []
    if wanted.text:
        columns = ("peer_id", "address", "service", "outcome")
        fitting = [f"{column} LIKE ? ESCAPE '\\'" for column in columns] + ["peer_id = ?"] * len(wanted.callers)
        conditions.append("(" + " OR ".join(fitting) + ")")
        values += [f"%{_literally(clean(wanted.text))}%"] * len(columns) + [*wanted.callers]
    for column, value in (("service", wanted.service), ("outcome", wanted.outcome)):
        if value:
            conditions.append(f"{column} = ?")
            values.append(clean(value))
    if wanted.before is not None:
        conditions.append("number < ?")
        values.append(wanted.before)
    return ("WHERE " + " AND ".join(conditions) if conditions else ""), values


def _literally(text: str) -> str:
    """Return a LIKE pattern that means just this text."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


@contextlib.contextmanager
def _said(path: Path) -> Iterator[None]:
    """Turn what goes wrong in a file into sentences."""
    try:
        yield
    except sqlite3.Error as error:
        kind = Damaged if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE else LedgerError
        raise kind(f"the calls in {path} cannot be used: {error}") from error
    except OSError as error:
        raise LedgerError(f"the calls in {path} cannot be used: {error.strerror or error}") from error
