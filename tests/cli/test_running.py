"""Which loop a command runs on."""

import asyncio
import sys
import types

import pytest

from core.cli import commands, starting
from core.cli.running import fast_loop


def test_a_grape_runs_on_uvloop_where_it_is_installed_and_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> asyncio.AbstractEventLoop:
        return asyncio.new_event_loop()

    monkeypatch.delenv("GRAPEVINE_LOOP", raising=False)
    monkeypatch.setitem(sys.modules, "uvloop", types.SimpleNamespace(new_event_loop=make))
    assert fast_loop() is make
    monkeypatch.setenv("GRAPEVINE_LOOP", "asyncio")
    assert fast_loop() is None


def test_without_uvloop_it_is_asyncios(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)  # as if not installed
    assert fast_loop() is None


@pytest.mark.parametrize(("arguments", "fast"), [(["share", "fibonacci"], True), (["lookup", "x"], False)])
def test_what_serves_runs_on_the_fast_loop_and_what_asks_once_does_not(
    arguments: list[str], fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(starting, "run", lambda make, output, *, fast=False: asked.append(fast))
    monkeypatch.setattr(starting, "set_up_logging", lambda *_, **__: None)
    commands.grapevine(arguments, standalone_mode=False)
    assert asked == [fast]
