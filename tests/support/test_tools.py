"""The rules that decide between skipping and failing, and the driver of JSON-lines programs itself."""

import sys

import pytest

from tests.support import tools
from tests.support.process import ProgramFailed, running

CHATTY = """
import json, sys, time
print(json.dumps({"event": "ready", "n": 1}), flush=True)
print("no json", flush=True)
sys.stdout.write('{"event": "spl'); sys.stdout.flush(); time.sleep(0.1); print('it"}', flush=True)
print("a complaint", file=sys.stderr, flush=True)
"""


def test_a_missing_tool_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(pytest.fail.Exception, match="apt-get install nodejs"):
        tools.demand(["asyncio", "interop"])


def test_a_missing_tool_is_a_skip_for_a_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(pytest.skip.Exception, match="apt-get install xvfb"):
        tools.demand(["xvfb"])


def test_a_marker_without_tools_demands_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("PATH", "/nonexistent")
    tools.demand(["asyncio", "parametrize"])
    assert tools.problem("interop") is not None


@pytest.mark.asyncio
async def test_events_are_collected_whole_and_garbage_is_kept_as_such() -> None:
    async with running("chatty", [sys.executable, "-c", CHATTY]) as program:
        assert (await program.event("split")) == {"event": "split"}
        assert await program.wait() == 0
        assert [event["event"] for event in program.events] == ["ready", "garbage", "split"]
        assert "a complaint" in program.transcript()
        with pytest.raises(ProgramFailed, match="ended without 'never'"):
            await program.event("never")


@pytest.mark.asyncio
async def test_a_program_does_not_outlive_its_block() -> None:
    async with running("sleeper", [sys.executable, "-c", "import time; time.sleep(60)"]) as program:
        with pytest.raises(ProgramFailed, match=r"no 'never' in 0\.1 s"):
            await program.event("never", timeout=0.1)
    assert program.transport.get_returncode() == -9
