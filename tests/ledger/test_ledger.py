# ruff: noqa: ASYNC240 - the files of a test are small, and nothing else waits for the loop
"""The record of who called: it lasts, is bounded, can be searched, survives damage, and never holds up the loop."""

import asyncio
import csv
import multiprocessing
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import LocalError
from core.ledger.ledger import Ledger
from core.ledger.record import BATCH, MAX_TEXT, CallRecord, Filter, Row, outcome, row_of
from core.ledger.store import MAX_AGE, CallStore, LedgerError
from core.ledger.table import HEADER
from core.limits.bounds import LEDGER_QUEUE

pytestmark = pytest.mark.asyncio

ANN = "MFRGGZD-FMZTWQ2"


def call(service: str = "fibonacci", **changes: object) -> CallRecord:
    """Return a call of just now, by Ann."""
    made = CallRecord(time.time(), ANN, "192.0.2.7:4001", service, 40, 90, 0.25, "ok")
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings" / "default.calls.sqlite3"


async def kept(path: Path, *calls: CallRecord) -> None:
    """Leave what a peer leaves that was called and has ended."""
    ledger = Ledger(path)
    for each in calls:
        ledger.add(each)
    await ledger.close()


async def services(path: Path) -> list[str]:
    """Return what another program reads now."""
    reader = Ledger(path, read_only=True)
    found = [each.service for each in await reader.query()]
    await reader.close()
    return found


async def test_every_field_comes_back_newest_first(path: Path) -> None:
    plain = call("clock", peer_id=None, outcome="ERR_NOT_TRUSTED", reply_bytes=0)
    first = call()
    await kept(path, first, plain)
    again = Ledger(path)
    assert await again.query() == [replace(plain, number=2), replace(first, number=1)]
    await again.close()


async def test_reading_sees_what_was_added_before(path: Path) -> None:
    ledger = Ledger(path)
    for number in range(2 * BATCH + 1):
        ledger.add(call(f"s{number}"))
    assert len(await ledger.query(limit=-1)) == 0, "no number of rows is below none"
    assert len(await ledger.query(limit=5000)) == 2 * BATCH + 1
    assert [each.service for each in await ledger.query(limit=2)] == [f"s{2 * BATCH}", f"s{2 * BATCH - 1}"]
    await ledger.close()


async def test_search_is_for_just_that_text(path: Path) -> None:
    await kept(path, call("lamp"), call("100%"), call("1000"), call("a_b"), call("axb"), call("c\\d"))

    async def found(**wanted: object) -> list[str]:
        ledger = Ledger(path, read_only=True)
        rows = await ledger.query(**wanted)  # type: ignore[arg-type]
        await ledger.close()
        return [each.service for each in rows]

    assert await found(text="LAM") == ["lamp"]
    assert await found(text="100%") == ["100%"]
    assert await found(text="a_b") == ["a_b"]
    assert await found(text="c\\") == ["c\\d"]
    assert await found(text="' OR 1=1 --") == []
    assert len(await found(text="fmztwq")) == 6, "by the caller"
    assert await found(service="lamp") == ["lamp"]
    assert await found(service="lam") == []
    assert await found(outcome="ERR_X") == []
    assert await found(before=3) == ["100%", "lamp"]


async def test_the_oldest_go_by_number_and_by_age(path: Path) -> None:
    now = time.time()
    store = CallStore(path, rows=10, age=1000.0)
    store.add([row_of(call(f"s{n}", when=now + n)) for n in range(15)], now)
    assert [each.service for each in store.query(Filter(), -1)] == [f"s{n}" for n in range(14, 4, -1)]
    store.add([row_of(call("new", when=now + 1012))], now + 1012)
    assert [each.service for each in store.query(Filter(), -1)] == ["new", "s14", "s13", "s12"]
    store.close()


async def test_what_went_is_not_to_be_found_in_the_file(path: Path) -> None:
    store = CallStore(path, rows=1)
    for service in ("secret-lamp", "new"):
        store.add([row_of(call(service))], time.time())
    store.close()
    assert b"new" in path.read_bytes()
    assert b"secret-lamp" not in path.read_bytes()


async def test_a_months_old_call_is_gone_with_the_next(path: Path) -> None:
    await kept(path, call("old", when=time.time() - MAX_AGE - 5), call("young", when=time.time() - MAX_AGE + 500))
    assert await services(path) == ["young"]


async def test_what_a_caller_writes_is_cut_and_storable(path: Path) -> None:
    await kept(path, call("x" * 5000), call("half \ud800 a surrogate"), call("a\0b"))
    assert await services(path) == ["a\ufffdb", "half ? a surrogate", "x" * MAX_TEXT]


async def test_nobody_hides_behind_a_nul(path: Path) -> None:
    """SQLite's LIKE reads no further than that (found by fuzzing): what follows could not be searched for."""
    await kept(path, call("\0hidden"), call("other"))
    reader = Ledger(path, read_only=True)
    assert [each.service for each in await reader.query(text="hidden")] == ["\ufffdhidden"]
    assert await reader.query(text="\0nothing like that") == []
    await reader.close()


async def test_the_files_are_private(path: Path) -> None:
    ledger = Ledger(path)
    ledger.add(call())
    await ledger.query()
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {path.name: 0o600, f"{path.name}-wal": 0o600, f"{path.name}-shm": 0o600}
    await ledger.close()


async def test_another_program_reads_and_clears_beside_a_running_peer(path: Path) -> None:
    running = Ledger(path)
    running.add(call("secret-lamp"))
    await running.query()
    assert await services(path) == ["secret-lamp"]
    other = Ledger(path)
    await other.clear()
    await other.close()
    assert await running.query() == []
    assert all(b"secret-lamp" not in each.read_bytes() for each in path.parent.iterdir()), "it is gone for good"
    running.add(call("after"))
    await running.close()
    assert await services(path) == ["after"]


async def test_a_reader_can_change_nothing(path: Path) -> None:
    await kept(path, call())
    reader = Ledger(path, read_only=True)
    with pytest.raises(LedgerError, match="readonly"):
        await reader.clear()
    await reader.close()
    assert await services(path) == ["fibonacci"]


@pytest.mark.parametrize("values", [32_766, 999])  # in a statement, of an SQLite of today and of one before 3.32
@pytest.mark.parametrize("count", [1, 7, 8, 63, 64, 65, 200, BATCH])
async def test_any_number_of_calls_is_kept_whole_and_in_order(path: Path, count: int, values: int) -> None:
    now = time.time()
    store = CallStore(path)
    store._base.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, values)
    calls = [call(f"s{n}", when=now + n) for n in range(count)]
    store.add([row_of(each) for each in calls], now)
    assert [replace(each, number=0) for each in store.query(Filter(), -1)] == calls[::-1]
    store.close()


def _die_while_writing(path: Path) -> None:
    store = CallStore(path)
    store.add([row_of(call("whole"))], time.time())
    store._base.execute("BEGIN IMMEDIATE")
    store._base.execute("DELETE FROM calls")
    os._exit(9)


async def test_a_crash_within_a_transaction_undoes_it(path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_die_while_writing, args=(path,))
    process.start()
    await asyncio.to_thread(process.join)
    assert process.exitcode == 9
    ledger = Ledger(path)
    ledger.add(call("next"))
    assert [each.service for each in await ledger.query()] == ["next", "whole"]
    await ledger.close()


@pytest.mark.parametrize("damage", ["no database", "schema", "pages"])
async def test_a_damaged_file_is_kept_aside_and_said(path: Path, damage: str) -> None:
    await kept(path, *(call(f"s{n}") for n in range(500)))
    if damage == "schema":
        with sqlite3.connect(path) as base:
            base.execute("PRAGMA user_version = 7")
        base.close()
    else:
        data = bytearray(path.read_bytes())
        data[0 if damage == "no database" else 4096 :] = b"?" * (len(data) - (0 if damage == "no database" else 4096))
        path.write_bytes(data)
    before = path.read_bytes()
    problems: list[str] = []
    ledger = Ledger(path, on_problem=problems.append)
    ledger.add(call("new"))
    assert [each.service for each in await ledger.query()] == ["new"]
    aside = path.with_name("default.calls.sqlite3.damaged-1")
    assert aside.read_bytes() == before
    assert len(problems) == 1
    assert str(aside) in problems[0]
    assert ledger.dropped == 0
    await ledger.close()


async def test_a_disk_that_refuses_is_said_once_and_counted(path: Path) -> None:
    path.mkdir(parents=True)
    problems: list[str] = []
    ledger = Ledger(path, on_problem=problems.append)
    for _ in range(2):
        ledger.add(call())
        with pytest.raises(LedgerError, match="cannot be used"):
            await ledger.query()
    assert ledger.dropped == 2
    assert len(problems) == 1
    await ledger.close()


class SlowStore(CallStore):
    """A disk that takes nothing until it is released."""

    begun = threading.Event()
    released = threading.Event()
    batches: list[int]

    def add(self, rows: Sequence[Row], now: float) -> None:
        self.batches.append(len(rows))
        self.begun.set()
        if not self.released.wait(30):
            raise LedgerError("nobody released it")
        super().add(rows, now)


async def test_a_slow_disk_holds_up_nobody_and_what_finds_no_room_is_counted(path: Path) -> None:
    SlowStore.begun, SlowStore.released, SlowStore.batches = threading.Event(), threading.Event(), []
    ledger = Ledger(path, open_store=lambda path, read_only: SlowStore(path))
    for _ in range(BATCH):
        ledger.add(call("first"))
    await asyncio.to_thread(SlowStore.begun.wait, 30)
    for number in range(LEDGER_QUEUE + 7):  # the disk hangs: this would never return if it waited for it
        ledger.add(call(f"s{number}"))
    assert not SlowStore.released.is_set()
    assert ledger.dropped == 7
    SlowStore.released.set()
    (newest,) = await ledger.query(limit=1)
    assert newest.service == f"s{LEDGER_QUEUE - 1}"
    assert newest.number == BATCH + LEDGER_QUEUE
    assert max(SlowStore.batches) == BATCH
    await ledger.close()


async def test_nothing_is_opened_before_the_first_call(path: Path) -> None:
    threads = threading.active_count()
    ledger = Ledger(path)
    await ledger.close()
    assert not path.parent.exists()
    assert threading.active_count() == threads
    ledger.add(call())
    assert ledger.dropped == 1
    with pytest.raises(LocalError, match="closed"):
        await ledger.query()


async def test_csv_has_every_call_and_no_formula(path: Path, tmp_path: Path) -> None:
    nasty = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", '"quoted", and\nbroken']
    await kept(path, call(when=1_700_000_000.25), *(call(each) for each in nasty))
    table = tmp_path / "calls.csv"
    table.write_text("what was there before")
    ledger = Ledger(path, read_only=True)
    assert await ledger.export_csv(table, service="fibonacci") == 0, "too old"
    assert await ledger.export_csv(table) == len(nasty)
    await ledger.close()
    with table.open(newline="") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == HEADER
    assert [row[3] for row in reversed(rows[1:])] == [*(f"'{each}" for each in nasty[:5]), nasty[5]]
    assert rows[1][1:3] == [ANN, "192.0.2.7:4001"]
    assert rows[1][4:] == ["40", "90", "0.250000", "ok"]
    assert stat.S_IMODE(table.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".tmp"] == []


async def test_a_cell_hides_nothing(path: Path, tmp_path: Path) -> None:
    await kept(path, call(" =1+1"), call("\uff1d1+1"), call("a\u202eb\x1b[2J"))
    ledger = Ledger(path, read_only=True)
    await ledger.export_csv(tmp_path / "calls.csv")
    await ledger.close()
    with (tmp_path / "calls.csv").open(newline="") as file:
        cells = [row[3] for row in csv.reader(file)][:0:-1]
    assert cells == ["' =1+1", "'\uff1d1+1", "a\\u202eb\\x1b[2J"]


async def test_an_export_that_fails_leaves_what_was_there(path: Path, tmp_path: Path) -> None:
    await kept(path, call())
    ledger = Ledger(path, read_only=True)
    with pytest.raises(LocalError, match="could not be written: No such file"):
        await ledger.export_csv(tmp_path / "nowhere" / "calls.csv")
    (tmp_path / "taken").mkdir()
    with pytest.raises(LocalError, match="could not be written"):
        await ledger.export_csv(tmp_path / "taken")
    await ledger.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["settings", "taken"]


@pytest.mark.parametrize(
    ("error", "expected"), [(None, "ok"), ("ERR_TIMEOUT: the service took longer", "ERR_TIMEOUT"), ("ERR_X", "ERR_X")]
)
async def test_an_outcome_is_a_name(error: str | None, expected: str) -> None:
    assert outcome(error) == expected


async def test_a_second_damaged_file_does_not_overwrite_the_first(path: Path) -> None:
    path.parent.mkdir()
    for number in (1, 2):
        path.write_bytes(b"no database %d" % number * 100)
        ledger = Ledger(path)
        ledger.add(call("x"))
        await ledger.query()
        await ledger.close()
    kept = [path.with_name(f"{path.name}.damaged-{number}").read_bytes()[:13] for number in (1, 2)]
    assert kept == [b"no database 1", b"no database 2"]
