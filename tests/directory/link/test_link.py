"""The whole link over loopback HTTP, against grapes that answer, hang, talk nonsense, die and come back."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable

import pytest

from core.directory.link import Link, LinkConfig, LinkState
from core.errors import LocalError, LookupEmpty, RefusedError, RemoteError, RequestTimeout, Unreachable
from core.grape.config import GrapeConfig
from core.grape.grape import open_grape
from core.values import Address, JsonValue

QUICK = LinkConfig(request_timeout=0.3, retry_delay=0.01, probe_interval=0.05)


class FakeGrape:
    """Answers every POST with `answer(kind, data)`: bytes are a whole HTTP response, None hangs, else JSON."""

    def __init__(self) -> None:
        self.answer: Callable[[str, JsonValue], JsonValue | bytes] = lambda kind, data: ["127.0.0.1:1337"]
        self.asked: list[tuple[str, JsonValue]] = []
        self.connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await self._one(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        data = json.loads(await reader.readexactly(length))["data"]
        kind = head.split()[1].removeprefix("/")
        if kind:
            self.asked.append((kind, data))
        answer = self.answer(kind, data) if kind else "ERR_REQ_NOTFOUND"
        if answer is None:
            await reader.read()  # until the client gives up
            return
        writer.write(answer if isinstance(answer, bytes) else ok(json.dumps(answer).encode()))
        await writer.drain()


def ok(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body)


@contextlib.asynccontextmanager
async def fake_grapes(number: int = 1) -> AsyncIterator[list[FakeGrape]]:
    grapes = [FakeGrape() for _ in range(number)]
    async with asyncio.timeout(15), contextlib.AsyncExitStack() as stack:
        for grape in grapes:
            await grape.start()
            stack.push_async_callback(grape.stop)
        yield grapes


class States:
    """Collects states of a link and lets a test wait for one."""

    def __init__(self, link: Link) -> None:
        self.seen: list[LinkState] = []
        self._event = asyncio.Event()
        link.on_state = self._note

    def _note(self, state: LinkState) -> None:
        self.seen.append(state)
        self._event.set()

    async def until(self, url: str, reachable: bool) -> None:
        while not self.seen or (self.seen[-1].url, self.seen[-1].reachable) != (url, reachable):
            self._event.clear()
            await self._event.wait()


@pytest.mark.asyncio
async def test_every_verb_against_a_real_grape() -> None:
    config = GrapeConfig(dht_port=0, api_port=0, bind="127.0.0.1")
    async with open_grape(config) as grape, Link([grape.url]) as link:
        with pytest.raises(LookupEmpty):
            await link.lookup("svc")
        assert await link.announce("svc", 1337) == 1
        assert await link.lookup("svc") == [Address("127.0.0.1", 1337)]
        stored = await link.put("hello")
        assert (await link.get(stored))["v"] == "hello"
        with pytest.raises(LookupEmpty):
            await link.get("a" * 40)
        with pytest.raises(RefusedError, match="All queries failed"):
            await link.put("x", key=bytes(32), signature=bytes(64), sequence=1)
        with pytest.raises(RefusedError, match="less than 1000 bytes"):
            await link.put("x" * 2000)
        with pytest.raises(RefusedError) as caught:
            await link.announce("n" * 300, 1)
        assert caught.value.name == "ERR_GRAPE_ANNOUNCE"
        with pytest.raises(RefusedError) as caught:
            await link.lookup("n" * 9000)
        assert caught.value.name == "ERR_GRAPE_PAYLOAD_SIZE"


@pytest.mark.asyncio
async def test_mutable_put_and_get_on_the_wire() -> None:
    async with fake_grapes() as [grape], Link([grape.url], QUICK) as link:
        grape.answer = lambda kind, data: "ab" * 20 if kind == "put" else {"v": "x"}
        key, signature = bytes(32), bytes(64)
        assert await link.put("x", key=key, signature=signature, sequence=3, salt=b"s", cas=2) == "ab" * 20
        await link.get("ab" * 20, salt=b"\xff")
        await link.put("x", key=key, signature=signature, sequence=3, salt=b"[1]")
    fields = {"v": "x", "k": key.hex(), "sig": signature.hex(), "seq": 3}
    assert grape.asked == [
        ("put", {**fields, "salt": "s", "cas": 2}),
        ("get", {"hash": "ab" * 20, "salt": "[255]"}),
        ("put", {**fields, "salt": "[91, 49, 93]"}),
    ]


@pytest.mark.asyncio
async def test_lookups_are_cached_unless_fresh_and_coalesced() -> None:
    async with fake_grapes() as [grape], Link([grape.url], QUICK) as link:
        await asyncio.gather(*(link.lookup("svc") for _ in range(5)))
        await link.lookup("svc")
        assert len(grape.asked) == 1
        grape.answer = lambda kind, data: ["127.0.0.1:1338"] if kind == "lookup" else 1
        assert await link.lookup("svc", fresh=True) == [Address("127.0.0.1", 1338)]
        assert await link.lookup("svc") == [Address("127.0.0.1", 1338)]
        assert len(grape.asked) == 2
        await link.announce("svc", 1)
        await link.lookup("svc")
        assert len(grape.asked) == 4
        assert grape.connections == 1


@pytest.mark.asyncio
async def test_empty_lookup_is_not_cached() -> None:
    async with fake_grapes() as [grape], Link([grape.url], QUICK) as link:
        grape.answer = lambda kind, data: []
        for _ in range(2):
            with pytest.raises(LookupEmpty):
                await link.lookup("svc")
        assert len(grape.asked) == 2


@pytest.mark.asyncio
async def test_grape_that_hangs_is_a_time_out_after_three_tries() -> None:
    async with fake_grapes() as [grape], Link([grape.url], LinkConfig(request_timeout=0.1, retry_delay=0.01)) as link:
        grape.answer = lambda kind, data: None
        with pytest.raises(RequestTimeout, match=rf"{grape.url} did not answer within 0\.1 s"):
            await link.lookup("svc")
        assert len(grape.asked) == 3
        with pytest.raises(RequestTimeout):
            await link.put("x")
        assert len(grape.asked) == 4


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "response",
    [
        ok(b"<html>"),
        ok(b'{"a":1}'),
        ok(b'["nonsense"]'),
        ok(b"[" + b'"1.2.3.4:5",' * 90_000 + b'"1.2.3.4:5"]'),
        ok(b'["1.2.3.4:' + b"5" * 300_000 + b'"]'),
        ok(b"not found", "404 Not Found"),
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
)
async def test_nonsense_names_the_grape(response: bytes) -> None:
    async with fake_grapes() as [grape], Link([grape.url], QUICK) as link:
        grape.answer = lambda kind, data: response
        with pytest.raises(RemoteError, match=grape.url) as caught:
            await link.lookup("svc")
        assert not isinstance(caught.value, RefusedError)
        assert len(str(caught.value)) < 400


@pytest.mark.asyncio
async def test_nobody_there_is_unreachable() -> None:
    async with fake_grapes() as [grape]:
        await grape.stop()
        async with Link([grape.url], QUICK) as link:
            with pytest.raises(Unreachable, match=rf"{grape.url} cannot be reached"):
                await link.lookup("svc")
            assert link.state.reachable is False
            assert grape.url in link.state.message


@pytest.mark.asyncio
async def test_next_grape_takes_over_and_the_first_takes_back() -> None:
    async with fake_grapes(2) as [first, second], Link([first.url, second.url], QUICK) as link:
        states = States(link)
        await link.lookup("svc", fresh=True)
        await first.stop()
        await link.lookup("svc", fresh=True)
        await states.until(second.url, True)
        await first.start()
        await states.until(first.url, True)
        await link.lookup("svc", fresh=True)
        assert (len(first.asked), len(second.asked)) == (2, 1)


@pytest.mark.asyncio
async def test_connection_closed_while_idle_costs_no_error() -> None:
    async with fake_grapes() as [grape], Link([grape.url], LinkConfig(tries=1, retry_delay=60)) as link:
        await link.lookup("svc", fresh=True)
        for writer in list(grape._writers):
            writer.close()
        assert await link.lookup("svc", fresh=True) == [Address("127.0.0.1", 1337)]


@pytest.mark.asyncio
async def test_requests_at_once_are_bounded() -> None:
    config = LinkConfig(request_timeout=0.2, tries=1, max_in_flight=2)
    async with fake_grapes() as [grape], Link([grape.url], config) as link:
        grape.answer = lambda kind, data: None
        results = await asyncio.gather(*(link.lookup(f"svc{n}") for n in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [RequestTimeout, RequestTimeout, LocalError]


@pytest.mark.asyncio
async def test_closing_ends_what_is_under_way() -> None:
    async with fake_grapes() as [grape]:
        grape.answer = lambda kind, data: None
        link = Link([grape.url], LinkConfig(request_timeout=30))
        waiting = asyncio.gather(link.lookup("svc"), return_exceptions=True)
        while not grape.asked:  # noqa: ASYNC110 the fake has no event for it
            await asyncio.sleep(0.005)
        await link.close()
        await link.close()
        assert isinstance((await waiting)[0], LocalError)
        with pytest.raises(LocalError, match="closed"):
            await link.lookup("other")


@pytest.mark.asyncio
async def test_wrong_calls_are_refused_in_words() -> None:
    async with Link(["http://127.0.0.1:1"]) as link:
        with pytest.raises(LocalError, match="70000 is not a port"):
            await link.announce("svc", 70000)
        with pytest.raises(LocalError, match="is not a hash"):
            await link.get("zz")
        with pytest.raises(LocalError, match="key, signature and sequence"):
            await link.put("x", key=bytes(32))
