"""Every async test here runs on asyncio's own loop, on stock qasync, whose timers fire early, and on uvloop."""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random

import pytest
import pytest_asyncio

from core.net import endpoint as endpoint_module
from core.net.endpoint import Endpoint, EndpointConfig
from core.values import Address

LOCAL = Address("127.0.0.1", 0)

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyside6")  # before qasync: else it tries other bindings first


def _qt_loop() -> asyncio.AbstractEventLoop:
    import qasync
    from PySide6.QtWidgets import QApplication

    loop: asyncio.AbstractEventLoop = qasync.QEventLoop(QApplication.instance() or QApplication(["tests"]))
    return loop


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Name the loops; each becomes one run of every async test."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]]
    loops = {"asyncio": asyncio.SelectorEventLoop, "qasync": _qt_loop}
    if sys.platform != "win32":  # which it does not support
        loops["uvloop"] = _uvloop
    return loops


@pytest_asyncio.fixture
async def failures() -> AsyncIterator[list[dict[str, object]]]:
    """Collect what reaches the loop's exception handler; a test that expects something takes it out (`clear`)."""
    loop = asyncio.get_running_loop()
    seen: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: seen.append(context))
    yield seen
    loop.set_exception_handler(None)
    assert seen == []


OpenEndpoint = Callable[..., Awaitable[Endpoint]]


@pytest_asyncio.fixture
async def open_endpoint(
    failures: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[OpenEndpoint]:
    """Open endpoints on loopback, seeded; all are closed at the end, and nothing may be left of them."""
    opened: list[Endpoint] = []

    async def make(*, config: EndpointConfig | None = None, bind: Address = LOCAL) -> Endpoint:
        opened.append(await Endpoint.open(bind, config=config, random=Random(len(opened) + 1)))
        return opened[-1]

    yield make
    monkeypatch.setattr(endpoint_module, "FLUSH_TIMEOUT", 0.01)
    await asyncio.gather(*(endpoint.close() for endpoint in opened))
    gc.collect()  # a socket or task left behind would warn here
    assert [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


@pytest.fixture(params=[True, False], ids=["reader", "transport"])
def config(request: pytest.FixtureRequest) -> EndpointConfig:
    """Both ways of reading the socket."""
    return EndpointConfig(use_reader=request.param)
