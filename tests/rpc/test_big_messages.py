"""Big requests and replies between a client and a server, in virtual time: nothing else waits for them."""

import asyncio
import json
from itertools import pairwise

import pytest

from core.aio.tasks import TaskSet
from core.errors import LocalError, RequestTimeout, TransportClosed
from core.rpc.config import RpcConfig
from core.rpc.feed import TURN_BYTES
from core.rpc.server import RpcServer
from core.values import Caller, JsonValue
from core.wire.rpc_message import encode_result
from tests.rpc.stage import stage
from tests.rpc.streams import SERVER, MemoryStream, Network, pair
from tests.support.answers import answered_by
from tests.support.virtual_time import settle

pytestmark = pytest.mark.virtual_time

BIG: JsonValue = ["x" * 900] * 5000  # 4.5 MB


async def handler(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
    """Answer with something big where that is asked for; else with the payload."""
    return BIG if payload == "big" else payload


class Turns:
    """Counts the turns of the loop."""

    def __init__(self) -> None:
        self.count = 0
        self._tasks = TaskSet("turns")

    async def __aenter__(self) -> "Turns":
        self._tasks.spawn(self._run(), name="turns")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._tasks.aclose()

    async def pass_by(self, number: int) -> None:
        """Let turns pass: a job has begun then, and goes on."""
        for _ in range(number):
            await asyncio.sleep(0)

    async def _run(self) -> None:
        while self.count < 100_000:  # then time goes on, and tasks that still wait fail by their time-out
            await asyncio.sleep(0)
            self.count += 1


@pytest.fixture
def tiny_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every step a turn of its own, so that a fast machine needs many too."""
    monkeypatch.setattr("core.rpc.slices.SLICE", 1e-9)


def big_network() -> Network:
    """Return a network with packets of 1,400 bytes, as on the wire."""
    network = Network.of(RpcServer(answered_by(handler)))
    network.packet = 1400
    return network


@pytest.mark.usefixtures("tiny_slices")
async def test_big_messages_arrive_and_leave_turns_to_others() -> None:
    async with stage(network=big_network()) as made, Turns() as turns:
        assert (await made.ask("big")).data == BIG
        reply_only = turns.count
        assert (await made.ask(BIG)).data == BIG
        assert reply_only > 300  # 275 steps of 16 KiB to write it alone
        assert turns.count > 2 * reply_only


@pytest.mark.usefixtures("tiny_slices")
async def test_a_small_request_overtakes_a_big_one_on_the_same_connection() -> None:
    async with stage(network=big_network()) as made:
        big, small = made.ask("big"), made.ask("small")
        done, _ = await asyncio.wait([big, small], return_when=asyncio.FIRST_COMPLETED)
        assert done == {small}
        assert (await big).data == BIG


@pytest.mark.usefixtures("tiny_slices")
async def test_messages_are_taken_in_the_order_in_which_they_came() -> None:
    taken: list[str] = []

    async def note(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
        taken.append(key)
        return None

    client, stream = pair(buffer=1 << 30)
    tasks = TaskSet()
    tasks.spawn(RpcServer(answered_by(note)).serve(stream), name="serve")
    for key, payload in [("first", 1), ("second", BIG), ("third", 2)]:
        await client.write(json.dumps([key, key, payload]).encode())
    assert [json.loads(await client.read())[0] for _ in range(3)] == ["first", "second", "third"]
    assert taken == ["first", "second", "third"]
    await tasks.aclose()


@pytest.mark.usefixtures("tiny_slices")
async def test_what_waited_behind_a_big_message_is_taken_bit_by_bit() -> None:
    async def size(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
        return len(str(payload))

    client, stream = pair(buffer=1 << 30, packet=50_000)
    tasks = TaskSet()
    tasks.spawn(RpcServer(answered_by(size)).serve(stream), name="serve")
    unread = [0]

    async def watch() -> None:
        while True:
            await asyncio.sleep(0)
            unread.append(stream.buffered()[1])

    await client.write(json.dumps(["first", "k", BIG]).encode())
    await settle()
    await client.write(json.dumps(["second", "k", BIG]).encode())
    tasks.spawn(watch(), name="watch")
    assert [json.loads(await client.read())[0] for _ in range(2)] == ["first", "second"]
    await tasks.aclose()
    assert max(unread) > 4_000_000  # all of the second one waited
    assert max(before - after for before, after in pairwise(unread)) <= TURN_BYTES + 50_000


@pytest.mark.usefixtures("tiny_slices")
@pytest.mark.parametrize("request_", [["r", "k", "big"], ["r", "k", BIG]], ids=["encoding", "decoding"])
async def test_a_caller_that_vanishes_ends_the_job(request_: list[JsonValue]) -> None:
    client, stream = pair(buffer=1 << 30)
    tasks = TaskSet()
    server = RpcServer(answered_by(handler))
    serving = tasks.spawn(server.serve(stream), name="serve")
    async with Turns() as turns:
        await client.write(json.dumps(request_).encode())
        await turns.pass_by(50)
        assert not serving.done()
        serving.cancel()
        begun = turns.count
        await asyncio.wait([serving])
        assert turns.count - begun < 10
    assert server.statistics().in_flight == 0
    assert stream.written == []
    await tasks.aclose()


@pytest.mark.usefixtures("tiny_slices")
async def test_a_caller_that_resets_while_its_reply_is_written_ends_the_job() -> None:
    client, stream = pair()
    tasks = TaskSet()
    server = RpcServer(answered_by(handler))
    serving = tasks.spawn(server.serve(stream), name="serve")
    async with Turns() as turns:
        await client.write(b'["r","k","big"]')
        await turns.pass_by(50)
        client.abort()
        begun = turns.count
        await serving
        assert turns.count - begun < 20
    assert server.statistics().in_flight == 0
    await tasks.aclose()


@pytest.mark.usefixtures("tiny_slices")
async def test_closing_the_client_ends_what_is_under_way() -> None:
    async def serve(stream: MemoryStream) -> None:
        rid = json.loads(await stream.read())[0]
        await stream.write(encode_result(rid, BIG))
        await asyncio.sleep(1e6)

    async with stage(network=Network(serve)) as made:
        asked = made.ask(1)
        async with Turns() as turns:
            await turns.pass_by(50)
            assert not asked.done()
            await made.client.close()
            with pytest.raises(TransportClosed):
                await asked
            assert turns.count < 200


async def test_the_time_allowed_covers_writing_the_request() -> None:
    async with stage() as made:
        with pytest.raises(RequestTimeout):
            await made.client.request(SERVER, "k", BIG, timeout=0.0)
        assert made.network.attempts == []


@pytest.mark.parametrize(("payload", "name"), [(BIG, "ERR_MESSAGE_SIZE"), ([BIG, {1}], "ERR_MESSAGE_ENCODE")])
async def test_a_big_payload_that_cannot_be_sent_is_our_error(payload: JsonValue, name: str) -> None:
    async with stage(config=RpcConfig(message_bytes=100_000 if name == "ERR_MESSAGE_SIZE" else 1 << 24)) as made:
        with pytest.raises(LocalError) as caught:
            await made.ask(payload)
        assert caught.value.name == name
        assert made.network.attempts == []


async def test_a_big_value_that_is_no_request_is_counted_and_the_next_one_answered() -> None:
    client, stream = pair(buffer=1 << 30)
    tasks = TaskSet()
    server = RpcServer(answered_by(handler))
    tasks.spawn(server.serve(stream), name="serve")
    await client.write(json.dumps([BIG]).encode())
    await client.write(b'["r","k",1]')
    assert json.loads(await client.read()) == ["r", None, 1]
    assert server.statistics().malformed == 1
    await tasks.aclose()
    await settle()
