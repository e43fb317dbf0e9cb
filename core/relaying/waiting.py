"""Waiting at relays: a stream is kept open with a few friends and brokers who pass on, so that we are reached there."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from core.aio.tasks import TaskSet
from core.aio.unasked import unasked
from core.errors import PeerError, RefusedError, RemoteError
from core.peer_id import PeerId
from core.relaying.talk import Lines, Said, parse
from core.relaying.world import NOWHERE, Friend, Relay, World
from core.scope import virtual
from core.tunnel.stream import ByteStream
from core.wire.stream_opening import RELAY, Opening, pack_opening

KEPT = 3  # relays at which we wait; two may be away
TRIED = 16  # friends that are asked whether they pass on
OPEN_WITHIN = 10.0  # seconds to reach a relay, and open a stream
REFUSED_FOR = 600.0  # seconds until a friend is asked again that passes nothing on
LOOK_EVERY = 5.0  # seconds between looks at which relays are missing
_log = logging.getLogger(__name__)

OpenStream = Callable[[PeerId, bytes, float], Awaitable[ByteStream]]


class Waiting:
    """`take(relay, said)` gets what relays say, `gone(relay)` hears of one that is there no longer.

    `looked()` is called now and then, and whenever one is there or gone.
    """

    def __init__(
        self,
        tasks: TaskSet,
        take: Callable[[Relay, Said | None], None],
        gone: Callable[[Relay], None],
        looked: Callable[[], None],
    ) -> None:
        self._take, self._gone, self._looked = take, gone, looked
        self._world = NOWHERE
        self._open_stream: OpenStream | None = None
        self._loop = asyncio.get_running_loop()
        self.relays: dict[PeerId, Relay] = {}
        self._friends: dict[PeerId, Friend] = {}
        self._tasks = tasks
        self._soon = asyncio.Event()
        self.on = False

    def start(self, world: World, open_stream: OpenStream) -> None:
        """Know the rest of the peer from now on."""
        self._world, self._open_stream = world, open_stream
        self._tasks.spawn(self._keep(), name="wait at relays")

    def switch(self, on: bool) -> None:
        """Wait at friends who pass on, or leave all of them."""
        self.on = on
        self._soon.set()
        if not on:
            for relay in list(self.relays.values()):
                relay.stream.reset()

    def look(self) -> None:
        """Friends, our identity or our network changed: look now which relays are missing. No pause is kept to."""
        for friend in self._friends.values():
            friend.pause.succeeded()
            friend.next_at = 0.0
        self._soon.set()

    def beside(self, peer_id: PeerId) -> bool:
        """Return whether a relay is there, or on its way, that is not this peer itself."""
        waiting = (each for each, friend in self._friends.items() if friend.opening is not None)
        return any(each != peer_id for each in (*self.relays, *waiting))

    def open_missing(self, *, hurry: bool = False) -> None:
        """Ask friends who pass on, until there are enough; `hurry`: somebody waits, so one that never was is tried."""
        now, wanted = self._loop.time(), self._candidates()
        for gone in [each for each in self._friends if each not in wanted and not self._reaching(each)]:
            del self._friends[gone]
        for peer_id in wanted:
            if len(self.relays) + sum(map(self._reaching, wanted)) >= KEPT:
                return
            friend = self._friends.setdefault(peer_id, Friend())
            if peer_id in self.relays or self._reaching(peer_id) or now < friend.next_at:
                continue
            friend.opening = self._tasks.spawn(self._use(peer_id, friend), name=f"wait at {peer_id.short}")

    # -- within -------------------------------------------------------------------------------------------------------

    def _candidates(self) -> list[PeerId]:
        friends = [each for each in self._world.friends() if self._world.trusts(each)][:TRIED]
        return list(dict.fromkeys((*friends, *self._world.brokers.identified())))

    def _reaching(self, peer_id: PeerId) -> bool:
        friend = self._friends.get(peer_id)
        return friend is not None and friend.opening is not None and not friend.opening.done()

    async def _keep(self) -> None:
        while True:
            self._soon.clear()
            if self.on and self._world.identity() is not None and self._world.wanted():
                self.open_missing()
                if self._world.over_tcp is not None:
                    await self._world.over_tcp.carry_to(self._world.brokers.silent())
                await self._world.brokers.look()
                self.open_missing()
            self._looked()
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._soon.wait()
            except TimeoutError:
                pass

    async def _open(self, peer_id: PeerId) -> ByteStream:
        """Open a stream to a relay, over TCP where UDP does not get there. Raises PeerError."""
        assert self._open_stream is not None
        payload = pack_opening(Opening(RELAY, {}))
        over_tcp = self._world.over_tcp
        if over_tcp is None:
            return await self._open_stream(peer_id, payload, OPEN_WITHIN)
        carrying = self._tasks.spawn(over_tcp.carry(peer_id), name=f"carry to {peer_id.short}")
        try:
            return await self._open_stream(peer_id, payload, OPEN_WITHIN)
        except RefusedError:
            raise
        except PeerError:
            if not carrying.done() or not carrying.result():
                raise
            return await self._open_stream(peer_id, payload, OPEN_WITHIN)
        finally:
            carrying.cancel()

    async def _use(self, peer_id: PeerId, friend: Friend) -> None:
        """Open a stream to a relay, and take what it says until it ends."""
        relay: Relay | None = None
        pause = 0.0
        try:
            with unasked():
                stream = await self._open(peer_id)
            if virtual(stream.remote):
                stream.reset()
                raise RefusedError("it is reached by a relay itself", name="ERR_RELAY_OFF")
            relay = self.relays[peer_id] = Relay(peer_id, stream)
            friend.opening = None
            friend.pause.succeeded()
            self._looked()
            await self._read(relay)
        except PeerError as error:
            _log.debug("%s passes nothing on: %s", peer_id.short, error)
            pause = REFUSED_FOR if isinstance(error, RefusedError) else pause
        finally:
            friend.opening = None
            friend.next_at = self._loop.time() + (pause or friend.pause.failed())
            if relay is not None:
                self._forget(relay)

    async def _read(self, relay: Relay) -> None:
        lines = Lines()
        while data := await relay.stream.read():
            for line in lines.take(data):
                self._take(relay, parse(line))

    def _forget(self, relay: Relay) -> None:
        if self.relays.get(relay.peer_id) is relay:
            del self.relays[relay.peer_id]
        relay.stream.reset()
        for future in relay.asked.values():
            if not future.done():
                future.set_exception(RemoteError("the relay has gone"))
        self._gone(relay)
