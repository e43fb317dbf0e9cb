"""Fetching a file: byte exact, gone on with after a break, never over another file."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from core.aio.tasks import TaskSet
from core.errors import LocalError, RefusedError, RemoteError, RequestTimeout, TransportClosed
from core.kinds.base import Shared
from core.kinds.share import Share
from core.kinds.table import make
from core.limits.rate import Backoff
from core.tunnel.session import Session
from core.tunnel.stream import ByteStream
from core.using import fetch as fetch_module
from core.using.fetch import TRIES, Fetch
from core.values import Caller
from core.wire.stream_frame import Reason
from core.wire.stream_opening import Opening
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
        if len(opened) < 4 and here > len(opened) * 400_000:
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


async def test_who_slept_has_all_its_tries_again(tmp_path: Path) -> None:
    pauses: list[float] = []

    async def nobody() -> ByteStream:
        raise RequestTimeout("nobody answered")

    async def rest(seconds: float) -> bool:
        pauses.append(seconds)
        return len(pauses) == 5

    with pytest.raises(TransportClosed, match="nobody answered"):
        await Fetch(nobody, rest=rest).file("a", tmp_path / "x")
    assert len(pauses) == 5 + TRIES, "the tries of before the sleep do not count"


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


@asynccontextmanager
async def liar(answer: bytes, more: bytes = b"") -> AsyncIterator[Joined]:
    """Yield a pair whose far side answers any request with these bytes, then with `more` for ever."""

    class Liar(Shared):
        kind = "folder"
        options = frozenset[str]()
        description = "lies"

        async def serve(self, stream: ByteStream, opening: Opening, caller: Caller) -> None:
            stream.accept(b"")
            await stream.read()
            await stream.write(answer)
            while more:
                await stream.write(more)
            await stream.read()

    async with joined(Liar(Share("holiday", "folder", {}))) as pair:
        yield pair


async def test_what_would_never_end_is_not_fetched(tmp_path: Path) -> None:
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with liar(endless, b"10000\r\n" + bytes(65536) + b"\r\n") as pair:
        with pytest.raises(RemoteError, match="how long"):
            await Fetch(pair.open).file("endless", tmp_path / "here.bin")
    assert names(tmp_path) == []


async def test_what_finds_no_room_is_not_fetched_and_the_disk_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with liar(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\n") as pair:
        with pytest.raises(LocalError, match="no room"):
            await Fetch(pair.open).file("great", tmp_path / "here.bin")
    assert names(tmp_path) == []
    looks = []

    def require(part: Path, more: int) -> None:
        looks.append(more)
        if len(looks) > 2:
            raise LocalError("the disk has no room", name="ERR_DISK_FULL")

    monkeypatch.setattr(fetch_module, "LOOK_EVERY", 1_000_000)
    monkeypatch.setattr(fetch_module, "_require_room", require)
    async with folder(tmp_path) as pair:
        with pytest.raises(LocalError, match="no room"):
            await Fetch(pair.open).file("sub/ä b%.bin", tmp_path / "here.bin")
    assert len(looks) == 3
    assert (tmp_path / "here.bin.part").stat().st_size >= 2_000_000


async def test_another_part_than_was_asked_for_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "here.bin.part").write_bytes(b"x" * 100)
    (tmp_path / "here.bin.part-tag").write_text('"one"')
    lie = b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-9/200\r\nContent-Length: 5\r\n\r\nhello"
    async with liar(lie) as pair:
        with pytest.raises(RemoteError, match="another part"):
            await Fetch(pair.open).file("x", tmp_path / "here.bin")
    assert (tmp_path / "here.bin.part").read_bytes() == b"x" * 100
