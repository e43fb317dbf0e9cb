"""A reader that takes nothing holds up nobody, and hears how much it missed; one that is slow misses nothing."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

import pytest

from core.cli.output import Output
from core.cli.sink import WAITING_MAX

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(os.name != "posix", reason="pipes that can be asked are POSIX'"),
]


@contextmanager
def printing(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Have a pipe as standard output; yields its reading end, which never blocks."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with os.fdopen(writing, "w") as out, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", out)
        yield reading
    os.close(reading)


async def _read(reading: int, until: str, within: str = "") -> str:
    """Read as it comes, letting the loop go on, until the text ends so, and has this at its end."""
    data = b""
    async with asyncio.timeout(10):
        while not data.endswith(until.encode()) or within.encode() not in data[-200:]:
            try:
                data += os.read(reading, 65536)
            except BlockingIOError:
                await asyncio.sleep(0)
    return data.decode()


async def test_a_reader_that_stalls_holds_up_nobody_and_hears_what_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    with printing(monkeypatch) as pipe:
        output = Output(as_json=True)
        lines = 3 * WAITING_MAX // 100
        for number in range(lines):
            output.result("line", "", number=number, fill="x" * 60)  # would block for ever in a plain write
        said = await _read(pipe, "}\n", "left-out")
        got = said.splitlines()
        assert [f'"number":{number},' in line for number, line in enumerate(got[:-1])] == [True] * (len(got) - 1)
        assert got[-1] == f'{{"event":"left-out","lines":{lines - len(got) + 1}}}'
        output.result("line", "", number=-1)
        assert await _read(pipe, "-1}\n")


async def test_values_wait_for_a_slow_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    with printing(monkeypatch) as pipe:
        output = Output(as_json=False)

        async def values() -> None:
            for number in range(200):
                output.result("value", f"{number} {'x' * 2000}")
                await output.drained()

        async with asyncio.TaskGroup() as group:
            task = group.create_task(values())
            await asyncio.sleep(0)
            assert not task.done()
            said = await _read(pipe, f"199 {'x' * 2000}\n")
        assert [line.split()[0] for line in said.splitlines()] == [str(number) for number in range(200)]


async def test_what_waits_is_written_at_the_end_as_far_as_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with printing(monkeypatch) as pipe:
        output = Output(as_json=False)

        for number in range(100):
            output.result("line", f"{number} {'x' * 2000}")
        output.flush(0.01)  # nobody reads: it ends all the same
        assert len(os.read(pipe, 1 << 20)) <= 1 << 16
        output.flush(0.01)
        assert os.read(pipe, 1 << 20)


async def test_a_reader_that_goes_while_lines_wait_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    gone = asyncio.Event()
    with os.fdopen(writing, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        output = Output(as_json=False)
        output.reader_gone = gone.set
        for number in range(100):
            output.result("line", f"{number} {'x' * 2000}")
        os.close(reading)
        async with asyncio.timeout(5):
            await gone.wait()
        assert isinstance(sys.stdout, TextIOWrapper)
        sys.stdout.close()
    assert output.failed is None
