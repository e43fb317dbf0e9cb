"""The embedded grape in process answers as it does over HTTP: the same verbs, results and errors, on both ways."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.dht.items import signed_bytes
from core.directory.link import Link
from core.directory.names import GrapeClient, Watch
from core.directory.own_grape import OwnGrape
from core.errors import LocalError, LookupEmpty, PeerError, RefusedError, RequestTimeout
from core.grape.config import GrapeConfig
from core.grape.grape import open_grape
from core.grape.service import Done
from core.values import Address
from tests.grape.fakes import FakeDht

pytestmark = pytest.mark.asyncio

LOCAL = GrapeConfig(dht_port=0, api_port=0, bind="127.0.0.1", lazy_http=True)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key().public_bytes_raw()


@asynccontextmanager
async def client(way: str) -> AsyncIterator[GrapeClient]:
    async with open_grape(LOCAL) as grape:
        if way == "in process":
            yield OwnGrape(grape.dht)
        else:
            async with Link([grape.url]) as link:
                yield link


both = pytest.mark.parametrize("way", ["in process", "link"])


async def put(grape: GrapeClient, value: str, sequence: int) -> str:
    signature = KEY.sign(signed_bytes(value.encode(), sequence, b"salt"))
    return await grape.put(value, key=PUBLIC, signature=signature, sequence=sequence, salt=b"salt")


@both
async def test_names_are_announced_and_looked_up(way: str) -> None:
    async with client(way) as grape:
        with pytest.raises(LookupEmpty):
            await grape.lookup("svc")
        assert await grape.announce("svc", 1337) == 1
        assert await grape.lookup("svc") == [Address("127.0.0.1", 1337)]


@both
async def test_values_are_put_and_got(way: str) -> None:
    async with client(way) as grape:
        hash = await grape.put("hello")
        assert (await grape.get(hash))["v"] == "hello"
        hash = await put(grape, "first", 7)
        found = await grape.get(hash, salt=b"salt")
        assert (found["v"], found["seq"], found["k"]) == ("first", 7, PUBLIC.hex())
        with pytest.raises(LookupEmpty):
            await grape.get("0" * 40)


@both
@pytest.mark.parametrize(
    ("verb", "error"),
    [
        (lambda grape: grape.lookup(""), RefusedError),
        (lambda grape: grape.lookup("x" * 300), LookupEmpty),
        (lambda grape: grape.announce("", 1), RefusedError),
        (lambda grape: grape.announce("svc", 0), LocalError),
        (lambda grape: grape.put(None), RefusedError),
        (lambda grape: grape.put("x" * 1001), RefusedError),
        (lambda grape: grape.put("x", key=PUBLIC), LocalError),
        (lambda grape: grape.put("x", key=PUBLIC, signature=bytes(64), sequence=1), RefusedError),
        (lambda grape: grape.get("zz"), LocalError),
    ],
)
async def test_what_is_wrong_ends_alike(
    way: str, verb: Callable[[GrapeClient], Awaitable[object]], error: type[PeerError]
) -> None:
    async with client(way) as grape:
        with pytest.raises(error) as caught:
            await verb(grape)
        assert type(caught.value) is error


@both
async def test_an_older_record_is_refused(way: str) -> None:
    async with client(way) as grape:
        await put(grape, "newer", 8)
        with pytest.raises(RefusedError, match="less than current"):
            await put(grape, "older", 7)


async def test_an_answer_is_used_again_for_a_while_and_asked_for_anew_when_fresh() -> None:
    dht = FakeDht()
    dht.peers[b"svc"] = [Address("192.0.2.1", 1)]
    grape = OwnGrape(dht)
    await grape.lookup("svc")
    await grape.lookup("svc")
    assert dht.calls == ["lookup"]
    await grape.lookup("svc", fresh=True)
    assert dht.calls == ["lookup", "lookup"]


async def test_callers_who_take_the_first_do_not_all_take_the_same() -> None:
    dht = FakeDht()
    dht.peers[b"svc"] = [Address("192.0.2.1", port) for port in range(1, 9)]
    grape = OwnGrape(dht, random=random.Random(1))
    listings = [await grape.lookup("svc") for _ in range(20)]
    assert len({listing[0] for listing in listings}) > 3
    assert all(set(listing) == set(dht.peers[b"svc"]) for listing in listings)


async def test_a_network_that_is_too_slow_is_not_waited_for() -> None:
    class Silent(FakeDht):
        def lookup(self, key: bytes, done: Done) -> None:  # type: ignore[type-arg]
            """Never end."""

    with pytest.raises(RequestTimeout, match=r"within 0\.01 s"):
        await OwnGrape(Silent(), patience=0.01).lookup("svc")


async def test_requests_at_the_same_time_share_nothing_that_breaks_when_one_is_cancelled() -> None:
    dht = FakeDht()
    dht.peers[b"svc"] = [Address("192.0.2.1", 1)]
    dht.gate.clear()
    grape = OwnGrape(dht)
    loop = asyncio.get_running_loop()
    first, second = (loop.create_task(grape.lookup("svc")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    dht.gate.set()
    assert await second == [Address("192.0.2.1", 1)]


async def test_a_watch_lists_who_is_there_and_nobody_is_no_error() -> None:
    dht = FakeDht()
    grape = OwnGrape(dht)
    assert await grape.watch("svc", lambda: None) == Watch([], 0.0)
    dht.peers[b"svc"] = [Address("192.0.2.1", 1), Address("192.0.2.1", 1)]
    assert (await grape.watch("svc", lambda: None)).addresses == [Address("192.0.2.1", 1)]
    with pytest.raises(RefusedError):
        await grape.watch("", lambda: None)
    assert dht.calls == ["watch", "watch"]


async def test_news_reach_who_watches_from_grape_to_grape() -> None:
    async with open_grape(LOCAL) as far, open_grape(replace(LOCAL, bootstrap=(far.dht_address,))) as near:
        heard = asyncio.Event()
        async with asyncio.timeout(10.0):
            while not (await OwnGrape(near.dht).watch("svc", heard.set)).told_for:  # noqa: ASYNC110 - it joins
                await asyncio.sleep(0.05)
            await far.announce("svc", 4000)
            await heard.wait()
            assert [peer.port for peer in (await OwnGrape(near.dht).watch("svc", heard.set)).addresses] == [4000]
