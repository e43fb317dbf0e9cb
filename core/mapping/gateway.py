"""The router of this machine's default route, as the system tells without a packet."""

import ipaddress
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

_ROUTES: Final = Path("/proc/net/route")
_ROUTES_6: Final = Path("/proc/net/ipv6_route")
_DESTINATION, _GATEWAY, _FLAGS, _METRIC = 1, 2, 3, 6  # columns
_IS_GATEWAY: Final = 0x2
_MOST: Final = 1000  # routes that are looked at
_PATIENCE: Final = 2.0  # seconds for the system's own program, where there is no file


def from_proc(text: str) -> str | None:
    """Return the gateway of Linux' /proc/net/route with the lowest metric, or None."""
    found: list[tuple[int, str]] = []
    for line in text.splitlines()[1 : _MOST + 1]:
        fields = line.split()
        try:
            if fields[_DESTINATION] == "00000000" and int(fields[_FLAGS], 16) & _IS_GATEWAY:
                packed = int(fields[_GATEWAY], 16).to_bytes(4, sys.byteorder)
                found.append((int(fields[_METRIC]), str(ipaddress.IPv4Address(packed))))
        except (IndexError, ValueError, OverflowError):
            continue
    return min(found)[1] if found else None


def from_proc_6(text: str) -> str | None:
    """Return the gateway of Linux' /proc/net/ipv6_route with the lowest metric, with its zone if it is link-local."""
    found: list[tuple[int, str]] = []
    for line in text.splitlines()[:_MOST]:
        try:
            to, bits, _, _, router, metric, _, _, flags, interface = line.split()
            host = ipaddress.IPv6Address(bytes.fromhex(router))
            default = int(to, 16) == 0 and int(bits, 16) == 0 and int(flags, 16) & _IS_GATEWAY
        except ValueError:
            continue
        if default and int(host):
            found.append((int(metric, 16), f"{host}%{interface}" if host.is_link_local else str(host)))
    return min(found)[1] if found else None


def gateway_6() -> str | None:
    """Return the router of IPv6's default route, as Linux has it; elsewhere it is not known."""
    try:
        return from_proc_6(_ROUTES_6.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def from_words(text: str) -> str | None:
    """Return the gateway that macOS' `route -n get default` or Windows' `route print -4 0.0.0.0` names, or None."""
    for pattern in (r"gateway:\s*(\d+\.\d+\.\d+\.\d+)", r"0\.0\.0\.0\s+0\.0\.0\.0\s+(\d+\.\d+\.\d+\.\d+)\s"):
        found = re.search(pattern, text)
        if found is not None:
            try:
                return str(ipaddress.IPv4Address(found[1]))
            except ValueError:
                continue
    return None


def gateway() -> str | None:
    """Ask the system. It blocks for some milliseconds where a program must be run: call it off the loop."""
    if _ROUTES.exists():
        try:
            return from_proc(_ROUTES.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
    return _from_program(["route", "print", "-4", "0.0.0.0"] if os.name == "nt" else ["route", "-n", "get", "default"])


def _from_program(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return from_words(done.stdout.decode("utf-8", "replace"))
