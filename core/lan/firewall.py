"""A firewall of this computer that is known to be on, and the command that lets a network's peers through it.

Only what any user may read is looked at. Nothing is changed, and no program is run.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

_UFW = Path("/etc/ufw/ufw.conf")
_FIREWALLD = Path("/run/firewalld.pid"), Path("/run/firewalld/firewalld.pid")  # since 2.0 in a folder
_MOST_BYTES = 100_000


def rule(
    port: int, host: str, networks: Iterable[IPv4Network], ufw: Path = _UFW, firewalld: Iterable[Path] = _FIREWALLD
) -> str:
    """Return the command that lets UDP to `port` in from the network of our `host`; nothing if no firewall is known."""
    source = next((each for each in networks if IPv4Address(host) in each), IPv4Network(f"{host}/24", strict=False))
    if _ufw_is_on(ufw):
        return f"sudo ufw allow proto udp from {source} to any port {port}"
    if any(each.exists() for each in firewalld):
        rich = f'rule family="ipv4" source address="{source}" port port="{port}" protocol="udp" accept'
        return f"sudo firewall-cmd --permanent --add-rich-rule='{rich}' && sudo firewall-cmd --reload"
    return ""


def _ufw_is_on(file: Path) -> bool:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            text = opened.read(_MOST_BYTES)
    except OSError:
        return False
    return re.search(r"^\s*ENABLED\s*=\s*[\"']?yes\b", text, re.MULTILINE | re.IGNORECASE) is not None
