"""Whole peers over HTTP and WebSocket: a service that is opened, announced, asked by its name, and closed again."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import LocalError, LookupEmpty, RefusedError
from core.grape.config import GrapeConfig
from core.grape.grape import open_grape
from core.grenache.asker import Ask
from core.grenache.config import WebConfig
from core.kinds.share import Share
from core.mapping.status import PortOpen
from core.news.events import PeerEvent, ReplyReceived, RequestServed
from core.news.web import WebPortMapped
from core.peer import Peer, PeerConfig, open_peer
from core.trust.audience import Audience
from core.values import Address
from tests.net.waiting import eventually
from tests.support.ports import free_port
from tests.support.process import until

pytestmark = pytest.mark.asyncio
GRAPE = GrapeConfig(dht_port=0, api_port=0, bind="127.0.0.1")
SEQUENCE = [1, 1, 2, 3, 5]
ALONE = PeerConfig(bind="127.0.0.1", bootstrap=(), dht_port=0, api_port=0)


async def two(stack: AsyncExitStack, *, web: WebConfig | None = None) -> tuple[Peer, Peer, list[PeerEvent]]:
    """Return a peer that serves, another, and what the first tells."""
    told: list[PeerEvent] = []
    grape = await stack.enter_async_context(open_grape(GRAPE))
    config = PeerConfig(grapes=(grape.url,), bind="127.0.0.1", web=web or WebConfig())
    serving = await stack.enter_async_context(open_peer(config, told.append))
    asking = await stack.enter_async_context(open_peer(PeerConfig(grapes=(grape.url,), bind="127.0.0.1")))
    return serving, asking, told


async def announced(peer: Peer, name: str, port: int) -> None:
    """Announce, and do not wait for the peer to: that is another task's."""
    await peer.announce(name, port)


async def test_a_service_is_open_over_http_and_websocket_and_asked_by_its_name() -> None:
    async with AsyncExitStack() as stack:
        serving, asking, told = await two(stack)
        await serving.share("fibonacci", ("http", "ws"))
        await serving.web.settled()
        (row,) = serving.web.rows()
        assert (row.service, row.transports, row.audience) == ("fibonacci", ("http", "ws"), Audience.ANYONE)
        await announced(asking, "fibonacci", row.address.port)
        for ask in (Ask("http"), Ask("ws"), None):
            reply = await asking.request("fibonacci", {"length": 5}, ask=ask)
            assert (reply.data, reply.peer) == (SEQUENCE, row.address)
        with pytest.raises(RefusedError) as failure:
            await asking.request("fibonacci", {"length": -1}, ask=Ask("http"))
        assert failure.value.name == "ERR_PAYLOAD"
        served = [event.transport for event in told if isinstance(event, RequestServed)]
        assert served == ["http", "ws", "ws", "http"], "the third found out, or remembered"
        assert not [event for event in told if isinstance(event, ReplyReceived)]
        await serving.unshare("fibonacci")
        assert serving.web.rows() == ()


async def test_what_is_for_trusted_peers_answers_nobody_in_clear() -> None:
    async with AsyncExitStack() as stack:
        serving, asking, _ = await two(stack)
        share = Share("mine", "json", {"command": "cat"}, Audience.TRUSTED, transports=("http",))
        await serving.add_share(share)
        await serving.web.settled()
        (row,) = serving.web.rows()
        with pytest.raises(RefusedError) as failure:
            await asking.request(str(row.address), 1, ask=Ask("http"))
        assert failure.value.name == "ERR_ENCRYPTION_REQUIRED"
        serving.set_audience("mine", Audience.ANYONE)
        await serving.web.settled()
        (row,) = serving.web.rows()
        assert (await asking.request(str(row.address), 1, ask=Ask("http"))).data == 1


async def test_what_is_not_open_over_a_transport_is_for_nobody_there(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        serving, asking, _ = await two(stack)
        await serving.share("fibonacci", ("utp", "ws"))
        await serving.add_share(Share("mine", "json", {"command": "cat"}, Audience.ANYONE, transports=("utp", "http")))
        await serving.web.settled()
        place = serving.web.rows()[0].address
        await announced(asking, "fibonacci", place.port)
        with pytest.raises(RefusedError) as failure:
            await asking.request("fibonacci", {"length": 5}, ask=Ask("http"))
        assert failure.value.name == "ERR_SERVICE_UNKNOWN"


async def test_without_utp_nobody_is_answered_there_who_knows_the_address() -> None:
    async with AsyncExitStack() as stack:
        serving, asking, _ = await two(stack)
        await serving.share("fibonacci", ("http",))
        await serving.web.settled()
        place = serving.snapshot().address
        assert place is not None
        with pytest.raises(RefusedError) as failure:
            await asking.request(f"127.0.0.1:{place.port}", {"length": 5}, ask=Ask("utp"))
        assert failure.value.name == "ERR_SERVICE_UNKNOWN"
        (row,) = serving.web.rows()
        assert (await asking.request(str(row.address), {"length": 5}, ask=Ask("http"))).data == SEQUENCE


async def test_the_transports_of_a_share_are_changed_while_it_runs() -> None:
    async with AsyncExitStack() as stack:
        serving, asking, _ = await two(stack)
        share = Share("mine", "json", {"command": "cat"}, Audience.ANYONE)
        await serving.add_share(share)
        await serving.web.settled()
        assert serving.web.rows() == ()
        await serving.change_share("mine", replace(share, transports=("utp", "ws")))
        await serving.web.settled()
        (row,) = serving.web.rows()
        assert (await asking.request(str(row.address), 1, ask=Ask("ws"))).data == 1
        await serving.change_share("mine", share)
        await serving.web.settled()
        assert serving.web.rows() == ()


class Router:
    """Opens what it is asked for, as the test says."""

    def __init__(self, port: int, tell: Callable[[PortOpen], None]) -> None:
        self.port, self.tell, self.status, self.closed = port, tell, PortOpen(), False

    def say(self, status: PortOpen) -> None:
        self.status = status
        self.tell(status)

    def look_again(self) -> None:
        """Nothing has changed."""

    def begin_again(self) -> None:
        """Nor now."""

    async def aclose(self) -> None:
        self.closed = True


async def test_what_the_router_opened_is_announced_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    routers: list[Router] = []

    def open_web_port(
        config: PeerConfig, addresses: object, port: int, tell: Callable[[PortOpen], None]
    ) -> Router | None:
        if config.web.map:
            routers.append(Router(port, tell))
        return routers[-1] if config.web.map else None

    monkeypatch.setattr("core.compose.open_web_port", open_web_port)
    async with AsyncExitStack() as stack:
        serving, asking, told = await two(stack, web=WebConfig(map=True))
        await serving.share("fibonacci", ("http",))
        await serving.web.settled()
        outside = Address("203.0.113.9", 4711)
        assert serving.web.rows()[0].outside is None
        routers[0].say(PortOpen(outside, "PCP", "opened"))
        (row,) = serving.web.rows()
        assert (row.address.port, row.outside, row.mapping) == (routers[0].port, outside, "opened")
        assert [event.opened for event in told if isinstance(event, WebPortMapped)] == [routers[0].status]

        async def listed() -> bool:
            try:
                return outside.port in {place.port for place in await asking.lookup("fibonacci")}
            except LookupEmpty:
                return False

        await until(listed, "the router's port is announced")
        await serving.unshare("fibonacci")
        await eventually(lambda: routers[0].closed)


async def test_a_port_that_is_taken_is_told() -> None:
    async with AsyncExitStack() as stack:
        serving, _, _ = await two(stack)
        await serving.share("fibonacci", ("http",))
        await serving.web.settled()
        taken = serving.web.rows()[0].address.port
        other, _, _ = await two(stack, web=WebConfig(port=taken))
        await other.share("fibonacci", ("http",))
        with pytest.raises(LocalError, match="--listen"):
            await other.web.settled()


async def test_a_share_keeps_its_transports() -> None:
    share = Share("mine", "json", {"command": "cat"}, transports=("utp", "http"))
    assert Share.from_json(share.to_json()) == share
    assert Share.from_json({**share.to_json(), "transports": ["http", "smoke"]}).transports == ("utp",)
    assert "transports" not in Share("mine", "json", {}).to_json()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-other\r\n"])
async def test_a_port_that_is_something_else_over_tcp_is_asked_over_utp_all_the_same(answer: bytes) -> None:
    """As a peer's own: carriers of datagrams have the TCP port of its number, and may be there before its uTP."""
    port, asked = free_port(), list[bytes]()
    async with AsyncExitStack() as stack:

        async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if said := await reader.read(1000):
                asked.append(said)
                serving = await stack.enter_async_context(open_peer(replace(ALONE, udp_port=port)))
                await serving.share("fibonacci")
                writer.write(answer)
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(other, "127.0.0.1", port)
        stack.push_async_callback(server.wait_closed)
        stack.callback(server.close)
        asking = await stack.enter_async_context(open_peer(ALONE))
        for _ in range(2):
            reply = await asking.request(f"127.0.0.1:{port}", {"length": 5}, timeout=20.0)
            assert reply.data == SEQUENCE
    assert len(asked) == 1, "what it speaks is remembered"


async def test_a_server_that_fails_is_not_asked_again_by_another_way() -> None:
    port = free_port()
    async with AsyncExitStack() as stack:

        async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if await reader.read(1000):
                writer.write(b"HTTP/1.1 500 It broke\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(other, "127.0.0.1", port)
        stack.callback(server.close)
        asking = await stack.enter_async_context(open_peer(ALONE))
        with pytest.raises(RefusedError, match="HTTP 500"):
            await asking.request(f"127.0.0.1:{port}", {"length": 5}, timeout=20.0)
