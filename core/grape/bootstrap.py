"""Finds the addresses of the bootstrap nodes and hands them to the engine: given, named, and on this machine."""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence

from core.aio.waiting import wait_for
from core.errors import PeerError
from core.grape.config import LOCAL_PORT_COUNT, LOCAL_PORT_FIRST, LOOPBACK
from core.limits.rate import Backoff
from core.net.udp import resolve_both
from core.scope import is_six
from core.values import Address

log = logging.getLogger(__name__)

RETRY_FIRST = 1.0  # seconds until a name that failed is asked for again, then doubled ...
RETRY_LAST = 60.0  # ... up to this: a laptop that wakes without network joins within a minute of having one
LOCAL_INTERVAL = 10.0  # seconds between looks for grapes that started on this machine after us and do not know us
REFRESH = 600.0  # seconds; a home's dynamic address changes its name's meaning; 5-10 minutes is such names' usual TTL


def literal(node: Address) -> bool:
    """Tell whether the host is an address, not a name."""
    if is_six(node.host):
        return True
    parts = node.host.split(".")
    return len(parts) == 4 and all(part.isascii() and part.isdigit() and int(part) < 256 for part in parts)


def local_grapes(own_port: int, ports: Sequence[int] | None = None) -> list[Address]:
    """Return the customary DHT ports of this machine that somebody holds, except our own.

    Binding tells it at once; a query to a closed port would be waited for, since nothing reports that it is closed.
    """
    ports = range(LOCAL_PORT_FIRST, LOCAL_PORT_FIRST + LOCAL_PORT_COUNT) if ports is None else ports
    return [Address(LOOPBACK, port) for port in ports if port != own_port and _held(port)]


def _held(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


class Bootstrapper:
    """Calls `join` with bootstrap addresses that are new: the numeric ones at once, names when they are resolved.

    `local()` lists the other grapes of this machine, or is None; `alone()` tells whether they are still wanted.
    """

    def __init__(
        self,
        nodes: Sequence[Address],
        join: Callable[[Sequence[Address]], None],
        *,
        local: Callable[[], Sequence[Address]] | None = None,
        alone: Callable[[], bool] = lambda: True,
    ) -> None:
        self._numeric = [node for node in nodes if literal(node)]
        self._names = [node for node in nodes if not literal(node)]
        self._join = join
        self._local = local
        self._alone = alone
        self._known: set[Address] = set()
        self._again = asyncio.Event()
        self._began = 0

    def start(self) -> bool:
        """Join the addresses known now; tell whether there is anybody to wait for."""
        self._add([*self._numeric, *(self._local() if self._local else ())])
        return bool(self._known or self._names)

    def begin_again(self) -> None:
        """Resolve the names now, whatever failed before: we slept, or are on another network."""
        self._began += 1
        self._again.set()

    def _add(self, addresses: Sequence[Address]) -> None:
        fresh = [address for address in dict.fromkeys(addresses) if address not in self._known]
        if fresh:
            self._known.update(fresh)  # bounded: the given ones, the local ports, and a name's addresses while we run
            self._join(fresh)

    async def run(self) -> None:
        """Keep names resolved and look for new grapes on this machine, for ever; ends at once without either."""
        async with asyncio.TaskGroup() as group:
            if self._names:
                group.create_task(self._resolve())
            if self._local:
                group.create_task(self._look_around(self._local))

    async def _look_around(self, local: Callable[[], Sequence[Address]]) -> None:
        while True:
            await asyncio.sleep(LOCAL_INTERVAL)
            if self._alone():
                self._add(local())

    async def _resolve(self) -> None:
        """Resolve the names, for ever: failures after a growing pause, the rest every REFRESH seconds."""
        backoff, began = Backoff(RETRY_FIRST, RETRY_LAST), self._began
        while True:
            if began != self._began:
                began = self._began
                backoff.succeeded()
            if await self._resolve_all():
                await wait_for(self._again, backoff.failed())
            else:
                backoff.succeeded()
                await wait_for(self._again, REFRESH)

    async def _resolve_all(self) -> bool:
        """Resolve each name, join what is new; tell whether one failed."""
        answers = await asyncio.gather(*(resolve_both(node) for node in self._names), return_exceptions=True)
        failed = False
        for node, answer in zip(self._names, answers, strict=True):
            if isinstance(answer, list):
                self._add(answer)
            elif isinstance(answer, PeerError):
                failed = True
                log.warning("bootstrap node %s: %s", node, answer)
            else:
                raise answer
        return failed
