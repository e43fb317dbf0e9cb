"""What is said of the network, the rule for a firewall, and when nothing is looked for."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest

from core.lan.firewall import rule, windows_is_on
from core.lan.words import LanState, words
from core.reach.gate import allowed

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


def test_all_ports_are_in_one_rule(ufw: Path, tmp_path: Path) -> None:
    ufw.write_text("ENABLED=yes")
    assert rule(20001, "192.168.5.9", NETWORKS, ufw, [], also=(41000, 5353, 20001)).endswith(" port 20001,41000,5353")
    running = tmp_path / "firewalld.pid"
    running.touch()
    ufw.write_text("ENABLED=no")
    firewalld = rule(20001, "192.168.5.9", NETWORKS, ufw, [running], also=(41000,))
    assert firewalld.count("--add-rich-rule='rule") == 2
    assert 'port port="41000" protocol="udp" accept\'' in firewalld


class Registry:
    """As the module `winreg`; `on` says which networks have the firewall."""

    HKEY_LOCAL_MACHINE = 1

    def __init__(self, **on: int) -> None:
        self.on = on
        self.path = ""

    def OpenKey(self, _root: int, path: str) -> "Registry":
        self.path = path.rpartition("\\")[2]
        if self.path not in self.on:
            raise FileNotFoundError(path)
        return self

    def __enter__(self) -> "Registry":
        return self

    def __exit__(self, *_: object) -> None: ...

    def QueryValueEx(self, _key: object, name: str) -> tuple[int, int]:
        assert name == "EnableFirewall"
        return self.on[self.path], 4


def test_the_exact_rule_of_windows(ufw: Path) -> None:
    assert [windows_is_on(Registry(**on)) for on in ({}, {"StandardProfile": 0}, {"PublicProfile": 1})] == [
        False, False, True,
    ]  # fmt: skip
    told = rule(20001, "192.168.5.9", NETWORKS, ufw, [], also=(41000,), windows=lambda: True)
    assert told == (
        "netsh advfirewall firewall add rule name=Grapevine dir=in action=allow protocol=UDP "
        "localport=20001,41000 remoteip=192.168.4.0/22"
    )


def test_the_rule_of_an_ipv6_link_has_the_link_and_the_networks_on_it(ufw: Path, tmp_path: Path) -> None:
    ufw.write_text("ENABLED=yes")
    networks: list[IPv4Network | IPv6Network] = [*NETWORKS, IPv6Network("fd12::/64")]
    assert rule(20001, "fe80::1%eth0", networks, ufw, [], also=(41000,)) == (
        "sudo ufw allow proto udp from fe80::/64 to any port 20001,41000 && "
        "sudo ufw allow proto udp from fd12::/64 to any port 20001,41000"
    )
    running = tmp_path / "firewalld.pid"
    running.touch()
    ufw.write_text("ENABLED=no")
    told = rule(20001, "fe80::1%eth0", networks, ufw, [running])
    assert told.count('rule family="ipv6"') == 2
    assert "192.168" not in told
    windows = rule(20001, "fe80::1%eth0", networks, ufw, [], windows=lambda: True)
    assert windows.endswith("remoteip=fe80::/64,fd12::/64")
