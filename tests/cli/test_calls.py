"""`grapevine calls` as people and scripts meet it, beside a running peer."""

import csv
import json
import time
from pathlib import Path

import pytest

from core.ledger.ledger import Ledger
from core.ledger.record import CallRecord
from tests.cli.conftest import RunCli
from tests.trust.people import ANN

pytestmark = pytest.mark.asyncio


def record_of(home: Path) -> Path:
    return home / "grapevine" / "default.calls.sqlite3"


def call(service: str, peer_id: str | None, outcome: str = "ok") -> CallRecord:
    return CallRecord(time.time(), peer_id, "192.0.2.7:4001", service, 1040, 90, 0.25, outcome)


async def test_calls_are_shown_filtered_exported_and_cleared_while_a_peer_runs(
    cli: RunCli, home: Path, tmp_path: Path
) -> None:
    running = Ledger(record_of(home))
    running.add(call("lamp", None, "ERR_NOT_TRUSTED"))
    running.add(call("fib\x1b[2J", str(ANN)))
    await running.query()
    shown = (await cli("calls")).out.splitlines()
    assert len(shown) == 2
    assert shown[0].endswith("  1,040 B in, 90 B out, 250.0 ms  ok")
    assert f"  {ANN}  192.0.2.7:4001  fib\\x1b[2J  " in shown[0]
    assert "  plain  192.0.2.7:4001  lamp  " in shown[1]
    assert len((await cli("calls", "--limit", "1")).out.splitlines()) == 1
    (line,) = (await cli("calls", "--filter", str(ANN)[:7].lower(), "--json")).out.splitlines()
    assert json.loads(line) | {"at": 0} == {
        "event": "call", "at": 0, "peer_id": str(ANN), "from": "192.0.2.7:4001", "service": "fib\x1b[2J",
        "request_bytes": 1040, "reply_bytes": 90, "seconds": 0.25, "outcome": "ok",
    }  # fmt: skip
    assert (await cli("calls", "--service", "clock")).out == "no calls\n"
    table = tmp_path / "calls.csv"
    done = await cli("calls", "--outcome", "ERR_NOT_TRUSTED", "--csv", str(table))
    assert (done.code, done.out) == (0, f"1 calls written to {table}\n")
    assert [row[3] for row in csv.reader(table.read_text().splitlines())] == ["service", "lamp"]
    asked = await cli("calls", "--clear")
    assert asked.code == 2
    assert "--yes" in asked.err
    assert len(await running.query()) == 2
    assert (await cli("calls", "--clear", "--yes")).out == "every call is forgotten\n"
    assert await running.query() == []
    await running.close()


async def test_nobody_called_yet(cli: RunCli, home: Path) -> None:
    done = await cli("calls")
    assert (done.code, done.out, done.err) == (0, "no calls\n", "")
    assert not record_of(home).exists(), "looking makes nothing"


async def test_a_damaged_record_is_said_and_left_alone(cli: RunCli, home: Path) -> None:
    record_of(home).write_bytes(b"?" * 5000)
    done = await cli("calls")
    assert done.code == 1
    assert done.err.startswith("ERR_LEDGER: the calls in ")
    assert record_of(home).read_bytes() == b"?" * 5000
