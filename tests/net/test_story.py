"""The log at debug level tells what was tried, with which address, and what came back; silent it costs one look."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from core.errors import RequestTimeout
from core.net.endpoint import Endpoint
from core.net.stream import Stream
from tests.net.test_endpoint import Plain
from tests.net.waiting import eventually

pytestmark = pytest.mark.asyncio

OpenEndpoint = Callable[..., Awaitable[Endpoint]]


def lines(caplog: pytest.LogCaptureFixture) -> str:
    """Return what core.net has logged."""
    return "\n".join(record.getMessage() for record in caplog.records if record.name == "core.net")


async def test_the_story_of_a_connection(open_endpoint: OpenEndpoint, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "core.net")
    a, b = await open_endpoint(), await open_endpoint()
    accepted: list[Stream] = []
    b.on_stream = accepted.append
    stream = await a.connect(b.address, timeout=5)
    await eventually(lambda: bool(accepted))
    accepted[0].abort()
    await eventually(lambda: stream.closed)
    story = lines(caplog)
    for words in (
        f"listening at {a.address}",
        f"connecting to {b.address}, for 5 s at most",
        f"{a.address} connected to us, a peer of our kind",
        f"{b.address} answered: connected",
        f"the connection with {b.address} is over: {b.address} reset the connection",
    ):
        assert words in story


async def test_the_story_of_nobody(open_endpoint: OpenEndpoint, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "core.net")
    endpoint = await open_endpoint()
    with Plain() as silent:
        endpoint.punch(silent.address, openers=2)
        with pytest.raises(RequestTimeout):
            await endpoint.connect(silent.address, timeout=0.05)
        await eventually(lambda: "nothing came back" in lines(caplog))
        assert f"punching {silent.address}: the usual packets, 2 of them openers" in lines(caplog)
        assert f"{silent.address} did not answer within 0.05 s" in lines(caplog)


async def test_the_story_of_a_punch(open_endpoint: OpenEndpoint, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "core.net")
    a, b = await open_endpoint(), await open_endpoint()
    a.punch(b.address)
    await eventually(lambda: f"punched {b.address}: it hears us" in lines(caplog))
    assert f"{a.address} punched us for the first time" in lines(caplog)


async def test_at_the_usual_level_nothing_is_told(
    open_endpoint: OpenEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "core.net")
    a, b = await open_endpoint(), await open_endpoint()
    b.on_stream = lambda stream: None
    a.punch(b.address)
    await a.connect(b.address, timeout=5)
    await asyncio.sleep(0)
    assert lines(caplog) == ""
