"""A libutp peer is killed and starts again on the same port: it draws the same ids and numbers, and is in soon."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from core.aio.tasks import TaskSet
from core.errors import TransportClosed
from core.net.endpoint import Endpoint
from core.net.stream import Stream
from core.values import Address
from tests.support.process import node

pytestmark = [pytest.mark.interop, pytest.mark.asyncio]


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with await Endpoint.open(Address("127.0.0.1", 0)) as endpoint:
        yield endpoint


async def echo(stream: Stream) -> None:
    """Answer every request of the Node client with its payload."""
    with contextlib.suppress(TransportClosed):
        while message := await stream.read():
            rid = message[2:38].decode()
            await stream.write(f'["{rid}",null,"served"]'.encode())


@pytest.mark.parametrize("requests", [1, 3])
async def test_a_killed_libutp_client_is_served_again_on_its_old_port(endpoint: Endpoint, requests: int) -> None:
    streams: list[Stream] = []
    serving = TaskSet()

    def accept(stream: Stream) -> None:
        streams.append(stream)
        serving.spawn(echo(stream), name="echo")

    endpoint.on_stream = accept
    ask: dict[str, Any] = {"address": str(endpoint.address), "key": "k", "payload": 1}
    async with node("peer", {"role": "client"}) as first:
        port = first.events[0]["port"]
        for _ in range(requests):
            assert await first.command("request", **ask) == "served"
        first.transport.kill()
        await first.wait()
    began = time.monotonic()
    async with node("peer", {"role": "client", "port": port}) as second:
        assert await second.command("request", **ask) == "served"
        took = time.monotonic() - began
    assert took < 5.0, "seconds, with the start of Node and one SYN that was repeated after 3 s"
    assert len({stream.remote for stream in streams}) == 1
    await serving.aclose()


async def test_forged_syns_in_the_name_of_a_libutp_client_cut_nothing(endpoint: Endpoint) -> None:
    """65,536 SYNs, one for each id, straight into the endpoint as if they came from the client's address."""
    serving = TaskSet()

    def accept(stream: Stream) -> None:
        serving.spawn(echo(stream), name="echo")

    endpoint.on_stream = accept
    ask: dict[str, Any] = {"address": str(endpoint.address), "key": "k", "payload": 1}
    async with node("peer", {"role": "client"}) as client:
        assert await client.command("request", **ask) == "served"
        source = Address("127.0.0.1", client.events[0]["port"])
        for start in range(0, 65_536, 256):
            syns = [
                b"\x41\0" + number.to_bytes(2, "big") + bytes(12) + b"\x12\x34\0\0"
                for number in range(start, start + 256)
            ]
            endpoint._pump.receive([(source, syns)])  # as the socket hands it over
            await asyncio.sleep(0)
        assert await client.command("request", **ask) == "served"
        assert len(serving) == 1
    await serving.aclose()
