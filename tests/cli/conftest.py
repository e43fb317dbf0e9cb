"""Command-line programs with ports and settings of their own, so that no test meets another's grape."""

import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.forks import OURS
from tests.support.ports import free_port
from tests.support.process import NO_KEYRING, to_its_end


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str


RunCli = Callable[..., Awaitable[Finished]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A settings folder whose embedded grape uses two free ports."""
    folder = tmp_path / "grapevine"
    folder.mkdir()
    settings = {"schema": 1, "dht_port": free_port(), "api_port": free_port()}
    (folder / "default.json").write_text(json.dumps(settings))
    return tmp_path


@pytest.fixture
def cli_env(home: Path) -> dict[str, str]:
    """The environment of a person without a screen."""
    env = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    env.pop("QT_QPA_PLATFORM", None)
    env |= {"PYTHON_KEYRING_BACKEND": NO_KEYRING}
    return env | {name: str(home) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")}


@pytest.fixture
def cli(cli_env: dict[str, str]) -> RunCli:
    """Run one command to its end, at most 90 s."""

    async def run(*arguments: str, timeout: float = 90.0) -> Finished:
        done = await to_its_end([*OURS, *arguments], env=cli_env, timeout=timeout)
        return Finished(done.code, done.out.decode(), done.err)

    return run
