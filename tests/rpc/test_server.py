"""An RPC server over an in-memory stream, in virtual time."""

import asyncio
import json
from collections import Counter

import pytest

from core.rpc.config import RpcConfig
from core.rpc.feed import TURN_MAX
from core.rpc.memory import Standing
from core.rpc.server import RpcServer
from core.values import Caller, JsonValue, Outcome
from tests.rpc.scene import echo, plain_echo, scene
from tests.rpc.streams import CLIENT, pair
from tests.support.answers import Handler, answered_by
from tests.support.interpreted import interpreted
from tests.support.virtual_time import settle

pytestmark = pytest.mark.virtual_time

CALLER = Caller(CLIENT)


async def test_a_request_is_answered_and_reported() -> None:
    async with scene() as stage:
        await stage.send(["r1", "fibonacci_worker", 2.5])
        assert await stage.replies(1) == [["r1", None, 2.5]]
        assert stage.served == [("fibonacci_worker", CALLER, 2.5, None, 31, 15)], "with its bytes"
        await stage.end()
        assert stage.stream.closed
        assert not stage.stream.aborted


async def test_a_slow_handler_holds_up_nobody_and_every_reply_starts_a_packet() -> None:
    async with scene() as stage:
        await stage.send(["slow", "k", 5], ["quick", "k", 0.1], ["instant", "k", None])
        assert await stage.replies(3) == [["instant", None, None], ["quick", None, 0.1], ["slow", None, 5]]
        assert all(boundary for _, boundary in stage.stream.written)
        assert len(stage.stream.written) == 3
        assert asyncio.get_running_loop().time() == pytest.approx(5.0)


@interpreted
async def test_a_plain_handler_answers_without_a_task() -> None:
    names: list[str] = []

    def handler(key: str, payload: JsonValue, caller: Caller) -> Outcome:
        task = asyncio.current_task()
        names.append(task.get_name() if task else "")
        return payload if key == "now" else echo(key, payload, caller)

    spent: list[float] = []

    async with scene(handler=handler) as stage:
        stage.server.answered_at_once = spent.append  # type: ignore[method-assign, assignment]
        await stage.send(["r1", "now", "a"], ["r2", "later", 0.1], ["r3", "now", ["x" * 100_000]])
        assert await stage.replies(3) == [["r1", None, "a"], ["r3", None, ["x" * 100_000]], ["r2", None, 0.1]]
        assert [report[:2] for report in stage.served] == [("now", CALLER), ("now", CALLER), ("later", CALLER)]
        assert stage.server.statistics().in_flight == 0
    assert "rpc request" not in names
    assert len(spent) == 1  # the one that took no task counts against the turn of the others


async def test_replies_at_once_to_requests_that_came_together_share_what_carries_them() -> None:
    async with scene(handler=plain_echo) as stage:
        offered: list[tuple[str, bool]] = []
        offer = stage.stream.offer

        def noted(data: bytes, *, soon: bool = False) -> bool:
            offered.append((json.loads(data)[0], soon))
            return offer(data, soon=soon)

        stage.stream.offer = noted  # type: ignore[method-assign]
        await stage.client.write(b"".join(json.dumps([rid, "k", None]).encode() for rid in ("a", "b", "c")))
        await stage.replies(3)
        await stage.send(["d", "k", None])
        await stage.replies(1)
    assert offered == [("a", True), ("b", True), ("c", False), ("d", False)], "the last one takes the others along"


def test_handlers_that_answer_at_once_leave_others_their_turn() -> None:
    server = RpcServer(answered_by(plain_echo))
    for now, seconds, may in [
        (10.0, 0.0015, True),
        (10.0015, 0.001, True),
        (10.0025, 0.0, False),
        (10.0039, 0.0, False),
        (10.004, 0.002, True),
        (10.006, 0.0, False),
    ]:
        assert server.may_answer_at_once(now) is may
        server.answered_at_once(seconds)


async def test_a_packet_of_many_requests_leaves_others_their_turn() -> None:
    loops: list[asyncio.AbstractEventLoop] = []
    turns: Counter[int] = Counter()
    turn = 0

    def next_turn() -> None:
        nonlocal turn
        turn += 1
        if turns.total() < 300:
            loops[0].call_soon(next_turn)

    def handler(key: str, payload: JsonValue, caller: Caller) -> Outcome:
        turns[turn] += 1
        return payload

    async with scene(handler=handler) as stage:
        loops.append(asyncio.get_running_loop())
        next_turn()
        await stage.client.write(b"".join(json.dumps([f"r{n}", "k", n]).encode() for n in range(300)))
        assert await stage.replies(300) == [[f"r{n}", None, n] for n in range(300)]
    assert max(turns.values()) <= 2 * TURN_MAX  # twice in the turn that begins to listen


async def test_a_handler_that_waits_past_the_spell_is_called_in_a_task() -> None:
    names: list[str] = []

    def handler(key: str, payload: JsonValue, caller: Caller) -> Outcome:
        task = asyncio.current_task()
        names.append(task.get_name() if task else "")
        stage.server.spent(1.0)
        return payload

    async with scene(handler=handler) as stage:
        stage.server.standing = lambda caller: Standing("a friend", True, 1 << 20)  # a stranger's would wait before
        await stage.send(["r1", "k", "a"], ["r2", "k", "b"])
        assert await stage.replies(2) == [["r1", None, "a"], ["r2", None, "b"]]
    assert names == ["serve", "rpc request"]


async def test_joined_and_split_requests_are_all_answered() -> None:
    async with scene() as stage:
        data = b"".join(json.dumps([f"r{index}", "k", "\u00e9"], ensure_ascii=False).encode() for index in range(10))
        await stage.client.write(data)
        for byte in data:
            await stage.client.write(bytes([byte]))
        replies = await stage.replies(20)
        assert sorted(map(str, replies)) == sorted(str([f"r{i}", None, "\u00e9"]) for i in range(10) for _ in "ab")


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        ("payload", "ERR_PAYLOAD: length must be from 0 to 10,000"),
        ("local", "ERR_DISK: the disk is full"),
        ("refused", "ERR_OTHER"),
        ("timeout", "ERR_TIMEOUT"),
        ("bug", "ERR_INTERNAL"),
        ("own timeout", "ERR_INTERNAL"),
        ("cancelled", "ERR_INTERNAL"),
    ],
)
@pytest.mark.parametrize("handler", [echo, plain_echo])
async def test_what_a_handler_raises_is_an_error_reply(
    raised: str, error: str, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(handler=handler) as stage:
        await stage.send(["r1", "k", raised], ["r2", "k", 0.1])
        assert await stage.replies(2) == [["r1", error, None], ["r2", None, 0.1]]
        assert [report[3] for report in stage.served] == [error, None]
        assert stage.server.statistics().failed == 1
    assert (len(caplog.records) == 1) is (raised in ("bug", "own timeout"))
    assert "Traceback" not in caplog.text


async def test_a_handler_over_its_time_is_cut_off() -> None:
    cancelled: list[str] = []

    async def stuck(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(key)
            raise
        return None

    async with scene(handler=stuck) as stage:
        await stage.send(["r1", "k", None])
        assert await stage.replies(1) == [["r1", "ERR_TIMEOUT: the service took longer than 60 s", None]]
        assert asyncio.get_running_loop().time() == pytest.approx(60.0)
        assert cancelled == ["k"]


@pytest.mark.parametrize(
    ("result", "name"),
    [(float("nan"), "ERR_MESSAGE_ENCODE"), (b"bytes", "ERR_MESSAGE_ENCODE"), ("x" * 500, "ERR_MESSAGE_SIZE")],
)
async def test_a_result_that_cannot_be_sent_is_a_named_error(result: JsonValue, name: str) -> None:
    async def handler(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
        return result

    async with scene(handler=handler, config=RpcConfig(message_bytes=300)) as stage:
        await stage.send(["r1", "k", None])
        reply = json.loads(await stage.client.read())
        assert reply[:1] + reply[2:] == ["r1", None]
        assert reply[1].startswith(name + ": ")


async def test_sixty_four_run_at_once_and_more_wait_unread() -> None:
    running = most = 0

    async def handler(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1.0)
        running -= 1
        return payload

    async with scene(handler=handler) as stage:
        for index in range(200):
            await stage.send([f"r{index}", "k", index])
        await settle()
        assert stage.server.statistics().in_flight == 64
        assert len(stage.client.peer._inbox) >= 200 - 64 - 1  # in the sender's window, not in our memory
        replies = await stage.replies(200)
        assert len({str(reply) for reply in replies}) == 200
        assert most == 64
        assert asyncio.get_running_loop().time() == pytest.approx(4.0)
        assert stage.server.statistics().in_flight == 0


async def test_a_caller_that_vanishes_leaves_no_handler_behind() -> None:
    cancelled: list[str] = []

    async def handler(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
        try:
            await asyncio.sleep(50)
        except asyncio.CancelledError:
            cancelled.append(key)
            raise
        return None

    async with scene(handler=handler) as stage:
        await stage.send(*([f"r{index}", f"k{index}", None] for index in range(5)))
        await settle()
        stage.client.abort()
        await stage.serving  # ends by itself, and raises nothing
        assert sorted(cancelled) == [f"k{index}" for index in range(5)]
        assert asyncio.get_running_loop().time() == 0.0
        assert stage.server.statistics().connections == 0
        assert stage.server.statistics().in_flight == 0


async def test_a_caller_that_hangs_up_politely_still_gets_its_replies() -> None:
    async with scene() as stage:
        await stage.send(["r1", "k", 3])
        await stage.client.close()
        await stage.serving
        assert stage.stream.written == [(b'["r1",null,3]', True)]
        assert stage.stream.closed


async def test_cancelling_serve_resets_the_stream() -> None:
    async with scene() as stage:
        await stage.send(["r1", "k", 30])
        await settle()
        stage.serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stage.serving
        assert stage.stream.aborted
        assert [report[2:] for report in stage.served] == [(0.0, "ERR_TRANSPORT_CLOSE", 15, 0)], "asked, not answered"


async def test_a_caller_that_reads_nothing_is_cut_off() -> None:
    async with scene(buffer=200) as stage:
        await stage.send(*([f"r{index}", "k", "x" * 90] for index in range(5)))
        await stage.serving
        assert asyncio.get_running_loop().time() == pytest.approx(30.0)
        assert stage.stream.aborted
        assert [report[3] for report in stage.served].count("ERR_TRANSPORT_CLOSE") >= 1


async def test_an_unused_connection_is_closed_and_a_busy_one_is_not() -> None:
    async with scene() as stage:
        await asyncio.sleep(100)
        await stage.send(["r1", "k", 55])
        assert await stage.replies(1) == [["r1", None, 55]]
        await stage.serving
        assert 220.0 <= asyncio.get_running_loop().time() <= 341.0
        assert stage.stream.closed
        assert not stage.stream.aborted


async def test_a_handler_longer_than_the_idle_time_keeps_its_connection() -> None:
    async with scene(config=RpcConfig(idle_close=10.0)) as stage:
        await stage.send(["r1", "k", 25])
        assert await stage.replies(1) == [["r1", None, 25]]
        await stage.send(["r2", "k", 0])
        assert await stage.replies(1) == [["r2", None, 0]]


async def test_a_connection_that_waits_for_a_place_is_not_idle() -> None:
    async with scene(config=RpcConfig(idle_close=10.0, in_flight_total=1)) as stage:
        client, stream = pair()
        await stage.send(["r1", "k", 50])
        await settle()
        stage.serve(stream)
        await client.write(b'["r2","k",1]')
        assert json.loads(await client.read()) == ["r2", None, 1]
        assert asyncio.get_running_loop().time() == pytest.approx(51.0)
