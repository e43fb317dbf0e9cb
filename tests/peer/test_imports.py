"""What a peer that runs all day leaves unloaded: each of these costs megabytes, and is rarely needed."""

import subprocess
import sys

import pytest

from tests.support.tools import ROOT

RUNNING_PEER = "core.cli.commands, core.cli.jobs, core.peer, core.grape.grape"


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    code = f"import sys, {RUNNING_PEER}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "cryptography",  # 7 MB: only for mutable items
        "aiohttp",  # 10 MB: only for HTTP clients of its grape, and for a grape elsewhere
        "importlib.metadata",  # 2 MB with what it loads: only for --version
        "PySide6",
    ],
)
def test_a_running_peer_does_not_load(module: str, loaded: set[str]) -> None:
    assert "core.peer" in loaded
    assert module not in loaded
