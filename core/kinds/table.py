"""The kinds of services there are. A new kind is one module and one line here."""

from typing import Final

from core.errors import LocalError
from core.kinds.base import Shared
from core.kinds.command import CommandService
from core.kinds.share import BAD, Share
from core.kinds.tcp import TcpService
from core.kinds.watch import WatchService

KINDS: Final[dict[str, type[Shared]]] = {kind.kind: kind for kind in (CommandService, WatchService, TcpService)}


def make(share: Share) -> Shared:
    """Return the service of a share, not started yet. Raises LocalError for a kind or options that cannot be."""
    kind = KINDS.get(share.kind)
    if kind is None:
        raise LocalError(f"{share.name}: there is no kind of service {share.kind!r}", name=BAD)
    return kind(share)
