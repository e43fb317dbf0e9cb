"""One HTTP connection, byte by byte: order, half-closes, old clients, early answers, clients that do not read."""

import asyncio
import itertools

import pytest

from core.grape.http_connection import ANSWERS_PER_TURN
from tests.grape.fakes import connection, read_answer, read_end, request_bytes, rpc
from tests.grape.test_http import CONFIG, chunked, serving

pytestmark = pytest.mark.asyncio

LOOKUP = request_bytes("/lookup", rpc("svc"))
FOUND = b'["127.0.0.1:1337"]'


async def test_answers_keep_the_order_of_pipelined_requests() -> None:
    async with serving() as served, connection(served.port) as (reader, writer):
        writer.write(LOOKUP + request_bytes("/nothing", rpc(1)) + chunked(rpc("nobody")) + LOOKUP)
        bodies = [(await read_answer(reader)).body for _ in range(4)]
    assert bodies == [FOUND, b'"ERR_REQ_NOTFOUND"', b"[]", FOUND]


async def test_a_client_that_sends_ahead_lets_others_have_their_turn() -> None:
    async with serving() as served, connection(served.port) as (reader, writer):
        number = 3 * ANSWERS_PER_TURN + 1
        seen: list[int] = []

        def look() -> None:
            seen.append(len(served.dht.calls))
            if seen[-1] < number:
                asyncio.get_running_loop().call_soon(look)

        look()
        writer.write(LOOKUP * number)
        assert [(await read_answer(reader)).body for _ in range(number)] == [FOUND] * number
    steps = {after - before for before, after in itertools.pairwise(seen)}
    assert max(steps) == ANSWERS_PER_TURN


async def test_what_comes_during_an_answer_waits_for_it() -> None:
    async with serving() as served, connection(served.port) as (reader, writer):
        served.dht.gate.clear()
        writer.write(LOOKUP)
        await served.dht.entered.wait()
        for _ in range(3):
            writer.write(LOOKUP)
            await writer.drain()
            await asyncio.sleep(0)
        assert served.dht.calls == ["lookup"]
        served.dht.gate.set()
        assert [(await read_answer(reader)).body for _ in range(4)] == [FOUND] * 4


async def test_a_request_in_single_bytes_is_one_request() -> None:
    async with serving() as served, connection(served.port) as (reader, writer):
        for byte in LOOKUP:
            writer.write(bytes([byte]))
            await writer.drain()
        assert (await read_answer(reader)).body == FOUND
        assert served.server.statistics().requests == 1


async def test_a_client_that_half_closes_gets_its_answer() -> None:
    async with serving() as served, connection(served.port) as (reader, writer):
        served.dht.gate.clear()
        writer.write(LOOKUP)
        await served.dht.entered.wait()
        writer.write_eof()
        await asyncio.sleep(0.05)  # the end has arrived before the answer
        served.dht.gate.set()
        assert (await read_answer(reader)).body == FOUND
        assert await read_end(reader) == b""


async def test_head_has_the_length_and_no_body() -> None:
    async with serving() as served, connection(served.port) as (reader, writer):
        writer.write(request_bytes("/lookup", rpc("svc"), method="HEAD", headers={"Connection": "close"}))
        head = await read_end(reader)
    assert b"Content-Length: %d\r\n" % len(FOUND) in head
    assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("version", "asked", "told"),
    [("1.0", "", "close"), ("1.0", "keep-alive", "keep-alive"), ("1.1", "close", "close"), ("1.1", "", None)],
)
async def test_keep_alive(version: str, asked: str, told: str | None) -> None:
    raw = request_bytes("/lookup", rpc("svc"), headers={"Connection": asked}).replace(
        b"HTTP/1.1", f"HTTP/{version}".encode()
    )
    async with serving() as served, connection(served.port) as (reader, writer):
        writer.write(raw)
        answer = await read_answer(reader)
        assert answer.headers.get("connection") == told
        if told == "close":
            assert await read_end(reader) == b""
        else:
            writer.write(raw)
            assert (await read_answer(reader)).body == FOUND


async def test_after_a_body_over_the_limit_the_connection_goes_on() -> None:
    too_long = request_bytes("/lookup", b" " * (CONFIG.check_max_payload_size + 1))
    async with serving() as served, connection(served.port) as (reader, writer):
        writer.write(too_long[:200])
        assert (await read_answer(reader)).status == 413  # before the rest
        writer.write(too_long[200:] + LOOKUP)
        assert (await read_answer(reader)).body == FOUND


async def test_a_body_that_is_malformed_after_its_answer_ends_the_connection_without_another() -> None:
    head = b"POST /lookup HTTP/1.1\r\nHost: rebound.example\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serving() as served, connection(served.port) as (reader, writer):
        writer.write(head)
        assert (await read_answer(reader)).status == 403
        writer.write(b"zz\r\n\r\n")
        assert await read_end(reader) == b""
        assert served.dht.calls == []


async def test_an_upgrade_is_answered_and_ends_the_connection() -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    async with serving() as served, connection(served.port) as (reader, writer):
        writer.write(request_bytes("/lookup", rpc("svc"), headers=headers) + b"\x00\xffgarbage")
        assert (await read_answer(reader)).body == FOUND
        assert await read_end(reader) == b""


async def test_a_client_that_does_not_read_is_not_answered_for_ever() -> None:
    async with serving() as served, connection(served.port) as (_, writer):
        name = "x" * 200
        served.dht.peers[name.encode()] = served.dht.peers[b"svc"] * 300
        writer.write(request_bytes("/lookup", rpc(name)) * 10_000)  # the answers would be 60 MB
        calls = -1
        while len(served.dht.calls) > calls:  # until it stops, which it does when the kernel's buffers are full
            calls = len(served.dht.calls)
            await asyncio.sleep(0.3)
    assert 0 < calls < 5_000
