"""A home router and the public Internet, out of three Linux network namespaces.

    home 192.168.7.10 --- 192.168.7.1 router 11.0.0.100 --- 11.0.0.2 public

The router does what a Linux box at home does: masquerade, answers to what went out, nothing else comes in. It drops
unknown packets in `input`, before conntrack confirms them: else an early punch would occupy the very port that the
answer needs (the trap that some real routers have, and a later lab shows). Public addresses are out of 11.0.0.0/8:
peer software may refuse the documentation ranges. Nothing leaves the machine: no namespace has a way out.
"""

import contextlib
import ipaddress
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.tools import unavailable

PUBLIC = "11.0.0.2"
ROUTER_WAN = "11.0.0.100"
HOME = "192.168.7.10"
HOME_GATEWAY = "192.168.7.1"

_PREFIX = "grapevine-lab"
_NAME = re.compile(rf"{_PREFIX}-(\d+)-[0-9a-f]+-\w+")  # process id of the owner, lab, namespace

_ROUTER_RULES = """
table ip grapevine {
  chain postrouting { type nat hook postrouting priority srcnat; policy accept;
    oifname "wan" meta l4proto udp masquerade PORTS
    oifname "wan" masquerade
  }
  chain input { type filter hook input priority filter; policy accept;
    iifname "wan" meta l4proto { tcp, udp } ct state new drop
  }
  chain forward { type filter hook forward priority filter; policy drop;
    iifname "lan" accept
    ct state established,related accept
  }
}
"""

_MUTE = """
table ip mute {
  chain output { type filter hook output priority filter; policy accept;
    ip protocol icmp drop
  }
}
"""

# Deletes all of conntrack's entries, as `conntrack -F` would: one netlink message, acknowledged by an error code of 0.
# include/uapi/linux/netfilter/nfnetlink_conntrack.h: subsystem 1, IPCTNL_MSG_CT_DELETE 2, without a tuple.
_FORGET_CONNECTIONS = """
import socket, struct
netfilter, request, ack = 12, 1, 4
asking = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netfilter)
asking.send(struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, request | ack, 1, 0, 0, 0, 0))
error = struct.unpack_from("=i", asking.recv(4096), 16)[0]
raise SystemExit(f"conntrack: error {error}" if error else 0)
"""


def _rules(ports: str = "") -> str:
    """Return the router's rules; `ports` is how its NAT chooses them, by default as the inside had it."""
    return _ROUTER_RULES.replace("PORTS", ports)


@dataclass(frozen=True, slots=True)
class Lab:
    """Namespace names; `in_home` and `in_public` are command prefixes that run a program there."""

    home: str
    router: str
    public: str

    @property
    def in_home(self) -> Sequence[str]:
        """Prefix of a command on the machine behind the router."""
        return ("ip", "netns", "exec", self.home)

    def narrow(self, mtu: int, *, mute: bool = False) -> None:
        """Let packets of `mtu` bytes at most through the router, and tell who sent a longer one, unless it is `mute`.

        Both links keep their 1,500 bytes, so that neither end knows.
        """
        for network, interface in ((f"{HOME_GATEWAY}/24", "lan"), (f"{ROUTER_WAN}/24", "wan")):
            where = str(ipaddress.ip_interface(network).network)
            _run("ip", "-n", self.router, "route", "replace", where, "dev", interface, "mtu", "lock", str(mtu))
        if mute:
            _run("ip", "netns", "exec", self.router, "nft", "-f", "-", stdin=_MUTE)

    def unplug(self) -> None:
        """Cut the router off the Internet."""
        _run("ip", "-n", self.router, "link", "set", "wan", "down")

    def restart_router(self) -> None:
        """Start it again: it knows no connection any more and gives out other ports."""
        inside = ("ip", "netns", "exec", self.router)
        _run(*inside, "nft", "-f", "-", stdin="flush ruleset" + _rules("to :40000-49999 random"))
        _run(*inside, sys.executable, "-c", _FORGET_CONNECTIONS)
        _run("ip", "-n", self.router, "link", "set", "wan", "up")

    @property
    def in_public(self) -> Sequence[str]:
        """Prefix of a command on the machine with a public address."""
        return ("ip", "netns", "exec", self.public)


def _run(*command: str, stdin: str = "") -> str:
    done = subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=30, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def _configure(namespace: str, *steps: str) -> None:
    """Run `ip` batch commands inside a namespace, loopback up first."""
    _run("ip", "-n", namespace, "-batch", "-", stdin="\n".join(["link set lo up", *steps, ""]))


def _wire(one: str, one_interface: str, other: str, other_interface: str) -> None:
    peer = ("peer", "name", other_interface, "netns", other)
    _run("ip", "link", "add", one_interface, "netns", one, "type", "veth", *peer)


def _build(lab: Lab) -> None:
    for namespace in (lab.home, lab.router, lab.public):
        _run("ip", "netns", "add", namespace)
    _wire(lab.home, "eth0", lab.router, "lan")
    _wire(lab.public, "eth0", lab.router, "wan")
    _configure(
        lab.home, f"addr add {HOME}/24 dev eth0", "link set eth0 up", f"route add default via {HOME_GATEWAY}"
    )
    _configure(lab.public, f"addr add {PUBLIC}/24 dev eth0", "link set eth0 up")
    _configure(
        lab.router,
        f"addr add {HOME_GATEWAY}/24 dev lan",
        "link set lan up",
        f"addr add {ROUTER_WAN}/24 dev wan",
        "link set wan up",
    )
    _run("ip", "netns", "exec", lab.router, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
    _run("ip", "netns", "exec", lab.router, "nft", "-f", "-", stdin=_rules())


def _remove(namespace: str) -> None:
    """Delete a namespace of ours, and end the programs that still run inside it."""
    with contextlib.suppress(OSError):
        for pid in _run("ip", "netns", "pids", namespace).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), 9)
    with contextlib.suppress(OSError):
        _run("ip", "netns", "delete", namespace)


def namespaces() -> list[str]:
    """Return the names of all lab namespaces on this machine, those of other runs included."""
    lines = _run("ip", "netns", "list").splitlines()
    return [line.split()[0] for line in lines if line and _NAME.fullmatch(line.split()[0])]


def remove_leftovers() -> None:
    """Remove what runs that were killed left behind: labs whose owner is gone."""
    for namespace in namespaces():
        match = _NAME.fullmatch(namespace)
        if match and not Path(f"/proc/{match[1]}").exists():
            _remove(namespace)


@contextlib.contextmanager
def nat_lab() -> Iterator[Lab]:
    """Build a lab, and take it down whatever happens; its programs end with it."""
    remove_leftovers()
    stem = f"{_PREFIX}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    lab = Lab(f"{stem}-home", f"{stem}-router", f"{stem}-public")
    try:
        try:
            _build(lab)
        except OSError as error:
            unavailable(f"cannot build network namespaces with nftables here: {error}")
        yield lab
    finally:
        for namespace in (lab.home, lab.router, lab.public):
            _remove(namespace)
