"""All lanes of one socket: what comes by relays, their beats, and what is to move where. Without I/O."""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Final

from core.limits.table import BoundedTable
from core.peer_id import PeerId
from core.relay.beats import Path
from core.relay.config import LaneConfig
from core.relay.events import Carried, LaneEnded, LaneEvent, LaneState, LinkLost, Moved, Stranded
from core.relay.keys import LinkKeys
from core.relay.lane import Lane, Link, Told, virtual
from core.scope import VIRTUAL
from core.values import Address, Buffer, Burst, MayAnswer, anybody
from core.wire.relay_packet import BEAT, FROM_RELAY, OVERHEAD, parse_beat_header, slot_of

LIED: Final = "it changes or repeats what it passes on"
SILENT: Final = "three beats in a row were not answered through it"
_OWN: Final = frozenset((BEAT, 0xFB))  # first bytes of what lanes themselves send


class Lanes:
    """A machine (`core.values.Machine`).

    `own(peer)` are our addresses, to be told to a peer; `may(address, now, by)`: a beat
    may leave for a silent one, which was named by way of the host `by`; `may_answer(address, now)`: one may leave for
    the source of a beat, which the other side may have forged.
    """

    def __init__(
        self,
        config: LaneConfig,
        random: Random,
        own: Callable[[PeerId], Iterable[Address]] = lambda peer: (),
        may: Callable[[Address, float, str], bool] = lambda address, now, by: True,
        may_answer: MayAnswer = anybody,
    ) -> None:
        self._config, self._random, self._own, self._may = config, random, own, may
        self._may_answer = may_answer
        self._lanes: BoundedTable[PeerId, Lane] = BoundedTable(config.lanes, lambda _, lane: self._forget(lane))
        self._by_address: dict[Address, Lane] = {}  # those that connections use
        self._by_slot: dict[bytes, tuple[Lane, Link]] = {}
        self._by_id: dict[bytes, tuple[Lane, Link]] = {}
        self._events: list[LaneEvent] = []
        self._beats: list[Burst] = []
        self.unknown = 0  # frames and beats of no lane of ours

    def __len__(self) -> int:
        return len(self._lanes)

    # -- verbs --------------------------------------------------------------------------------------------------------

    def open(
        self, peer_id: PeerId, relay: PeerId, where: Callable[[], Address], slot: bytes, keys: LinkKeys, now: float
    ) -> Address:
        """Reach a peer by this relay too; return the address that stands for the peer. `where()` the relay is."""
        lane = self._lanes.get(peer_id)
        if lane is None:
            lane = self._make(peer_id, now)
        self._lanes[peer_id] = lane  # used now
        link = Link(relay, where, slot, keys, Path(None, self._config, now))
        self._by_slot[slot] = self._by_id[keys.their_id] = (lane, link)
        lane.used_at = max(lane.used_at, now)
        before = lane.speaker
        dropped = lane.add_link(link)
        if before is not None and before.slot not in lane.links:
            self._by_id.pop(before.keys.their_id, None)
        if dropped is not None:
            self._drop(lane, dropped)
        return lane.address

    def end_link(self, slot: bytes, reason: str) -> None:
        """A relay passes nothing on for this slot any longer."""
        found = self._by_slot.get(slot)
        if found is not None:
            self._lose(*found, reason)

    def end_relay(self, relay: PeerId, reason: str) -> None:
        """A relay is not there any longer."""
        for lane, link in list(self._by_slot.values()):
            if link.relay == relay:
                self._lose(lane, link, reason)

    def candidate(self, peer_id: PeerId, address: Address, now: float) -> None:
        """Try this direct address of a peer; nothing happens without a lane."""
        lane = self._lanes.get(peer_id)
        if lane is not None:
            lane.candidate(address, now)

    def opened(self, peer_id: PeerId, address: Address, now: float) -> None:
        """A direct address of a peer was opened just now, both ways: take it, if there is a lane."""
        lane = self._lanes.get(peer_id)
        if lane is not None and lane.presume(address, now):
            self._tell_moved(lane)

    def alias(self, peer_id: PeerId, address: Address, now: float, *, alive: bool = False) -> None:
        """Let connections that run under this direct address of a peer go by its lane from now on.

        `alive`: something came from there a moment ago. Else they go by a relay until a beat was answered there.
        """
        lane = self._lanes.get(peer_id)
        if lane is None or self._by_address.get(address, lane) is not lane:
            return
        new = address not in lane.aliases
        lane.candidate(address, now)
        lane.aliases[address] = None
        self._by_address[address] = lane
        while len(lane.aliases) > self._config.candidates:
            oldest = next(each for each in lane.aliases if each != lane.address)
            del lane.aliases[oldest], self._by_address[oldest]
        moved = lane.presume(address, now) if alive else new and lane.direct is None
        if moved:
            self._tell_moved(lane)

    def doubt(self, now: float) -> None:
        """Trust no path of any lane: we slept, or are on another network. Beats leave at once."""
        for lane in self._lanes.values():
            lane.doubt(now)

    def close(self, peer_id: PeerId, *, bye: bool = True) -> None:
        """End a lane, if there is one."""
        lane = self._lanes.pop(peer_id, None)
        if lane is not None:
            if bye:
                lane.bye()
                self._beats += lane.beats
            self._forget(lane)

    def usable(self, address: Address) -> bool:
        """Return whether something sent to this virtual address would leave."""
        lane = self._by_address.get(address)
        return lane is not None and lane.alive

    def address(self, peer_id: PeerId) -> Address | None:
        """Return the address that stands for a peer, if it can be reached by that."""
        lane = self._lanes.get(peer_id)
        return lane.address if lane is not None and lane.alive else None

    def leading(self, address: Address) -> LaneState | None:
        """Return how the lane stands by which an address is reached; None for one that is reached as it is."""
        lane = self._by_address.get(address)
        return None if lane is None else lane.state()

    def states(self) -> list[LaneState]:
        """Return how all of them stand."""
        return [lane.state() for lane in self._lanes.values()]

    def relays(self, peer_id: PeerId) -> set[PeerId]:
        """Return the relays by which a peer may be reached."""
        lane = self._lanes.get(peer_id)
        return set() if lane is None else {link.relay for link in lane.links.values()}

    def by_relay(self, relay: Address, size: int) -> list[tuple[Address, int]]:
        """Return the addresses that are reached by what is at `relay`, and how long a datagram of theirs was."""
        lanes = (lane for lane in self._lanes.values() if lane.direct is None)
        found = [lane for lane in lanes if any(link.at == relay for link in lane.links.values())]
        return [(address, size - OVERHEAD) for lane in found for address in lane.aliases]

    # -- below the connections ----------------------------------------------------------------------------------------

    def out(self, burst: Burst, now: float) -> Burst | None:
        """Return a burst as it leaves; None: nothing leaves."""
        lane = self._by_address.get(burst.to)
        if lane is None or burst.datagrams[0][0] in _OWN:
            return None if lane is None and burst.to.host.startswith(VIRTUAL) else burst
        lane.use(now)
        return lane.burst(burst)

    def source(self, source: Address, known: Callable[[Address], bool]) -> Address:
        """Return from where something counts as having come; `known(address)`: a connection of its runs under that."""
        for lane in self._lanes.values():
            path = lane.paths.get(source)
            if path is not None and path.alive and not known(source):
                return self._known_as(lane, known)
        return source

    def known_as(self, address: Address, known: Callable[[Address], bool]) -> Address:
        """Return under which address of its lane a connection runs that `known` tells of; or else this one."""
        lane = self._by_address.get(address)
        return address if lane is None else self._known_as(lane, known)

    @staticmethod
    def _known_as(lane: Lane, known: Callable[[Address], bool]) -> Address:
        return next((each for each in lane.aliases if known(each)), lane.address)

    # -- as a machine -------------------------------------------------------------------------------------------------

    def idle(self) -> bool:
        """Tell that there is nothing to send, to tell or to wait for."""
        return not (self._by_address or self._events or self._beats)  # each lane has an address

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        """See `core.values.Machine`."""
        carried: dict[Lane, list[bytes]] = {}
        for datagram in datagrams:
            if datagram[0] == BEAT:
                self._take_beat(bytes(datagram), source, now)
                continue
            slot = slot_of(datagram, FROM_RELAY)
            found = None if slot is None else self._by_slot.get(slot)
            if found is None or source != found[1].at:
                self.unknown += 1
                continue
            lane, link = found
            inner = link.keys.unframe(datagram)
            if inner is None:
                self._lied(lane, link, now)
            elif inner[0] == BEAT:
                self._take_beat(inner, None, now)
            else:
                carried.setdefault(lane, []).append(inner)
        for lane, inner_ones in carried.items():
            lane.use(now)
            self._events.append(Carried(lane.address, inner_ones))

    def tick(self, now: float) -> None:
        """See `core.values.Machine`."""
        for lane in list(self._lanes.values()):
            self._on_told(lane, lane.tick(now), SILENT)
            if now - lane.used_at >= self._config.kept:
                self._leave(lane)

    def deadline(self) -> float | None:
        """See `core.values.Machine`."""
        return min((lane.deadline() for lane in self._lanes.values()), default=None)

    def transmit(self, now: float) -> list[Burst]:
        """See `core.values.Machine`."""
        bursts, self._beats = self._beats, []
        for lane in self._lanes.values():
            bursts += lane.beats
            lane.beats.clear()
        return bursts

    def events(self) -> list[LaneEvent]:
        """See `core.values.Machine`."""
        events, self._events = self._events, []
        return events

    # -- within -------------------------------------------------------------------------------------------------------

    def _make(self, peer_id: PeerId, now: float) -> Lane:
        salt = 0
        while (address := virtual(peer_id, salt)) in self._by_address:
            salt += 1
        lane = Lane(
            peer_id, address, self._config, self._random, lambda: self._own(peer_id), self._may, self._may_answer, now
        )  # fmt: skip
        self._by_address[address] = lane
        return lane

    def _take_beat(self, datagram: bytes, source: Address | None, now: float) -> None:
        header = parse_beat_header(datagram)
        found = None if header is None else self._by_id.get(header[0])
        if header is None or found is None:
            self.unknown += 1
            return
        lane, link = found
        content = link.keys.open(header[1], datagram)
        if content is None:
            lane.refused += 1
        else:
            self._on_told(lane, lane.receive(link, content, source, now), "the other side left")

    def _on_told(self, lane: Lane, told: Told, reason: str) -> None:
        if told.lost is not None:
            self._lose(lane, told.lost, reason)
        if told.moved:
            self._tell_moved(lane)
            if not lane.alive:
                self._events.append(Stranded(lane.peer_id))

    def _tell_moved(self, lane: Lane) -> None:
        direct = None if lane.direct is None else lane.direct.remote
        self._events.append(Moved(lane.peer_id, tuple(lane.aliases), direct, lane.round_trip))

    def _lied(self, lane: Lane, link: Link, now: float) -> None:
        """Count what a relay changed or repeated; leave it when that is no accident."""
        lane.refused += 1
        link.lies.append(now)
        while link.lies and link.lies[0] < now - self._config.lies_within:
            link.lies.popleft()
        if len(link.lies) >= self._config.lies:
            self._lose(lane, link, LIED)

    def _lose(self, lane: Lane, link: Link, reason: str) -> None:
        used = lane.direct is None and lane.link() is link
        self._drop(lane, link)
        needed = lane.direct is None and not any(each.path.alive for each in lane.links.values())
        self._events.append(LinkLost(lane.peer_id, link.relay, link.slot, reason, needed))
        if used and lane.links:
            self._tell_moved(lane)

    def _drop(self, lane: Lane, link: Link) -> None:
        lane.drop_link(link)
        self._by_slot.pop(link.slot, None)
        if lane.speaker is not link:
            self._by_id.pop(link.keys.their_id, None)

    def _leave(self, lane: Lane) -> None:
        self.close(lane.peer_id)

    def _forget(self, lane: Lane) -> None:
        slots = tuple((link.relay, link.slot) for link in lane.links.values())
        for link in list(lane.links.values()):
            self._drop(lane, link)
        if lane.speaker is not None:
            self._by_id.pop(lane.speaker.keys.their_id, None)
        for address in lane.aliases:
            self._by_address.pop(address, None)
        self._events.append(LaneEnded(lane.peer_id, slots))
