"""Being at one open peer: our letters are left there, and letters to us are waited for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

from core.aio.tasks import TaskSet
from core.errors import PeerError, RefusedError, RemoteError
from core.limits.rate import TokenBucket
from core.open_peers.config import ITEMS_AT_ONCE, KEYS, RING_AGAIN, WAIT_MAX, DeskConfig
from core.open_peers.judge import OpenPeer
from core.peer_id import PeerId
from core.values import Address, JsonValue
from core.wire.open_message import OpenItem, leave, parse_left, parse_watched, watch

PATIENCE: Final = 6.0  # seconds for an answer, besides what it may wait: connecting takes one or two
PAUSE: Final = 20.0  # seconds until one is asked again that has helped others enough
_DESK: Final = DeskConfig()
ITEMS_RATE: Final = 0.8 * _DESK.items_rate_host  # letters a second that we leave: within what it takes of a host
ITEMS_BURST: Final = 0.9 * _DESK.items_burst
_log = logging.getLogger(__name__)


class Answer(Protocol):
    """What came back, and the Peer ID that was proved."""

    @property
    def peer_id(self) -> PeerId | None:
        """The Peer ID of the side that answered, verified."""

    @property
    def data(self) -> JsonValue:
        """The answer."""


Ask = Callable[[Address, JsonValue, float, PeerId | None], Awaitable[Answer]]  # seconds; who is expected there


class Visit:
    """Runs from `start` to `aclose`. `taken(item)` hears of each letter, `told(ring)` that somebody has ours now.

    `ended(lied)` hears that it is over: the open peer is silent, or is none.
    """

    def __init__(
        self,
        peer: OpenPeer,
        ask: Ask,
        taken: Callable[[OpenItem], None],
        told: Callable[[], None],
        served: Callable[[], None],
        ended: Callable[[bool], None],
    ) -> None:
        self.peer = peer
        self._ask = ask
        self._taken, self._told, self._served, self._ended = taken, told, served, ended
        self._keys: tuple[bytes, ...] = ()
        self._items: Mapping[bytes, OpenItem] = {}
        self._rings: frozenset[bytes] = frozenset()
        self._rung: dict[bytes, float] = {}  # when, by box; of those that ring now
        self._left: dict[bytes, int] = {}  # the number of what is left there, by box
        self._rate = TokenBucket(ITEMS_RATE, ITEMS_BURST)
        self._changed, self._due = asyncio.Event(), asyncio.Event()
        self._limit: asyncio.Timeout | None = None  # of the question that waits; it ends when the keys change
        self._tasks = TaskSet(f"open peer {peer.address}")
        self.working = False  # it has answered

    def start(self) -> None:
        """Begin."""
        self._tasks.spawn(self._guard(self._watch_forever()), name=f"watch at {self.peer.address}")
        self._tasks.spawn(self._guard(self._leave_forever()), name=f"leave letters at {self.peer.address}")

    async def aclose(self) -> None:
        """End; what is left there ages."""
        await self._tasks.aclose()

    def want(self, keys: Sequence[bytes], items: Mapping[bytes, OpenItem], rings: frozenset[bytes]) -> None:
        """Take what is watched and left from now on; `rings`: the boxes whose owners are called."""
        chosen = tuple(keys)[:KEYS]
        if chosen != self._keys:
            self._keys = chosen
            self._changed.set()
            if self._limit is not None:
                self._limit.reschedule(asyncio.get_running_loop().time())
        self._items, self._rings = items, rings
        for gone in [each for each in self._rung if each not in rings]:
            del self._rung[gone]
        for gone in [each for each in self._left if each not in items]:
            del self._left[gone]
        self._due.set()

    async def _guard(self, work: Awaitable[None]) -> None:
        """Do it until it fails, and say how."""
        try:
            await work
        except RemoteError as error:
            _log.debug("the open peer at %s is none: %s", self.peer.address, error)
            self._ended(True)
        except PeerError as error:
            _log.debug("the open peer at %s: %s", self.peer.address, error)
            self._ended(False)

    async def _request(self, payload: JsonValue, wait: float = 0.0) -> JsonValue:
        while True:
            try:
                answer = await self._ask(self.peer.address, payload, wait + PATIENCE, self.peer.peer_id)
            except RefusedError as error:
                if error.name != "ERR_OPEN_BUSY":
                    raise
                await asyncio.sleep(PAUSE)
                continue
            if answer.peer_id != self.peer.peer_id:
                raise RemoteError(f"somebody else than {self.peer.peer_id.short} answers there")
            self.working = True
            self._served()
            return answer.data

    async def _watch_forever(self) -> None:
        said: tuple[bytes, ...] = ()
        seen = 0
        while True:
            self._changed.clear()
            keys = self._keys
            if not keys:
                await self._changed.wait()
                continue
            if keys != said:
                seen = 0
            data = await self._unless_changed(
                self._request(watch(None if keys == said else keys, WAIT_MAX, seen), WAIT_MAX)
            )
            if data is None:
                said = ()
                continue
            watched = parse_watched(data)
            if watched.unknown:
                if not said:
                    raise RemoteError("it forgets at once what it is told")
                said = ()
                self._left.clear()  # it was started again, or others took our places
                self._due.set()
                continue
            said, seen = keys, watched.news
            for item in watched.items:
                self._taken(item)

    async def _unless_changed(self, request: Awaitable[JsonValue]) -> JsonValue:
        """Return an answer; None: other keys are to be watched by now. The open peer drops the older question."""
        try:
            async with asyncio.timeout(None) as self._limit:
                return await request
        except TimeoutError:
            return None
        finally:
            self._limit = None

    async def _leave_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._due.clear()
            ringing = [
                each for key, each in self._items.items()
                if key in self._rings and loop.time() - self._rung.get(key, -RING_AGAIN) >= RING_AGAIN
            ]  # fmt: skip
            for each in ringing[:ITEMS_AT_ONCE]:
                self._rung[each.key] = loop.time()
            fresh = [each for each in self._items.values() if self._left.get(each.key, -1) < each.sequence]
            if ringing:
                await self._leave(ringing[:ITEMS_AT_ONCE], ring=True)
            elif not fresh:
                await self._due.wait()
            elif self._rate.tokens(loop.time()) < ITEMS_AT_ONCE:
                await asyncio.sleep(self._rate.wait(loop.time(), ITEMS_AT_ONCE))
            else:
                await self._leave(fresh[:ITEMS_AT_ONCE], ring=False)

    async def _leave(self, items: Sequence[OpenItem], *, ring: bool) -> None:
        self._rate.charge(asyncio.get_running_loop().time(), len(items))
        _, told = parse_left(await self._request(leave(items, ring=ring)))
        for each in items:
            self._left[each.key] = each.sequence
        if ring and told:
            self._told()
