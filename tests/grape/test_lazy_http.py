"""The HTTP API of an embedded grape is there at once, though its parser is loaded only when somebody comes."""

import asyncio
import subprocess
import sys

import pytest

from core.grape.config import GrapeConfig
from core.grape.grape import open_grape
from tests.grape.fakes import connection, post, read_answer, read_end, request_bytes, rpc
from tests.support.tools import ROOT

CONFIG = GrapeConfig(dht_port=0, api_port=0, bind="127.0.0.1", lazy_http=True, max_connections=3)

STORY = """
import asyncio, sys
from core.peer import PeerConfig, open_peer
import urllib.request

async def main():
    config = PeerConfig(bootstrap=(), dht_port=0, api_port=0, bind="127.0.0.1")
    async with open_peer(config) as peer:
        await peer.share("fibonacci")
        await peer.announce("svc", 1337)
        await peer.lookup("svc")
        await peer.get(await peer.put("a value"))
        print("before", *sys.modules)
        url = peer.snapshot().grape.url + "/lookup"
        body = b'{"rid":"r","data":"svc"}'
        ask = lambda: urllib.request.urlopen(urllib.request.Request(url, body), timeout=10).read()
        print("answer", (await asyncio.to_thread(ask)).decode())
        print("after", *sys.modules)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def story() -> dict[str, list[str]]:
    code = [sys.executable, "-c", STORY]
    run = subprocess.run(code, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return {line.split()[0]: line.split()[1:] for line in run.stdout.splitlines()}


@pytest.mark.parametrize("module", ["aiohttp", "multidict", "yarl", "core.directory.link", "cryptography"])
def test_a_peer_with_its_own_grape_does_without(module: str, story: dict[str, list[str]]) -> None:
    """Until somebody comes over HTTP."""
    assert "core.grape.grape" in story["before"]
    assert module not in story["before"]


def test_the_first_request_over_http_is_answered(story: dict[str, list[str]]) -> None:
    assert "127.0.0.1:" in story["answer"][0]
    assert "aiohttp" in story["after"]


@pytest.mark.asyncio
async def test_requests_that_come_before_the_parser_are_answered() -> None:
    async with open_grape(CONFIG) as grape:
        port = int(grape.url.rpartition(":")[2])
        assert await asyncio.gather(*(post(port, "/announce", ["svc", number]) for number in (1, 2, 3))) == [1, 1, 1]


@pytest.mark.asyncio
async def test_who_says_that_nothing_follows_is_answered_all_the_same() -> None:
    async with open_grape(CONFIG) as grape, connection(int(grape.url.rpartition(":")[2])) as (reader, writer):
        writer.write(request_bytes("/lookup", rpc("svc")))
        writer.write_eof()
        assert (await read_answer(reader)).body == b"[]"


@pytest.mark.asyncio
async def test_too_many_that_wait_for_the_parser_are_refused() -> None:
    async with open_grape(CONFIG) as grape:
        port = int(grape.url.rpartition(":")[2])
        pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        for _, writer in pairs:
            writer.write(request_bytes("/lookup", rpc("svc"), headers={"Connection": "close"}))
        answers = await asyncio.gather(*(read_end(reader) for reader, _ in pairs))
        assert sum(answer.endswith(b"[]") for answer in answers) == 3
        for _, writer in pairs:
            writer.close()
