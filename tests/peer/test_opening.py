"""A peer that is called while it still opens: its port is bound before anybody answers there."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from core.aio.tasks import TaskSet
from core.compose import THIS_MACHINE, compose
from core.directory.access import GrapeAccess
from core.directory.names import GrapeClient
from core.net.endpoint import Endpoint, EndpointConfig
from core.news.hub import Hub
from core.peer import Peer, PeerConfig
from core.rpc.client import Reply, RpcClient
from core.services.fibonacci import FibonacciService
from core.services.service import Registry
from core.trust.audience import Audience
from core.utp.config import UtpConfig
from core.values import Address
from tests.net.waiting import eventually

HERE = Address("127.0.0.1", 0)
AGAIN = UtpConfig(syn_timeout=0.05)  # seconds after which a SYN is sent again

pytestmark = pytest.mark.asyncio


async def test_who_calls_a_peer_that_still_opens_is_answered_once_it_is_open() -> None:
    opening: list[Endpoint] = []
    asking: list[asyncio.Task[Reply]] = []
    tasks = TaskSet("caller")
    caller = await Endpoint.open(HERE, config=EndpointConfig(utp=AGAIN))
    client = RpcClient(lambda address, seconds: caller.connect(address, timeout=seconds))

    async def open_endpoint(bind: Address, config: EndpointConfig) -> Endpoint:
        opening.append(await Endpoint.open(bind, config=config))
        request = client.request(opening[0].address, "fibonacci_worker", {"length": 3}, timeout=10)
        asking.append(tasks.spawn(request, name="ask"))
        return opening[0]

    class Access(GrapeAccess):
        async def __aenter__(self) -> GrapeClient:
            await eventually(lambda: opening[0].statistics().utp.refused > 0 or asking[0].done())
            return await super().__aenter__()

    outside = replace(THIS_MACHINE, open_endpoint=open_endpoint, open_access=Access)
    config = PeerConfig(
        api_port=0, dht_port=0, bootstrap=(), bind=HERE.host, audiences={"fibonacci": Audience.ANYONE}, lan=False
    )
    async with caller, AsyncExitStack() as stack:
        peer = Peer(await compose(config, Hub(), Registry(FibonacciService()), stack, outside))
        await peer.share("fibonacci")
        assert (await asking[0]).data == [1, 1, 2]
        await client.close()
