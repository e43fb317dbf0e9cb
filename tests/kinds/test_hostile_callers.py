"""Callers that hold places of a folder, a drop box or a page: others, and other hosts, have theirs."""

import asyncio
import gzip
import os
import sys
import threading
from pathlib import Path

import aiohttp
import pytest

from core.kinds import drop_box, folder, folder_files
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
        for name in ("one", "two"):
            (tmp_path / name).write_text("there before")
        for _ in range(3):
            async with client.put("/a.txt", data=b"x") as answer:
                answers.append(answer.status)
    assert answers == [201, 413, 413]


async def put(pair: Joined, count: int, data: bytes = b"x", **fields: str) -> list[int]:
    answers = []
    async with session(pair) as client:
        for _ in range(count):
            async with client.put("/a.txt", data=data, headers=fields) as answer:
                answers.append(answer.status)
    return answers


async def test_one_host_does_not_fill_a_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drop_box, "FILES_MAX", 8)
    async with joined(make(Share("holiday", "folder", {"path": str(tmp_path), "drop": True}))) as pair:
        assert await put(pair, 6) == [201, 201, 201, 201, 413, 413]  # as many as are left for others
        monkeypatch.setattr(streams, "CALLER", OTHER)
        assert await put(pair, 3) == [201, 201, 413]
        for name in list(contents(tmp_path))[:4]:
            os.unlink(tmp_path / name)  # its owner has looked
        assert await put(pair, 1) == [201]


async def test_one_host_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter([3_000, 2_000, 1_000, 3_000, 3_000])
    monkeypatch.setattr(drop_box, "_free", lambda folder: drop_box.SPARE + next(sizes))
    async with joined(make(Share("holiday", "folder", {"path": str(tmp_path), "drop": True}))) as pair:
        assert await put(pair, 3, bytes(1_000)) == [201, 201, 413]
        monkeypatch.setattr(streams, "CALLER", OTHER)
        assert await put(pair, 1, bytes(1_000)) == [201]
        monkeypatch.setattr(streams, "CALLER", CALLER)
        assert await put(pair, 1, bytes(1_000)) == [201]  # what was refused does not count
    assert set(map(len, contents(tmp_path).values())) == {1_000}


async def test_what_is_packed_is_not_unpacked_onto_the_disk(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    async with joined(make(Share("holiday", "folder", {"path": str(tmp_path), "drop": True}))) as pair:
        assert await put(pair, 1, bomb, **{"Content-Encoding": "gzip"}) == [415]
    assert contents(tmp_path) == {}


async def test_a_disk_that_does_not_answer_holds_up_neither_this_peer_nor_another_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("here")
    gate = threading.Event()
    real = folder_files.Files.is_folder

    def stuck(files: folder_files.Files, parts: tuple[str, ...]) -> bool:
        return bool(gate.wait() if parts == ("stuck",) else real(files, parts))

    monkeypatch.setattr(folder_files.Files, "is_folder", stuck)
    monkeypatch.setattr(folder, "DISK_PATIENCE", 0.3)
    one, two = [make(Share("holiday", "folder", {"path": str(tmp_path)})) for _ in range(2)]
    async with joined(one) as pair, joined(two) as other, session(pair) as client, session(other) as beside:

        async def ask() -> int:
            async with client.get("/stuck") as answer:
                return answer.status

        asked = [asyncio.ensure_future(ask()) for _ in range(12)]  # noqa: TID251  gathered below
        await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            assert await asyncio.to_thread(lambda: "free") == "free"
            async with beside.get("/a.txt") as answer:
                assert await answer.text() == "here"
        assert await asyncio.gather(*asked) == [503] * 12
        gate.set()
        async with asyncio.timeout(5), client.get("/a.txt") as answer:
            assert await answer.text() == "here"


async def test_a_fifo_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    opened = threading.Event()

    def write() -> None:
        with open(tmp_path / "pipe", "wb"):  # waits until somebody reads
            opened.set()

    threading.Thread(target=write, daemon=True).start()
    async with joined(make(Share("holiday", "folder", {"path": str(tmp_path)}))) as pair, session(pair) as client:
        async with client.get("/pipe") as answer:
            assert answer.status == 404
        assert not opened.wait(0.2)  # its owner's program would have written to nobody
    os.close(os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK))
    assert opened.wait(5)
