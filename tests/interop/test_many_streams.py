"""Our uTP against libutp: a thousand short connections, bad lines, half-closed streams, peers that break off."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator

import pytest

from core.errors import TransportClosed
from core.net.endpoint import Endpoint
from core.net.stream import Stream
from core.values import Address
from tests.interop.test_streams import accepted, address, pour, swallow
from tests.support.process import Program, node, running, until

pytestmark = [pytest.mark.interop, pytest.mark.asyncio]

LOOPBACK = Address("127.0.0.1", 0)
PATIENCE = 90.0  # seconds; seconds are enough on a quiet machine
BYTES = 2_000_000
WORST = 40_000  # bytes at 20 % loss, of which libutp sends about 5,000 a second
SHORT = 1000  # connections
TOGETHER = 20  # of them at once
LINES = [
    {"loss": 0.01},
    {"loss": 0.05, "duplicate": 0.02},
    {"loss": 0.2},
    {"loss": 0.01, "reorder": 0.1, "duplicate": 0.1, "jitter": 4},
]


async def none_left(endpoint: Endpoint) -> bool:
    """Whether the endpoint has no connection any more."""
    return endpoint.statistics().utp.connections == 0


@contextlib.asynccontextmanager
async def line(to: int, options: dict[str, float]) -> AsyncIterator[Program]:
    """Start a bad line in user space that leads to a port."""
    wanted = json.dumps({"to": to, "rtt": 10, "rate": 100, "queue": 200_000, "seed": 7} | options)
    async with running("link_proxy", [sys.executable, "-m", "benchmarks.link_proxy", wanted]) as proxy:
        await proxy.event("ready")
        yield proxy


async def test_a_thousand_short_connections_to_libutp() -> None:
    async with node("peer", {"role": "mirror"}) as mirror, await Endpoint.open(LOOPBACK) as endpoint:
        places = asyncio.Semaphore(TOGETHER)

        async def one(number: int) -> bool:
            async with places, await endpoint.connect(address(mirror), timeout=20) as stream:
                words = b"connection %d" % number
                await stream.write(words)
                return await stream.read() == words

        assert all(await asyncio.gather(*map(one, range(SHORT))))
        await until(lambda: none_left(endpoint), "no connection is left", timeout=PATIENCE)


@pytest.mark.slow
async def test_a_thousand_short_connections_from_libutp() -> None:
    async with await Endpoint.open(LOOPBACK) as endpoint, node("peer", {"role": "client"}) as client:
        received: list[int] = []

        async def take(stream: Stream) -> None:
            count, _ = await swallow(stream)
            received.append(count)
            await stream.close()

        async with asyncio.TaskGroup() as group:
            endpoint.on_stream = lambda stream: (group.create_task(take(stream)), None)[1]
            sizes = {"count": SHORT, "together": TOGETHER, "bytes": 300}
            await client.command("shorts", patience=PATIENCE, address=str(endpoint.address), **sizes)
            await until(lambda: none_left(endpoint), "no connection is left", timeout=PATIENCE)
        assert received == [300] * SHORT


QUICKEST = [pytest.param(one, id=str(one), marks=pytest.mark.slow if one["loss"] > 0.01 else ()) for one in LINES]


@pytest.mark.parametrize("options", QUICKEST)
async def test_to_libutp_over_a_bad_line(options: dict[str, float]) -> None:
    size = WORST if options["loss"] > 0.1 else BYTES
    async with (
        node("peer", {"role": "sink"}) as sink,
        line(address(sink).port, options) as proxy,
        await Endpoint.open(LOOPBACK) as endpoint,
    ):
        async with await endpoint.connect(address(proxy), timeout=20) as stream:
            sent = await pour(stream, size)
        swallowed = await sink.event("swallowed", timeout=PATIENCE)
        assert (swallowed["bytes"], swallowed["sha256"]) == (size, sent)


@pytest.mark.parametrize("options", QUICKEST)
async def test_from_libutp_over_a_bad_line(options: dict[str, float]) -> None:
    size = WORST if options["loss"] > 0.1 else BYTES
    async with (
        node("peer", {"role": "source"}) as source,
        line(address(source).port, options) as proxy,
        await Endpoint.open(LOOPBACK) as endpoint,
        await endpoint.connect(address(proxy), timeout=20) as stream,
    ):
        await stream.write(b'{"bytes": %d}' % size)
        async with asyncio.timeout(PATIENCE):
            count, digest = await swallow(stream)
        poured = await source.event("poured")
        assert (count, digest) == (size, poured["sha256"])


async def test_libutp_reads_on_after_its_own_end() -> None:
    async with await Endpoint.open(LOOPBACK) as endpoint, node("peer", {"role": "client"}) as client:
        streams = accepted(endpoint)
        async with asyncio.TaskGroup() as group:
            order = client.command("halfclosed", address=str(endpoint.address), patience=PATIENCE)
            fetching = group.create_task(order)
            stream = await streams.get()
            assert await stream.read() == b"all I say"
            assert await stream.read() == b"", "libutp has ended its side"
            sent = await pour(stream, 1_000_000)
            await stream.close()
        received = await fetching
        assert (received["bytes"], received["sha256"]) == (1_000_000, sent)


async def test_libutp_that_destroys_its_end_breaks_ours() -> None:
    async with await Endpoint.open(LOOPBACK) as endpoint, node("peer", {"role": "client"}) as client:
        streams = accepted(endpoint)
        await client.command("destroyed", address=str(endpoint.address))
        stream = await streams.get()
        assert await stream.read() == b"and gone"
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(TransportClosed):
                assert await stream.read() == b""
                await stream.close()
        await until(lambda: none_left(endpoint), "no connection is left", timeout=PATIENCE)


async def test_a_restarted_libutp_with_the_same_ids_is_accepted_again() -> None:
    """libutp's numbers come from an unseeded rand(): the same port, ids and numbers in every life."""
    async with await Endpoint.open(LOOPBACK) as endpoint:
        streams = accepted(endpoint)
        port = 0
        lives: list[Stream] = []
        for life in range(3):
            options: dict[str, object] = {"role": "client", "host": "127.0.0.1", "port": port}
            async with node("peer", options) as client, asyncio.TaskGroup() as group:
                port = address(client).port
                order = client.command("send", address=str(endpoint.address), bytes=1000 + life, patience=PATIENCE)
                sending = group.create_task(order)
                async with asyncio.timeout(PATIENCE):
                    stream = await streams.get()
                    lives.append(stream)
                    count, digest = await swallow(stream)
                assert (count, digest) == (1000 + life, (await sending)["sha256"])  # then killed, our FIN unsent
        assert len({id(stream) for stream in lives}) == 3
