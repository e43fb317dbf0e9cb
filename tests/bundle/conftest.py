"""The bundle, built once if it is not that of these sources, and which of the two programs a test is about."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.desktop.xvfb import environment, session_bus, xvfb
from tests.support import forks
from tests.support.process import to_its_end
from tests.support.tools import ROOT

BUILD_SECONDS = 600  # on a machine that is busy; 50 is usual
BUNDLE = ROOT / "dist" / "grapevine"
PROGRAM = BUNDLE / "grapevine"


@dataclass(frozen=True)
class Kind:
    """A program under test: how `grapevine` is called."""

    name: str
    command: tuple[str, ...]

    def start(self, *arguments: str, env: dict[str, str]) -> "subprocess.Popen[str]":
        """Start it with pipes for what it prints."""
        return subprocess.Popen(
            [*self.command, *arguments], env=env, cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str, env: dict[str, str], timeout: float = 90.0) -> "subprocess.CompletedProcess[str]":
        """Run it to its end; the source is forked, where that can be."""
        command = [*self.command, *arguments]
        if self.name == "source":
            done = asyncio.run(to_its_end(command, env=forks.as_forked(env), timeout=timeout))
            return subprocess.CompletedProcess(command, done.code, done.out.decode(), done.err)
        return subprocess.run(
            command, env=env, cwd=ROOT, text=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout,
            check=False,
        )  # fmt: skip


@pytest.fixture(scope="session")
def built() -> Path:
    """The bundle's folder. The build fails where the bundle is larger than it may be."""
    done = subprocess.run(
        [sys.executable, "scripts/bundle.py"], cwd=ROOT, capture_output=True, text=True, timeout=BUILD_SECONDS,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return BUNDLE


@pytest.fixture(params=["source", pytest.param("bundle", marks=pytest.mark.slow)])
def tested(request: pytest.FixtureRequest) -> Kind:
    """First the source, then the bundle."""
    if request.param == "source":
        return Kind("source", (sys.executable, "-m", "core.cli"))
    request.getfixturevalue("built")
    return Kind("bundle", (str(PROGRAM),))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a screen and a session bus of its own."""
    with xvfb() as display, session_bus() as bus:
        yield environment(tmp_path, DISPLAY=display, DBUS_SESSION_BUS_ADDRESS=bus, QT_QPA_PLATFORM="xcb")
