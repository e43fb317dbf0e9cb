"""What a user of relays needs of the rest of its peer, and what it notes of each relay and each friend."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import SystemRandom
from typing import TYPE_CHECKING

from core.frozen import frozen
from core.limits.rate import Backoff, TokenBucket
from core.peer_id import PeerId
from core.relaying.brokers import KnownBrokers
from core.relaying.over_tcp import OverTcp
from core.relaying.talk import Given, Said, pack
from core.tunnel.stream import ByteStream
from core.values import Address, MayAnswer

if TYPE_CHECKING:
    from core.identity.identity import Identity  # loaded with the identity itself: it brings `cryptography`, 7 MB

RINGS, RINGS_AT_ONCE = 0.5, 16.0  # of one relay a second that are answered
_LEAST_PAUSE, _MOST_PAUSE = 15.0, 600.0  # seconds between tries of a friend


@frozen
class World:
    """What is needed of the rest of the peer."""

    identity: "Callable[[], Identity | None]"
    friends: Callable[[], Iterable[PeerId]]  # the most wanted first
    trusts: Callable[[PeerId], bool]
    blocked: Callable[[PeerId], bool]
    name: Callable[[PeerId], str]
    own: Callable[[PeerId], Iterable[Address]]  # our addresses that this peer may know
    may: Callable[[Address, float, str], bool]  # a beat may leave for one that is silent, named by way of this host
    may_answer: MayAnswer  # a beat may leave for where one came from, which may be forged
    wanted: Callable[[], bool]  # others may want to reach us, or we them
    sessions: Callable[[PeerId], Iterable[tuple[Address, float]]]  # where they run, and for how long they are silent
    brokers: KnownBrokers = field(default_factory=KnownBrokers)  # who may pass on too: they bring us together anyway
    over_tcp: OverTcp | None = None


NOWHERE = World(
    lambda: None, lambda: (), lambda peer: False, lambda peer: True, lambda peer: peer.short, lambda peer: (),
    lambda address, now, by: False, lambda address, now: False, lambda: False, lambda peer: (),
)  # fmt: skip


@dataclass(slots=True, eq=False)
class Relay:
    """A friend who passes on, by the stream that is open to it."""

    peer_id: PeerId
    stream: ByteStream
    rings: TokenBucket = field(default_factory=lambda: TokenBucket(RINGS, RINGS_AT_ONCE))
    asked: dict[int, "asyncio.Future[Given]"] = field(default_factory=dict)

    def at(self) -> Address:
        """Return where it is."""
        return self.stream.remote

    def say(self, said: Said) -> None:
        """Say something; what there is no room for ends the stream."""
        line = pack(said)
        if self.stream.offer(line) < len(line):
            self.stream.reset()


@dataclass(slots=True)
class Friend:
    """How asking a friend went."""

    pause: Backoff = field(default_factory=lambda: Backoff(_LEAST_PAUSE, _MOST_PAUSE, SystemRandom()))
    next_at: float = 0.0
    opening: "asyncio.Task[None] | None" = None
