"""Being a relay: who may use us, who is here, and joining two who are."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import Any, Protocol

from core.aio.tasks import TaskSet
from core.errors import LocalError, PeerError
from core.limits import bounds
from core.limits.fair import FairTable
from core.limits.rate import TokenBucket
from core.net.endpoint import Lodging
from core.news.relays import PassedPair, PassingSnapshot
from core.peer_id import PeerId
from core.relay.config import RelayConfig
from core.relay.forwarder import Forwarder, PairEnded
from core.relaying.talk import Failed, Given, Join, Leave, Lines, Over, Ring, Said, Take, pack, parse
from core.scope import network, virtual
from core.tunnel.stream import ByteStream
from core.values import Address, Machine
from core.wire.relay_packet import TO_RELAY
from core.wire.stream_opening import Opening

OFF = "ERR_RELAY_OFF"
NOT_THERE = "ERR_RELAY_NOT_THERE"
FULL = "ERR_RELAY_FULL"
JOINS, JOINS_AT_ONCE = 0.5, 8.0  # requests of one peer a second, and at once: a person opens a few things
LINGER = 5.0  # seconds that pairs of a guest are kept that has left: connections end with an exchange
WAITING = 32  # lines that wait for one guest; one that reads none of them is cut
_log = logging.getLogger(__name__)


class Socket(Protocol):
    """What is needed of the endpoint."""

    def lodge(self, first: int, machine: Machine[Any], on_event: Callable[[Any], None]) -> Lodging:
        """Give the forwarder the datagrams that are its."""


@dataclass(slots=True, eq=False)
class _Guest:
    """Somebody who may be joined with others, by the stream that it keeps open."""

    peer_id: PeerId
    stream: ByteStream
    trusted: bool
    slots: list[bytes] = field(default_factory=list)
    joins: TokenBucket = field(default_factory=lambda: TokenBucket(JOINS, JOINS_AT_ONCE))
    outgoing: "asyncio.Queue[bytes]" = field(default_factory=lambda: asyncio.Queue(WAITING))

    def where(self) -> Address | None:
        """Return where it is now, or was a moment ago; an encrypted session says so."""
        at = self.stream.remote
        return None if virtual(at) else at

    def say(self, said: Said) -> None:
        """Queue a line; one that reads nothing is cut."""
        try:
            self.outgoing.put_nowait(pack(said))
        except asyncio.QueueFull:
            self.stream.reset()


class RelayDesk:
    """`trusts(peer)`: a friend. `policy()`: "off", "friends" or "everyone", as it holds now."""

    def __init__(
        self,
        socket: Socket,
        trusts: Callable[[PeerId], bool],
        policy: Callable[[], str],
        touch: Callable[[], None],
        config: RelayConfig | None = None,
        random: Random | None = None,
    ) -> None:
        self._trusts, self._policy, self._touch = trusts, policy, touch
        self._forwarder = Forwarder(config or RelayConfig(), random or SystemRandom())
        self._lodging = socket.lodge(TO_RELAY, self._forwarder, self._on_event)
        self._guests: FairTable[PeerId, _Guest, str] = FairTable(
            bounds.RELAY_GUESTS, bounds.RELAY_GUESTS_HOST, kept=bounds.RELAY_GUESTS_KEPT
        )
        self._asked: dict[bytes, tuple[_Guest, int, bytes]] = {}  # by the called side's slot: who asked, and its slot
        self._tasks = TaskSet("relay")

    async def aclose(self) -> None:
        """Pass on nothing any longer."""
        self._forwarder.close("this relay is closed")
        self._lodging.leave()
        await self._tasks.aclose()

    def policy_changed(self) -> None:
        """Send those away who may use us no longer."""
        for guest in [self._guests.get(each) for each in self._guests]:
            if guest is not None and self._refusal(guest.peer_id) is not None:
                guest.stream.reset()
        self._touch()

    def snapshot(self) -> PassingSnapshot:
        """Return what we pass on."""
        counts = self._forwarder.statistics()
        config = self._forwarder.config
        pairs = tuple(PassedPair(each.peers, each.passed) for each in self._forwarder.pairs())
        return PassingSnapshot(
            self._policy(), len(self._guests), pairs, counts.bytes, counts.bytes_today, config.day_bytes,
            int(config.rate), counts.over_rate, counts.refused,
        )  # fmt: skip

    async def serve(self, stream: ByteStream, opening: Opening) -> None:
        """Take somebody who wants to be joined with others. Raises LocalError with what the caller is told."""
        peer_id = stream.peer_id
        if peer_id is None:
            raise LocalError("nothing is passed on here for peers without an identity", name=OFF)
        refusal = self._refusal(peer_id)
        if refusal is not None:
            raise refusal
        if virtual(stream.remote):
            raise LocalError("you are reached by a relay yourself: nothing is passed on further", name=OFF)
        guest = self._enter(_Guest(peer_id, stream, self._trusts(peer_id)))
        stream.accept()
        writing = self._tasks.spawn(self._write(guest), name=f"tell {peer_id.short}")
        self._touch()
        try:
            await self._read(guest)
        finally:
            writing.cancel()
            if self._guests.get(peer_id) is guest:
                self._guests.pop(peer_id)
            self._tasks.spawn(self._forget(guest), name=f"forget {peer_id.short}")
            self._touch()

    def _enter(self, guest: _Guest) -> _Guest:
        """Give a guest a place: its own from before, or that of one of the host that has most. Raises LocalError."""
        before = self._guests.pop(guest.peer_id)
        if before is not None:
            before.stream.reset()
        for gone in self._guests.put(guest.peer_id, guest, network(guest.stream.remote.host), kept=guest.trusted):
            if gone.value is guest:
                raise LocalError("too many peers wait here to be joined: try later", name=FULL)
            gone.value.stream.reset()
        return guest

    async def _forget(self, guest: _Guest) -> None:
        """End the pairs of a guest that has left, after what is on its way."""
        await asyncio.sleep(LINGER)
        for slot in guest.slots:
            self._forwarder.leave(slot, guest.peer_id, "the other side is not here any longer")
        self._lodging.flush()

    async def _write(self, guest: _Guest) -> None:
        try:
            while True:
                await guest.stream.write(await guest.outgoing.get())
        except PeerError as error:
            _log.debug("%s hears nothing further: %s", guest.peer_id.short, error)

    async def _read(self, guest: _Guest) -> None:
        lines = Lines()
        while data := await guest.stream.read():
            for line in lines.take(data):
                self._take(guest, parse(line))

    # -- what guests say ----------------------------------------------------------------------------------------------

    def _take(self, guest: _Guest, said: Said | None) -> None:
        match said:
            case Join():
                try:
                    self._join(guest, said)
                except LocalError as error:
                    guest.say(Failed(said.number, error.name, str(error)))
            case Take(slot, salt):
                asked = self._asked.pop(slot, None)
                if asked is not None:
                    caller, number, theirs = asked
                    caller.say(Given(number, theirs, salt))
            case Leave(slot):
                self._forwarder.leave(slot, guest.peer_id)
                self._lodging.flush()

    def _join(self, guest: _Guest, said: Join) -> None:
        if not guest.joins.take(self._lodging.now()):
            raise LocalError("you ask too often to be joined: wait a moment", name="ERR_RATE_LIMITED")
        other = self._guests.get(said.to)
        if other is None or other is guest or self._refusal(said.to) is not None:
            raise LocalError("that peer does not wait here", name=NOT_THERE)
        joined = self._forwarder.join(
            (guest.peer_id, guest.where), (other.peer_id, other.where), self._lodging.now(),
            trusted=guest.trusted and other.trusted,
        )  # fmt: skip
        if joined is None:
            raise LocalError("this relay passes on as much as it may", name=FULL)
        mine, theirs = joined.slots
        guest.slots.append(mine)
        other.slots.append(theirs)
        self._asked[theirs] = (guest, said.number, mine)
        other.say(Ring(guest.peer_id, said.salt, theirs))
        self._lodging.flush()
        self._touch()

    def _on_event(self, event: PairEnded) -> None:
        for slot, peer_id in zip(event.slots, event.peers, strict=True):
            self._asked.pop(slot, None)
            guest = self._guests.get(peer_id)
            if guest is not None and slot in guest.slots:
                guest.slots.remove(slot)
                guest.say(Over(slot, event.reason))
        self._touch()

    def _refusal(self, peer_id: PeerId) -> LocalError | None:
        policy = self._policy()
        if policy == "everyone" or (policy == "friends" and self._trusts(peer_id)):
            return None
        who = "for nobody" if policy == "off" else "for friends only"
        return LocalError(f"packets are passed on here {who}", name=OFF)
