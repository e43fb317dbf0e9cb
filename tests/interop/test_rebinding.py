"""A NAT rebinds while libutp and we talk: libutp's side may move; ours not, for libutp knows a peer by its address."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from core.errors import TransportClosed
from core.net.endpoint import Endpoint
from core.values import Address
from tests.interop.test_streams import accepted, address, pour, swallow
from tests.net.waiting import eventually
from tests.support.process import node
from tests.support.rebinder import rebinder

pytestmark = [pytest.mark.interop, pytest.mark.asyncio]

BYTES = 20_000_000
TRANSFER = 110.0  # seconds


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with await Endpoint.open(Address("127.0.0.1", 0)) as endpoint:
        yield endpoint


async def test_libutp_moves_while_it_sends(endpoint: Endpoint) -> None:
    streams = accepted(endpoint)
    async with node("peer", {"role": "client"}) as client, rebinder(endpoint.address) as nat:
        async with asyncio.TaskGroup() as group:
            order = client.command("send", address=str(nat.inside), bytes=BYTES, patience=TRANSFER)
            sending = group.create_task(order)
            stream = await streams.get()
            swallowing = group.create_task(swallow(stream))
            await eventually(lambda: endpoint.statistics().utp.received >= 2000, timeout=TRANSFER)
            nat.rebind()
        assert swallowing.result() == (BYTES, sending.result()["sha256"])
        assert stream.remote == nat.outside
        assert endpoint.statistics().utp.moved == 1
        await stream.close()


async def test_an_idle_libutp_client_moves_with_its_next_request(endpoint: Endpoint) -> None:
    streams = accepted(endpoint)
    async with node("peer", {"role": "client"}) as client, rebinder(endpoint.address) as nat:

        async def serve() -> None:
            stream = await streams.get()
            while request := await stream.read():
                rid = request.split(b'"')[1].decode()
                await stream.write(f'["{rid}",null,"{stream.remote}"]'.encode())

        async with asyncio.TaskGroup() as group:
            serving = group.create_task(serve())
            ask: dict[str, Any] = {"address": str(nat.inside), "key": "where", "payload": 1}
            assert await client.command("request", **ask) == str(nat.outside)
            await asyncio.sleep(0.5)
            nat.rebind()
            await client.command("request", **ask)  # the answer goes to the old address first
            assert await client.command("request", **ask) == str(nat.outside)
            serving.cancel()


async def test_libutp_resets_us_when_we_move(endpoint: Endpoint) -> None:
    """What cannot be helped is at least known at once: libutp answers our new address with a RESET."""
    async with node("peer", {"role": "mirror"}) as mirror, rebinder(address(mirror)) as nat:
        stream = await endpoint.connect(nat.inside, timeout=5)
        await stream.write(b"before")
        assert await stream.read() == b"before"
        nat.rebind()
        await stream.write(b"after")
        with pytest.raises(TransportClosed, match="reset"):  # and not "timed out"
            await stream.read()
        async with await endpoint.connect(nat.inside, timeout=5) as again:
            await again.write(b"again")
            assert await again.read() == b"again"
        with contextlib.suppress(TransportClosed):
            await stream.close()


@pytest.mark.slow  # half a minute of waiting
async def test_a_libutp_receiver_moves_with_its_keepalive_at_the_latest(endpoint: Endpoint) -> None:
    """It says nothing while nothing reaches it: its keepalive, 29 s, is the bound, and nothing is lost."""
    streams = accepted(endpoint)
    async with node("peer", {"role": "client"}) as client, rebinder(endpoint.address) as nat:
        async with asyncio.TaskGroup() as group:
            order = client.command("fetch", address=str(nat.inside), order={"go": 1}, patience=TRANSFER)
            fetching = group.create_task(order)
            stream = await streams.get()
            assert await stream.read() == b'{"go":1}'
            pouring = group.create_task(pour(stream, BYTES))
            await eventually(lambda: endpoint.statistics().utp.sent >= 2000, timeout=TRANSFER)
            nat.rebind()
            sent = await pouring
            await stream.close()
        assert (fetching.result()["bytes"], fetching.result()["sha256"]) == (BYTES, sent)
