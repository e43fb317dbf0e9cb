"""Every async test here runs on asyncio's own loop and on the window's, in the slow half on uvloop too."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random

import pytest
import pytest_asyncio

from core.net import endpoint as endpoint_module
from core.net.endpoint import Endpoint, EndpointConfig
from core.values import Address
from tests.support.loops import failures, loops_that_ship, pytest_asyncio_loop_factories

__all__ = ["failures", "pytest_asyncio_loop_factories"]  # pytest finds them here

LOCAL = Address("127.0.0.1", 0)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave uvloop to the slow half."""
    loops_that_ship(item)


OpenEndpoint = Callable[..., Awaitable[Endpoint]]


@pytest_asyncio.fixture
async def open_endpoint(
    failures: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[OpenEndpoint]:
    """Open endpoints on loopback, seeded; all are closed at the end, and nothing may be left of them."""
    opened: list[Endpoint] = []
    gc.freeze()  # the look for what is left need not go through all that is there already

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
