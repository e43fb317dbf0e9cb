"""Which programs the tests need that Python does not bring, and what to do when one is missing.

On a developer's machine a test whose tool is missing is skipped. Under CI=true it fails: a check that
silently did not run is worse than one that is red.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
INTEROP = ROOT / "tests" / "interop"

# marker -> program -> the Debian package that has it
PROGRAMS: dict[str, dict[str, str]] = {
    "interop": {"node": "nodejs"},
    "browser": {"chromium": "chromium"},
    "keyring": {"gnome-keyring-daemon": "gnome-keyring", "dbus-daemon": "dbus-daemon"},
    "programs": {
        "curl": "curl",
        "wget": "wget",
        "ssh": "openssh-client",
        "ssh-keygen": "openssh-client",
        "sshd": "openssh-server",
        "rsync": "rsync",
        "git": "git",
        "iperf3": "iperf3",
        "mosquitto": "mosquitto",
        "mosquitto_pub": "mosquitto-clients",
    },
    "natlab": {"node": "nodejs", "ip": "iproute2", "nft": "nftables"},
    "xvfb": {
        "Xvfb": "xvfb",
        "xdotool": "xdotool",
        "openbox": "openbox",
        "trayer": "trayer",
        "import": "imagemagick",
        "wmctrl": "wmctrl",
        "dbus-run-session": "dbus-daemon",
    },
}


def unavailable(reason: str) -> NoReturn:
    """End the running test: as a failure under CI=true, else as skipped."""
    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(f"{reason} (with CI=true this is a failure)", pytrace=False)
    pytest.skip(reason)


def find(tool: str) -> str | None:
    """Return where a program is; servers may be where only root looks for programs."""
    return shutil.which(tool) or shutil.which(tool, path="/usr/local/sbin:/usr/sbin:/sbin")


def problem(marker: str) -> str | None:
    """Say what the tests under `marker` lack on this machine, or None."""
    missing = [(tool, package) for tool, package in PROGRAMS[marker].items() if find(tool) is None]
    if missing:
        return "; ".join(f"{tool} is not installed: apt-get install {package}" for tool, package in missing)
    if marker in ("interop", "natlab") and not (INTEROP / "node_modules" / "utp-native").is_dir():
        return "the npm packages are not installed: run `make test` once, or `npm install` in tests/interop"
    if marker == "natlab" and sys.platform != "linux":
        return "network namespaces need Linux"
    if marker == "natlab" and os.geteuid() != 0:
        return "network namespaces need root here: run `sudo make test`"
    return None


def demand(markers: Sequence[str]) -> None:
    """Skip or fail the running test when one of its markers' tools is missing."""
    for marker in markers:
        reason = problem(marker) if marker in PROGRAMS else None
        if reason is not None:
            unavailable(reason)
