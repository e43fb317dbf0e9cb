"""Entering the public DHT, staying in it, and saying so: by kept nodes, or by bootstrap nodes if those are gone."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from core.errors import LocalError
from core.limits.rate import Backoff
from core.mainline.config import ALONE, SEEDS
from core.mainline.role import PATIENCE as REACHABLE_FOR
from core.mainline.role import Role
from core.net.endpoint import Lodging
from core.net.udp import resolve_4
from core.public.kept import read_nodes, write_nodes
from core.public.portal import leads_astray
from core.scope import Scope, scope
from core.values import Address

if TYPE_CHECKING:  # only while the public DHT is used
    from core.mainline.node import MainlineNode
    from core.mainline.seen import Mapping

PATIENCE: Final = 3.0  # seconds for kept nodes to answer before bootstrap nodes are asked
RETRY: Final = (5.0, 300.0)  # seconds between tries while nobody answers, doubled from the first to the second
BLOCKED: Final = 15.0  # seconds without an answer after which it is said that the network may block it
SIGN_IN: Final = 15.0  # seconds between looks whether names lead to where they should: somebody may sign in
KEEP_EVERY: Final = 600.0  # seconds between writings of the good nodes ...
KEEP_FIRST: Final = 60.0  # ... and until the first: who is ended by force has them all the same
TELL_EVERY: Final = 60.0  # seconds between lines of the log about what it took
WATCH, WATCH_JOINED = 1.0, 5.0  # seconds between looks, until we have joined and afterwards
_log = logging.getLogger(__name__)


class Joining:
    """Keeps a node in the network. `path`: where good nodes are kept; `bootstrap`: `NAME:PORT`.

    `reachable_for` seconds others have to reach us before it answers them.
    """

    def __init__(self, path: Path | None, bootstrap: tuple[str, ...], reachable_for: float = REACHABLE_FOR) -> None:
        self._path = path
        self._bootstrap = bootstrap
        self._role = Role(reachable_for)
        self._problem = ""
        self._blocked = False
        self._astray = ""  # the host that a network gives instead of bootstrap nodes
        self._again = asyncio.Event()

    def begin_again(self) -> None:
        """Join now, by the nodes that were good last: we slept, or are on another network."""
        self._again.set()

    async def run(self, node: "MainlineNode", lodging: Lodging, say: Callable[[], None]) -> None:
        """Join, and join again whenever the node is alone, until cancelled. `say` is called when there is news."""
        loop = asyncio.get_running_loop()
        kept, problem = await read_nodes(self._path)
        self._problem, self._blocked = problem or "", False
        backoff = Backoff(*RETRY)
        if kept:
            node.join(random.SystemRandom().sample(kept, min(SEEDS, len(kept))), lodging.now())
            lodging.flush()
            await asyncio.sleep(PATIENCE)
        began, keep_at, again_at = loop.time(), loop.time() + KEEP_FIRST, loop.time()
        tell_at = began
        while True:
            now = loop.time()
            if self._again.is_set():
                self._again.clear()
                backoff.succeeded()
                began = again_at = now
                seeds = [*node.good(), *(await read_nodes(self._path))[0]]
                node.join(list(dict.fromkeys(seeds))[:SEEDS], lodging.now())
                lodging.flush()
            if node.nodes() < ALONE and now >= again_at:
                seeds = await self._names()
                again_at = now + (SIGN_IN if self._astray else backoff.failed())
                node.join(seeds, lodging.now())
                lodging.flush()
            elif node.nodes() >= ALONE:
                backoff.succeeded()
                if now >= keep_at:
                    keep_at = now + KEEP_EVERY
                    await self.keep(node)
            if now >= tell_at:
                tell_at = now + TELL_EVERY
                _log.debug("%s bytes so far", node.thrift)
            self._blocked = not node.nodes() and now - began >= BLOCKED
            say()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH if node.nodes() < ALONE else WATCH_JOINED):
                    await self._again.wait()

    def look(
        self, node: "MainlineNode", mapping: "Mapping | None", forwarded: bool, hosts: Iterable[str], now: float
    ) -> None:
        """Have the node answer others, or not: as BEP 43 has it. `forwarded`: our router lets others in."""
        if node.asked_at > 0:
            self._role.asked(node.asked_at)
        public = any(scope(host) is Scope.PUBLIC for host in hosts)
        serve = self._role.look(mapping is not None and (public or forwarded), now)
        if serve != node.serving:
            node.serve(mapping.host if serve and mapping is not None else None, now)

    async def keep(self, node: "MainlineNode") -> None:
        """Write down the good nodes."""
        if node.nodes() >= ALONE:
            await write_nodes(self._path, node.good())

    def words(self, node: "MainlineNode") -> str:
        """Return how it goes, as a sentence for people."""
        if node.nodes() >= ALONE:
            does = " It answers other nodes, too." if node.serving else ""
            return f"On the public DHT: friends can find this peer there.{does}"
        if self._astray:
            return (
                f"This network leads every name to {self._astray}, as one with a sign-in page does. Open a page in "
                "your browser and sign in: then the public DHT goes on by itself. Other ways to friends go on."
            )
        if self._blocked:
            return "No node of the public DHT answers: this network may block it. Other ways to friends go on."
        return f"Entering the public DHT. {self._problem}".strip()

    async def _names(self) -> list[Address]:
        """Return where the bootstrap nodes are; names that lead nowhere are skipped, and all that lead astray."""
        found: dict[Address, Address] = {}
        for name in self._bootstrap:
            try:
                asked = Address.parse(name)
                found[asked] = await resolve_4(asked)
            except (LocalError, ValueError) as error:
                _log.debug("the bootstrap node %s is not used: %s", name, error)
        hosts = {asked.host: answer.host for asked, answer in found.items()}
        self._astray = leads_astray((name.rpartition(":")[0] for name in self._bootstrap), hosts)
        if not self._astray:
            return list(found.values())
        _log.debug("all names lead to %s: nothing is sent there", self._astray)
        return [answer for asked, answer in found.items() if asked.host == answer.host]
