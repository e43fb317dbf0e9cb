"""One route for a request, from its arrival to its record: a peer that is a broker, and shares something as well."""

import asyncio
from pathlib import Path

import pytest

from core.net.endpoint import Endpoint
from core.news.events import RequestServed
from core.peer import open_peer
from core.profile.config import PeerConfig
from core.rpc.client import RpcClient
from core.services.service import Registry
from core.trust.audience import Audience
from core.values import Address, Caller, JsonValue
from core.wire.broker_message import Registration, registration_document
from tests.peer.ears import Ears

pytestmark = pytest.mark.asyncio

REGISTRATION = registration_document(Registration("fibonacci_worker", True))


async def test_a_registration_under_an_address_is_no_request_to_the_shared_service(tmp_path: Path) -> None:
    """Who knows only our `host:port` says by what it sends that it means the broker: FAULTS.md D6."""
    ears = Ears()
    audiences, calls = {"fibonacci": Audience.ANYONE}, tmp_path / "calls.sqlite3"
    config = PeerConfig(bootstrap=(), act_as_broker=True, audiences=audiences, calls_file=calls)
    async with open_peer(config, ears) as peer, await Endpoint.open() as endpoint:
        await peer.share("fibonacci")
        address = peer.snapshot().address
        assert address is not None
        here = Address("127.0.0.1", address.port)
        client = RpcClient(lambda to, seconds: endpoint.connect(to, timeout=seconds))
        for _ in range(3):
            await client.request(here, str(here), REGISTRATION, timeout=5.0)
        assert len(peer.snapshot().broker.entries) == 1
        assert peer.snapshot().services[0].served == 0
        assert peer.snapshot().peers == ()
        assert await peer.calls() == []
        assert ears.of(RequestServed) == []
        await client.request(here, str(here), {"length": 3}, timeout=5.0)
        assert peer.snapshot().services[0].served == 1
        (call,) = await peer.calls()
        assert (call.service, call.outcome) == ("fibonacci", "ok")
        await client.close()


async def test_a_service_that_is_withdrawn_meanwhile_still_has_its_request() -> None:
    """What a request is, is decided once: the record at the end says what was asked at the beginning."""
    asked = asyncio.Event()

    class Slow:
        name, description = "slow", ""

        def __init__(self) -> None:
            self.example: JsonValue = None

        async def handle(self, payload: JsonValue, caller: Caller) -> JsonValue:
            asked.set()
            await asyncio.sleep(0.05)
            return payload

    ears = Ears()
    config = PeerConfig(bootstrap=(), audiences={"slow": Audience.ANYONE})
    async with open_peer(config, ears, registry=Registry(Slow())) as peer, await Endpoint.open() as endpoint:
        await peer.share("slow")
        address = peer.snapshot().address
        assert address is not None
        client = RpcClient(lambda to, seconds: endpoint.connect(to, timeout=seconds))
        here = Address("127.0.0.1", address.port)
        async with asyncio.TaskGroup() as group:
            group.create_task(client.request(here, str(here), 1, timeout=5.0))
            await asked.wait()
            await peer.unshare("slow")
        (served,) = ears.of(RequestServed)
        assert served.service == "slow_worker"
        assert peer.snapshot().services[0].served == 1
        await client.close()
