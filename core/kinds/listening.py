"""What already listens on this machine, so that its owner picks it from a list instead of typing a port.

Linux tells it in /proc/net/tcp and tcp6 (proc(5)); which program holds a socket only of one's own programs, without
root. Elsewhere a short list of well-known ports is tried. Nothing is sent to what listens: a print server would print.
"""

import asyncio
import contextlib
import ipaddress
import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

PROC: Final = Path("/proc")
MAX_FOUND: Final = 64  # ports that are told, those of one's own programs first; a list that is read by people
MAX_PROGRAMS: Final = 4096  # whose open files are looked through: 4,096 take 100 ms in a thread
MAX_LINES: Final = 16384  # of a table of sockets; a server has as many connections
TRY_SECONDS: Final = 0.3  # seconds for a connection on this machine; one that is there answers in a millisecond
LISTEN: Final = "0A"  # TCP_LISTEN, include/net/tcp_states.h
NAME_MAX: Final = 64  # characters of a program's name
_LOOPBACK: Final = ("127.0.0.1", "::1")

WELL_KNOWN: Final[Mapping[int, tuple[str, str]]] = {  # port: its usual service and the kind of share for it
    22: ("SSH", "tcp"),
    80: ("Web page", "http"),
    631: ("CUPS, the printers", "http"),
    1883: ("MQTT broker", "tcp"),
    3000: ("Web page", "http"),
    3306: ("MySQL", "tcp"),
    3389: ("Remote Desktop", "tcp"),
    5000: ("Web page", "http"),
    5173: ("Web page", "http"),
    5432: ("PostgreSQL", "tcp"),
    5900: ("VNC", "tcp"),
    6379: ("Redis", "tcp"),
    8000: ("Web page", "http"),
    8006: ("Proxmox", "tcp"),
    8080: ("Web page", "http"),
    8081: ("Web page", "http"),
    8096: ("Jellyfin", "http"),
    8123: ("Home Assistant", "http"),
    8384: ("Syncthing", "http"),
    8888: ("Web page", "http"),
    9090: ("Web page", "http"),
    25565: ("Minecraft", "tcp"),
    32400: ("Plex", "http"),
}
# Programs that mostly serve web pages. A guess: the owner may choose otherwise.
WEB_PROGRAMS: Final = frozenset(
    {
        *("node", "deno", "bun", "nginx", "httpd", "apache2", "caddy", "lighttpd", "php", "ruby", "puma"),
        *("gunicorn", "uvicorn", "flask", "hugo", "vite", "jekyll"),
    }
)


class Found(NamedTuple):
    """A port that something listens on. `program` is "" where this user may not see it; `kind` a guess."""

    port: int
    program: str
    title: str  # what it usually is, "" when nobody knows
    kind: str  # "http" or "tcp"


class Socket(NamedTuple):
    """A line of the table: a listening socket, as the kernel has it."""

    host: str
    port: int
    inode: int


async def what_listens(proc: Path = PROC) -> tuple[Found, ...]:
    """Return what listens on this machine and can be reached from it, one's own programs first. Raises nothing."""
    if await asyncio.to_thread((proc / "net" / "tcp").exists):
        return await asyncio.to_thread(read_proc, proc)
    ports = list(WELL_KNOWN)
    there = await asyncio.gather(*(_answers(port) for port in ports))
    return tuple(_found(port, "") for port, answers in zip(ports, there, strict=True) if answers)


def read_proc(proc: Path = PROC) -> tuple[Found, ...]:
    """Read Linux's tables. What cannot be read is left out."""
    sockets = [each for name in ("tcp", "tcp6") for each in parse_table(_text(proc / "net" / name))]
    sockets = [each for each in sockets if _is_reachable_here(each.host)]
    owners = _owners(proc, {each.inode for each in sockets})
    own = {inode for inode, (pid, _) in owners.items() if pid == os.getpid()}
    programs: dict[int, str] = {}
    for each in sockets:
        if each.inode not in own:  # what Grapevine itself listens on is no service of the owner's
            program = owners.get(each.inode, (0, ""))[1]
            programs[each.port] = programs.get(each.port) or program
    ordered = sorted(programs, key=lambda port: (not programs[port], port))
    return tuple(_found(port, programs[port]) for port in ordered[:MAX_FOUND])


def parse_table(text: str) -> list[Socket]:
    """Return the listening sockets of /proc/net/tcp or tcp6; lines that are none are left out."""
    found = []
    for line in itertools.islice(text.splitlines(), 1, MAX_LINES):
        fields = line.split()
        if len(fields) < 10 or fields[3] != LISTEN:
            continue
        address, _, port = fields[1].rpartition(":")
        with contextlib.suppress(ValueError):
            found.append(Socket(_host(address), int(port, 16), int(fields[9])))
    return found


def _host(text: str) -> str:
    """Read an address as the kernel prints it: 32-bit words, each in the machine's byte order. Raises ValueError."""
    raw = bytes.fromhex(text)
    if len(raw) not in (4, 16):
        raise ValueError(f"{text!r} is no address")
    words = (raw[at : at + 4] for at in range(0, len(raw), 4))
    big = b"".join(word[::-1] if _LITTLE else word for word in words)
    return str(ipaddress.ip_address(big))


_LITTLE: Final = sys.byteorder == "little"


def _is_reachable_here(host: str) -> bool:
    address = ipaddress.ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped if mapped is not None else address
    return address.is_unspecified or str(address) in _LOOPBACK


def _owners(proc: Path, inodes: set[int]) -> dict[int, tuple[int, str]]:
    """Return process number and program of the sockets whose programs this user may look at."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[int, tuple[int, str]] = {}
    for pid in itertools.islice(_pids(proc), MAX_PROGRAMS):
        for link in _links(proc / str(pid) / "fd"):
            inode = wanted.get(link)
            if inode is not None and inode not in found:
                found[inode] = (pid, _program(proc / str(pid)))
        if len(found) == len(wanted):
            break
    return found


def _pids(proc: Path) -> Iterable[int]:
    try:
        return sorted(int(name) for name in os.listdir(proc) if name.isascii() and name.isdigit())
    except OSError:
        return ()


def _links(folder: Path) -> Iterator[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return  # another user's, or it has ended
    for name in names:
        with contextlib.suppress(OSError):
            yield os.readlink(folder / name)


def _program(folder: Path) -> str:
    """Return a program's name as `ps` shows it: a script may be what it is, and its interpreter is named then."""
    name = "".join(each for each in _text(folder / "comm").strip() if each.isprintable())
    return name[:NAME_MAX]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _found(port: int, program: str) -> Found:
    title, kind = WELL_KNOWN.get(port, ("", ""))
    if not kind:
        web = program.split("-")[0].rstrip("0123456789.").lower() in WEB_PROGRAMS
        title, kind = ("Web page", "http") if web else ("", "tcp")
    return Found(port, program, title, kind)


async def _answers(port: int) -> bool:
    try:
        async with asyncio.timeout(TRY_SECONDS):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
