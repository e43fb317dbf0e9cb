"""OpenSSH's client and server, and what runs over them, with `grapevine connect --stdio` between."""

import getpass
import os
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.streams_real import Pair, environment, finished, pair
from tests.support.ports import free_port
from tests.support.process import running, until
from tests.support.tools import find

pytestmark = [pytest.mark.asyncio, pytest.mark.programs]


def make_folders(folder: Path) -> None:
    """Make what a server needs."""
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd locks itself in; its package makes it at boot


@asynccontextmanager
async def sshd(folder: Path) -> AsyncIterator[int]:
    """Run a server that lets this user in with the key `folder`/key and no other."""
    make_folders(folder)
    for name in ("host", "key"):
        assert (await finished("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))).code == 0
    (folder / "authorized").write_bytes((folder / "key.pub").read_bytes())
    port = free_port()
    config = folder / "sshd_config"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        "StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nPidFile none\n"
        "PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
    )
    server = find("sshd")
    assert server is not None
    async with running("sshd", [server, "-D", "-e", "-f", str(config)]) as program:

        async def listens() -> bool:
            return "Server listening" in program.stderr

        await until(listens, "sshd listens")
        yield port


def ssh(two: Pair, folder: Path) -> list[str]:
    """Return the command of a client that goes through the peers; "far" is the other side."""
    proxy = shlex.join(two.command("connect", "anna/ssh", "--stdio"))
    options = {
        "ProxyCommand": proxy, "IdentityFile": str(folder / "key"), "IdentitiesOnly": "yes", "BatchMode": "yes",
        "StrictHostKeyChecking": "no", "UserKnownHostsFile": "/dev/null", "LogLevel": "ERROR", "IdentityAgent": "none",
    }  # fmt: skip
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "none", *words, "-l", getpass.getuser()]


@pytest.mark.slow
async def test_ssh_rsync_and_git_go_through(tmp_path: Path) -> None:
    folder, source = tmp_path / "ssh", tmp_path / "source"
    source.mkdir()
    data = os.urandom(5_000_000)
    (source / "big.bin").write_bytes(data)
    async with sshd(folder) as port, pair(tmp_path) as two, two.share("--tcp", str(port), "--name", "ssh") as (_, told):
        assert told["ok"]
        client, env = ssh(two, folder), environment(two.bert)
        for size in (0, 1, 2_000_000):
            done = await finished(*client, "far", "cat", env=env, said=data[:size])
            assert (done.code, done.err, done.out == data[:size]) == (0, "", True)
        assert (await finished(*client, "far", "exit 7", env=env)).code == 7
        copied = await finished(
            "rsync", "-a", "-e", shlex.join(client), f"far:{source}/", str(tmp_path / "to"), env=env
        )
        assert (copied.code, (tmp_path / "to" / "big.bin").read_bytes() == data) == (0, True), copied.err
        repository = tmp_path / "repository"
        git = ("git", "-c", "user.name=A", "-c", "user.email=a@example.org")
        await finished(*git, "init", "-q", str(repository))
        await finished(*git, "-C", str(repository), "commit", "-q", "--allow-empty", "-m", "first")
        env |= {"GIT_SSH_COMMAND": shlex.join(client)}
        cloned = await finished(*git, "clone", "-q", f"ssh://far{repository}", str(tmp_path / "clone"), env=env)
        assert cloned.code == 0, cloned.err
        assert (await finished(*git, "-C", str(tmp_path / "clone"), "log", "--format=%s")).out == b"first\n"
        async with two.open("ssh", "--listen", "0") as (_, where):
            direct = [each for each in client if not each.startswith("ProxyCommand=")]
            direct.remove("-o")
            host, _, local = where.partition(":")
            assert (await finished(*direct, "-p", local, host, "echo here", env=env)).out == b"here\n"
