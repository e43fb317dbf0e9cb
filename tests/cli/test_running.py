"""Which loop a command runs on."""

import asyncio
import sys
import types

import pytest

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
