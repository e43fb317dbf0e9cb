"""What is said of the network, the rule for a firewall, and when nothing is looked for."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from core.lan.firewall import rule
from core.lan.gate import allowed
from core.lan.words import LanState, words

NETWORKS = [IPv4Network("10.0.0.0/8"), IPv4Network("192.168.4.0/22")]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (LanState(True, False, 0, 0, 20001), ""),
        (LanState(True, True, 0, 0, 20001), "No other Grapevine was found on this network."),
        (LanState(True, True, 1, 3, 20001), "1 other Grapevine is on this network."),
        (LanState(True, True, 12, 0, 20001), "12 other Grapevines are on this network."),
    ],
)
def test_who_is_there(state: LanState, expected: str) -> None:
    assert words(state) == expected


def test_what_is_in_the_way() -> None:
    silent = words(LanState(True, True, 0, 1, 20005, rule="sudo ufw allow"))
    assert "1 other Grapevine on this network does not answer" in silent
    assert "UDP port 20005" in silent
    assert "(sudo ufw allow)" in silent
    assert "multicast" in words(LanState(True, False, 0, 0, 20001, "192.168.1.2: no such device"))
    assert "pip install 'grapevine[lan]'" in words(LanState(False, False, 0, 0, 20001))


@pytest.fixture
def ufw(tmp_path: Path) -> Path:
    return tmp_path / "ufw.conf"


@pytest.mark.parametrize("text", ["ENABLED=yes\n", '# ufw\nLOGLEVEL=low\nENABLED="yes"\n', "enabled = YES"])
def test_the_exact_rule_of_ufw(ufw: Path, text: str) -> None:
    ufw.write_text(text)
    assert rule(20001, "192.168.5.9", NETWORKS, ufw, []) == (
        "sudo ufw allow proto udp from 192.168.4.0/22 to any port 20001"
    )


@pytest.mark.parametrize("text", ["ENABLED=no\n", "# ENABLED=yes\n", "", "\x00\xff", "ENABLED=yesterday"])
def test_a_firewall_that_is_off_has_no_rule(ufw: Path, text: str) -> None:
    ufw.write_text(text, encoding="latin-1")
    assert rule(20001, "192.168.5.9", NETWORKS, ufw, []) == ""


def test_the_exact_rule_of_firewalld(ufw: Path, tmp_path: Path) -> None:
    running = tmp_path / "firewalld.pid"
    assert rule(20001, "192.168.5.9", NETWORKS, ufw, [running]) == ""
    running.touch()
    assert 'source address="192.168.4.0/22" port port="20001"' in rule(20001, "192.168.5.9", NETWORKS, ufw, [running])
    assert "192.168.5.0/24" in rule(20001, "192.168.5.9", [], ufw, [running])  # the system tells no routes


@pytest.mark.parametrize(
    ("wanted", "environment", "looked"),
    [
        (True, {}, True),
        (False, {}, False),
        (False, {"GRAPEVINE_LAN": "on"}, False),
        (True, {"CI": "true"}, False),
        (True, {"CI": "1"}, False),
        (True, {"CI": "false"}, True),
        (True, {"CI": "true", "GRAPEVINE_LAN": "on"}, True),
        (True, {"GRAPEVINE_LAN": "off"}, False),
    ],
)
def test_when_the_network_is_looked_at(wanted: bool, environment: dict[str, str], looked: bool) -> None:
    assert allowed(wanted, environment) is looked
