"""A forked command line is as one that Python starts. Each test can run both ways; the slow half has the other."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.natlab import namespaces as ns
from tests.support import forks
from tests.support.process import NO_KEYRING, grapevine, to_its_end

pytestmark = [pytest.mark.asyncio, pytest.mark.skipif(sys.platform != "linux", reason="a fork is used on Linux")]

GRAPE = ("grape", "--dp", "0", "--aph", "0", "--bn", "", "-b", "127.0.0.1")


@pytest.fixture(params=["forked", pytest.param("real", marks=pytest.mark.slow)], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if any("COVERAGE_" in name for name in os.environ):
        pytest.skip("all are real while coverage is measured")
    monkeypatch.delenv("GRAPEVINE_TEST_REAL", raising=False)
    if request.param == "real":
        monkeypatch.setenv("GRAPEVINE_TEST_REAL", "1")
    return str(request.param)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    own = {f"XDG_{kind}_HOME": str(tmp_path) for kind in ("CONFIG", "DATA", "STATE")}
    return {**os.environ, **own, "PYTHON_KEYRING_BACKEND": NO_KEYRING}


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _signals(pid: int, kind: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(kind)).split()[1], 16)


async def test_it_is_forked_when_it_says_so(way: str, env: dict[str, str], tmp_path: Path) -> None:
    assert forks.forkable(forks.OURS, env) == (way == "forked")
    async with grapevine(*GRAPE, home=tmp_path) as program:
        await program.event("listening")
        assert (_parent(program.pid) == os.getpid()) == (way == "real")


async def test_what_it_prints_and_how_it_ends(env: dict[str, str]) -> None:
    done = await to_its_end([*forks.OURS, "settings"], env=env)
    assert (done.code, done.err) == (0, "")
    assert done.out.decode().startswith(env["XDG_CONFIG_HOME"])
    done = await to_its_end([*forks.OURS, "nothing"], env=env)
    assert (done.code, done.out) == (2, b"")
    assert done.err.startswith("Usage: grapevine [OPTIONS]")


async def test_what_is_said_to_it_and_where_it_is(env: dict[str, str], tmp_path: Path) -> None:
    """A file is named from the folder that it runs in; a question is answered on standard input."""
    export = [*forks.OURS, "id", "export", "key.pem"]
    done = await to_its_end(export, env={**env, "GRAPEVINE_PASSPHRASE": "x" * 20}, cwd=tmp_path)
    assert (done.code, "key.pem" in os.listdir(tmp_path)) == (0, True), done.err
    done = await to_its_end([*forks.OURS, "id", "renew"], env=env, said=b"n\n")
    assert (done.code, done.out) == (1, b""), done.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGKILL, -9)])
async def test_signals(tmp_path: Path, number: int, code: int) -> None:
    async with grapevine(*GRAPE, home=tmp_path) as program:
        await program.event("listening")
        program.send_signal(number)
        assert await program.wait() == code


async def test_an_end_that_is_told_together_with_the_start(
    way: str, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short command on a busy machine: both lines are there when the first is read."""
    if way == "real":
        pytest.skip("nothing is forked")
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    monkeypatch.setattr(forks, "_server", lambda: (ours, None))

    def serve() -> None:
        _, descriptors, _, _ = socket.recv_fds(its, 200_000, 4)
        with socket.socket(fileno=descriptors.pop()) as status:
            status.send(b"4711\n3\n")
        for number in descriptors:
            os.close(number)

    with ours, its:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(serve))
            done = await to_its_end([*forks.OURS, "keygen"], env=env)
    assert done.code == 3


async def test_chance_is_each_program_s_own(env: dict[str, str], tmp_path: Path) -> None:
    """Two that draw from `random` and from the system: a grape's node id, a key."""
    keys = {(await to_its_end([*forks.OURS, "keygen"], env=env)).out for _ in range(2)}
    assert len(keys) == 2


async def test_its_signals_and_descriptors_are_as_at_a_start(tmp_path: Path) -> None:
    async with grapevine(*GRAPE, home=tmp_path) as program:
        await program.event("listening")
        assert _signals(program.pid, "SigBlk") == 0
        assert _signals(program.pid, "SigIgn") == _signals(os.getpid(), "SigIgn")  # a shell may have had some ignored
        folder = f"/proc/{program.pid}/fd"
        files = [os.readlink(f"{folder}/{name}") for name in os.listdir(folder)]
        assert sum(each.startswith("pipe:") for each in files) == 3, files
        assert os.getsid(program.pid) == os.getsid(0)
        assert os.getpgid(program.pid) == os.getpgid(0)


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"{ns.stem()}-fork"
    ns.run("ip", "netns", "add", name)
    ns.configure(name)
    yield name
    ns.run("ip", "netns", "del", name)


@pytest.mark.natlab
async def test_it_runs_in_the_namespace_that_is_named(namespace: str, tmp_path: Path) -> None:
    async with grapevine(*GRAPE, inside=ns.inside(namespace), home=tmp_path) as program:
        await program.event("listening")
        there = os.stat(f"/run/netns/{namespace}").st_ino
        assert os.readlink(f"/proc/{program.pid}/ns/net") == f"net:[{there}]"


@pytest.fixture
def with_files() -> Iterator[str]:
    """A namespace's name for which `ip netns exec` has files in /etc."""
    folder = Path("/etc/netns", f"{ns.stem()}-files")
    try:
        folder.mkdir(parents=True)
    except PermissionError:
        pytest.skip("the folder is root's")
    yield folder.name
    folder.rmdir()


async def test_where_a_namespace_has_files_of_its_own_nothing_is_forked(
    with_files: str, env: dict[str, str], way: str
) -> None:
    assert not forks.forkable(["ip", "netns", "exec", with_files, *forks.OURS], env)
    assert forks.forkable(["ip", "netns", "exec", f"{with_files}-other", *forks.OURS], env) == (way == "forked")


async def test_what_is_not_forked(way: str, env: dict[str, str]) -> None:
    """Other programs, and ours where Python would be started in another way."""
    assert not forks.forkable([sys.executable, "-c", "pass"], env)
    assert not forks.forkable(["sh", "-c", " ".join(forks.OURS)], env)
    assert not forks.forkable(forks.OURS, {**env, "PYTHONHASHSEED": "0"})
    assert not forks.forkable(forks.OURS, {**env, "GRAPEVINE_ENGINES": "compiled"})
    assert forks.forkable(["ip", "netns", "exec", "x", *forks.OURS], env) == (way == "forked")
