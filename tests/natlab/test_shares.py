"""What is shared behind one home router is used behind another, by programs that we did not write.

curl, ssh and rsync go through two of our command lines; packets are lost, routers restart, and a machine sleeps.
"""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.natlab.friends import Friends, friends
from tests.natlab.internet import Internet, Site, internet
from tests.natlab.kinds import Kind
from tests.natlab.origin import sample
from tests.support.process import Event, Program, until

pytestmark = [pytest.mark.natlab, pytest.mark.asyncio]

MEGABYTE = 1_000_000  # bytes
DOWN = 1.0  # seconds that a router takes to start again
UNDER_WAY = 1.5  # seconds after which a transfer is in the middle
MET_AGAIN = 40.0  # seconds for a meeting by the broker, on a machine that is busy; ten are usual
BLOCKED_WITHIN = 2.0  # seconds until what a block ends has ended
_ASK = """
import socket, sys
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.settimeout(1.0)
udp.connect(("127.0.0.1", int(sys.argv[1])))
back = 0
for number in range(int(sys.argv[2])):
    for _ in range(10):
        udp.send(b"%d." % number + b"u" * 1200)
        try:
            while not (got := udp.recv(65507)).startswith(b"%d." % number):
                pass
        except TimeoutError:
            continue
        back += len(got) > 1200
        break
print(back)
"""


@pytest.fixture
def world() -> Iterator[Internet]:
    with internet() as built:
        yield built


@dataclass
class Garden:
    """A page of Anna's that Bert has open."""

    place: Friends
    anna: Program
    bert: Program
    url: str

    async def get(self, size: int, *, slow: bool = False) -> None:
        """Download so many bytes with curl."""
        done = await self.place.run("curl", "-sS", f"{self.url}{'slow/' if slow else ''}{size}")
        assert (done.code, done.err, len(done.out)) == (0, "", size)
        assert done.out == sample(size)

    async def put(self, size: int, *options: str) -> None:
        """Upload so many bytes with curl."""
        path = self.place.folder / f"up-{size}"
        path.write_bytes(sample(size))
        done = await self.place.run("curl", "-sS", "-T", str(path), *options, self.url)
        assert (done.code, done.err) == (0, "")
        assert json.loads(done.out) == {"sha256": hashlib.sha256(sample(size)).hexdigest(), "missing": 0}


@asynccontextmanager
async def garden(
    world: Internet, folder: Path, anna: Kind = Kind.LINUX, bert: Kind = Kind.PORT_RESTRICTED
) -> AsyncIterator[tuple[Garden, Event]]:
    """Have Anna share her page and Bert open it; the event has the other ports at Anna's."""
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(friends(world, folder, anna, bert))
        ports = await stack.enter_async_context(place.origin())
        port = str(ports["http"])
        sharing = await stack.enter_async_context(place.share(port, "--name", "garden"))
        opening, url = await stack.enter_async_context(place.open("garden"))
        yield Garden(place, sharing, opening, url), ports


async def test_a_page_goes_on_when_a_router_restarts(world: Internet, tmp_path: Path) -> None:
    """The quick one of this file."""
    async with garden(world, tmp_path) as (page, _), asyncio.TaskGroup() as tasks:
        tasks.create_task(page.get(6 * MEGABYTE, slow=True))
        await asyncio.sleep(0.5)
        await page.place.restart(page.place.bert, moves=False)
        await page.put(2 * MEGABYTE)


@pytest.mark.slow
@pytest.mark.parametrize("loss", [0, 1, 3])
async def test_a_page_both_ways_at_once(world: Internet, tmp_path: Path, loss: int) -> None:
    async with garden(world, tmp_path) as (page, _):
        page.place.lose(loss)
        began = time.monotonic()
        await asyncio.gather(page.get(20 * MEGABYTE), page.put(20 * MEGABYTE + 1))
        print(f"20 MB each way at {loss} % loss: {time.monotonic() - began:.1f} s")  # noqa: T201


def site_of(place: Friends, name: str) -> Site:
    return place.anna if name == "anna" else place.bert


@pytest.mark.slow
@pytest.mark.parametrize("way", ["get", "put", "idle"])
@pytest.mark.parametrize("who", ["anna", "bert"])
async def test_a_router_restarts_with_other_ports(world: Internet, tmp_path: Path, who: str, way: str) -> None:
    """The other's router lets in who was sent something, from whatever port: the same streams go on."""
    kinds = {"anna": Kind.RESTRICTED, "bert": Kind.RESTRICTED}
    async with garden(world, tmp_path, **kinds) as (page, _):
        size = 20 * MEGABYTE
        async with asyncio.TaskGroup() as tasks:
            if way == "get":
                tasks.create_task(page.get(size, slow=True))
            elif way == "put":
                tasks.create_task(page.put(size, "--limit-rate", "3M"))
            await asyncio.sleep(UNDER_WAY)
            began = time.monotonic()
            await page.place.restart(site_of(page.place, who), DOWN)
        await page.get(1000)
        print(f"{way}, {who}'s router: over {time.monotonic() - began:.1f} s after it went down")  # noqa: T201


@pytest.mark.slow
@pytest.mark.parametrize("way", ["get", "put", "idle"])
async def test_a_router_restarts_with_other_ports_between_two_that_let_nobody_else_in(
    world: Internet, tmp_path: Path, way: str
) -> None:
    """Neither can tell the other: they are brought together by the broker once more, and the same streams go on."""
    async with garden(world, tmp_path) as (page, _):
        size = 20 * MEGABYTE
        async with asyncio.TaskGroup() as tasks:
            if way == "get":
                tasks.create_task(page.get(size, slow=True))
            elif way == "put":
                tasks.create_task(page.put(size, "--limit-rate", "3M"))
            await asyncio.sleep(UNDER_WAY)
            began = time.monotonic()
            await page.place.restart(page.place.bert, DOWN)
        if way == "idle":
            async with asyncio.timeout(MET_AGAIN):
                while (await page.place.run("curl", "-sf", f"{page.url}10")).code:
                    pass
        await page.get(1000)
        took = time.monotonic() - began
        print(f"{way}, met again: over {took:.1f} s after it went down")  # noqa: T201
        assert took < size / 3 / MEGABYTE + MET_AGAIN


@pytest.mark.slow
@pytest.mark.parametrize("sleeper", ["anna", "bert"])
async def test_a_machine_sleeps(world: Internet, tmp_path: Path, sleeper: str) -> None:
    """For 20 s in the middle of a transfer."""
    async with garden(world, tmp_path) as (page, _):
        program = page.anna if sleeper == "anna" else page.bert
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(page.get(15 * MEGABYTE, slow=True))
            await asyncio.sleep(UNDER_WAY)
            program.send_signal(signal.SIGSTOP)
            await asyncio.sleep(20.0)
            program.send_signal(signal.SIGCONT)
            awake = time.monotonic()
        print(f"{sleeper} slept 20 s: over {time.monotonic() - awake:.1f} s after")  # noqa: T201


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "moves"), [(0, False), (2, False), (0, True)])
async def test_a_file_is_fetched_across_a_restart(world: Internet, tmp_path: Path, *, loss: int, moves: bool) -> None:
    """Both routers let in only addresses they know, and Bert's ports change: the fetch goes on where it was.

    So it does when Bert is carried to another home.
    """
    folder, size = tmp_path / "docs", 50 * MEGABYTE
    folder.mkdir()
    (folder / "big").write_bytes(sample(size))
    async with friends(world, tmp_path) as place, place.share(str(folder)):
        place.lose(loss)
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            fetching = place.ask("fetch", "anna/docs/big", "-o", str(tmp_path / "here"), "--timeout", "60")
            fetch = tasks.create_task(fetching)

            async def under_way() -> bool:
                part = tmp_path / "here.part"
                return part.exists() and part.stat().st_size > 2 * MEGABYTE

            await until(under_way, "a part is there")
            if moves:
                await asyncio.to_thread(world.move, place.bert, await asyncio.to_thread(world.site, place.bert.kind))
            else:
                await place.restart(place.bert, DOWN)
            assert not fetch.done(), "it happens in the middle"
        done = fetch.result()
        assert done.code == 0, done.err  # it may tell how it looked for Anna again
        assert (tmp_path / "here").read_bytes() == sample(size)
        print(f"50 MB at {loss} % loss across a restart: {time.monotonic() - began:.1f} s")  # noqa: T201


@pytest.mark.slow
async def test_datagrams(world: Internet, tmp_path: Path) -> None:
    async with (
        friends(world, tmp_path) as place,
        place.origin() as ports,
        place.share("--udp", str(ports["udp"]), "--name", "game"),
        place.open("game") as (_, where),
    ):
        place.lose(2)
        done = await place.run(sys.executable, "-c", _ASK, where.rpartition(":")[2], "100")
        assert (done.out, done.err) == (b"100\n", "")


@pytest.mark.slow
@pytest.mark.skipif(not all(map(shutil.which, ("ssh", "sshd", "rsync", "ssh-keygen"))), reason="openssh and rsync")
async def test_ssh_and_rsync(world: Internet, tmp_path: Path) -> None:
    """Through `open` and, as a ProxyCommand, through `connect`; with loss."""
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    async with friends(world, tmp_path) as place:
        for name in ("host", "own"):
            assert (await place.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name))).code == 0
        (tmp_path / "allowed").write_bytes((keys / "own.pub").read_bytes())
        os.makedirs("/run/sshd", exist_ok=True)  # sshd insists on it
        options = {"HostKey": keys / "host", "AuthorizedKeysFile": tmp_path / "allowed", "StrictModes": "no",
                   "PidFile": "none", "ListenAddress": "127.0.0.1:2022", "UsePAM": "no"}  # fmt: skip
        words = [f"-o{name}={value}" for name, value in options.items()]
        sshd = await asyncio.create_subprocess_exec(
            *place.anna.inside, str(shutil.which("sshd")), "-D", "-e", "-f", "/dev/null", *words,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with place.share("--tcp", "2022", "--name", "ssh"), place.open("ssh") as (_, where):
                await _copy(place, keys, where.rpartition(":")[2])
        finally:
            sshd.kill()
            await sshd.wait()


async def _copy(place: Friends, keys: Path, port: str) -> None:
    place.lose(1)
    trust = "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oLogLevel=ERROR", "-oBatchMode=yes"
    ssh = ["ssh", "-F", "none", "-i", str(keys / "own"), *trust]
    done = await place.run(*ssh, "-p", port, "root@127.0.0.1", "sha256sum", said=sample(3 * MEGABYTE))
    assert (done.code, done.out.split()[0].decode()) == (0, hashlib.sha256(sample(3 * MEGABYTE)).hexdigest()), done.err
    here, there = keys / "here", keys / "there"
    here.write_bytes(sample(10 * MEGABYTE))
    done = await place.run("rsync", "-e", " ".join([*ssh, "-p", port]), str(here), f"root@127.0.0.1:{there}")
    assert (done.code, there.read_bytes() == here.read_bytes()) == (0, True), done.err
    proxy = " ".join(place.command("connect", "anna/ssh", "--stdio")[len(place.bert.inside) :])
    done = await place.run(*ssh, f"-oProxyCommand={proxy}", "root@anything", "cat", said=b"hello")
    assert (done.code, done.out) == (0, b"hello"), done.err


@pytest.mark.slow
async def test_a_block_ends_a_download_at_once(world: Internet, tmp_path: Path) -> None:
    """From another program, while it runs; the consumer says why, and so does the page."""
    async with garden(world, tmp_path) as (page, _):
        place = page.place
        async with asyncio.TaskGroup() as tasks:
            download = tasks.create_task(place.run("curl", "-sS", f"{page.url}slow/{30 * MEGABYTE}"))
            await asyncio.sleep(0.7)
            assert not download.done()
            assert (await place.own("trust", "block", place.ids[1])).code == 0
            began = time.monotonic()
        done = download.result()
        took = time.monotonic() - began
        assert (done.code, len(done.out) < 30 * MEGABYTE) == (18, True), "curl: a part of the file"
        assert took < BLOCKED_WITHIN, f"it ended {took:.1f} s after the block"
        told = await page.bert.event("presence", timeout=20.0)
        assert (told["here"], told["message"]) == (False, "anna does not share garden with you at this moment")
        refused = await place.run("curl", "-sS", page.url)
        assert b"The other side says no: this peer does not answer you" in refused.out, refused.out
        print(f"a block ended the download after {took:.2f} s: {told['message']}")  # noqa: T201
