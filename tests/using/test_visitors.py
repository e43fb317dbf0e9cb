"""The local pages: however many connections others hold open, the browser of the owner finds a place."""

import asyncio
import contextlib

import pytest

from core.kinds import head_limit
from core.kinds.head_limit import HeadLimit
from core.tunnel.stream import ByteStream
from core.using import http, visitors
from core.using.http import LocalPages

pytestmark = pytest.mark.asyncio
GET = b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n"


async def nobody() -> ByteStream:
    raise AssertionError("no request names the page")


async def connect(pages: LocalPages) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*pages.address)


async def answered(pages: LocalPages) -> bytes:
    reader, writer = await connect(pages)
    writer.write(GET % b"elsewhere.example")
    try:
        async with asyncio.timeout(5):
            return await reader.readline()
    finally:
        writer.close()


async def test_connections_that_say_nothing_make_room_for_those_that_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "CONNECTIONS", 20)
    pages = LocalPages()
    await pages.start()
    try:
        held = [await connect(pages) for _ in range(20)]
        asked_reader, asked = await connect(pages)
        asked.write(GET % b"elsewhere.example")
        assert b"421" in await asked_reader.readline()
        held += [await connect(pages) for _ in range(40)]
        assert b"421" in await answered(pages)
        async with asyncio.timeout(5):
            assert await held[0][0].read() == b""  # the oldest has gone
        await asked_reader.readuntil(b"</html>")
        asked.write(GET % b"again.example")  # and this one, which has asked, has not
        async with asyncio.timeout(5):
            assert b"421" in await asked_reader.readline()
        for _, writer in held:
            writer.close()
        asked.close()
    finally:
        await pages.aclose()


async def test_a_connection_that_never_asks_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SILENT", 0.3)
    pages = LocalPages()
    await pages.start()
    try:
        reader, writer = await connect(pages)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
    finally:
        await pages.aclose()


async def test_a_header_without_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_limit, "HEAD_MAX", 50_000)
    pages = LocalPages()
    await pages.start()
    try:
        reader, writer = await connect(pages)
        writer.write(GET % b"x" + b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert b"421" in await reader.readline()
        for number in range(10):
            writer.write(b"X-%d: %b\r\n" % (number, b"a" * 9_000))
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                await reader.read()
        assert b"421" in await answered(pages)  # and others are served
        writer.close()
    finally:
        await pages.aclose()


async def test_a_body_may_be_as_long_as_it_likes_while_it_is_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_limit, "BEGUN_WITHIN", 0.0)
    transport = Transport([], 0)
    limit = HeadLimit(asyncio.Protocol())
    limit.connection_made(transport)
    limit.asks()
    for _ in range(100):
        limit.data_received(bytes(100_000))
    limit.answered(whole=True)
    assert transport.gone == []
    for _ in range(6):
        limit.data_received(bytes(100_000))
    await turns()
    assert transport.gone == [0]


async def test_a_body_that_comes_with_its_head_waits_for_the_turn_of_the_one_who_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One upload in twenty was cut: on a quick line a megabyte comes in one turn of the loop, the head in front."""
    monkeypatch.setattr(head_limit, "BEGUN_WITHIN", 0.0)
    transport = Transport([], 0)
    limit = HeadLimit(asyncio.Protocol())
    limit.connection_made(transport)
    for _ in range(12):
        limit.data_received(bytes(100_000))
    limit.asks()
    await turns()
    assert transport.gone == []
    limit.answered(whole=True)
    for _ in range(30):
        limit.data_received(bytes(100_000))
    assert transport.gone[:1] == [0], "more than one turn brings, at once"


async def turns() -> None:
    """Let the loop turn."""
    for _ in range(3):
        await asyncio.sleep(0)


class Transport(asyncio.Transport):
    def __init__(self, gone: list[int], number: int) -> None:
        super().__init__()
        self.gone, self.number = gone, number

    def abort(self) -> None:
        self.gone.append(self.number)


async def test_who_is_answered_stays_and_the_newcomer_goes_when_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "CONNECTIONS", 2)
    gone: list[int] = []
    made = visitors.Visitors(asyncio.Protocol)
    first, second, third, fourth = (Transport(gone, number) for number in range(4))
    limit = HeadLimit(asyncio.Protocol())
    assert made.enter(first, limit)
    assert made.enter(second, limit)
    with made.asking(first), made.asking(second):
        assert not made.enter(third, limit)
    with made.asking(first):
        pass
    assert made.enter(third, limit)  # `second` asked before `first` did
    assert gone == [1]
    assert made.enter(fourth, limit)  # `third` never asked
    assert gone == [1, 2]
    assert len(made) == 2
    made.leave(first)
    with made.asking(first):  # it has gone meanwhile
        pass
    assert len(made) == 1
