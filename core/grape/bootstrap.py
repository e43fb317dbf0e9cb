"""Finds the addresses of the bootstrap nodes and hands them to the engine; a name that fails is asked for again."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from core.errors import PeerError
from core.net.udp import resolve
from core.values import Address

log = logging.getLogger(__name__)

RETRY_FIRST = 1.0  # seconds until a name that failed is asked for again, then doubled ...
RETRY_LAST = 60.0  # ... up to this: a laptop that wakes without network joins within a minute of having one
REFRESH = 600.0  # seconds; a home's dynamic address changes its name's meaning; 5-10 minutes is such names' usual TTL


def literal(node: Address) -> bool:
    """Tell whether the host is an IPv4 address, not a name."""
    parts = node.host.split(".")
    return len(parts) == 4 and all(part.isascii() and part.isdigit() and int(part) < 256 for part in parts)


class Bootstrapper:
    """Calls `join` with every bootstrap address known: at once with the numeric ones, again when names are resolved."""

    def __init__(self, nodes: Sequence[Address], join: Callable[[Sequence[Address]], None]) -> None:
        self._numeric = [node for node in nodes if literal(node)]
        self._names = [node for node in nodes if not literal(node)]
        self._resolved: dict[Address, Address] = {}
        self._join = join

    def start(self) -> bool:
        """Join the numeric addresses; tell whether `run` has names to resolve."""
        if self._numeric:
            self._join(self._numeric)
        return bool(self._names)

    async def run(self) -> None:
        """Resolve the names, for ever: failures after a growing pause, the rest every REFRESH seconds."""
        pause = RETRY_FIRST
        while True:
            failed = await self._resolve_all()
            await asyncio.sleep(pause if failed else REFRESH)
            pause = min(pause * 2, RETRY_LAST) if failed else RETRY_FIRST

    async def _resolve_all(self) -> bool:
        """Resolve each name, join what is new; tell whether one failed."""
        before = dict(self._resolved)
        answers = await asyncio.gather(*(resolve(node) for node in self._names), return_exceptions=True)
        failed = False
        for node, answer in zip(self._names, answers, strict=True):
            if isinstance(answer, Address):
                self._resolved[node] = answer
            elif isinstance(answer, PeerError):
                failed = True
                log.warning("bootstrap node %s: %s", node, answer)
            else:
                raise answer
        if self._resolved != before:
            self._join(self._numeric + list(dict.fromkeys(self._resolved.values())))
        return failed
