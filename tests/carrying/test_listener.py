"""Taking carriers: who speaks something else is turned away, and one host has few, with little at once."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.carrying.config import AT_ONCE, HEAD_MAX, LONGEST, PATH
from core.carrying.listener import Accepted, CarrierListener, upgrade_key
from core.grenache.config import Tls
from core.limits import bounds
from core.net.endpoint import Endpoint
from core.values import Address
from core.wire.websocket_frame import Kind, frame
from tests.support.certificates import Authority
from tests.support.process import until

pytestmark = pytest.mark.asyncio
KEY = base64.b64encode(bytes(16)).decode()
HEAD = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}"
MASK = b"mask"


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[CarrierListener, Address]]:
    async with await Endpoint.open(Address("127.0.0.1", 0)) as endpoint:
        listener = CarrierListener(endpoint, lambda address: False)
        try:
            yield listener, await listener.listen("127.0.0.1", 0)
        finally:
            listener.close()


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def opened(at: Address, head: str = HEAD, host: str = "127.0.0.1") -> Ends:
    reader, writer = await asyncio.open_connection(*at, local_addr=(host, 0))
    writer.write(head.encode() + b"\r\n\r\n")
    return reader, writer


async def upgraded(at: Address, host: str = "127.0.0.1") -> Ends:
    reader, writer = await opened(at, host=host)
    assert b"101 Switching" in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the other side ends."""
    try:
        async with asyncio.timeout(20.0):
            return await reader.read()
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.1",
        HEAD.replace(PATH, "/ws"),
        HEAD.replace(KEY, "short"),
        HEAD.replace("13", "12"),
        HEAD.replace("GET", "POST"),
        HEAD + "\r\nX: " + "x" * HEAD_MAX,
        "\x16\x03\x01",
    ],
)
async def test_what_asks_for_something_else_is_turned_away(head: str) -> None:
    async with listening() as (listener, at):
        reader, writer = await opened(at, head)
        assert b"101" not in await ended(reader)
        writer.close()

        async def none() -> bool:
            return listener.statistics().carriers == 0

        await until(none, "it is forgotten")


@pytest.mark.parametrize(
    "said",
    [
        frame(Kind.TEXT, b"hello", MASK),
        frame(Kind.BINARY, b"x" * (LONGEST + 1), MASK),
        frame(Kind.BINARY, b"not masked"),
        b"\xff\xff",
    ],
)
async def test_what_is_no_datagram_ends_the_connection(said: bytes) -> None:
    async with listening() as (listener, at):
        reader, writer = await upgraded(at)
        writer.write(said)
        await ended(reader)
        writer.close()
        assert listener.statistics().taken == 0


async def test_one_host_has_few_the_oldest_goes() -> None:
    async with listening() as (listener, at):
        ends = [await upgraded(at) for _ in range(bounds.CARRIERS_HOST + 1)]
        await ended(ends[0][0])
        assert listener.statistics().carriers == bounds.CARRIERS_HOST
        for _, writer in ends:
            writer.close()


async def test_one_that_nothing_runs_over_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.carrying.listener.GRACE", 0.05)
    monkeypatch.setattr("core.carrying.listener.SWEEP_EVERY", 0.02)
    async with listening() as (_, at):
        reader, writer = await upgraded(at)
        await ended(reader)
        writer.close()


async def test_too_much_at_once_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.carrying.listener.BURST", 10_000)
    monkeypatch.setattr("core.carrying.listener.RATE", 1.0)
    async with listening() as (listener, at):
        _, writer = await upgraded(at)
        writer.write(frame(Kind.BINARY, bytes(1000), MASK) * 30)

        async def counted() -> bool:
            counts = listener.statistics()
            return counts.taken + counts.over_rate == 30

        await until(counted, "all have come")
        assert listener.statistics().taken == 10
        writer.close()


async def test_new_ones_beyond_a_rate_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.carrying.listener.NEW_AT_ONCE", 2.0)
    monkeypatch.setattr("core.carrying.listener.NEW", 0.001)
    async with listening() as (listener, at):
        kept = [await upgraded(at) for _ in range(2)]
        reader, writer = await opened(at)
        assert await ended(reader) == b""
        assert listener.statistics().turned_away == 1
        for _, each in [*kept, (reader, writer)]:
            each.close()


async def test_a_request_for_a_carrier_is_told_from_others() -> None:
    assert upgrade_key(HEAD.encode()) == KEY
    assert upgrade_key(HEAD.replace("websocket", "h2c").encode()) is None
    assert upgrade_key(b"\xff\xfe") is None


async def test_who_asks_whether_we_are_there_and_takes_no_answer_is_cut_off() -> None:
    async with listening() as (listener, at):
        _, writer = await upgraded(at)
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        pings = frame(Kind.PING, bytes(125), MASK) * 1_000
        for _ in range(400):  # the systems' buffers take some megabytes
            if not listener.statistics().carriers:
                break
            writer.write(pings)
            await asyncio.sleep(0.005)
        assert listener.statistics().carriers == 0
        writer.close()


async def test_datagrams_of_one_read_are_taken_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    async with listening() as (listener, at):
        take = listener.receive

        def receive(one: Accepted, datagrams: list[bytes]) -> None:
            seen.append(len(datagrams))
            take(one, datagrams)

        monkeypatch.setattr(listener, "receive", receive)
        _, writer = await upgraded(at)
        writer.write(frame(Kind.BINARY, b"xx", MASK) * 3_000)

        async def all_taken() -> bool:
            return sum(seen) == 3_000

        await until(all_taken, "all are taken")
        assert max(seen) <= AT_ONCE
        writer.close()


async def test_one_host_keeps_no_other_newcomer_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine connections a second, each cut off at once, kept friends away for as long as they came."""
    monkeypatch.setattr("core.carrying.listener.NEW_AT_ONCE", 12.0)
    monkeypatch.setattr("core.carrying.listener.NEW", 0.001)
    async with listening() as (listener, at):
        crowd = [await opened(at, host="127.0.0.2") for _ in range(40)]
        for reader, _ in crowd[8:]:
            assert await ended(reader) == b""
        assert listener.statistics().turned_away >= 32
        _, writer = await upgraded(at, "127.0.0.3")
        for _, each in [*crowd, (None, writer)]:
            each.close()


async def test_where_friends_were_newcomers_wait_for_no_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.carrying.listener.NEW_AT_ONCE", 2.0)
    monkeypatch.setattr("core.carrying.listener.NEW", 0.001)
    monkeypatch.setattr("core.carrying.listener.SWEEP_EVERY", 0.02)
    async with listening() as (listener, at):
        _, friend = await upgraded(at, "127.0.0.9")
        monkeypatch.setattr(listener, "_trusted", lambda address: True)

        async def known() -> bool:
            return len(listener._friends) == 1

        await until(known, "it is known for a friend's")
        monkeypatch.setattr(listener, "_trusted", lambda address: False)
        strangers = [await opened(at, host=f"127.0.1.{number}") for number in range(1, 10)]
        _, again = await upgraded(at, "127.0.0.9")
        for each in (friend, again, *(writer for _, writer in strangers)):
            each.close()


async def test_tls_handshakes_that_say_nothing_are_few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They were not counted before their handshake: thousands of connections held 50 KB each for ten seconds."""
    monkeypatch.setattr("core.carrying.listener.SHAKING", 8)
    signed = Authority(tmp_path / "authority").certificate("relay")
    async with listening() as (listener, _):
        at = await listener.listen("127.0.0.1", 0, Tls(signed.certificate, signed.key))
        one = [await asyncio.open_connection(*at, local_addr=("127.0.0.2", 0)) for _ in range(6)]
        many = [await asyncio.open_connection(*at, local_addr=(f"127.0.0.{n}", 0)) for n in range(3, 20)]

        async def few() -> bool:
            return len(listener._shaking) == 8 and listener.statistics().turned_away == 6 + 17 - 8

        await until(few, "the first of the host with most are cut off")
        assert await ended(one[0][0]) == b""
        for _, writer in (*one, *many):
            writer.close()

        async def none() -> bool:
            return len(listener._shaking) == 0

        await until(none, "those that have gone are forgotten")


async def test_a_newcomer_gets_no_address_that_stands_for_another() -> None:
    async with listening() as (listener, at):
        _, first = await upgraded(at)
        (one,) = listener._carriers
        listener._port = one.remote.port - 1
        _, second = await upgraded(at)
        assert len({each.remote for each in listener._carriers}) == 2
        first.close()
        second.close()
