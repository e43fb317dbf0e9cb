"""What a peer that runs all day leaves unloaded: each of these costs megabytes, and is rarely needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.process import NO_KEYRING
from tests.support.tools import ROOT

RUNNING_PEER = "core.cli.commands, core.cli.share_jobs, core.peer, core.grape.grape"
A_KEY = {"core.identity.keystore", "cryptography.hazmat.primitives.asymmetric.ed25519"}


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    code = f"import sys, {RUNNING_PEER}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "cryptography",  # 7 MB: only for mutable items
        "sqlite3",  # 1 MB: with the first call that is recorded
        "keyring",  # 3 MB: when the key is read
        "segno",  # 2 MB: for a QR code
        "zeroconf",  # 3 MB: for peers on this network
        "aiohttp",  # 12 MB: only for HTTP clients of its grape, and for a grape elsewhere
        "xml.etree.ElementTree",  # 0.5 MB: with a router's first word over UPnP
        "urllib.request",  # 1 MB with http.client: nothing needs it
        "ctypes",  # 0.3 MB: when memory is given back
        "pickle",  # 0.5 MB, with `logging.handlers`
        "difflib",  # a name in the settings was mistyped
        "gzip",
        "email",  # 0.4 MB: for the date of an HTTP response
        "http",
        "stringprep",  # 0.4 MB: for hosts with letters that are not ASCII
        "core.mainline.node",  # 0.6 MB with its parts: when the public DHT is switched on
        "core.signal.exchange",
        "importlib.metadata",  # 2 MB with what it loads: only for --version
        "PySide6",
    ],
)
def test_a_running_peer_does_not_load(module: str, loaded: set[str]) -> None:
    assert "core.peer" in loaded
    assert module not in loaded


def test_nothing_large_is_made_before_it_is_needed() -> None:
    """A table or buffer of a module lives as long as the peer; the largest, of a scanner's states, has 20 KB."""
    code = (
        f"import tracemalloc; tracemalloc.start(); import {RUNNING_PEER}; "
        "made = [(t.traceback[0].filename, t.size) for t in tracemalloc.take_snapshot().traces]; "
        "print(*(size for place, size in made if '/core/' in place))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    sizes = [int(size) for size in run.stdout.split()]
    assert len(sizes) > 1000
    assert max(sizes) < 200_000  # Python's table of names grows now and then, and belongs to nobody


def of_command(*arguments: str, home: str) -> set[str]:
    """Return the modules that a command has loaded when it ends."""
    code = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
        f"sys.argv = ['grapevine', *{arguments!r}]; from core.cli import main; main()"
    )
    own = {f"XDG_{kind}_HOME": home for kind in ("CONFIG", "DATA", "STATE")}
    env = {**os.environ, **own, "PYTHON_KEYRING_BACKEND": NO_KEYRING}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=60
    )
    return set(run.stderr.split())


def test_what_grapevine_id_does_not_load(tmp_path: Path) -> None:
    """It is in the table of docs/benchmarks.md: a quarter of a second is all that a person should wait for a name."""
    of_command("id", home=str(tmp_path))  # which makes the key
    loaded = of_command("id", home=str(tmp_path))
    assert loaded >= A_KEY
    assert "cryptography.hazmat.primitives.serialization" not in loaded  # 1 MB: for a key with a passphrase
    rare = {
        "ssl",
        "_ssl",
        "_hashlib",
        "cryptography.x509",
        "OpenSSL",
        "aiohttp",
        "sqlite3",
        "zeroconf",
        "uvloop",
        "segno",
        "core.peer",
        "PySide6",
    }
    others = {"core.cli.share", "core.cli.people", "core.cli.trust", "core.cli.requests", "core.cli.standing"}
    assert (rare | others | {"keyring.core"}) & loaded == set()


def test_help_and_version_load_no_key_and_no_peer(tmp_path: Path) -> None:
    loaded = of_command("--help", home=str(tmp_path))
    assert {"cryptography", "keyring", "core.peer", "core.identity.keystore", "aiohttp"} & loaded == set()


def test_a_router_that_says_nothing_over_upnp_costs_no_aiohttp() -> None:
    """Most say nothing, and are asked again every half hour: that was 17 MB of a peer at rest, `ssl` included."""
    code = """
import asyncio, sys
from core.mapping import upnp
upnp.SEARCH = 0.05
async def main():
    try:
        await upnp.Upnp("127.0.0.1", "127.0.0.2").map(4000, 0.0)
    except upnp.UpnpError:
        print("silent", "aiohttp" in sys.modules)
asyncio.run(main())
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == "silent False\n"
