"""Callers that hold places of a folder, a drop box or a page: others, and other hosts, have theirs."""

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest

from core.kinds import drop_box, folder
from core.kinds.share import Share
from core.kinds.table import make
from core.kinds.web import StreamConnector
from core.tunnel.stream import ByteStream
from core.values import Address, Caller
from tests.kinds import streams
from tests.kinds.streams import CALLER, Joined, joined
from tests.kinds.test_folder import contents

pytestmark = [pytest.mark.asyncio, pytest.mark.skipif(sys.platform == "win32", reason="as the other tests of folders")]
OTHER = Caller(Address("192.0.2.99", 4000), CALLER.peer_id)


def session(pair: Joined) -> aiohttp.ClientSession:
    return aiohttp.ClientSession("http://holiday/", connector=StreamConnector(pair.open))


async def greedy(pair: Joined, request: bytes, count: int) -> list[ByteStream]:
    """Ask on streams of one's own, and read nothing of the answers."""
    opened = [await pair.open() for _ in range(count)]
    for stream in opened:
        stream.pause()
        await stream.write(request)
    await asyncio.sleep(0.2)
    return opened


async def test_readers_that_take_nothing_hold_their_own_places_and_are_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "big").write_bytes(bytes(3_000_000))
    (tmp_path / "small").write_bytes(b"small")
    monkeypatch.setattr(folder, "STALLED", 1.5)
    async with joined(make(Share("holiday", "folder", {"path": str(tmp_path)}))) as pair:
        held = await greedy(pair, b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n", folder.READERS_HOST + 5)
        monkeypatch.setattr(streams, "CALLER", OTHER)
        async with asyncio.timeout(1.0), session(pair) as client, client.get("/small") as answer:
            assert await answer.read() == b"small"
        async with asyncio.timeout(10):
            for stream in held[: folder.READERS_HOST]:
                await stream.wait_over()
        for stream in held:
            stream.reset()


async def test_uploads_that_hardly_move_hold_their_own_places_and_are_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drop_box, "STALLED", 1.5)
    head = b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nxy"
    async with joined(make(Share("holiday", "folder", {"path": str(tmp_path), "drop": True}))) as pair:
        held = await greedy(pair, head, drop_box.UPLOADS_HOST + 2)
        monkeypatch.setattr(streams, "CALLER", OTHER)
        async with asyncio.timeout(1.0), session(pair) as client, client.put("/b.txt", data=b"mine") as answer:
            assert answer.status == 201
        async with asyncio.timeout(10):
            for stream in held[: drop_box.UPLOADS_HOST]:
                await stream.wait_over()
        for stream in held:
            stream.reset()
    assert list(contents(tmp_path)) == ["b.txt"]


async def test_a_box_with_too_many_files_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drop_box, "FILES_MAX", 3)
    async with (
        joined(make(Share("holiday", "folder", {"path": str(tmp_path), "drop": True}))) as pair,
        session(pair) as client,
    ):
        answers = []
        for _ in range(5):
            async with client.put("/a.txt", data=b"x") as answer:
                answers.append(answer.status)
    assert answers == [201, 201, 201, 413, 413]
