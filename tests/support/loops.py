"""The loops that async tests run on, and what reached their exception handlers; conftests import both."""

import asyncio
import os
import sys
import zlib
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyside6")  # before qasync: else it tries other bindings first


def _qt_loop() -> asyncio.AbstractEventLoop:
    from PySide6.QtWidgets import QApplication

    from desktop.loop import PreciseLoop

    app = QApplication.instance()
    return PreciseLoop(app if isinstance(app, QApplication) else QApplication(["tests"]))


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Name the loops; each becomes one run of every async test."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]]
    loops = {"asyncio": asyncio.SelectorEventLoop, "qt": _qt_loop}
    if sys.platform != "win32":  # which it does not support
        loops["uvloop"] = _uvloop
    return loops


def loops_that_ship(item: pytest.Item) -> None:
    """Leave the run on uvloop, which a user has to install, to the slow half."""
    if "uvloop" in item.nodeid.partition("[")[2].rstrip("]").split("-"):
        item.add_marker(pytest.mark.slow)


def one_loop_in_turn(item: pytest.Item) -> None:
    """Leave two of the three runs of an async test to the slow half; which, its name decides."""
    name, bracket, case = item.nodeid.partition("[")
    loops = [loop for loop in ("asyncio", "qt", "uvloop") if loop in case.rstrip("]").split("-")]
    if bracket and loops and sys.platform == "linux":
        rest = case.replace(loops[0], "", 1)
        chosen = ("asyncio", "qt", "uvloop")[zlib.crc32((name + rest).encode()) % 3]
        if loops[0] != chosen:
            item.add_marker(pytest.mark.slow)


@pytest_asyncio.fixture
async def failures() -> AsyncIterator[list[dict[str, object]]]:
    """Collect what reaches the loop's exception handler; a test that expects something takes it out (`clear`)."""
    loop = asyncio.get_running_loop()
    seen: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: seen.append(context))
    yield seen
    loop.set_exception_handler(None)
    assert seen == []
