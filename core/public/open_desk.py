"""This peer as an open peer: strangers leave letters here and wait for theirs, while its owner lets them.

It is one only while others reach it, and have for a quarter of an hour (`core.mainline.role`). What it may cost is in
`core.open_peers.config`.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from core.aio.tasks import TaskSet
from core.errors import LocalError, LookupEmpty, PeerError
from core.limits.table import BoundedTable
from core.open_peers.config import ANNOUNCE_EVERY, WAIT_MAX, DeskConfig
from core.open_peers.desk import Desk
from core.open_peers.keys import days, gathering, shard_of
from core.open_peers.names import Names
from core.peer_id import PeerId
from core.public.searches import Searches
from core.scope import network
from core.values import Address, Caller, JsonValue, Outcome
from core.wire.open_message import (
    OPEN_SERVICE,
    Hello,
    Leave,
    Watch,
    Watched,
    hello_document,
    left_document,
    parse_request,
    watched_document,
)
from core.wire.open_message import Names as NamesWanted

SWEEP_EVERY: Final = 60.0  # seconds between looks for letters that are too old
SOON: Final = 20.0  # seconds until it is announced again, doubled each time: who has just joined knows few nodes
AGAIN: Final = 60.0  # seconds until an announce that nobody took is made again
ANSWER: Final = 120  # bytes of an answer beside what is found
_log = logging.getLogger(__name__)


class Grape(Protocol):
    """What is needed of the grapes."""

    async def lookup(self, name: str, *, fresh: bool = False) -> list[Address]:
        """Return who is announced under a name. Raises PeerError."""

    async def put(self, value: JsonValue) -> str:
        """Store a value; return its hash. Raises PeerError."""

    async def get(self, hash: str) -> dict[str, JsonValue]:
        """Return the item under a hash. Raises PeerError."""


class OpenDesk:
    """Answers strangers while `look` says that it may. `trusts(peer)`: its places are kept."""

    def __init__(
        self,
        own: Callable[[], PeerId | None],
        trusts: Callable[[PeerId], bool],
        grape: Grape,
        changed: Callable[[], None],
        config: DeskConfig | None = None,
    ) -> None:
        self._own, self._trusts, self._grape, self._changed = own, trusts, grape, changed
        self.desk = Desk(config)
        self._names = Names()
        self._waiting: BoundedTable[Address, asyncio.Future[None]] = BoundedTable(
            self.desk.config.watchers, lambda _, news: _wake(news)
        )
        self._tasks = TaskSet("open peer")
        self._announce_at = 0.0
        self._rounds = 0  # of announcing, since it is one; it is announced every ANNOUNCE_EVERY after six
        self._sweep_at = 0.0
        self._announcing = False
        self.announced = 0  # nodes that list us
        self.on = False

    async def aclose(self) -> None:
        """Be no open peer any longer. Idempotent."""
        self._close()
        await self._tasks.aclose()
        self._tasks = TaskSet("open peer")

    def look(self, allowed: bool, searches: Searches, clock: float) -> None:
        """Be an open peer, or stop; be announced as one when that is due."""
        now = asyncio.get_running_loop().time()
        own = self._own()
        if allowed != self.on:
            if not allowed:
                self._close()
            elif own is not None:
                self.on, self._announce_at, self._rounds = True, now, 0
            self._changed()
        if not self.on or own is None:
            return
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_EVERY
            self.desk.sweep(now)
        if now >= self._announce_at and not self._announcing:
            pause = min(ANNOUNCE_EVERY, SOON * 2.0**self._rounds)
            self._announce_at, self._announcing, self._rounds = now + pause, True, self._rounds + 1
            self._tasks.spawn(self._announce(own, searches, clock), name="be listed as an open peer")

    async def _announce(self, own: PeerId, searches: Searches, clock: float) -> None:
        try:
            taken = [await searches.announce(gathering(day, shard_of(own.key))) for day in days(clock)]
        finally:
            self._announcing = False
        self.announced = max(taken)
        if not self.announced:
            self._announce_at = asyncio.get_running_loop().time() + AGAIN
        _log.debug("listed as an open peer at %d nodes", self.announced)
        self._changed()

    def _close(self) -> None:
        self.on, self.announced = False, 0
        for news in self._waiting.values():
            _wake(news)
        self._waiting.clear()
        self.desk.clear()
        self._names = Names()

    # -- as a desk of the peer's requests -----------------------------------------------------------------------------

    def serves(self, key: str, payload: JsonValue = None) -> bool:
        """Return whether a request is for the open peer that we are."""
        return self.on and key == OPEN_SERVICE

    def handle(self, payload: JsonValue, caller: Caller) -> Outcome:
        """Answer a request. Raises PayloadError, OpenBusy, OpenRefused."""
        own = self._own()
        if own is None:
            raise LocalError("this peer has no identity, and helps nobody")
        now = asyncio.get_running_loop().time()
        wanted = parse_request(payload)
        trusted = caller.peer_id is not None and self._trusts(caller.peer_id)
        size = len(json.dumps(payload))
        self.desk.admit(
            network(caller.address.host), trusted, size + ANSWER, now, names=isinstance(wanted, NamesWanted)
        )
        if isinstance(wanted, Hello):
            return hello_document(wanted.nonce, own.key, caller.address)
        if isinstance(wanted, Leave):
            return self._left(wanted, caller, trusted, now)
        if isinstance(wanted, Watch):
            return self._watched(wanted, caller, trusted, now)
        return self._named(wanted, caller, trusted, now)

    def _left(self, wanted: Leave, caller: Caller, trusted: bool, now: float) -> JsonValue:
        told = self.desk.leave(wanted.items, caller.address, trusted, now, ring=wanted.ring)
        for each in told:
            waiting = self._waiting.get(each)
            if waiting is not None:
                _wake(waiting)
        self._changed()
        return left_document(len(wanted.items), len(told), caller.address)

    def _watched(self, wanted: Watch, caller: Caller, trusted: bool, now: float) -> Outcome:
        source, before = caller.address, self._waiting.pop(caller.address, None)
        if before is not None:
            _wake(before)  # the older question of the same peer
        if not self.desk.watch(source, wanted.keys, trusted):
            return watched_document(Watched(0, (), unknown=True))
        self._changed()
        found = self.desk.found(source, wanted.seen, now)
        if found.items or not wanted.wait:
            return self._say(found, source, now)
        return self._later(wanted, source)

    async def _later(self, wanted: Watch, source: Address) -> JsonValue:
        loop = asyncio.get_running_loop()
        news = self._waiting[source] = loop.create_future()
        try:
            await asyncio.wait([news], timeout=min(wanted.wait, WAIT_MAX))
        finally:
            if self._waiting.get(source) is news:
                del self._waiting[source]
        return self._say(self.desk.found(source, wanted.seen, loop.time()), source, loop.time())

    def _say(self, found: Watched, source: Address, now: float) -> JsonValue:
        document = watched_document(found)
        self.desk.charge(network(source.host), len(json.dumps(document)), now)
        return document

    # -- the Grenache DHT ---------------------------------------------------------------------------------------------

    def _named(self, wanted: NamesWanted, caller: Caller, trusted: bool, now: float) -> Outcome:
        if wanted.verb == "announce":
            self._names.announce(wanted.text, caller.address, trusted, now)
            return {"nodes": 1}
        return self._asked(wanted, now)

    async def _asked(self, wanted: NamesWanted, now: float) -> JsonValue:
        if wanted.verb == "put":
            return {"hash": await self._grape.put(wanted.text)}
        if wanted.verb == "get":
            return await self._grape.get(wanted.text)
        found = dict.fromkeys(self._names.lookup(wanted.text, now))
        try:
            found |= dict.fromkeys(await self._grape.lookup(wanted.text))
        except LookupEmpty:
            if not found:
                raise
        except PeerError as error:
            _log.debug("our own grape does not say who is %s: %s", wanted.text, error)
        return {"peers": [str(each) for each in found]}


def _wake(news: Awaitable[None]) -> None:
    if isinstance(news, asyncio.Future) and not news.done():
        news.set_result(None)
