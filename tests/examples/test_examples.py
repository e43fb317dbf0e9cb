"""The programs in examples/ do what their first lines say, run as a reader would run them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.streams_real import environment, finished, pair
from tests.streams_real.test_ports import listens
from tests.streams_real.test_ssh import ssh, sshd
from tests.support.forks import OURS
from tests.support.ports import free_port
from tests.support.process import running, until
from tests.support.tools import ROOT

EXAMPLES = ROOT / "examples"
PATIENCE = 60.0  # seconds for what takes one on a machine that is not busy


def run(name: str) -> str:
    """Run an example to its end and return what it printed."""
    command = [sys.executable, str(EXAMPLES / name)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@contextmanager
def started(name: str) -> Iterator["subprocess.Popen[str]"]:
    """Run an example as long as the block lasts."""
    command = [sys.executable, str(EXAMPLES / name)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            yield program
        finally:
            program.kill()


def test_a_service_of_ones_own() -> None:
    assert run("greeting.py") == "Hello, Ada!\n"


def test_sharing_without_a_screen_and_consuming() -> None:
    with started("share.py") as program:
        assert program.stdout is not None
        assert program.stdout.readline().startswith("fibonacci_worker is announced at ")
        answer = run("consume.py")
        assert answer.endswith(" answered [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]\n")
        program.send_signal(signal.SIGINT)
        rest, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, errors) == (0, "")
    assert " called fibonacci_worker\n" in rest


def test_a_function_and_its_client() -> None:
    assert run("garden.py") == "{'plant': 'basil', 'every_days': 1}\n"


@pytest.mark.asyncio
async def test_a_thermometer_is_watched(tmp_path: Path) -> None:
    command = f"{sys.executable} {EXAMPLES / 'thermometer.py'} --every 0.1"
    async with pair(tmp_path) as two, two.share("--watch", command, "--name", "temp"):
        value = await two.ask("watch", "anna/temp", "--once")
        assert -60 < float(value.out) < 150


def with_grapevine(folder: Path, home: Path) -> dict[str, str]:
    """Return an environment whose PATH has this very program as `grapevine`, of the profile under `home`."""
    folder.mkdir(exist_ok=True)
    program = folder / "grapevine"
    program.write_text(f'#!/bin/sh\nexec {" ".join(OURS)} "$@"\n')
    program.chmod(0o755)
    return {**environment(home), "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.asyncio
@pytest.mark.programs
async def test_a_shell_through_it(tmp_path: Path) -> None:
    folder = tmp_path / "ssh"
    async with sshd(folder) as port, pair(tmp_path) as two, two.share("--tcp", str(port), "--name", "ssh"):
        env = with_grapevine(tmp_path / "bin", two.bert)
        program = tmp_path / "bin" / "grapevine"
        program.write_text(program.read_text().replace('"$@"', f'"$@" --grape {two.grape}'))
        options = [word for word in ssh(two, folder)[1:] if not word.startswith("ProxyCommand=")]
        options.remove("-o")
        place = [str(EXAMPLES / "ssh.sh"), "anna", *options]
        assert (await finished(*place, env=env, said=b"echo $((6*7))\n")).out == b"42\n"


@pytest.mark.asyncio
async def test_a_page_whose_clock_goes_on(tmp_path: Path) -> None:
    port = free_port()
    async with running("page", [sys.executable, str(EXAMPLES / "webpage.py"), str(port)]):

        async def ready() -> bool:
            return await listens(port)

        await until(ready, "the page answers")
        async with pair(tmp_path) as two, two.share(str(port), "--name", "garden"), two.open("garden") as (_, where):
            host = where.removeprefix("http://").rstrip("/")
            near = f"http://127.0.0.1:{host.rpartition(':')[2]}"
            async with ClientSession(headers={"Host": host}) as session:
                async with session.get(f"{near}/") as page:
                    assert "The garden" in await page.text()
                async with session.get(f"{near}/clock") as clock:
                    seen = [await clock.content.readuntil(b"\n\n") for _ in range(2)]
    assert len({*seen}) == 2
    assert all(event.startswith(b"data: ") for event in seen)


@pytest.mark.asyncio
@pytest.mark.programs
async def test_an_mqtt_broker_for_friends(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "bin"
    async with pair(tmp_path) as two:
        env = with_grapevine(folder, two.anna)
        env["PATH"] += ":/usr/sbin"  # where Debian has mosquitto
        command = [str(EXAMPLES / "mqtt.sh"), str(port), "--grape", two.grape, "--json"]
        async with running("mqtt.sh", command, env=env) as program:
            assert (await program.event("shared"))["name"] == "mqtt"
            async with two.open("mqtt") as (_, where):
                local = where.rpartition(":")[2]
                said = ["-h", "127.0.0.1", "-p", local, "-t", "garden/door"]
                hears = ["mosquitto_sub", *said, "-C", "1", "-W", "30"]
                told = await finished("mosquitto_pub", *said, "-r", "-m", "open")
                assert (told.code, (await finished(*hears)).out) == (0, b"open\n")
            program.send_signal(signal.SIGTERM)
            await program.wait()
    assert not await listens(port)


@pytest.mark.asyncio
@pytest.mark.programs
@pytest.mark.parametrize("runs", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_a_board_shares_again_after_each_start(tmp_path: Path, runs: int) -> None:
    async with pair(tmp_path) as two:
        env = with_grapevine(tmp_path / "bin", two.anna)
        for name in ("loginctl", "systemctl"):  # it is not this machine that is to change
            (tmp_path / "bin" / name).write_text("#!/bin/sh\n")
            (tmp_path / "bin" / name).chmod(0o755)
        for _ in range(runs):  # the second run changes nothing
            done = await finished(str(EXAMPLES / "board.sh"), two.bert_id, env=env)
            assert (done.code, done.out.split()[-1].decode()) == (0, two.anna_id), done.err
        unit = (two.anna / "systemd" / "user" / "grapevine.service").read_text()
        assert "share --all --quiet" in unit
        async with two.share("--all"):  # as the unit does
            value = await two.ask("watch", "anna/temp", "--once")
            assert -60 < float(value.out) < 150
            offers = (await two.ask("offers", "anna")).out.decode().split()
    assert {"anna/ssh", "anna/temp"} <= set(offers)


def test_every_example_is_run_here() -> None:
    python = {"greeting.py", "share.py", "consume.py", "garden.py", "thermometer.py", "webpage.py"}
    scripts = {"ssh.sh", "mqtt.sh", "board.sh"}
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == python | scripts
