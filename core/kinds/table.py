"""The kinds of services there are. A new kind is one module and one line here; none is loaded before it is needed."""

import importlib
from typing import Final, NamedTuple

from core.errors import LocalError
from core.kinds.base import Shared
from core.kinds.share import BAD, Share


class Kind(NamedTuple):
    """`title` says what can be shared, for people; `used_as` how the other side uses it."""

    module: str
    service: str
    title: str
    used_as: str


KINDS: Final = {
    "http": Kind("core.kinds.http", "HttpService", "A web page or API", "http"),
    "folder": Kind("core.kinds.folder", "FolderService", "A folder, to read or to drop files into", "http"),
    "tcp": Kind("core.kinds.tcp", "TcpService", "A port of this machine, or of another in the home", "tcp"),
    "udp": Kind("core.kinds.udp", "UdpService", "A UDP port, for games, VPNs and name servers", "udp"),
    "json": Kind("core.kinds.command", "CommandService", "A program that answers requests", "json"),
    "python": Kind("core.kinds.python", "PythonService", "A Python function", "json"),
    "grenache": Kind("core.kinds.grenache", "GrenacheService", "A Grenache service over HTTP or WebSocket", "json"),
    "values": Kind("core.kinds.watch", "WatchService", "Values that a program prints, such as a sensor's", "values"),
}


def make(share: Share) -> Shared:
    """Return the service of a share, not started yet. Raises LocalError for a kind or options that cannot be."""
    kind = KINDS.get(share.kind)
    if kind is None:
        raise LocalError(f"{share.name}: there is no kind of service {share.kind!r}", name=BAD)
    service: type[Shared] = getattr(importlib.import_module(kind.module), kind.service)
    return service(share)
