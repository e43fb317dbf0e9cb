"""One lane: what two peers send each other, by whatever path is best at the moment.

Connections run under an address that stands for the peer, not for a place (`virtual`). Below them the lane moves from
a relay to a direct path as soon as an authenticated beat was answered by it, and back when three in a row are late.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import blake2b
from random import Random
from typing import Final, NamedTuple

from core.errors import RemoteError
from core.limits.table import BoundedTable
from core.peer_id import PeerId
from core.relay.beats import Path
from core.relay.config import LaneConfig
from core.relay.events import LaneState
from core.relay.keys import LinkKeys
from core.scope import VIRTUAL
from core.values import Address, Burst, MayAnswer
from core.wire.relay_packet import Beat, Bye, Ping, Pong, pack_beat, parse_beat

_ASKED: Final = 64  # beats of ours that an answer may be to
_OPENER_TTL: Final = 5  # hops: past our own router, and not as far as theirs (core.punch.puncher)
_RTT: Final = 0.3  # seconds; for a path that was not measured yet


def virtual(peer_id: PeerId, salt: int = 0) -> Address:
    """Return the address that stands for a peer: in 240.0.0.0/8, which nobody can send to (RFC 1112 section 4)."""
    made = blake2b(peer_id.key, digest_size=5, key=salt.to_bytes(4, "big")).digest()
    return Address(f"{VIRTUAL}{made[0]}.{made[1]}.{made[2]}", 1024 + int.from_bytes(made[3:], "big") % 64_000)


class Link:
    """A relay at which both have a slot."""

    def __init__(self, relay: PeerId, where: Callable[[], Address], slot: bytes, keys: LinkKeys, path: Path) -> None:
        self.relay, self._where, self.slot, self.keys, self.path = relay, where, slot, keys, path
        self.lies: deque[float] = deque()

    @property
    def at(self) -> Address:
        """Where the relay is now."""
        return self._where()


class Told(NamedTuple):
    """What beats of a lane lead to. `moved`: another path is in use. `lost`: a link that died."""

    moved: bool = False
    lost: Link | None = None


class Lane:
    """Made by `core.relay.lanes.Lanes`. `may` and `may_answer` as lanes have them."""

    def __init__(
        self,
        peer_id: PeerId,
        address: Address,
        config: LaneConfig,
        random: Random,
        own: Callable[[], Iterable[Address]],
        may: Callable[[Address, float, str], bool],
        may_answer: MayAnswer,
        now: float,
    ) -> None:
        self.peer_id, self.address = peer_id, address
        self.aliases: OrderedDict[Address, None] = OrderedDict({address: None})
        self.links: OrderedDict[bytes, Link] = OrderedDict()  # by slot, the newest last
        self.paths: dict[Address, Path] = {}  # direct ones
        self.direct: Path | None = None
        self.speaker: Link | None = None  # whose keys direct beats are sealed with; it may have been left
        self.used_at = self.since = now
        self.refused = 0
        self._config, self._random, self._own, self._may = config, random, own, may
        self._may_answer = may_answer
        self._asked: BoundedTable[int, tuple[Address | bytes, float]] = BoundedTable(_ASKED)
        self.beats: list[Burst] = []

    # -- the paths ----------------------------------------------------------------------------------------------------

    def link(self) -> Link | None:
        """Return the link in use: the newest that lives, or else the newest."""
        alive = [each for each in self.links.values() if each.path.alive]
        return alive[-1] if alive else next(reversed(self.links.values()), None)

    @property
    def alive(self) -> bool:
        """Whether any path lives, or is new and may."""
        return self.direct is not None or bool(self.links)

    def in_use(self, now: float) -> bool:
        """Whether datagrams went through lately."""
        return now - self.used_at < self._config.in_use

    def add_link(self, link: Link) -> Link | None:
        """Use one more relay; return the link that made room."""
        self.links[link.slot] = self.speaker = link
        for path in self.paths.values():
            if not path.alive:
                path.restart(link.path.since)
        if len(self.links) <= self._config.links:
            return None
        return self.links.popitem(last=False)[1]

    def candidate(self, address: Address, now: float) -> None:
        """Try a direct address; the one named longest ago that does not live makes room."""
        if address in self.paths:
            return
        if len(self.paths) >= self._config.candidates:
            idle = next((each for each, path in self.paths.items() if not path.alive), None)
            if idle is None:
                return
            del self.paths[idle]
        self.paths[address] = Path(address, self._config, now)

    def presume(self, address: Address, now: float) -> bool:
        """Take a direct address for open until beats say otherwise; return whether it is in use now, and was not."""
        self.candidate(address, now)
        path = self.paths.get(address)
        if path is None or path.alive:
            return False
        path.presume(now)
        return self.direct is None and self._choose(now)

    def doubt(self, now: float) -> None:
        """Trust no path: we slept, or are on another network."""
        for path in (*self.paths.values(), *(each.path for each in self.links.values())):
            path.doubt(now)

    def use(self, now: float) -> None:
        """Note that a datagram goes through."""
        if not self.in_use(now):
            for path in (*self.paths.values(), *(each.path for each in self.links.values())):
                path.hurry(now)
        self.used_at = now

    def burst(self, burst: Burst) -> Burst | None:
        """Return a burst as it leaves by the path in use; None when there is none."""
        if self.direct is not None and self.direct.remote is not None:
            return replace(burst, to=self.direct.remote)
        link = self.link()
        if link is None:  # an address that is a place is tried as it is
            return None if burst.to == self.address else burst
        return replace(burst, to=link.at, datagrams=[link.keys.frame(link.slot, each) for each in burst.datagrams])

    # -- beats --------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> Told:
        """Send what is due; see what is late."""
        lost = next((each for each in self.links.values() if each.path.late(now)), None)
        died = [path for path in self.paths.values() if path.late(now)]
        moved = False
        if self.direct in died:
            moved = self._choose(now)
        in_use = self.in_use(now)
        for link in self.links.values():
            if link.path.due(now):
                self._ping(link, None, link.path, now, in_use)
        speaker = self.speaker
        for address, path in self.paths.items():
            if speaker is None or not path.due(now) or (self.direct not in (None, path) and not path.alive):
                continue
            if path.alive or self._may(address, now, speaker.at.host):
                self._ping(speaker, address, path, now, in_use)
            else:
                path.asked_at(now, in_use=in_use)
        return Told(moved, lost)

    def deadline(self) -> float:
        """Return when `tick` is due."""
        tried = (p for p in self.paths.values() if p.alive or self.direct is None)
        soonest = min(
            (path.next_at for path in (*tried, *(link.path for link in self.links.values()))), default=math.inf
        )
        return min(soonest, self.used_at + self._config.kept)

    def receive(self, link: Link, content: bytes, source: Address | None, now: float) -> Told:
        """Take a beat that was opened; `source` None: it came by the relay."""
        try:
            beat = parse_beat(content)
        except RemoteError:
            self.refused += 1
            return Told()
        if isinstance(beat, Bye):
            return Told(lost=link)
        if isinstance(beat, Pong):
            return self._answered(link, beat, source, now)
        for each in beat.candidates:
            self.candidate(each, now)
        if source is not None:
            self.candidate(source, now)
        path = self.paths.get(source) if source is not None else None
        proven = source is None or (path is not None and path.alive)
        if proven or self._may_answer(source or self.address, now):
            self._send(link, source, Pong(beat.nonce, source))
        waits = path is not None and not path.alive and self.direct is None and self._may_now(path, now)
        if path is not None and source is not None and waits and self._may_answer(source, now):
            self._ping(link, source, path, now, self.in_use(now))  # it got here: now is the moment to get there
        return Told()

    def bye(self) -> None:
        """Tell the other side that this lane is wanted no longer."""
        for link in self.links.values():
            self._send(link, None, Bye())

    def state(self) -> LaneState:
        """Return how it stands."""
        link = self.link()
        path = self.direct or (link.path if link is not None else None)
        return LaneState(
            self.peer_id, self.address, None if self.direct is None else self.direct.remote,
            None if link is None else link.relay, None if path is None else path.round_trip,
            0.0 if path is None else path.loss, self.since, path is not None and path.alive, self.refused,
        )  # fmt: skip

    @property
    def round_trip(self) -> float:
        """Seconds, of the path in use."""
        return self.state().round_trip or _RTT

    def drop_link(self, link: Link) -> None:
        """Use a relay no longer."""
        self.links.pop(link.slot, None)

    # -- within -------------------------------------------------------------------------------------------------------

    def _may_now(self, path: Path, now: float) -> bool:
        """An answer to what just came: one in half a second, whatever else is due."""
        return now - path.sent_at > self._config.least_wait / 4

    def _answered(self, link: Link, pong: Pong, source: Address | None, now: float) -> Told:
        asked = self._asked.pop(pong.nonce, None)
        key = link.slot if source is None else source
        if asked is None or asked[0] != key:
            self.refused += 1
            return Told()
        path = link.path if source is None else self.paths.get(source)
        if path is None or not path.on_answer(now - asked[1], now, in_use=self.in_use(now)) or source is None:
            return Told()
        return Told(moved=self.direct is None and self._choose(now))

    def _choose(self, now: float) -> bool:
        """Take the direct path with the shortest round trip; return whether that is another than before."""
        alive = [path for path in self.paths.values() if path.alive]
        best = min(alive, key=lambda path: path.round_trip or _RTT, default=None)
        if best is self.direct:
            return False
        self.direct, self.since = best, now
        return True

    def _ping(self, link: Link, to: Address | None, path: Path, now: float, in_use: bool) -> None:
        nonce = self._random.getrandbits(64)
        self._asked[nonce] = (link.slot if to is None else to, now)
        opener = to is not None and not path.alive and path.tries < self._config.openers
        path.asked_at(now, in_use=in_use)
        candidates = tuple(self._own())[:8] if to is None or path.alive else ()
        self._send(link, to, Ping(nonce, candidates), ttl=_OPENER_TTL if opener else None)

    def _send(self, link: Link, to: Address | None, beat: Beat, ttl: int | None = None) -> None:
        if len(self.beats) >= self._config.queued:
            return
        sealed = link.keys.seal(pack_beat(beat))
        if to is None:
            self.beats.append(Burst(link.at, [link.keys.frame(link.slot, sealed)]))
        else:
            self.beats.append(Burst(to, [sealed], ttl=ttl))
