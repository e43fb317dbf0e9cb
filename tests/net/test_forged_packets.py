"""Real sockets: forged packets in a peer's name, handed over as the socket does, while requests go to and fro."""

import asyncio
from random import Random

import pytest

from core.aio.tasks import TaskSet
from core.net.endpoint import Endpoint
from core.net.stream import Stream
from core.values import Address
from core.wire.utp_packet import PacketType, pack_header

pytestmark = pytest.mark.asyncio

REQUESTS = 32
FORGED = 256  # between two requests; 8,192 in all, one for each id around that of the connection


@pytest.mark.parametrize("kind", [PacketType.SYN, PacketType.RESET])
async def test_no_request_fails_while_packets_with_its_ids_are_forged(kind: PacketType) -> None:
    random = Random(1)
    serving = TaskSet()

    async def echo(stream: Stream) -> None:
        while message := await stream.read():
            await stream.write(message)

    def accept(stream: Stream) -> None:
        serving.spawn(echo(stream), name="echo")

    async with (
        await Endpoint.open(Address("127.0.0.1", 0)) as here,
        await Endpoint.open(Address("127.0.0.1", 0)) as there,
    ):
        there.on_stream = accept
        stream = await here.connect(there.address, timeout=5)
        (connection,) = here._channels
        first = connection.receive_id - REQUESTS * FORGED // 2
        for number in range(REQUESTS):
            fields = (0, 0, 1 << 20)
            for victim, peer in ((there, here), (here, there)):
                packets = [
                    pack_header(kind, each & 0xFFFF, *fields, random.getrandbits(16), random.getrandbits(16))
                    for each in range(first + number * FORGED, first + (number + 1) * FORGED)
                ]
                victim._pump.receive([(peer.address, packets)])
            await stream.write(b"%d" % number)
            async with asyncio.timeout(5):
                assert await stream.read() == b"%d" % number
        for endpoint in (here, there):
            assert endpoint.statistics().utp.connections <= 129, "half-open ones have their bound"
        await stream.close()
        await serving.settle(5.0)
