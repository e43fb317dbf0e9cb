"""A service of a Grenache server at home: found at a grape, passed on, its errors too, and away."""

from collections.abc import Awaitable

import pytest

from core.errors import LocalError, PayloadError
from core.grape.config import GrapeConfig
from core.grape.grape import open_grape
from core.kinds.share import Share
from core.kinds.table import make
from core.values import JsonValue, Outcome
from tests.grenache.site import FakeSite, serving
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
    ],
)
async def test_options_that_cannot_be_are_refused(options: dict[str, JsonValue]) -> None:
    with pytest.raises(LocalError) as failure:
        make(Share("bridge", "grenache", options))
    assert failure.value.name == "ERR_SHARE"
