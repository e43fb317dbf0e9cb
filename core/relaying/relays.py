"""Being reached by relays, and reaching others by them: streams to friends who pass on, requests to be joined, lanes.

A stream is kept open with a few friends who pass packets on. When a peer is looked for, each of them is asked at
once; the lane that the first gives is tried beside the direct addresses. What rings is answered with a lane too.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from random import SystemRandom
from typing import Any, Protocol

from core.aio.tasks import TaskSet
from core.errors import PeerError, RefusedError, RemoteError, RequestTimeout
from core.net.detour import Detour
from core.net.endpoint import Lodging
from core.news.hub import Hub
from core.news.joins import SearchProgress
from core.news.moves import PathMoved
from core.news.relays import RelayedPeer
from core.news.seen import Way
from core.peer_id import PeerId
from core.relay.config import LaneConfig
from core.relay.events import Carried, LaneEnded, LaneEvent, LaneState, LinkLost, Moved
from core.relay.keys import PURPOSE, SALT_BYTES, LinkKeys
from core.relay.lanes import Lanes
from core.relaying.talk import Failed, Given, Join, Leave, Lines, Over, Ring, Said, Take, parse
from core.relaying.world import NOWHERE, Friend, Relay, World
from core.scope import virtual
from core.tunnel.stream import ByteStream
from core.values import Address, Machine
from core.wire.relay_packet import BEAT, FROM_RELAY
from core.wire.stream_opening import RELAY, Opening, pack_opening

KEPT = 3  # relays at which we wait; two may be away
TRIED = 16  # friends that are asked whether they pass on
HEAD_START = 0.3  # seconds that direct attempts have before relays are asked
OPEN_WITHIN = 10.0  # seconds to reach a relay, and open a stream
JOIN_WITHIN = 5.0  # seconds for its answer, which needs the other side's
REFUSED_FOR = 600.0  # seconds until a friend is asked again that passes nothing on
GONE_AFTER = 2.0  # seconds without a stream to a relay until its lanes are left
LOOK_AGAIN = 0.05  # seconds between looks for relays that came, while somebody waits
LOOK_EVERY = 5.0  # seconds between looks at which relays are missing
_log = logging.getLogger(__name__)

OpenStream = Callable[[PeerId, bytes, float], Awaitable[ByteStream]]


class Socket(Protocol):
    """What is needed of the endpoint."""

    detour: Detour  # what is below the connections

    def lodge(self, first: int, machine: Machine[Any], on_event: Callable[[Any], None], *also: int) -> Lodging:
        """Give the lanes the datagrams that are theirs."""


class Relays:
    """A LateSource of requests. `open_stream` is that of the tunnels."""

    head_start = HEAD_START

    def __init__(self, hub: Hub, socket: Socket, config: LaneConfig | None = None) -> None:
        self._hub, self._socket = hub, socket
        self._world = NOWHERE
        self._open_stream: OpenStream | None = None
        self._loop = asyncio.get_running_loop()
        self.lanes = Lanes(
            config or LaneConfig(), SystemRandom(), lambda peer: self._world.own(peer),
            lambda address, now, by: self._world.may(address, now, by),
        )  # fmt: skip
        self._lodging = socket.lodge(FROM_RELAY, self.lanes, self._on_event, BEAT)
        socket.detour.lanes = self.lanes
        self._relays: dict[PeerId, Relay] = {}
        self._friends: dict[PeerId, Friend] = {}
        self._number = 0
        self._tasks = TaskSet("relays")
        self._soon = asyncio.Event()
        self._on = self._closed = False

    def start(self, world: World, open_stream: OpenStream) -> None:
        """Know the rest of the peer from now on."""
        self._world, self._open_stream = world, open_stream
        self._tasks.spawn(self._keep(), name="wait at relays")

    def switch(self, on: bool) -> None:
        """Use friends who pass on, or leave all of them."""
        self._on = on
        self._soon.set()
        if not on:
            self._leave_all()

    async def aclose(self) -> None:
        """Leave all relays."""
        self._on, self._closed = False, True
        self._leave_all()
        await self._tasks.aclose()
        self._flush()
        self._socket.detour.lanes = None
        self._lodging.leave()

    def look(self) -> None:
        """Friends, our identity or our network changed: look now which relays are missing."""
        for friend in self._friends.values():
            friend.pause.succeeded()
            friend.next_at = 0.0
        self._soon.set()

    def _leave_all(self) -> None:
        for state in self.lanes.states():
            self.lanes.close(state.peer_id)
        self._flush()
        for relay in list(self._relays.values()):
            relay.stream.reset()

    # -- for people ---------------------------------------------------------------------------------------------------

    def ready(self) -> tuple[str, ...]:
        """Return the names of the relays at which we wait."""
        return tuple(self._world.name(peer_id) for peer_id in self._relays)

    def peers(self) -> tuple[RelayedPeer, ...]:
        """Return the peers with a lane, and its path."""
        now = self._loop.time()
        return tuple(
            RelayedPeer(
                each.peer_id, each.address, each.direct, each.relay,
                "" if each.relay is None else self._world.name(each.relay), each.round_trip, each.loss,
                now - each.since, self._words(each),
            )
            for each in self.lanes.states()
        )  # fmt: skip

    def way(self, address: Address) -> Way | None:
        """Return where what stands for a peer leads now; None for an address that is a place, or leads nowhere."""
        state = next((each for each in self.lanes.states() if each.address == address), None) if self._on else None
        if state is None:
            return None
        return Way(state.direct, "" if state.relay is None else self._world.name(state.relay))

    def _words(self, state: LaneState) -> str:
        if state.direct is not None:
            return f"directly to {state.direct}"
        return "relayed" if state.relay is None else f"relayed by {self._world.name(state.relay)}"

    # -- for requests (`core.calling.paths.LateSource`) ---------------------------------------------------------------

    def knows(self, peer_id: PeerId) -> bool:
        """Return whether anybody may join us with a peer."""
        identity = self._world.identity()
        if identity is None or peer_id == identity.peer_id or not self._on:
            return False
        waiting = (each for each, friend in self._friends.items() if friend.opening is not None)
        return any(each != peer_id for each in (*self._relays, *waiting))

    @contextmanager
    def searching(self, peer_id: PeerId, found: Callable[[Address, float], None]) -> Iterator[None]:
        """See LateSource."""
        task = self._tasks.spawn(self._search(peer_id, found), name=f"ask relays for {peer_id.short}")
        try:
            yield
        finally:
            task.cancel()

    async def _search(self, peer_id: PeerId, found: Callable[[Address, float], None]) -> None:
        known = self.lanes.address(peer_id) if self._on else None
        if known is not None:
            found(known, 0.0)
        tried = self.lanes.relays(peer_id)  # where a link is there already
        while True:
            self._open_missing(hurry=True)
            for relay in list(self._relays.values()):
                if relay.peer_id not in tried and relay.peer_id != peer_id:
                    tried.add(relay.peer_id)
                    self._tasks.spawn(self._try(relay, peer_id, found), name=f"join {peer_id.short}")
            await asyncio.sleep(LOOK_AGAIN)

    async def _try(self, relay: Relay, peer_id: PeerId, found: Callable[[Address, float], None]) -> None:
        try:
            address = await self._join(relay, peer_id)
        except PeerError as error:
            _log.debug("%s does not join us with %s: %s", relay.peer_id.short, peer_id.short, error)
            return
        name = self._world.name(relay.peer_id)
        self._hub.emit(SearchProgress(self._hub.now(), peer_id, "relay", f"{name} passes packets on"))
        found(address, 0.0)

    async def _join(self, relay: Relay, peer_id: PeerId) -> Address:
        """Be joined with a peer by this relay; return what stands for the peer. Raises PeerError."""
        secret, first = self._secret(peer_id)
        salt = SystemRandom().randbytes(SALT_BYTES)
        self._number = number = (self._number + 1) % (1 << 31)
        future = relay.asked[number] = self._loop.create_future()
        relay.say(Join(peer_id, number, salt))
        try:
            async with asyncio.timeout(JOIN_WITHIN):
                given = await future
        except TimeoutError:
            raise RequestTimeout(f"{relay.peer_id.short} did not join us within {JOIN_WITHIN:g} s") from None
        finally:
            relay.asked.pop(number, None)
        keys = LinkKeys(secret, salt, given.salt, first=first)
        return self._lay(relay, peer_id, given.slot, keys)

    def _lay(self, relay: Relay, peer_id: PeerId, slot: bytes, keys: LinkKeys) -> Address:
        address = self.lanes.open(peer_id, relay.peer_id, relay.at, slot, keys, self._loop.time())
        self._flush()
        self._hub.touch()
        return address

    def _secret(self, peer_id: PeerId) -> tuple[bytes, bool]:
        identity = self._world.identity()
        if identity is None:
            raise RefusedError("without an identity nobody joins us with others", name="ERR_NO_IDENTITY")
        return identity.agree(peer_id, PURPOSE), identity.peer_id.key < peer_id.key

    # -- streams to relays --------------------------------------------------------------------------------------------

    def _candidates(self) -> list[PeerId]:
        return [each for each in self._world.friends() if self._world.trusts(each)][:TRIED]

    def _reaching(self, peer_id: PeerId) -> bool:
        friend = self._friends.get(peer_id)
        return friend is not None and friend.opening is not None and not friend.opening.done()

    async def _keep(self) -> None:
        while True:
            self._soon.clear()
            if self._on and self._world.identity() is not None and self._world.wanted():
                self._open_missing()
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._soon.wait()
            except TimeoutError:
                pass

    def _open_missing(self, *, hurry: bool = False) -> None:
        """Ask friends who pass on, until there are enough; `hurry`: somebody waits, so one that never was is tried."""
        now, wanted = self._loop.time(), self._candidates()
        for gone in [each for each in self._friends if each not in wanted and not self._reaching(each)]:
            del self._friends[gone]
        for peer_id in wanted:
            if len(self._relays) + sum(map(self._reaching, wanted)) >= KEPT:
                return
            friend = self._friends.setdefault(peer_id, Friend())
            if peer_id in self._relays or self._reaching(peer_id) or now < friend.next_at:
                continue
            friend.opening = self._tasks.spawn(self._use(peer_id, friend), name=f"wait at {peer_id.short}")

    async def _use(self, peer_id: PeerId, friend: Friend) -> None:
        """Open a stream to a relay, and take what it says until it ends."""
        relay: Relay | None = None
        pause = 0.0
        try:
            assert self._open_stream is not None
            stream = await self._open_stream(peer_id, pack_opening(Opening(RELAY, {})), OPEN_WITHIN)
            if virtual(stream.remote):
                stream.reset()
                raise RefusedError("it is reached by a relay itself", name="ERR_RELAY_OFF")
            relay = self._relays[peer_id] = Relay(peer_id, stream)
            friend.opening = None
            friend.pause.succeeded()
            self._hub.touch()
            await self._read(relay)
        except PeerError as error:
            _log.debug("%s passes nothing on: %s", peer_id.short, error)
            pause = REFUSED_FOR if isinstance(error, RefusedError) else pause
        finally:
            friend.opening = None
            friend.next_at = self._loop.time() + (pause or friend.pause.failed())
            if relay is not None:
                self._gone(relay)

    async def _read(self, relay: Relay) -> None:
        lines = Lines()
        while data := await relay.stream.read():
            for line in lines.take(data):
                self._take(relay, parse(line))

    def _gone(self, relay: Relay) -> None:
        if self._relays.get(relay.peer_id) is relay:
            del self._relays[relay.peer_id]
        relay.stream.reset()
        for future in relay.asked.values():
            if not future.done():
                future.set_exception(RemoteError("the relay has gone"))
        self._hub.touch()
        if not self._closed:
            self._tasks.spawn(self._left_by(relay.peer_id), name=f"{relay.peer_id.short} has gone")

    async def _left_by(self, relay: PeerId) -> None:
        """Leave the lanes of a relay that has gone, unless it is back in a moment; it may end what is on its way."""
        await asyncio.sleep(GONE_AFTER)
        if relay not in self._relays:
            self.lanes.end_relay(relay, "the relay has gone")
            self._flush()

    def _take(self, relay: Relay, said: Said | None) -> None:
        match said:
            case Ring():
                self._answer(relay, said)
            case Given(number):
                future = relay.asked.get(number)
                if future is not None and not future.done():
                    future.set_result(said)
            case Failed(number, name, sentence):
                future = relay.asked.get(number)
                if future is not None and not future.done():
                    future.set_exception(RefusedError(sentence, name=name))
            case Over(slot, why):
                self.lanes.end_link(slot, why)
                self._flush()

    def _answer(self, relay: Relay, ring: Ring) -> None:
        """Somebody asks for us: open our end of the lane."""
        if self._world.blocked(ring.caller) or not relay.rings.take(self._loop.time()):
            return
        try:
            secret, first = self._secret(ring.caller)
        except PeerError as error:
            _log.debug("a ring of %s is not answered: %s", ring.caller.short, error)
            return
        salt = SystemRandom().randbytes(SALT_BYTES)
        self._lay(relay, ring.caller, ring.slot, LinkKeys(secret, ring.salt, salt, first=first))
        relay.say(Take(ring.slot, salt))

    # -- lanes --------------------------------------------------------------------------------------------------------

    def opened(self, peer_id: PeerId, address: Address) -> None:
        """A direct path to a peer was opened: its lane tries it at once."""
        self.lanes.candidate(peer_id, address, self._loop.time())
        self._flush()

    def _flush(self) -> None:
        self._lodging.flush()

    def _on_event(self, event: LaneEvent) -> None:
        match event:
            case Carried(source, datagrams):
                self._socket.detour.carried(source, datagrams)
            case Moved(peer_id, addresses, direct, round_trip):
                self._socket.detour.moved(addresses, round_trip, relayed=direct is None)
                words = next((self._words(each) for each in self.lanes.states() if each.peer_id == peer_id), "")
                _log.debug("%s is reached %s now", peer_id.short, words)
                self._hub.emit(PathMoved(self._hub.now(), peer_id, direct, words))
            case LinkLost(peer_id, relay, slot, reason, needed):
                _log.debug("%s passes nothing on to %s any longer: %s", relay.short, peer_id.short, reason)
                self._leave(relay, slot)
                if needed:
                    self._tasks.spawn(self._join_again(peer_id, relay), name=f"join {peer_id.short} again")
            case LaneEnded(_, slots):
                for relay, slot in slots:
                    self._leave(relay, slot)
        self._hub.touch()

    def _leave(self, relay: PeerId, slot: bytes) -> None:
        found = self._relays.get(relay)
        if found is not None:
            found.say(Leave(slot))

    async def _join_again(self, peer_id: PeerId, left: PeerId) -> None:
        """Be joined by another relay, or by the same one if there is no other."""
        for relay in sorted(self._relays.values(), key=lambda each: each.peer_id == left):
            if relay.peer_id == peer_id:
                continue
            try:
                await self._join(relay, peer_id)
                return
            except PeerError as error:
                _log.debug("%s does not join us with %s again: %s", relay.peer_id.short, peer_id.short, error)
