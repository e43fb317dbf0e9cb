"""A service of a Grenache server at home: found at a grape, passed on, its errors too, and away."""

from collections.abc import Awaitable
from contextlib import aclosing

import pytest

from core.aio.tasks import TaskSet
from core.errors import LocalError, PayloadError
from core.grape.config import GrapeConfig
from core.grape.grape import open_grape
from core.grenache.asker import WebAsker
from core.kinds.share import Share
from core.kinds.table import make
from core.tunnel.stream import ByteStream
from core.values import JsonValue, Outcome
from core.wire.grenache_message import Meta
from core.wire.stream_opening import Opening, parse_opening
from tests.grenache.site import FakeSite, serving
from tests.grenache.test_asker import Names
from tests.kinds.streams import CALLER

pytestmark = pytest.mark.asyncio
GRAPE = GrapeConfig(dht_port=0, api_port=0, bind="127.0.0.1")


def handle(key: str, payload: JsonValue) -> Outcome:
    if payload == "wrong":
        raise PayloadError("say a number")
    return {"key": key, "payload": payload}


async def answered(share: Share, payload: JsonValue) -> JsonValue:
    service = make(share)
    try:
        outcome = service.handle(payload, CALLER)
        assert isinstance(outcome, Awaitable)
        return await outcome
    finally:
        await service.aclose()


@pytest.mark.parametrize("transport", ["http", "ws"])
async def test_requests_are_passed_on_and_so_are_the_services_own_errors(transport: str) -> None:
    async with serving(FakeSite(handle, transports=(transport,))) as server:
        share = Share("bridge", "grenache", {"target": str(server.address), "key": "rpc_test"})
        assert await answered(share, {"a": 1}) == {"key": "rpc_test", "payload": {"a": 1}}
        with pytest.raises(LocalError, match="say a number") as failure:
            await answered(share, "wrong")
        assert failure.value.name == "ERR_PAYLOAD"


async def test_a_name_is_looked_up_at_the_grape() -> None:
    async with serving(FakeSite(handle)) as server, open_grape(GRAPE) as grape:
        share = Share("bridge", "grenache", {"target": "rpc_test", "grape": grape.url})
        service = make(share)
        assert not (await service.check()).ok
        with pytest.raises(LocalError) as failure:
            await answered(share, 1)
        assert failure.value.name == "ERR_BRIDGE"
        await grape.announce("rpc_test", server.address.port)
        assert (await service.check()).ok
        assert await answered(share, 1) == {"key": "rpc_test", "payload": 1}
        await service.aclose()


async def test_a_server_that_is_away_has_a_name_and_no_address() -> None:
    with pytest.raises(LocalError) as failure:
        await answered(Share("bridge", "grenache", {"target": "127.0.0.1:1"}), 1)
    assert failure.value.name == "ERR_BRIDGE"
    assert "127.0.0.1" not in str(failure.value)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"target": ""},
        {"target": "x", "transport": "utp"},
        {"target": "x", "grape": "ftp://x"},
        {"target": "x", "y": 1},
        {"target": "x", "fingerprint": "E1:63"},
        {"target": "x", "certificate": "/a.pem"},
        {"target": "x", "tls": "yes"},
    ],
)
async def test_options_that_cannot_be_are_refused(options: dict[str, JsonValue]) -> None:
    with pytest.raises(LocalError) as failure:
        make(Share("bridge", "grenache", options))
    assert failure.value.name == "ERR_SHARE"


async def test_a_stream_of_a_caller_over_http_reaches_the_server_as_one_with_its_id() -> None:
    seen: list[Opening] = []

    async def upper(stream: ByteStream) -> None:
        seen.append(parse_opening(stream.payload))
        stream.accept(b"")
        while data := await stream.read():
            await stream.write(data.upper())
        stream.end()

    tasks = TaskSet("test")
    home = FakeSite(stream=lambda stream: tasks.spawn(upper(stream), name="upper"))
    async with aclosing(tasks), serving(home) as at_home:
        service = make(Share("bridge", "grenache", {"target": str(at_home.address), "key": "stream"}))
        assert service.takes_streams

        def pass_on(stream: ByteStream) -> None:
            tasks.spawn(service.serve(stream, parse_opening(stream.payload), CALLER), name="bridge")

        async with serving(FakeSite(stream=pass_on)) as ours, aclosing(WebAsker(Names(ours.address))) as asker:
            meta = Meta("our-id", "stream", "upload", {"a": 1})
            stream = await asker.stream("svc", meta, 5.0)
            for piece in (b"abc", b"de"):
                await stream.write(piece)
                assert await stream.read() == piece.upper()
            stream.end()
            assert await stream.read() == b""
            stream.close()
        assert seen[0].details == {"action": "upload", "args": {"a": 1}, "rid": "our-id"}
        await service.aclose()
