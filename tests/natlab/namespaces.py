"""Network namespaces that no other run meets, and that do not outlive theirs: their names carry its process id."""

import contextlib
import ctypes
import os
import re
import socket
import struct
import subprocess
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

_PREFIX = "grapevine-lab"
_NAME = re.compile(rf"{_PREFIX}-(\d+)-[0-9a-f]+-\w+")  # process id of the owner, lab, namespace
_WHERE = Path("/run/netns")  # iproute2's
_CLONE_NEWNET = 0x40000000  # linux/sched.h; os.setns needs Python 3.12


def run(*command: str, stdin: str = "") -> str:
    """Run a program to its end and return what it printed. Raises OSError with what it complained about."""
    done = subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=30, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def batch(*steps: str) -> None:
    """Run `ip` commands in the namespace that we are in."""
    run("ip", "-batch", "-", stdin="\n".join([*steps, ""]))


def configure(namespace: str, *steps: str) -> None:
    """Run `ip` commands inside a namespace, loopback up first."""
    run("ip", "-n", namespace, "-batch", "-", stdin="\n".join(["link set lo up", *steps, ""]))


def set_options(namespace: str, options: Mapping[str, int]) -> None:
    """Set a namespace's options, by their paths under /proc/sys/net."""
    with entered(namespace):
        for name, value in options.items():
            Path("/proc/sys/net", name).write_text(str(value))


def load_rules(namespace: str, rules: str) -> None:
    """Have these nftables rules and no others in a namespace."""
    run(*inside(namespace), "nft", "-f", "-", stdin="flush ruleset\n" + rules)


def forget_connections(namespace: str) -> None:
    """Delete all of conntrack's entries, as `conntrack -F` would: one netlink message, answered by an error code of 0.

    include/uapi/linux/netfilter/nfnetlink_conntrack.h: subsystem 1, IPCTNL_MSG_CT_DELETE 2, without a tuple.
    """
    netfilter, request, acknowledge = 12, 1, 4
    with entered(namespace), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netfilter) as asking:
        asking.send(struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, request | acknowledge, 1, 0, 0, 0, 0))
        error = struct.unpack_from("=i", asking.recv(4096), 16)[0]
    if error:
        raise OSError(-error, f"conntrack of {namespace}")


def inside(namespace: str) -> Sequence[str]:
    """Return the prefix of a command that runs there."""
    return ("ip", "netns", "exec", namespace)


def stem() -> str:
    """Return the beginning of the names of a new lab's namespaces; `-` and letters, digits or `_` have to follow."""
    return f"{_PREFIX}-{os.getpid()}-{uuid.uuid4().hex[:6]}"


@contextlib.contextmanager
def entered(namespace: str) -> Iterator[None]:
    """Be in a namespace with this thread, and come back: a socket that is made within stays there for good."""
    libc = ctypes.CDLL(None, use_errno=True)
    there = os.open(_WHERE / namespace, os.O_RDONLY)
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.setns(there, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
        try:
            yield
        finally:
            if libc.setns(back, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"cannot come back from {namespace}")
    finally:
        os.close(there)
        os.close(back)


def namespaces() -> list[str]:
    """Return the names of all lab namespaces on this machine, those of other runs included."""
    lines = run("ip", "netns", "list").splitlines()
    return [line.split()[0] for line in lines if line and _NAME.fullmatch(line.split()[0])]


def remove(names: Iterable[str]) -> None:
    """Delete namespaces of ours, and end the programs that still run inside them."""
    for name in names:
        with contextlib.suppress(OSError):
            for pid in run("ip", "netns", "pids", name).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
        with contextlib.suppress(OSError):
            run("ip", "netns", "delete", name)


def remove_leftovers() -> None:
    """Remove what runs that were killed left behind: labs whose owner is gone."""
    left = []
    for name in namespaces():
        match = _NAME.fullmatch(name)
        if match and not Path(f"/proc/{match[1]}").exists():
            left.append(name)
    remove(left)
