"""A machine of its own for the tests: no grape, peer or other run is met, and no packet leaves.

On Linux, each process that runs tests enters a network namespace that has loopback and one more interface,
`out`, which leads nowhere: a packet that would have left the machine is caught there, and `Seal.escaped` names it.
Programs that a test starts inherit the namespace, so that what *they* send is seen too. The list of named namespaces
(/run/netns) is private as well: the NAT labs of two runs do not see one another. Names are looked up in /etc/hosts
and then at a nameserver on loopback, where nobody listens.

That takes root, or a kernel that lets everybody be root in a user namespace of their own. Elsewhere an audit hook
stands guard: it refuses what Python itself would send to another machine, and knows no names.
"""

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol

# linux/sched.h, linux/mount.h; os.unshare needs Python 3.12
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000

OUT = "out"
HOST = "192.168.77.2"  # as a home's machine has one (RFC 1918)
# A pair of Ethernet ends, of which the far one has no address; without ARP, since no gateway would answer.
_STEPS = f"""
link set lo up
link add {OUT} type veth peer name nowhere
link set {OUT} arp off multicast off addrgenmode none
link set nowhere arp off multicast off addrgenmode none
addr add {HOST}/24 dev {OUT}
link set {OUT} up
link set nowhere up
route add default via 192.168.77.1
"""
# The system's own may ask a service of the machine instead (systemd-resolved, Avahi, nscd).
_NAMES = {
    "/etc/resolv.conf": "nameserver 127.0.0.1\noptions attempts:1\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
}
_ALL_PACKETS = 0x0003  # ETH_P_ALL
_PROTOCOLS = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp"}
_MOST = 100  # packets that are named; more would not help


class Seal(Protocol):
    """What keeps the tests in."""

    def escaped(self) -> list[str]:
        """Name what tried to leave since the last call, as `udp 192.0.2.7:53`; empty when all is well."""


class Namespace:
    """A network namespace that this thread, and all it starts, is in from now on. Raises OSError where it cannot be."""

    def __init__(self) -> None:
        self.outside = os.readlink("/proc/self/ns/net")
        libc = ctypes.CDLL(None, use_errno=True)
        _checked(libc.unshare(_CLONE_NEWNET | _CLONE_NEWNS))
        _checked(libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
        where = Path("/run/netns")
        if not where.is_dir() and not os.access("/run", os.W_OK):
            _checked(libc.mount(b"tmpfs", b"/run", b"tmpfs", 0, b"mode=755"))
        where.mkdir(parents=True, exist_ok=True)
        _checked(libc.mount(b"tmpfs", bytes(where), b"tmpfs", 0, b"mode=755"))
        for path, text in _NAMES.items():
            ours = where / Path(path).name  # seen under the other name too, once it is gone here
            ours.write_text(text)
            if Path(path).exists():
                _checked(libc.mount(bytes(ours), path.encode(), None, _MS_BIND, None))
            ours.unlink()
        subprocess.run(["ip", "-batch", "-"], input=_STEPS, text=True, check=True, capture_output=True, timeout=30)
        self._tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL_PACKETS))
        self._tap.bind((OUT, 0))
        self._tap.setblocking(False)

    def escaped(self) -> list[str]:
        """Name the packets that went out at `out`."""
        found: list[str] = []
        with contextlib.suppress(BlockingIOError):
            while len(found) < _MOST:
                found.append(_named(self._tap.recv(2048)))
        return [one for one in found if one]


def become_root() -> None:
    """On Linux: be root in a user namespace of our own, where the system allows it. Before there is a second thread.

    Files stay the user's. `seal` and the NAT lab need nothing else.
    """
    if sys.platform != "linux" or os.geteuid() == 0:
        return
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        # some systems (Ubuntu 24.04) let us in and then nothing be done there
        subprocess.run(
            ["unshare", "-rnm", "ip", "link", "set", "lo", "up"], check=True, capture_output=True, timeout=30
        )
        user, group = os.geteuid(), os.getegid()
        _checked(ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _named(packet: bytes) -> str:
    """Say where an IPv4 packet goes. There is no IPv6: neither end has an address of it."""
    if not packet or packet[0] >> 4 != 4:
        return ""
    protocol, host = packet[9], ".".join(map(str, packet[16:20]))
    start = (packet[0] & 15) * 4
    port = int.from_bytes(packet[start + 2 : start + 4]) if protocol in (6, 17) else 0
    return f"{_PROTOCOLS.get(protocol, protocol)} {host}:{port}"


class Escape(OSError):
    """A test tried to send something to another machine."""


class Hook:
    """Refuses, by Python's audit events, to send to another machine; what other programs do it cannot see."""

    def __init__(self) -> None:
        self._found: list[str] = []
        sys.addaudithook(self._heard)  # for good: there is no way to take one out

    def escaped(self) -> list[str]:
        """Name the addresses that were refused."""
        found, self._found = self._found, []
        return found

    def _heard(self, event: str, values: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo" and _is_name(values[0]):
            raise socket.gaierror(socket.EAI_NONAME, "no name is known in tests")
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg") and leaves(values[1]):
            self._found.append(f"{event.removeprefix('socket.')} {values[1][0]}:{values[1][1]}")
            raise Escape(f"{values[1]} is another machine: see tests/support/seal.py")


def leaves(address: object) -> bool:
    """Say whether a socket address is one of another machine; a path, and a name, is not."""
    if not isinstance(address, tuple) or not address or not isinstance(address[0], str):
        return False
    try:
        host = ip_address(address[0].partition("%")[0])
    except ValueError:
        return False
    return not (host.is_loopback or host.is_unspecified)


def _is_name(host: object) -> bool:
    """Say whether a nameserver would be asked for it."""
    text = host.decode() if isinstance(host, bytes) else host
    if not isinstance(text, str) or text in ("", "localhost", socket.gethostname()):
        return False
    return ":" not in text and not text.replace(".", "").isdigit()


def seal() -> Seal:
    """Seal this process, once and for good."""
    if sys.platform == "linux" and os.geteuid() == 0 and shutil.which("ip"):
        try:
            return Namespace()
        except (OSError, subprocess.CalledProcessError) as error:  # a container without the right to
            print(f"no namespace of our own ({error}): Python's own sockets are watched instead", file=sys.stderr)  # noqa: T201
    return Hook()
