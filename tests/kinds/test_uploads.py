"""Who put what into a drop box, after restarts, in networks of many hosts, and when the file about it is damaged."""

import logging
import os
import sys
import time
from pathlib import Path

import pytest

from core.errors import LocalError
from core.kinds import drop_box, uploads
from core.kinds.share import Share
from core.kinds.table import make
from core.kinds.uploads import NAME, Uploads
from core.values import Address, Caller
from tests.kinds import streams
from tests.kinds.streams import CALLER, joined
from tests.kinds.test_folder import contents
from tests.kinds.test_hostile_callers import put

pytestmark = [pytest.mark.asyncio, pytest.mark.skipif(sys.platform == "win32", reason="as the other tests of folders")]


async def run(box: Path, count: int, host: str = CALLER.address.host, data: bytes = b"x") -> list[int]:
    """Start the share, put some files in from a host, and end it."""
    streams.CALLER = Caller(Address(host, 4000), CALLER.peer_id)
    try:
        async with joined(make(Share("holiday", "folder", {"path": str(box), "drop": True}))) as pair:
            return await put(pair, count, data)
    finally:
        streams.CALLER = CALLER


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A box takes eight files."""
    monkeypatch.setattr(drop_box, "FILES_MAX", 8)


@pytest.mark.usefixtures("eight")
async def test_a_restart_forgets_nobody(tmp_path: Path) -> None:
    assert await run(tmp_path, 3) == [201] * 3
    assert await run(tmp_path, 3) == [201, 413, 413]
    assert await run(tmp_path, 1) == [413]
    assert await run(tmp_path, 3, "192.0.2.99") == [201, 201, 413]
    os.unlink(tmp_path / "a.txt")  # its owner has taken out one of each
    os.unlink(tmp_path / "a (5).txt")
    assert await run(tmp_path, 2) == [201, 413]


async def test_bytes_are_counted_over_restarts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter([3_000, 2_000, 1_000, 1_000])
    monkeypatch.setattr(drop_box, "_free", lambda folder: drop_box.SPARE + next(sizes))
    assert [await run(tmp_path, 1, data=bytes(1_000)) for _ in range(3)] == [[201], [201], [413]]
    assert await run(tmp_path, 1, "192.0.2.99", bytes(1_000)) == [201]


@pytest.mark.usefixtures("eight")
async def test_a_whole_48_leaves_room_for_others(tmp_path: Path) -> None:
    answers = [await run(tmp_path, 1, f"2001:db8:bad:{number}::1") for number in range(8)]
    assert answers == [[201]] * 6 + [[413]] * 2
    assert await run(tmp_path, 2, "192.0.2.99") == [201, 413]


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(
    "damage",
    [
        b"\0\0\0\0\n",
        b"192.0.2.7 1\n",
        b"192.0.2.7 -1 0123456789abcdef\n",
        b"192.0.2.7 1 0123456789abcdeg\n",
        b"\xff\xfe\n",
        b"\n",
        b"x" * (uploads.LINES * uploads.LINE_MAX + 1),
    ],
)
async def test_a_damaged_file_counts_what_is_there_for_everybody(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    assert await run(tmp_path, 3) == [201] * 3
    good = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(damage + good)
    with caplog.at_level(logging.WARNING):
        assert await run(tmp_path, 2, "192.0.2.99") == [201, 413]
    assert "is damaged" in caplog.text
    assert (tmp_path / f"{NAME}.damaged-1").read_bytes() == damage + good
    assert await run(tmp_path, 1, "192.0.2.100") == [201], "three for everybody, one of its own, four are left"
    for name in contents(tmp_path).keys() & {"a.txt", "a (2).txt", "a (3).txt"}:
        os.unlink(tmp_path / name)
    assert await run(tmp_path, 2, "192.0.2.99") == [201, 201]


async def test_a_line_that_was_cut_is_of_a_file_that_never_was(tmp_path: Path) -> None:
    await run(tmp_path, 2)
    (tmp_path / NAME).write_bytes((tmp_path / NAME).read_bytes() + b"192.0.2.7 10")
    found = Uploads(tmp_path)
    found.open()
    assert found.of(CALLER.address.host) == (2, 2)
    assert (tmp_path / NAME).read_bytes().count(b"\n") == 2
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


async def test_who_is_killed_before_a_file_has_its_name_has_counted_it(tmp_path: Path) -> None:
    box = Uploads(tmp_path)
    (tmp_path / "a.txt").touch()
    box.add("a.txt", "192.0.2.7", 1_000)
    again = Uploads(tmp_path)
    again.open()
    assert again.of("192.0.2.7") == (1, 1_000)


async def test_what_cannot_be_written_down_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, data: bytes) -> int:
        return real(file, data[:5]) if bytes(data[:9]) == b"192.0.2.7" else real(file, data)

    real = os.write
    assert await run(tmp_path, 1) == [201]
    monkeypatch.setattr(os, "write", full)
    assert await run(tmp_path, 1) == [507]
    monkeypatch.undo()
    assert list(contents(tmp_path)) == ["a.txt"]
    assert (tmp_path / NAME).read_bytes().count(b"\n") == 1
    assert await run(tmp_path, 1) == [201]


async def test_lines_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LINES", 10)
    box = Uploads(tmp_path)
    for number in range(100):
        name = f"{number}"
        (tmp_path / name).touch()
        box.add(name, "192.0.2.7", 1)
        if number != 7:
            os.unlink(tmp_path / name)  # its owner takes each out at once
    assert (tmp_path / NAME).read_bytes().count(b"\n") <= 10
    box.look()
    assert box.of("192.0.2.7") == (1, 1)


async def test_a_file_that_cannot_be_read_keeps_the_box_closed(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(LocalError, match="who put in what"):
        await run(tmp_path, 1)


async def test_what_a_killed_program_had_begun_to_take_is_removed(tmp_path: Path) -> None:
    old, new, own = (tmp_path / name for name in (f".{'a' * 16}.part", f".{'b' * 16}.part", ".mine.part"))
    for each in (old, new, own):
        each.touch()
    for each in (old, own):
        os.utime(each, (time.time() - 7200, time.time() - 7200))
    await run(tmp_path, 1)
    assert [each.exists() for each in (old, new, own)] == [False, True, True]
