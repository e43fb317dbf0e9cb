"""A firewall of this computer that is known to be on, and the command that lets a network's peers through it.

Only what any user may read is looked at. Nothing is changed, and no program is run.
"""

import importlib
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Any

MDNS = 5353  # RFC 6762 section 3
_UFW = Path("/etc/ufw/ufw.conf")
_FIREWALLD = Path("/run/firewalld.pid"), Path("/run/firewalld/firewalld.pid")  # since 2.0 in a folder
_WINDOWS = r"SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
_PROFILES = ("StandardProfile", "PublicProfile")  # of private and of public networks
_LINK = IPv6Network("fe80::/64")  # RFC 4291 section 2.5.6
_MOST_BYTES = 100_000


def windows_is_on(registry: Any = None) -> bool:  # noqa: ANN401 - the module `winreg`
    """Tell whether Windows' own firewall is on, for private or public networks."""
    if registry is None and sys.platform != "win32":
        return False
    winreg = registry if registry is not None else importlib.import_module("winreg")
    for profile in _PROFILES:
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, rf"{_WINDOWS}\{profile}") as key:
                if winreg.QueryValueEx(key, "EnableFirewall")[0] == 1:
                    return True
        except OSError:
            continue
    return False


def rule(
    port: int, host: str, networks: Iterable[IPv4Network | IPv6Network], ufw: Path = _UFW,
    firewalld: Iterable[Path] = _FIREWALLD, *, also: Sequence[int] = (), windows: Callable[[], bool] = windows_is_on,
) -> str:  # fmt: skip
    """Return the command that lets UDP to these ports in from the network of our `host`; nothing if none is known."""
    sources = _sources(host, networks)
    ports = list(dict.fromkeys((port, *also)))
    listed = ",".join(map(str, ports))
    if _ufw_is_on(ufw):
        return " && ".join(f"sudo ufw allow proto udp from {each} to any port {listed}" for each in sources)
    if any(each.exists() for each in firewalld):
        rich = " ".join(
            f'--add-rich-rule=\'rule family="ipv{source.version}" source address="{source}" '
            f'port port="{each}" protocol="udp" accept\''
            for source in sources
            for each in ports
        )
        return f"sudo firewall-cmd --permanent {rich} && sudo firewall-cmd --reload"
    if windows():
        return (
            "netsh advfirewall firewall add rule name=Grapevine dir=in action=allow protocol=UDP "
            f"localport={listed} remoteip={','.join(map(str, sources))}"
        )
    return ""


def _sources(host: str, networks: Iterable[IPv4Network | IPv6Network]) -> list[IPv4Network | IPv6Network]:
    """Return the networks of our `host`. Of IPv6 that is the link itself, and those that are on it."""
    at = ip_address(host.partition("%")[0])
    if at.version == 6:
        return [_LINK, *(each for each in networks if each.version == 6)]
    found = (each for each in networks if at in each)
    return [next(found, IPv4Network(f"{host}/24", strict=False))]


def _ufw_is_on(file: Path) -> bool:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            text = opened.read(_MOST_BYTES)
    except OSError:
        return False
    return re.search(r"^\s*ENABLED\s*=\s*[\"']?yes\b", text, re.MULTILINE | re.IGNORECASE) is not None
