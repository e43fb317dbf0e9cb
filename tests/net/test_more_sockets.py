"""A connection that lives on another socket than the serving one, as after a birthday."""

import asyncio

import pytest

from core.net.endpoint import Endpoint
from core.net.stream import Stream
from core.values import Address

HERE = Address("127.0.0.1", 0)


@pytest.mark.asyncio
async def test_what_is_adopted_carries_a_connection_both_ways() -> None:
    async with await Endpoint.open(HERE) as one, await Endpoint.open(HERE) as other:
        accepted: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()
        other.on_stream = accepted.set_result
        extra = await one.another()
        one.adopt(extra, other.address)
        stream = await one.connect(other.address, timeout=5.0)
        there = await accepted
        assert there.remote.port == extra.address.port  # the other side sees the new socket
        await stream.write(b"question")
        assert await there.read() == b"question"
        await there.write(b"answer")
        assert await stream.read() == b"answer"


@pytest.mark.asyncio
async def test_an_adopted_socket_takes_packets_of_its_remote_only_and_closes_with_the_endpoint() -> None:
    async with await Endpoint.open(HERE) as one, await Endpoint.open(HERE) as other, await Endpoint.open(HERE) as third:
        extra = await one.another()
        one.adopt(extra, other.address)
        one.on_stream = lambda stream: None
        at = Address("127.0.0.1", extra.address.port)
        with pytest.raises(Exception, match="did not answer"):
            await third.connect(at, timeout=0.3)
        await other.connect(at, timeout=5.0)
        port = extra.address.port
    reader = await Endpoint.open(Address("127.0.0.1", port))  # it is free again
    await reader.close()
