"""Whole grapes on loopback: alone, together, with ports taken, and closing."""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.dht.items import Item, sign_item
from core.errors import LocalError
from core.grape import grape as grape_module
from core.grape.config import GrapeConfig
from core.grape.grape import Grape, open_grape
from core.values import Address, JsonValue
from tests.grape.fakes import connection, post, read_end, request_bytes, rpc
from tests.support.ports import free_port

ANY = GrapeConfig(dht_port=0, api_port=0, bind="127.0.0.1", http_host="127.0.0.1")


def api_port(grape: Grape) -> int:
    return Address.parse(grape.url.removeprefix("http://")).port


async def connected(grape: Grape, nodes: int = 1) -> None:
    """Wait until the grape knows so many others."""
    event = asyncio.Event()
    grape.on_change = lambda _: event.set()
    async with asyncio.timeout(5):
        while grape.nodes() < nodes:
            event.clear()
            await event.wait()


@contextlib.asynccontextmanager
async def two_grapes() -> AsyncIterator[tuple[Grape, Grape]]:
    async with open_grape(ANY) as first, open_grape(replace(ANY, bootstrap=(first.dht_address,))) as second:
        await connected(first)
        await connected(second)
        yield first, second


@pytest.mark.asyncio
async def test_lone_grape_does_everything() -> None:
    async with open_grape(ANY) as grape:
        port = api_port(grape)
        assert (grape.alone, grape.nodes(), grape.observed()) == (True, 0, None)
        assert await post(port, "/lookup", "svc") == []
        assert await post(port, "/announce", ["svc", 1337]) == 1
        assert await post(port, "/lookup", "svc") == ["127.0.0.1:1337"]
        stored = await post(port, "/put", {"v": "hello"})
        found = await post(port, "/get", stored)
        assert isinstance(found, dict)
        assert (found["v"], found["token"]) == ("hello", None)
        assert await post(port, "/get", "a" * 40) is None


@pytest.mark.asyncio
async def test_first_announce_reaches_the_grape_already_here() -> None:
    """No waiting in between: the announce itself waits for the bootstrap node."""
    async with open_grape(ANY) as first, open_grape(replace(ANY, bootstrap=(str(first.dht_address),))) as second:
        assert await post(api_port(second), "/announce", ["svc", 1337]) == 1
        assert await first.lookup("svc") == [Address("127.0.0.1", 1337)]


@pytest.mark.asyncio
async def test_two_grapes_share_names_both_ways() -> None:
    async with two_grapes() as (first, second):
        assert await first.announce("one", 1001) == 1
        assert await second.announce("two", 1002) == 1
        assert await second.lookup("one") == [Address("127.0.0.1", 1001)]
        assert await first.lookup("two") == [Address("127.0.0.1", 1002)]
        assert (first.alone, second.alone) == (False, False)
        assert second.observed() == second.dht_address


@pytest.mark.asyncio
async def test_items_travel_between_grapes() -> None:
    async with two_grapes() as (first, second):
        key = Ed25519PrivateKey.from_private_bytes(bytes(32))
        plain = await first.put(Item(b"hello"))
        signed = await first.put(sign_item(key, b"one", 1, salt=b"s"))
        found, versioned = await second.get(plain), await second.get(signed, b"s")
        assert found is not None
        assert versioned is not None
        assert (found.item.value, versioned.item.value, versioned.item.sequence) == (b"hello", b"one", 1)

        refused: JsonValue = {"v": "x", "k": "aa" * 32, "sig": "bb" * 64, "seq": 1}
        assert await post(api_port(first), "/put", refused) == "All queries failed"


@pytest.mark.asyncio
async def test_names_of_bootstrap_nodes_are_resolved() -> None:
    async with open_grape(ANY) as first:
        named = replace(ANY, bootstrap=("no-such-host.invalid:1", f"localhost:{first.dht_address.port}"))
        async with open_grape(named) as second:
            await connected(second)
            assert second.nodes() == 1


@pytest.mark.asyncio
async def test_node_count_goes_down_when_a_grape_leaves() -> None:
    async with open_grape(replace(ANY, node_liveness=0.2)) as first:
        counts: list[int] = []
        async with open_grape(replace(ANY, bootstrap=(first.dht_address,))):
            await connected(first)
            event = asyncio.Event()

            def note(grape: Grape) -> None:
                counts.append(grape.nodes())
                event.set()

            first.on_change = note
        async with asyncio.timeout(6):
            await event.wait()
        assert counts == [0]
        assert first.alone


@pytest.mark.asyncio
async def test_grapes_of_one_machine_find_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    first_port, second_port = free_port(), free_port()
    ports = [first_port, second_port]
    monkeypatch.setattr(
        grape_module, "local_grapes", lambda own: [Address("127.0.0.1", port) for port in ports if port != own]
    )
    embedded = replace(ANY, local_peers=True, join_patience=0.05)
    async with (
        open_grape(replace(embedded, dht_port=first_port)) as first,
        open_grape(replace(embedded, dht_port=second_port)) as second,
    ):
        await connected(second)
        await connected(first)
        assert (first.nodes(), second.nodes()) == (1, 1)


@pytest.mark.asyncio
async def test_embedded_grape_takes_the_next_free_pair() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        taken = udp.getsockname()[1]
        config = replace(ANY, dht_port=taken, api_port=0)
        with pytest.raises(LocalError, match=rf"UDP port {taken} is in use.*--dp"):
            async with open_grape(config):
                pass
        async with open_grape(replace(config, port_search=20)) as grape:
            assert taken < grape.dht_address.port <= taken + 20


@pytest.mark.asyncio
async def test_taken_http_port_moves_both() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        taken = tcp.getsockname()[1]
        first = free_port()
        async with open_grape(replace(ANY, dht_port=first, api_port=taken, port_search=20)) as grape:
            assert api_port(grape) - taken == grape.dht_address.port - first > 0


@pytest.mark.asyncio
async def test_ports_are_free_after_closing() -> None:
    async with open_grape(ANY) as grape:
        again = replace(ANY, dht_port=grape.dht_address.port, api_port=api_port(grape))
        await post(api_port(grape), "/lookup", "svc")
    async with open_grape(again) as grape:
        assert grape.dht_address.port == again.dht_port


@pytest.mark.asyncio
async def test_closing_ends_operations_under_way() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        config = replace(ANY, bootstrap=(Address(*silent.getsockname()),), join_patience=3600.0)
        async with contextlib.AsyncExitStack() as stack:
            async with open_grape(config) as grape:
                reader, writer = await stack.enter_async_context(connection(api_port(grape)))
                writer.write(request_bytes("/lookup", rpc("svc")))
                assert await post(api_port(grape), "/", None) == "ERR_REQ_NOTFOUND"
                assert grape.statistics().http.requests == 2
            await read_end(reader)  # the connection ended, answered or not


@pytest.mark.asyncio
async def test_statistics_count() -> None:
    async with open_grape(ANY, random=random.Random(1)) as grape:
        await post(api_port(grape), "/announce", ["svc", 1337])
        statistics = grape.statistics()
        assert (statistics.nodes, statistics.http.requests, statistics.dht.keys) == (0, 1, 1)
