"""The HTTP server itself, on loopback: headers, limits, and strangers who do not speak HTTP."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from core.errors import LocalError
from core.grape.api import Api
from core.grape.config import GrapeConfig
from core.grape.http import ApiServer, serve_http
from core.grape.listening import bind_tcp
from core.values import Address
from tests.grape.fakes import FakeDht, connection, read_answer, read_end, request_bytes, rpc, talk

CONFIG = GrapeConfig(http_host="127.0.0.1")


class Served:
    """A server, its DHT and its port."""

    def __init__(self, server: ApiServer, dht: FakeDht, port: int) -> None:
        self.server = server
        self.dht = dht
        self.port = port


@contextlib.asynccontextmanager
async def serving(config: GrapeConfig = CONFIG) -> AsyncIterator[Served]:
    dht = FakeDht()
    dht.peers[b"svc"] = [Address("127.0.0.1", 1337)]
    sock = bind_tcp("127.0.0.1", 0)
    port = sock.getsockname()[1]
    async with asyncio.timeout(10), serve_http(Api(dht), config, sock) as server:
        yield Served(server, dht, port)


@pytest.mark.asyncio
async def test_reply_is_bare_json_without_content_type() -> None:
    async with serving() as served:
        answer = await talk(served.port, request_bytes("/lookup", rpc("svc")))
    assert (answer.status, answer.body) == (200, b'["127.0.0.1:1337"]')
    assert set(answer.headers) == {"content-length", "date"}


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_every_method_is_answered(method: str) -> None:
    async with serving() as served:
        answer = await talk(served.port, request_bytes("/lookup", rpc("svc"), method=method))
    assert answer.body == b'["127.0.0.1:1337"]'


@pytest.mark.asyncio
async def test_path_is_taken_literally() -> None:
    async with serving() as served:
        for path in ("/lookup?x=1", "/%6cookup", "//lookup", "/lookup/"):
            answer = await talk(served.port, request_bytes(path, rpc("svc")))
            assert answer.body == b'"ERR_REQ_NOTFOUND"', path


@pytest.mark.asyncio
async def test_several_requests_on_one_connection() -> None:
    async with serving() as served, connection(served.port) as (reader, writer):
        writer.write(request_bytes("/lookup", rpc("svc")) * 3)
        answers = [await read_answer(reader) for _ in range(3)]
    assert [answer.body for answer in answers] == [b'["127.0.0.1:1337"]'] * 3


def chunked(body: bytes) -> bytes:
    """Return a request with a chunked body."""
    head = request_bytes("/lookup", b"", headers={"Content-Length": "", "Transfer-Encoding": "chunked"})
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.asyncio
@pytest.mark.parametrize(("extra", "status"), [(0, 200), (1, 413)])
async def test_body_limit(extra: int, status: int) -> None:
    body = rpc("svc").ljust(CONFIG.check_max_payload_size + extra)
    async with serving() as served:
        for raw in (request_bytes("/lookup", body), chunked(body)):
            answer = await talk(served.port, raw)
            assert answer.status == status
            assert answer.body == (b'["127.0.0.1:1337"]' if status == 200 else b"ERR_GRAPE_PAYLOAD_SIZE")
        assert len(served.dht.calls) == (2 if status == 200 else 0)


@pytest.mark.asyncio
async def test_expect_continue_is_answered_first() -> None:
    async with serving() as served, connection(served.port) as (reader, writer):
        head, body = request_bytes("/lookup", rpc("svc"), headers={"Expect": "100-continue"}).split(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        assert (await read_answer(reader)).status == 100
        writer.write(body)
        assert (await read_answer(reader)).body == b'["127.0.0.1:1337"]'


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "raw",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /lookup HTTP/1.1\r\nHost: x\r\nContent-Length: -4\r\n\r\n",
        b"POST /lookup HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"POST /lookup HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    ],
)
async def test_malformed_http_is_refused_without_a_log_line(raw: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with serving() as served:
            answer = await talk(served.port, raw)
            after = await talk(served.port, request_bytes("/lookup", rpc("svc")))
    assert answer.status in (400, 500)
    assert after.status == 200
    assert [record for record in caplog.records if record.name != "asyncio"] == []


@pytest.mark.asyncio
@pytest.mark.parametrize("sent", [b"", b"POST /lookup HT", request_bytes("/lookup", rpc("svc"))])
async def test_connection_that_owes_a_request_is_closed(sent: bytes) -> None:
    async with serving(replace(CONFIG, idle_timeout=0.2)) as served:
        async with connection(served.port) as (reader, writer):
            writer.write(sent)
            await read_end(reader)
        assert served.server.statistics().timed_out == 1


@pytest.mark.asyncio
async def test_body_that_drips_is_not_waited_for() -> None:
    async with serving(replace(CONFIG, body_timeout=0.1)) as served:
        async with connection(served.port) as (reader, writer):
            writer.write(request_bytes("/lookup", rpc("svc"))[:-3])
            assert await read_end(reader) == b""
        assert served.server.statistics().timed_out == 1
        assert served.dht.calls == []


@pytest.mark.asyncio
async def test_slow_operation_is_no_idle_connection() -> None:
    async with serving(replace(CONFIG, idle_timeout=0.05)) as served:
        served.dht.gate.clear()
        asyncio.get_running_loop().call_later(0.2, served.dht.gate.set)
        answer = await talk(served.port, request_bytes("/lookup", rpc("svc")))
    assert answer.body == b'["127.0.0.1:1337"]'


@pytest.mark.asyncio
async def test_connections_are_bounded() -> None:
    async with serving(replace(CONFIG, max_connections=2)) as served, contextlib.AsyncExitStack() as stack:
        opened = []
        for _ in range(2):
            reader, writer = await stack.enter_async_context(connection(served.port))
            writer.write(request_bytes("/lookup", rpc("svc")))
            assert (await read_answer(reader)).status == 200
            opened.append((reader, writer))
        first, second = opened
        first[1].write(request_bytes("/lookup", rpc("svc")))  # so the second has been silent longer
        assert (await read_answer(first[0])).status == 200
        async with connection(served.port) as (reader, writer):
            writer.write(request_bytes("/lookup", rpc("svc")))
            assert (await read_answer(reader)).status == 200
            assert await read_end(second[0]) == b""
            assert not first[0].at_eof()
        assert served.server.statistics().refused_connections == 1


class Recorded:
    """A connection that notes when it is closed."""

    due_at = 0.0
    aborted = False

    def abort(self) -> None:
        self.aborted = True


@pytest.mark.asyncio
async def test_one_host_cannot_take_all_connections() -> None:
    """A host that opens thousands loses its own; what others have, and this machine's clients, stay."""
    async with serving(replace(CONFIG, max_connections=32)) as served:
        server, kept = served.server, [Recorded() for _ in range(4)]
        for number, quiet in enumerate(kept):
            server.connected(quiet, "127.0.0.1" if number < 2 else f"192.0.2.{number}")  # type: ignore[arg-type]
        flood = [Recorded() for _ in range(2000)]
        for greedy in flood:
            server.connected(greedy, "203.0.113.66")  # type: ignore[arg-type]
        assert not any(quiet.aborted for quiet in kept)
        assert not flood[-1].aborted
        assert server.statistics().connections <= 32
        for connection in (*kept, *flood):
            server.disconnected(connection)  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_stop_does_not_wait_for_clients() -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with serving() as served:
            served.dht.gate.clear()
            reader, writer = await stack.enter_async_context(connection(served.port))
            writer.write(request_bytes("/lookup", rpc("svc")))
            await served.dht.entered.wait()
        assert await read_end(reader) == b""


@pytest.mark.asyncio
async def test_port_in_use_names_port_and_flag() -> None:
    with bind_tcp("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=rf"TCP port {port} is in use .*--aph"):
            bind_tcp("127.0.0.1", port)


@pytest.mark.asyncio
async def test_host_that_is_not_here_is_refused_in_words() -> None:
    with pytest.raises(LocalError, match=r"192\.0\.2\.1 cannot be opened"):
        bind_tcp("192.0.2.1", 0)


@pytest.mark.asyncio
async def test_any_host_takes_both_families() -> None:
    sock = bind_tcp("0.0.0.0", 0)
    dht = FakeDht()
    async with serve_http(Api(dht), CONFIG, sock):
        port = sock.getsockname()[1]
        for host in ("127.0.0.1", "::1") if ":" in sock.getsockname()[0] else ("127.0.0.1",):
            async with connection(port, host) as (reader, writer):
                writer.write(request_bytes("/announce", rpc(["svc", 1337])))
                assert (await read_answer(reader)).body == b"3"
    assert set(dht.peers[b"svc"]) == {Address("127.0.0.1", 1337)}
