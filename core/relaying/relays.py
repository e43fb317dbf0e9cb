"""Being reached by relays, and reaching others by them: streams to friends who pass on, requests to be joined, lanes.

A stream is kept open with a few friends who pass packets on. When a peer is looked for, each of them is asked at
once; the lane that the first gives is tried beside the direct addresses. What rings is answered with a lane too.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import SystemRandom
from typing import Any, Protocol

from core.aio.tasks import TaskSet
from core.errors import PeerError, RefusedError, RequestTimeout
from core.limits.table import BoundedTable
from core.net.detour import Detour
from core.net.endpoint import Lodging
from core.news.hub import Hub
from core.news.joins import SearchProgress
from core.news.moves import PathMoved
from core.news.relays import RelayedPeer
from core.news.seen import Way
from core.peer_id import PeerId
from core.relay.config import LaneConfig
from core.relay.events import Carried, LaneEnded, LaneEvent, LaneState, LinkLost, Moved, Stranded
from core.relay.keys import PURPOSE, SALT_BYTES, LinkKeys
from core.relay.lanes import LIED, Lanes
from core.relaying.talk import Failed, Given, Join, Leave, Over, Ring, Said, Take
from core.relaying.waiting import OpenStream, Waiting
from core.relaying.world import NOWHERE, Relay, World
from core.scope import virtual
from core.values import Address, Machine
from core.wire.relay_packet import BEAT, FROM_RELAY

HEAD_START = 0.3  # seconds that direct attempts have before relays are asked
JOIN_WITHIN = 5.0  # seconds for its answer, which needs the other side's
GONE_AFTER = 2.0  # seconds without a stream to a relay until its lanes are left
LOOK_AGAIN = 0.05  # seconds between looks for relays that came, while somebody waits
FRESH = 2.0  # seconds; who was heard so lately by a direct path is not moved to a relay before a beat is late
LIED_FOR, LIARS = 600.0, 64  # seconds that a relay is not asked for a peer whose packets came changed; of such pairs
_log = logging.getLogger(__name__)


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
        self._loop = asyncio.get_running_loop()
        config = config or LaneConfig()
        self._strangers = config.lanes // 2  # lanes there may be when a stranger gets one: the others are for friends
        self.lanes = Lanes(
            config, SystemRandom(), lambda peer: self._world.own(peer),
            lambda address, now, by: self._world.may(address, now, by),
            lambda address, now: self._world.may_answer(address, now),
        )  # fmt: skip
        self._lodging = socket.lodge(FROM_RELAY, self.lanes, self._on_event, BEAT)
        socket.detour.lanes = self.lanes
        self._number = 0
        self._tasks = TaskSet("relays")
        self._waiting = Waiting(self._tasks, self._take, self._gone, self._looked)
        self._told: tuple[PeerId, ...] = ()  # relays that the window knows of
        self._lied: BoundedTable[tuple[PeerId, PeerId], float] = BoundedTable(LIARS)  # relay and peer: until when
        self._closed = False

    def start(self, world: World, open_stream: OpenStream) -> None:
        """Know the rest of the peer from now on."""
        self._world = world
        self._waiting.start(world, open_stream)

    def switch(self, on: bool) -> None:
        """Use friends who pass on, or leave all of them."""
        if not on:
            self._close_lanes()
        self._waiting.switch(on)

    async def aclose(self) -> None:
        """Leave all relays."""
        self._closed = True
        self.switch(False)
        await self._tasks.aclose()
        self._flush()
        self._socket.detour.lanes = None
        self._lodging.leave()

    def look(self) -> None:
        """Friends, or our identity, changed: look now which relays are missing."""
        self._waiting.look()

    def begin_again(self) -> None:
        """We slept, or are on another network: no path is trusted, and relays are looked for at once."""
        self.lanes.doubt(self._loop.time())
        self._flush()
        if self._world.over_tcp is not None:
            self._world.over_tcp.begin_again()
        self._waiting.look()

    def _close_lanes(self) -> None:
        for state in self.lanes.states():
            self.lanes.close(state.peer_id)
        self._flush()

    # -- for people ---------------------------------------------------------------------------------------------------

    def ready(self) -> tuple[str, ...]:
        """Return the names of the relays at which we wait."""
        return tuple(self._world.name(peer_id) for peer_id in self._waiting.relays)

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
        state = self.lanes.leading(address) if self._waiting.on else None
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
        if identity is None or peer_id == identity.peer_id or not self._waiting.on:
            return False
        return self._waiting.beside(peer_id)

    @contextmanager
    def searching(self, peer_id: PeerId, found: Callable[[Address, float], None]) -> Iterator[None]:
        """See LateSource."""
        task = self._tasks.spawn(self._search(peer_id, found), name=f"ask relays for {peer_id.short}")
        try:
            yield
        finally:
            task.cancel()

    async def _search(self, peer_id: PeerId, found: Callable[[Address, float], None]) -> None:
        known = self.lanes.address(peer_id) if self._waiting.on else None
        if known is not None:
            self._adopt(peer_id)
            found(known, 0.0)
        tried = self.lanes.relays(peer_id)  # where a link is there already
        while True:
            self._waiting.open_missing(hurry=True)
            for relay in list(self._waiting.relays.values()):
                if relay.peer_id not in tried and self._joins(relay, peer_id):
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

    def _joins(self, relay: Relay, peer_id: PeerId) -> bool:
        """Return whether a relay may join us with a peer; one that lied on the way there may not for a while.

        Which of the two lied nobody knows, so the relay keeps the lanes to others.
        """
        return relay.peer_id != peer_id and self._loop.time() >= self._lied.get((relay.peer_id, peer_id), 0.0)

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
        self._adopt(peer_id)
        self._flush()
        self._hub.touch()
        return address

    def _adopt(self, peer_id: PeerId) -> None:
        """Let the sessions with a peer that run directly go by its lane too: they go on when their path dies."""
        for address, silent in self._world.sessions(peer_id):
            if not virtual(address):
                self.lanes.alias(peer_id, address, self._loop.time(), alive=silent < FRESH)

    def _looked(self) -> None:
        for state in self.lanes.states():
            self._adopt(state.peer_id)
        self._flush()
        now_there = tuple(self._waiting.relays)
        if now_there != self._told:
            self._told = now_there
            self._hub.touch()

    def _secret(self, peer_id: PeerId) -> tuple[bytes, bool]:
        identity = self._world.identity()
        if identity is None:
            raise RefusedError("without an identity nobody joins us with others", name="ERR_NO_IDENTITY")
        return identity.agree(peer_id, PURPOSE), identity.peer_id.key < peer_id.key

    # -- what relays say ----------------------------------------------------------------------------------------------

    def _gone(self, relay: Relay) -> None:
        self._hub.touch()
        if not self._closed:
            self._tasks.spawn(self._left_by(relay.peer_id), name=f"{relay.peer_id.short} has gone")

    async def _left_by(self, relay: PeerId) -> None:
        """Leave the lanes of a relay that has gone, unless it is back in a moment; it may end what is on its way."""
        await asyncio.sleep(GONE_AFTER)
        if relay not in self._waiting.relays:
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
        if len(self.lanes) >= self._strangers and not self._world.trusts(ring.caller):
            return  # a broker lets anybody ask
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
        """A direct path to a peer was opened: its lane takes it, unless beats say otherwise."""
        if not virtual(address):
            self.lanes.opened(peer_id, address, self._loop.time())
            self._flush()

    def reached(self, peer_id: PeerId, address: Address) -> None:
        """A peer answered from an address: what runs under it goes by the peer's lane from now on, if there is one."""
        if not virtual(address) and self.lanes.relays(peer_id):
            self.lanes.alias(peer_id, address, self._loop.time(), alive=True)
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
                if reason == LIED:
                    self._lied[relay, peer_id] = self._loop.time() + LIED_FOR
                if needed:
                    self._tasks.spawn(self._join_again(peer_id, relay), name=f"join {peer_id.short} again")
            case Stranded(peer_id):
                self._tasks.spawn(self._join_again(peer_id, None), name=f"join {peer_id.short} again")
            case LaneEnded(_, slots):
                for relay, slot in slots:
                    self._leave(relay, slot)
        self._hub.touch()

    def _leave(self, relay: PeerId, slot: bytes) -> None:
        found = self._waiting.relays.get(relay)
        if found is not None:
            found.say(Leave(slot))

    async def _join_again(self, peer_id: PeerId, left: PeerId | None) -> None:
        """Be joined by another relay, or by the same one if there is no other."""
        for relay in sorted(self._waiting.relays.values(), key=lambda each: each.peer_id == left):
            if not self._joins(relay, peer_id):
                continue
            try:
                await self._join(relay, peer_id)
                return
            except PeerError as error:
                _log.debug("%s does not join us with %s again: %s", relay.peer_id.short, peer_id.short, error)
