"""A shared folder and a drop box: what is shown, ranges, what leads out of it, and what may be put in."""

import io
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import aiohttp
import pytest
from yarl import URL

from core.errors import LocalError
from core.kinds import drop_box, folder, uploads
from core.kinds.drop_box import safe_name
from core.kinds.share import Share
from core.kinds.table import make
from core.kinds.web import StreamConnector
from core.values import JsonValue
from tests.kinds.streams import joined

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(sys.platform == "win32", reason="links and odd names are POSIX's"),
]
BIG = Random(6).randbytes(3_000_000)


def share(path: Path, **options: JsonValue) -> Share:
    return Share("holiday", "folder", {"path": str(path), **options})


@asynccontextmanager
async def opened(path: Path, **options: JsonValue) -> AsyncIterator[aiohttp.ClientSession]:
    async with joined(make(share(path, **options))) as pair:
        connector = StreamConnector(pair.open)
        async with aiohttp.ClientSession("http://holiday/", connector=connector) as session:
            yield session


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "big.bin").write_bytes(BIG)
    (root / "sub" / "a <b>&.txt").write_text("inside")
    (root / "sub" / "\u202egnp.exe").touch()
    (root / ".hidden").write_text("a key")
    (tmp_path / "outside.txt").write_text("secret")
    (root / "out").symlink_to(tmp_path / "outside.txt")
    (root / "up").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    (Path(os.fsencode(root).decode()) / os.fsdecode(b"caf\xe9.txt")).write_text("latin")
    return root


def contents(path: Path) -> dict[str, bytes]:
    """Return what was put into a folder."""
    return {found.name: found.read_bytes() for found in path.iterdir() if found.name != uploads.NAME}


async def text(session: aiohttp.ClientSession, path: str, **headers: str) -> tuple[int, str]:
    url = URL(path, encoded=True)
    async with session.get(url, headers=headers, allow_redirects=False) as answer:
        return answer.status, await answer.text()


async def test_a_page_lists_what_may_be_seen_and_nothing_else(tree: Path) -> None:
    async with opened(tree) as session:
        status, listing = await text(session, "/")
        assert status == 200
        assert "sub/" in listing
        assert "caf%E9.txt" in listing
        for name in ("hidden", '"./out', '"./up', "pipe"):
            assert name not in listing
        status, listing = await text(session, "/sub/")
        assert "a &lt;b&gt;&amp;.txt" in listing
        assert "\\u202egnp.exe</a>" in listing, "a name that would be read from the right to the left"
        assert (await text(session, "/sub"))[0] == 301
        assert (await text(session, "/sub/a%20%3Cb%3E&.txt"))[1] == "inside"
        assert (await text(session, "/caf%E9.txt"))[1] == "latin"
        async with session.get("/", headers={"Accept": "application/json"}) as answer:
            names = [entry["name"] for entry in (await answer.json())["entries"]]
        assert names == ["sub", "big.bin", "caf\ufffd.txt"]


@pytest.mark.parametrize(
    "path",
    ["/out", "/up/", "/up/outside.txt", "/../outside.txt", "/%2e%2e/outside.txt", "/sub/%2e%2e/%2e%2e/outside.txt",
     "/pipe", "/.hidden", "/..%2foutside.txt", "/%00", "/nothing", "//etc/passwd", "/sub/a%20%3Cb%3E&.txt/x"],
)  # fmt: skip
async def test_nothing_outside_and_nothing_odd_is_served(tree: Path, path: str) -> None:
    async with opened(tree) as session:
        status, said = await text(session, path)
        assert status == 404
        assert "secret" not in said
        assert str(tree) not in said


async def test_hidden_files_are_shown_where_the_owner_wants(tree: Path) -> None:
    async with opened(tree, hidden=True) as session:
        assert (await text(session, "/.hidden"))[1] == "a key"


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [("bytes=100-199", 100, 200), ("bytes=2999990-", 2999990, 3000000), ("bytes=-5", 2999995, 3000000)],
)
async def test_ranges(tree: Path, asked: str, begin: int, end: int) -> None:
    async with opened(tree) as session, session.get("/big.bin", headers={"Range": asked}) as answer:
        assert answer.status == 206
        assert answer.headers["Content-Range"] == f"bytes {begin}-{end - 1}/{len(BIG)}"
        assert await answer.read() == BIG[begin:end]


async def test_a_range_that_cannot_be_and_a_file_that_changed_since(tree: Path) -> None:
    async with opened(tree) as session:
        async with session.get("/big.bin", headers={"Range": "bytes=9999999-"}) as answer:
            assert answer.status == 416
            assert answer.headers["Content-Range"] == f"bytes */{len(BIG)}"
        async with session.get("/big.bin") as answer:
            tag = answer.headers["ETag"]
            assert await answer.read() == BIG
        async with session.get("/big.bin", headers={"If-None-Match": tag}) as answer:
            assert answer.status == 304
        (tree / "big.bin").write_bytes(BIG[:100])
        async with session.get("/big.bin", headers={"Range": "bytes=50-", "If-Range": tag}) as answer:
            assert answer.status == 200
            assert await answer.read() == BIG[:100]


async def test_a_file_that_becomes_shorter_while_it_is_sent_breaks_off(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "READ", 1000)
    real, reads = folder._read_at, []

    def read(handle: int, size: int, at: int) -> bytes:
        reads.append(at)
        if len(reads) == 3:
            os.truncate(tree / "big.bin", 10)
        return real(handle, size, at)

    monkeypatch.setattr(folder, "_read_at", read)
    async with opened(tree) as session, session.get("/big.bin") as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


async def test_nothing_is_changed_by_a_caller(tree: Path) -> None:
    async with opened(tree) as session:
        for method in ("PUT", "POST", "DELETE", "PATCH"):
            async with session.request(method, "/new.txt", data=b"x") as answer:
                assert answer.status == 405
    assert not (tree / "new.txt").exists()


async def test_the_owner_is_warned_and_told(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tree))
    assert "home folder" in make(share(tree)).warnings()[0]
    assert "whole disk" in make(share(Path("/"))).warnings()[0]
    assert "hidden" in make(share(tmp_path / ".ssh")).warnings()[0]
    assert make(share(tmp_path / "x")).warnings() == []
    gone = make(share(tmp_path / "gone"))
    with pytest.raises(LocalError, match="is not there, or cannot be read"):
        await gone.start()
    with pytest.raises(LocalError, match="whole path"):
        make(Share("x", "folder", {"path": "relative"}))


async def test_a_drop_box_takes_files_shows_nothing_and_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    async with opened(tmp_path, drop=True) as session:
        status, said = await text(session, "/")
        assert status == 200
        assert "a.txt" not in said
        assert (await text(session, "/a.txt"))[1] == said
        form = aiohttp.FormData()
        form.add_field("file", b"new", filename="a.txt")
        form.add_field("file", io.BytesIO(BIG), filename="big.bin")
        async with session.post("/", data=form) as answer:
            assert answer.status == 201
        async with session.put("/deep/..%2Fb.txt", data=b"put") as answer:
            assert answer.status == 201
    assert contents(tmp_path) == {"a.txt": b"old", "a (2).txt": b"new", "big.bin": BIG, "b.txt": b"put"}


async def test_what_is_too_large_or_comes_in_part_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, drop=True, upload_max=1000) as session:
        async with session.put("/b.txt", data=bytes(1001)) as answer:
            assert answer.status == 413
            assert "1,000 bytes" in await answer.text()

        async def stops() -> AsyncIterator[bytes]:
            yield b"a part"
            raise OSError("the disk of the sender broke")

        with pytest.raises(aiohttp.ClientError):
            await session.put("/c.txt", data=stops())
        monkeypatch.setattr(drop_box, "_free", lambda folder: 0)
        async with session.put("/d.txt", data=b"x") as answer:
            assert answer.status == 413
            assert "nearly full" in await answer.text()
        async with session.post("/", data=b"no form") as answer:
            assert answer.status == 400
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "safe"),
    [("a.txt", "a.txt"), ("../../etc/passwd", "passwd"), ("C:\\x\\y.doc", "y.doc"), (".bashrc", "bashrc"),
     ("..", "file"),
     ("a\x00\nb", "a__b"), ("x" * 300 + ".jpeg", "x" * 200 + ".jpeg"), ('<a:b>"?', "_a_b___"), ("", "file")],
)  # fmt: skip
async def test_names_are_made_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe
