"""What the command line asks to share, as shares. It looks at the file system to tell a folder from a name."""

import os
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from core.errors import LocalError
from core.frozen import frozen
from core.kinds.share import BAD, Share
from core.values import JsonValue
from core.wire.stream_opening import NAME_MAX

ANY: Final = "any"  # certificate will do
_KNOWN_TCP: Final = {22: "ssh", 1883: "mqtt", 3389: "desktop", 5432: "postgres", 5900: "vnc", 6379: "redis"}
_PLACE: Final = re.compile(r"\d{1,5}|[^/\s]+:\d{1,5}")  # PORT, or HOST:PORT
_PYTHON: Final = re.compile(r"(.+\.py|[A-Za-z_][\w.]*):[A-Za-z_][\w.]*")


@frozen
class Wanted:
    """The command line of `grapevine share`, without what is about the run."""

    targets: tuple[str, ...] = ()
    tcp: tuple[str, ...] = ()
    udp: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    watches: tuple[str, ...] = ()
    name: str | None = None
    drop: bool = False
    lines: bool = False
    permanent: bool = False
    services: frozenset[str] = field(default=frozenset())  # of the program itself: a target of such a name means it
    grenache: tuple[str, ...] = ()  # names or places of Grenache servers
    grenache_tls: str = ""  # TLS to them: a certificate's fingerprint, or ANY
    grape: str = ""  # where those names are looked up; "": at the customary grape of this machine

    def own(self) -> list[str]:
        """Return the services of the program itself that are wanted, such as fibonacci."""
        return [target for target in self.targets if target in self.services]

    def check(self) -> None:
        """Raise LocalError for options that contradict each other, before anything is started."""
        for place in (*self.tcp, *self.udp):
            _port_of(place)
        for command in (*self.commands, *self.watches):
            _words(command)
        if self.lines and not self.commands:
            raise LocalError("--lines is about --command: it is then one program that goes on", name=BAD)

    def shares(self, known: Callable[[str], bool] = lambda name: False) -> list[Share]:
        """Return the shares that are wanted; those that are `known` by name are left to the caller.

        Raises LocalError for what is no share, and for options that go with none.
        """
        made = list(self._made(known))
        if self.name is not None:
            if len(made) != 1:
                raise LocalError("--name names one share: share the others with commands of their own", name=BAD)
            made = [(self.name, *made[0][1:])]
        kinds = {kind for _, kind, _ in made}
        if self.drop and "folder" not in kinds:
            raise LocalError("--drop makes a folder a drop box: name the folder too", name=BAD)
        shares = [Share(name, kind, options, permanent=self.permanent) for name, kind, options in made]
        for share in shares:
            if [other.name for other in shares].count(share.name) > 1:
                raise LocalError(f"two shares would be named {share.name!r}: share one of them with --name", name=BAD)
        return shares

    def _made(self, known: Callable[[str], bool]) -> Iterator[tuple[str, str, dict[str, JsonValue]]]:
        for target in self.targets:
            if target not in self.services and not known(target):
                yield self._target(target)
        for place in self.tcp:
            port = _port_of(place)
            yield _KNOWN_TCP.get(port, f"tcp-{port}"), "tcp", {"target": place}
        for place in self.udp:
            yield f"udp-{_port_of(place)}", "udp", {"target": place}
        for command in self.commands:
            lines: dict[str, JsonValue] = {"lines": True} if self.lines else {}
            yield _program_name(command), "json", {"command": _from_here(command), **lines}
        for command in self.watches:
            yield _program_name(command), "values", {"command": _from_here(command)}
        for target in self.grenache:
            more: dict[str, JsonValue] = {"grape": self.grape} if self.grape else {}
            if self.grenache_tls:
                more |= {"tls": True} if self.grenache_tls == ANY else {"fingerprint": self.grenache_tls}
            yield _safe(target, "grenache"), "grenache", {"target": target, **more}

    def _target(self, text: str) -> tuple[str, str, dict[str, JsonValue]]:
        if text.startswith(("http://", "https://")):
            return _safe(_host_of(text), "page"), "http", {"target": text}
        if _PYTHON.fullmatch(text):
            where, _, function = text.rpartition(":")
            if where.endswith(".py"):
                path = Path(where).expanduser()
                return _safe(path.stem, "python"), "python", {"target": f"{path.absolute()}:{function}"}
            if not _PLACE.fullmatch(text):
                return _safe(where.rpartition(".")[2], "python"), "python", {"target": text}
        if _PLACE.fullmatch(text):
            return f"page-{_port_of(text)}", "http", {"target": text}
        path = Path(text).expanduser()
        if os.sep in text or text in {".", ".."} or text.startswith("~") or path.is_dir():
            if path.is_file():
                raise LocalError(f"{text} is a file: share the folder that it is in", name=BAD)
            drop: dict[str, JsonValue] = {"drop": True} if self.drop else {}
            path = path.resolve()
            return _safe(path.name, "disk"), "folder", {"path": str(path), **drop}
        if _is_entry_point(text):
            return text, "python", {"target": text}
        own = ", ".join(sorted(self.services))
        raise LocalError(
            f"{text[:80]!r} is nothing that can be shared: name a port (8080), a page (http://192.168.1.5/), a folder "
            f"(./photos), a function (./garden.py:handle), a permanent share, or {own}",
            name=BAD,
        )


def _is_entry_point(name: str) -> bool:
    from importlib.metadata import entry_points  # 20 ms that only a name needs

    from core.kinds.python import GROUP

    return any(found.name == name for found in entry_points(group=GROUP))


def _host_of(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise LocalError(f"{text[:80]!r} is no http:// or https:// address", name=BAD) from None
    host = parts.hostname or ""
    return f"{host}-{port}" if port is not None else host


def _port_of(place: str) -> int:
    text = place.rpartition(":")[2].strip()
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 65535):
        raise LocalError(f"{place[:80]!r} is no port: write 22, or 192.168.1.20:22", name=BAD)
    return int(text)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise LocalError(f"the command {command[:80]!r} cannot be read: {error}", name=BAD) from None


def _program_name(command: str) -> str:
    words = _words(command)
    return _safe(Path(words[0]).stem if words else "", "program")


def _from_here(command: str) -> str:
    """Return a command whose program is found from anywhere: a permanent share is started elsewhere."""
    words = _words(command)
    if not words or os.sep not in words[0]:
        return command
    return shlex.join([str(Path(words[0]).expanduser().absolute()), *words[1:]])


def _safe(name: str, otherwise: str) -> str:
    """Return a name that a service can have, as like this one as can be."""
    kept = "".join(each if each.isprintable() and each not in "/:" else "-" for each in name).strip(" .-")
    while len(kept.encode(errors="replace")) > NAME_MAX:
        kept = kept[:-1].rstrip()
    return kept.encode(errors="replace").decode() or otherwise
