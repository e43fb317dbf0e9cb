"""A closed stdin, stdout or stderr is as /dev/null, for every command."""

import asyncio
import sys
from pathlib import Path

import pytest

import core.cli.streams
from core.cli.streams import open_missing_streams
from tests.support.ports import free_port
from tests.support.samples import some

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(sys.platform == "win32", reason="there is no shell to close them"),
]

# All three, and the one that most is printed to. Real programs, each of them: a forked one has its streams already.
CLOSED = some(["<&- >&- 2>&-", ">&-", "<&-", "2>&-"], 4)
COMMANDS = ["id", "trust list", "calls", "settings", "--version", "lookup x --bootstrap ''"]


async def shell(command: str, env: dict[str, str]) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_shell(
        command,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.parametrize("closed", CLOSED)
async def test_every_command_ends_as_with_dev_null(cli_env: dict[str, str], closed: str) -> None:
    script = "\n".join(f"{sys.executable} -m core.cli {command} {closed}; echo $? >> $CODES" for command in COMMANDS)
    codes = Path(cli_env["XDG_CONFIG_HOME"]) / "codes"
    _, out, err = await shell(script, {**cli_env, "CODES": str(codes)})
    assert codes.read_text().split() == ["0", "0", "0", "0", "0", "3"]
    assert "Traceback" not in out + err
    assert "Error" not in err


@pytest.mark.parametrize("closed", CLOSED)
async def test_what_runs_until_it_is_ended_runs(cli_env: dict[str, str], closed: str) -> None:
    grape = f"grape --dp {free_port()} --aph {free_port()} --bn ''"
    for command in ("share fibonacci --bootstrap ''", grape):
        script = f"timeout -s TERM 4 {sys.executable} -m core.cli {command} {closed}; exit $?"
        code, _, err = await shell(script, cli_env)
        assert code == 124, err  # of `timeout`: it ran until then, and ended by the signal
        assert "Traceback" not in err


async def test_a_full_disk_is_a_sentence(cli_env: dict[str, str]) -> None:
    code, _, err = await shell(f"{sys.executable} -m core.cli settings > /dev/full", cli_env)
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("ERR_OUTPUT: ")
    assert "No space left" in err


async def test_streams_that_are_not_there_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a windowed program on Windows."""
    monkeypatch.setattr(core.cli.streams, "_open_missing", lambda number, how: None)
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
        monkeypatch.setattr(sys, f"__{name}__", None)
    open_missing_streams()
    try:
        assert sys.stdin.read() == ""
        assert sys.stdout.write("nowhere") == sys.stderr.write("nowhere") == len("nowhere")
    finally:
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            stream.close()
