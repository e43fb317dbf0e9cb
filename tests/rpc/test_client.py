"""An RPC client against our server over in-memory streams, in virtual time."""

import asyncio
import json
import re

import pytest

from core.errors import LocalError, PeerError, RefusedError, RemoteError, RequestTimeout, TransportClosed
from core.rpc.client import Reply, RpcClient
from core.rpc.config import RpcConfig
from core.rpc.server import RpcServer
from core.values import Address
from tests.rpc.stage import OTHER, handler, now, scripted, stage
from tests.rpc.streams import SERVER, MemoryStream, Network
from tests.support.answers import answered_by
from tests.support.virtual_time import settle

pytestmark = pytest.mark.virtual_time


async def test_a_request_is_a_uuid_a_key_and_a_payload_in_one_packet() -> None:
    async with stage() as made:
        assert await made.client.request(SERVER, "fibonacci_worker", 2) == Reply(SERVER, 2.0, ["fibonacci_worker", 2])
        ((data, boundary),) = made.network.clients[0].written
        rid, key, payload = json.loads(data)
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", rid)
        assert (key, payload, boundary) == ("fibonacci_worker", 2, True)


async def test_concurrent_first_requests_share_one_connection() -> None:
    async with stage(network=Network.of(RpcServer(answered_by(handler)), delay=0.5)) as made:
        replies = await asyncio.gather(*(made.ask(index / 100) for index in range(64)))
        assert [reply.data for reply in replies] == [["k", index / 100] for index in range(64)]
        assert made.network.attempts == [SERVER]
        assert now() == pytest.approx(0.5 + 0.63)
        assert replies[0].seconds == pytest.approx(0.0)  # from sending, not from connecting


@pytest.mark.parametrize("packet", [1, 7, 1400])
async def test_replies_in_pieces_find_their_requests(packet: int) -> None:
    async with stage() as made:
        made.network.packet = packet
        replies = await asyncio.gather(*(made.ask("\u00e9" * index) for index in range(64)))
        assert [reply.data for reply in replies] == [["k", "\u00e9" * index] for index in range(64)]


async def test_more_than_the_limit_in_flight_wait_their_turn() -> None:
    async with stage(config=RpcConfig(asked=4)) as made:
        asked = [made.ask(1.0) for _ in range(10)]
        await settle()
        assert len(made.network.clients[0].written) == 4
        await asyncio.gather(*asked)
        assert now() == pytest.approx(3.0)


async def test_no_answer_in_time_is_a_request_timeout_and_its_late_reply_is_dropped() -> None:
    async with stage() as made:
        with pytest.raises(RequestTimeout, match="within 10 s") as caught:
            await made.client.request(SERVER, "k", 15, timeout=10.0)
        assert caught.value.name == "ERR_TIMEOUT"
        assert now() == pytest.approx(10.0)
        await asyncio.sleep(20)
        assert made.client.statistics().late == 1
        assert (await made.client.request(SERVER, "k", 1)).data == ["k", 1]
        assert made.network.attempts == [SERVER]  # the connection is still good


async def test_the_timeout_counts_connecting_too() -> None:
    async with stage(network=Network.of(RpcServer(answered_by(handler)), delay=5.0)) as made:
        with pytest.raises(RequestTimeout):
            await made.client.request(SERVER, "k", 0, timeout=3.0)
        assert now() == pytest.approx(3.0)
        await asyncio.sleep(3)  # the connection goes on being made, for the next one
        assert (await made.client.request(SERVER, "k", 0)).data == ["k", 0]
        assert made.network.attempts == [SERVER]


async def test_an_error_reply_is_refused_with_its_name_and_sentence() -> None:
    async with stage() as made:
        with pytest.raises(RefusedError) as caught:
            await made.client.request(SERVER, "k", "bad")
        assert (caught.value.name, str(caught.value)) == ("ERR_PAYLOAD", "give a length")


@pytest.mark.parametrize(
    ("error", "name", "sentence"),
    [
        ("ERR_TIMEOUT", "ERR_TIMEOUT", "the peer answered ERR_TIMEOUT"),
        ("ERR_X: it is so", "ERR_X", "it is so"),
        ("something went wrong", "ERR_REMOTE", "something went wrong"),
        ("y" * 5000, "ERR_REMOTE", "y" * 1000),
    ],
)
async def test_error_texts_of_plain_peers(error: str, name: str, sentence: str) -> None:
    async with stage(network=scripted(json.dumps(["RID", error, None]).encode())) as made:
        with pytest.raises(RefusedError) as caught:
            await made.client.request(SERVER, "k", None)
        assert (caught.value.name, str(caught.value)) == (name, sentence)


async def test_a_failure_to_connect_fails_all_who_wait_for_it() -> None:
    async with stage(network=Network.of(RpcServer(answered_by(handler)), delay=0.1)) as made:
        made.network.refuse = [TransportClosed("nobody there")]
        results = await asyncio.gather(*(made.ask(1) for _ in range(3)), return_exceptions=True)
        assert [str(result) for result in results] == ["nobody there"] * 3
        assert len({id(result) for result in results}) == 3
        assert len(made.network.attempts) == 1
        assert (await made.client.request(SERVER, "k", 0)).data == ["k", 0]  # the failure is not kept


async def test_a_connect_that_raises_something_else_is_a_lost_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def connect(address: Address, timeout: float) -> MemoryStream:
        raise OSError("network is down")

    client = RpcClient(connect)
    with pytest.raises(TransportClosed, match="network is down"):
        await client.request(SERVER, "k", 0)
    await client.close()
    assert "network is down" in caplog.text


@pytest.mark.parametrize(("retry", "succeeds"), [(0, False), (1, False), (2, True)])
async def test_connecting_is_retried_as_often_as_asked(retry: int, succeeds: bool) -> None:
    async with stage() as made:
        made.network.refuse = [TransportClosed("no"), RequestTimeout("no")]
        if succeeds:
            assert (await made.client.request(SERVER, "k", 0, retry=retry)).data == ["k", 0]
        else:
            with pytest.raises(PeerError, match="no"):
                await made.client.request(SERVER, "k", 0, retry=retry)
        assert len(made.network.attempts) == retry + 1


@pytest.mark.parametrize("retry", [0, 1])
async def test_a_connection_lost_before_the_reply_is_retried_as_often_as_asked(retry: int) -> None:
    async with stage() as made:
        asked = made.ask(5, retry=retry)
        await asyncio.sleep(1)
        made.network.servers[0].abort()
        if retry:
            assert (await asked).data == ["k", 5]
            assert now() == pytest.approx(6.0)
        else:
            with pytest.raises(TransportClosed) as caught:
                await asked
            assert caught.value.name == "ERR_TRANSPORT_CLOSE"
        assert len(made.network.attempts) == retry + 1


async def test_an_error_reply_and_a_timeout_are_never_retried() -> None:
    async with stage() as made:
        with pytest.raises(RefusedError):
            await made.client.request(SERVER, "k", "bad", retry=5)
        with pytest.raises(RequestTimeout):
            await made.client.request(SERVER, "k", 50, retry=5, timeout=1.0)
        assert len(made.network.clients[0].written) == 2
        assert len(made.network.attempts) == 1


async def test_a_connection_whose_peer_closed_is_never_reused() -> None:
    async with stage(network=scripted(b'["RID",null,1]', None)) as made:
        assert (await made.client.request(SERVER, "k", None)).data == 1
        with pytest.raises(TransportClosed):
            await made.client.request(SERVER, "k", None)
        assert (await made.client.request(SERVER, "k", None)).data == 1
        assert len(made.network.attempts) == 2
        assert made.network.clients[0].closed


async def test_an_unused_connection_is_closed_after_its_time() -> None:
    async with stage(network=Network.of(RpcServer(answered_by(handler), RpcConfig(idle_close=1000.0)))) as made:
        await made.client.request(SERVER, "k", 50)
        await asyncio.sleep(109)
        assert made.client.statistics().connections == 1
        await asyncio.sleep(2)
        assert made.client.statistics().connections == 0
        assert made.network.clients[0].closed
        assert made.network.serving == 0


async def test_use_puts_off_the_idle_close() -> None:
    async with stage(network=Network.of(RpcServer(answered_by(handler), RpcConfig(idle_close=1000.0)))) as made:
        for _ in range(10):
            await made.client.request(SERVER, "k", 0)
            await asyncio.sleep(100)
        assert len(made.network.attempts) == 1


async def test_a_connection_in_use_is_not_closed_however_long_the_answer_takes() -> None:
    async with stage(config=RpcConfig(idle_close=10.0)) as made:
        for _ in range(2):
            assert (await made.client.request(SERVER, "k", 30)).seconds == pytest.approx(30.0)
            await asyncio.sleep(9)
        assert made.network.attempts == [SERVER]


async def test_all_who_wait_on_a_lost_connection_hear_of_it_each_by_an_error_of_its_own() -> None:
    async with stage() as made:
        asked = [made.ask(5) for _ in range(64)]
        await asyncio.sleep(1)
        made.network.servers[0].abort()
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(result, TransportClosed) for result in results)
        assert len({id(result) for result in results}) == 64
        assert made.client.statistics().connections == 0


async def test_garbage_from_a_peer_is_counted_and_the_reply_behind_it_found() -> None:
    async with stage(network=scripted(b"garbage", b'["RID",null,2]')) as made:
        with pytest.raises(RequestTimeout):
            await made.client.request(SERVER, "k", None, timeout=1.0)
        assert (await made.client.request(SERVER, "k", None)).data == 2
        assert made.client.statistics().malformed == 1


async def test_a_reply_over_the_limit_ends_the_connection_and_says_so() -> None:
    async with stage(network=scripted(b'["RID",null,"' + b"x" * 2000), config=RpcConfig(message_bytes=1000)) as made:
        with pytest.raises(RemoteError, match="over the limit of 1,000 bytes"):
            await made.client.request(SERVER, "k", None, retry=3)
        assert made.network.clients[0].aborted
        assert len(made.network.attempts) == 1


async def test_a_forged_reply_goes_nowhere() -> None:
    async with stage(network=scripted(b'["00000000-0000-4000-8000-000000000000",null,"forged"]')) as made:
        with pytest.raises(RequestTimeout):
            await made.client.request(SERVER, "k", None, timeout=1.0)
        assert made.client.statistics().late == 1


async def test_what_cannot_be_sent_is_a_local_error_and_connects_nowhere() -> None:
    async with stage(config=RpcConfig(message_bytes=1000)) as made:
        for payload in (float("nan"), "x" * 2000):
            with pytest.raises(LocalError):
                await made.client.request(SERVER, "k", payload)
        assert made.network.attempts == []


async def test_map_gives_each_ones_reply_or_error_in_order() -> None:
    async with stage(config=RpcConfig(map_at_once=2)) as made:
        addresses = [Address("203.0.113.1", 1000 + index) for index in range(6)]
        made.network.refuse = [None, None, TransportClosed("no"), None, None, None]
        results = await made.client.map(addresses, "k", 1, timeout=5.0)
        assert [result.peer for result in results if isinstance(result, Reply)] == [*addresses[:2], *addresses[3:]]
        assert isinstance(results[2], TransportClosed)
        assert now() == pytest.approx(3.0)  # two at a time


async def test_a_full_pool_closes_the_connection_unused_for_longest() -> None:
    async with stage(config=RpcConfig(pool=2)) as made:
        first, second, third, fourth = (Address("203.0.113.1", 1000 + index) for index in range(4))
        for address in (first, second, first, third):
            await made.client.request(address, "k", 0)
        await settle()
        assert [stream.closed for stream in made.network.clients] == [False, True, False]
        busy = [made.ask(10, address=address) for address in (first, third)]
        await settle()
        with pytest.raises(LocalError, match="busy") as caught:
            await made.client.request(fourth, "k", 0)
        assert caught.value.name == "ERR_POOL_FULL"
        await asyncio.gather(*busy)
        assert made.client.statistics().connections == 2


async def test_closing_fails_what_is_under_way_and_everything_after() -> None:
    async with stage() as made:
        asked = [made.ask(30, retry=3), made.ask(30, address=OTHER)]
        await settle()
        await made.client.close()
        await made.client.close()
        for task in asked:
            with pytest.raises(TransportClosed):
                await task
        with pytest.raises(TransportClosed, match="closed"):
            await made.client.request(SERVER, "k", 0)
        assert now() == 0.0
        assert len(made.network.attempts) == 2


async def test_closing_while_connecting_leaves_nothing_behind() -> None:
    async with stage(network=Network.of(RpcServer(answered_by(handler)), delay=5.0)) as made:
        asked = made.ask(0)
        await settle()
        await made.client.close()
        with pytest.raises(TransportClosed):
            await asked
        assert made.network.clients == []


async def test_a_caller_that_gives_up_does_not_disturb_the_others() -> None:
    async with stage(network=Network.of(RpcServer(answered_by(handler)), delay=0.5)) as made:
        first, second = made.ask(5), made.ask(6)
        await asyncio.sleep(1.0)  # connected and sent
        first.cancel()
        assert (await second).data == ["k", 6]
        assert made.client.statistics().late == 1
        assert len(made.network.attempts) == 1
