"""Our RPC and punches against a libutp peer that takes each packet for one whole message."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.aio.tasks import TaskSet
from core.errors import RequestTimeout
from core.net.endpoint import Endpoint
from core.net.stream import Stream
from core.punch.events import PunchEvent, PunchHeard
from core.rpc.client import RpcClient
from core.rpc.server import RpcServer
from core.services.service import Caller
from core.values import Address, JsonValue
from tests.support.answers import answered_by
from tests.support.process import Program, node

pytestmark = [pytest.mark.interop, pytest.mark.asyncio]


def client_on(endpoint: Endpoint) -> RpcClient:
    """Return a client whose connections leave from this endpoint's socket."""

    async def connect(address: Address, timeout: float) -> Stream:
        return await endpoint.connect(address, timeout=timeout)

    return RpcClient(connect)


@asynccontextmanager
async def our_client() -> AsyncIterator[RpcClient]:
    """A client on an endpoint of its own."""
    async with await Endpoint.open(Address("127.0.0.1", 0)) as endpoint:
        client = client_on(endpoint)
        try:
            yield client
        finally:
            await client.close()


async def answer(_: str, payload: JsonValue, caller: Caller) -> JsonValue:
    """Echo; a payload of {"sleep": s} waits first, so that later requests overtake it."""
    if isinstance(payload, dict) and isinstance(payload.get("sleep"), float):
        await asyncio.sleep(float(str(payload["sleep"])))
    return {"echo": payload if len(str(payload)) < 1000 else len(str(payload)), "to": caller.address.host}


@asynccontextmanager
async def our_server() -> AsyncIterator[Endpoint]:
    """A server that echoes, on an endpoint of its own."""
    server, tasks = RpcServer(answered_by(answer)), TaskSet("interop server")
    async with await Endpoint.open(Address("127.0.0.1", 0)) as endpoint:

        def accept(stream: Stream) -> None:
            tasks.spawn(server.serve(stream), name=f"serve {stream.remote}")

        endpoint.on_stream = accept
        try:
            yield endpoint
        finally:
            await tasks.aclose()


def at(program: Program) -> Address:
    """Return where a Node peer listens."""
    return Address("127.0.0.1", program.events[0]["port"])


async def test_32_concurrent_requests_of_ours_on_one_connection() -> None:
    """To the Node server every request must be in a packet of its own; its replies come back several to a packet."""
    payloads: list[JsonValue] = [{"number": number} for number in range(32)]
    async with node("peer", {"role": "echo", "delay": 50}) as echo, our_client() as client:
        replies = await asyncio.gather(*(client.request(at(echo), "rest", payload, timeout=10) for payload in payloads))
        assert [reply.data for reply in replies] == payloads
        assert echo.count("connection") == 1
        assert max(e["serving"] for e in echo.events if e["event"] == "request") > 8, "they must have been in flight"
        assert echo.count("unparsed") == 0


async def test_requests_one_after_the_other_reuse_the_connection() -> None:
    async with node("peer", {"role": "echo"}) as echo, our_client() as client:
        for number in range(50):
            assert (await client.request(at(echo), "rest", number, timeout=10)).data == number
        assert echo.count("connection") == 1


async def test_an_unanswered_request_ends_by_its_time_out() -> None:
    async with node("peer", {"role": "client"}) as silent, our_client() as client:
        with pytest.raises(RequestTimeout):
            await client.request(at(silent), "rest", {}, timeout=0.5)


async def test_8_concurrent_requests_of_the_node_client() -> None:
    """They arrive joined in one packet, which a Node server cannot read; each of our replies has its own packet."""
    payloads = [{"number": number} for number in range(8)]
    async with our_server() as server, node("peer", {"role": "client"}) as client:
        replies = await client.command("requests", address=str(server.address), key="rest", payloads=payloads)
        assert replies == [{"echo": payload, "to": "127.0.0.1"} for payload in payloads]
        assert client.count("unparsed") == 0


async def test_a_slow_request_of_the_node_client_holds_up_no_other() -> None:
    payloads = [{"sleep": 1.5}, {"number": 1}]
    async with our_server() as server, node("peer", {"role": "client"}) as client, asyncio.TaskGroup() as group:
        slow, fast = (
            group.create_task(client.command("request", address=str(server.address), key="rest", payload=payload))
            for payload in payloads
        )
        assert (await fast)["echo"] == {"number": 1}
        assert not slow.done()


async def test_a_node_request_over_many_packets_is_one_request_here() -> None:
    async with our_server() as server, node("peer", {"role": "client"}) as client:
        text = "x" * 100_000
        reply = await client.command("request", address=str(server.address), key="rest", payload=text)
        assert reply["echo"] == len(text)


async def test_both_ask_each_other_over_the_same_sockets() -> None:
    """A hole punched for one direction carries the other too: server and client share each peer's one socket."""
    async with our_server() as ours, node("peer", {"role": "echo"}) as theirs:
        client = client_on(ours)
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(client.request(at(theirs), "rest", n, timeout=10)) for n in range(8)]
            numbers = list(range(8))
            served = group.create_task(
                theirs.command("requests", address=str(ours.address), key="rest", payloads=numbers)
            )
        assert [task.result().data for task in asked] == numbers
        assert [reply["echo"] for reply in served.result()] == numbers
        assert all(e["from"] == str(ours.address) for e in theirs.events if e["event"] in ("connection", "request"))
        await client.close()


async def test_punches_are_heard_both_ways() -> None:
    heard: asyncio.Queue[PunchEvent] = asyncio.Queue()
    async with await Endpoint.open(Address("127.0.0.1", 0)) as endpoint, node("peer", {"role": "client"}) as peer:
        endpoint.on_punch = heard.put_nowait
        await peer.command("punch", address=str(endpoint.address))
        async with asyncio.timeout(5):
            while not isinstance(event := await heard.get(), PunchHeard):
                pass
        assert event.remote == at(peer)
        endpoint.punch(at(peer))
        assert (await peer.event("punch"))["from"] == str(endpoint.address)
