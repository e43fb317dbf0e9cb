"""Fetching a file: byte exact, gone on with after a break, never over another file."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from core.aio.tasks import TaskSet
from core.errors import LocalError, RefusedError, RequestTimeout, TransportClosed
from core.kinds.share import Share
from core.kinds.table import make
from core.limits.rate import Backoff
from core.tunnel.session import Session
from core.tunnel.stream import ByteStream
from core.using import fetch as fetch_module
from core.using.fetch import Fetch
from core.wire.stream_frame import Reason
from tests.kinds.streams import Joined, joined
from tests.tunnel.wire import wire

pytestmark = pytest.mark.asyncio
DATA = Random(8).randbytes(2_500_000)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "Backoff", lambda least, most: Backoff(0.001, 0.001))


@asynccontextmanager
async def folder(tmp_path: Path) -> AsyncIterator[Joined]:
    root = tmp_path / "far"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "ä b%.bin").write_bytes(DATA)
    async with joined(make(Share("holiday", "folder", {"path": str(root)}))) as pair:
        yield pair


def names(path: Path) -> list[str]:
    return sorted(found.name for found in path.iterdir())


async def test_a_file_arrives_whole_and_says_how_far_it_is(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    async with folder(tmp_path) as pair:
        to = tmp_path / "here.bin"
        assert await Fetch(pair.open, lambda *now: seen.append(now)).file("sub/ä b%.bin", to) == to
    assert to.read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA))
    assert names(tmp_path) == ["far", "here.bin"]


async def test_breaks_are_gone_on_from_where_they_were(tmp_path: Path) -> None:
    opened: list[ByteStream] = []
    sizes: list[int] = []

    def progress(here: int, total: int) -> None:
        sizes.append(here)
        if len(opened) < 4 and here > len(opened) * 600_000:
            opened[-1].reset(Reason("ERR_X", "the router restarted"))

    async with folder(tmp_path) as pair:

        async def open_stream() -> ByteStream:
            opened.append(await pair.open())
            return opened[-1]

        await Fetch(open_stream, progress).file("sub/ä b%.bin", tmp_path / "here.bin")
    assert (tmp_path / "here.bin").read_bytes() == DATA
    assert len(opened) == 4
    assert sizes == sorted(sizes)  # never from the beginning again


async def test_a_file_that_changed_meanwhile_is_fetched_from_the_beginning(tmp_path: Path) -> None:
    async with folder(tmp_path) as pair:
        (tmp_path / "here.bin.part").write_bytes(b"old" * 100)
        (tmp_path / "here.bin.part-tag").write_text('"another-version"')
        await Fetch(pair.open).file("sub/ä b%.bin", tmp_path / "here.bin")
    assert (tmp_path / "here.bin").read_bytes() == DATA


async def test_what_is_not_there_or_in_the_way_is_said(tmp_path: Path) -> None:
    async with folder(tmp_path) as pair:
        with pytest.raises(RefusedError, match="There is no file") as caught:
            await Fetch(pair.open).file("nothing.txt", tmp_path / "x")
        assert caught.value.name == "ERR_NOT_FOUND"
        (tmp_path / "taken").write_text("mine")
        with pytest.raises(LocalError, match="is there already"):
            await Fetch(pair.open).file("sub/ä b%.bin", tmp_path / "taken")
        with pytest.raises(LocalError, match="cannot be written"):
            await Fetch(pair.open).file("sub/ä b%.bin", tmp_path / "no-folder" / "x")
    assert (tmp_path / "taken").read_text() == "mine"


async def test_who_stays_away_is_given_up_and_what_came_is_kept(tmp_path: Path) -> None:
    async def nobody() -> ByteStream:
        raise RequestTimeout("nobody answered")

    with pytest.raises(TransportClosed, match="nobody answered; what has come is kept"):
        await Fetch(nobody).file("a", tmp_path / "x")


@pytest.mark.parametrize("tag", [b'"\xff\xfe"', b"x" * 5000, b'"a\tb"'])
async def test_a_version_that_is_none_is_left_out(tmp_path: Path, tag: bytes) -> None:
    async def answer(stream: ByteStream) -> None:
        stream.accept()
        await stream.read()
        await stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nETag: " + tag + b"\r\n\r\ndata")

    far, near = wire()
    tasks = TaskSet("hostile")

    def on_opening(stream: ByteStream) -> None:
        tasks.spawn(answer(stream), name="answer")

    server = Session(far, initiator=False, on_opening=on_opening)
    caller = Session(near, initiator=True, on_opening=lambda stream: None)
    server.start()
    caller.start()
    to = tmp_path / "here.bin"
    await Fetch(lambda: caller.open_accepted(b"x", 5.0)).file("a", to)
    assert to.read_bytes() == b"data"
    assert names(tmp_path) == ["here.bin"]
    caller.abort()
    server.abort()
    await tasks.aclose()
