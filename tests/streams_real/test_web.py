"""curl, wget, git and a browser on a friend's web page."""

import hashlib
import os
import zlib
from pathlib import Path

import pytest

from core.kinds.uploads import NAME
from tests.grape.test_web_pages import FLAGS
from tests.streams_real import finished, pair
from tests.streams_real.site import site
from tests.support.process import running, until

pytestmark = pytest.mark.asyncio
HELLO = "hello from far away"


@pytest.mark.programs
async def test_curl_and_wget_read_ranges_upload_and_hear_events(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    data = os.urandom(8_000_000)
    (folder / "big.bin").write_bytes(data)
    async with (
        site(folder) as served,
        pair(tmp_path) as two,
        two.share(str(served.port), "--name", "garden"),
        two.open("garden") as (_, url),
    ):
        assert (await finished("curl", "-sS", f"{url}file/big.bin")).out == data
        assert (await finished("curl", "-sS", "-r", "1000-4999", f"{url}file/big.bin")).out == data[1000:5000]
        (tmp_path / "part.bin").write_bytes(data[:3_000_000])
        await finished("curl", "-sS", "-C", "-", "-o", str(tmp_path / "part.bin"), f"{url}file/big.bin")
        assert (tmp_path / "part.bin").read_bytes() == data
        for way in (["-T", str(folder / "big.bin")], ["--data-binary", f"@{folder / 'big.bin'}"], ["-T", "-"]):
            sent = await finished("curl", "-sS", *way, f"{url}upload", said=data)
            assert sent.out.decode() == hashlib.sha256(data).hexdigest(), sent.err
        assert (await finished("curl", "-sSN", f"{url}events")).out == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
        forged = await finished(
            "curl", "-sS", "-H", "Origin: http://evil.example", "-w", "%{http_code}", f"{url}events"
        )
        assert forged.out.endswith(b"403")
        host = url.removeprefix("http://").removesuffix("/")
        local = f"http://127.0.0.1:{host.rpartition(':')[2]}/file/big.bin"
        wget = ("wget", "-q", "--no-proxy", "-O", str(tmp_path / "wget.bin"))
        assert (await finished(*wget, f"--header=Host: {host}", local)).code == 0
        assert (tmp_path / "wget.bin").read_bytes() == data
        assert (await finished(*wget, local)).code == 8  # no page of that name: 421


@pytest.mark.programs
async def test_curl_puts_files_into_a_drop_box(tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.mkdir()
    data = os.urandom(3_000_000)
    file = tmp_path / "a b.bin"
    file.write_bytes(data)
    async with pair(tmp_path) as two, two.share(str(box), "--drop"), two.open("box") as (_, url):
        for way in (["-T", str(file), url], ["-F", f"file=@{file}", url]):
            done = await finished("curl", "-sS", "-w", "%{http_code}", *way)
            assert done.out.endswith(b"201"), done.out
        files = [path for path in sorted(box.iterdir()) if path.name != NAME]  # which says who put what in
        assert [path.read_bytes() == data for path in files] == [True, True]
        assert b"<form" in (await finished("curl", "-sS", f"{url}a%20b.bin")).out  # what is in it is not shown


@pytest.mark.browser
async def test_a_page_in_a_browser_has_its_socket_its_events_and_its_upload(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "hello.txt").write_text(HELLO)
    async with (
        site(folder) as served,
        pair(tmp_path) as two,
        two.share(str(served.port), "--name", "garden"),
        two.open("garden") as (_, url),
        running("chromium", ["chromium", *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", url]) as browser,
    ):

        async def done() -> bool:
            return served.done is not None

        try:
            await until(done, "the page has tried everything", timeout=90.0)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{browser.transcript()}") from None
        assert served.done == f"{HELLO} ABC 0,1,2 true true"


DOWNLOAD = """<!doctype html><title>A download</title><script>
const table = new Uint32Array(256).map((_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xEDB88320 ^ (n >>> 1) : n >>> 1;
  return n;
});
(async () => {
  const began = performance.now(), reader = (await fetch("big.bin")).body.getReader();
  let crc = ~0, size = 0;
  for (let part; !(part = await reader.read()).done; size += part.value.length)
    for (const byte of part.value) crc = table[(crc ^ byte) & 255] ^ (crc >>> 8);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  await fetch("/done", {method: "POST", body: `${size} ${~crc >>> 0} ${seconds}`});
})().catch(error => fetch("/done", {method: "POST", body: "failed: " + error}));
</script>"""


@pytest.mark.slow
@pytest.mark.browser
async def test_a_browser_downloads_a_gigabyte(tmp_path: Path) -> None:
    folder, size, crc = tmp_path / "files", 0, 0
    folder.mkdir()
    (folder / "down.html").write_text(DOWNLOAD)
    with (folder / "big.bin").open("wb") as file:
        while size < 1_000_000_000:
            piece = os.urandom(1_000_000)
            file.write(piece)
            size, crc = size + len(piece), zlib.crc32(piece, crc)
    async with (
        site(folder) as served,
        pair(tmp_path) as two,
        two.share(str(served.port), "--name", "garden"),
        two.open("garden") as (_, url),
        running("chromium", ["chromium", *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"{url}file/down.html"]),
    ):

        async def done() -> bool:
            return served.done is not None

        await until(done, "the browser has all of it", timeout=300.0)
        assert served.done is not None
        got, sum_, seconds = served.done.split()
        assert (int(got), int(sum_)) == (size, crc)
        print(f"1 GB in Chromium through two peers: {seconds} s")  # noqa: T201


@pytest.mark.programs
async def test_git_clones_over_http(tmp_path: Path) -> None:
    work, bare = tmp_path / "work", tmp_path / "www" / "repo.git"
    git = ("git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    for command in (["init", "-q", str(work)], ["-C", str(work), "commit", "-q", "--allow-empty", "-m", "first"],
                    ["clone", "-q", "--bare", str(work), str(bare)],
                    ["-C", str(bare), "update-server-info"]):  # fmt: skip
        assert (await finished(*git, *command)).code == 0
    async with pair(tmp_path) as two, two.share(str(tmp_path / "www")), two.open("www") as (_, url):
        done = await finished(*git, "clone", "-q", f"{url}repo.git", str(tmp_path / "clone"))
        assert done.code == 0, done.err
        log = await finished(*git, "-C", str(tmp_path / "clone"), "log", "--format=%s")
        assert log.out == b"first\n"
