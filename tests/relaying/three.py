"""Three peers on loopback: Fay passes on, Ann and Bob know her and each other, and a wall may stand between the two."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import pytest

from core.identity.identity import Identity
from core.net.endpoint import Endpoint
from core.peer import Peer, PeerConfig, open_peer
from core.values import Address, Burst
from tests.peer.ears import Ears
from tests.peer.test_by_id import grape

ANN, BOB, FAY = (Identity.from_secret(bytes([number]) * 32) for number in (11, 12, 13))
Policy = Literal["auto", "off", "friends", "everyone"]


def endpoint(peer: Peer) -> Endpoint:
    return peer._parts.endpoint  # what the socket does is no news to anybody else


class Wall:
    """Drops what two sockets send each other, while it stands."""

    def __init__(self, *peers: Peer) -> None:
        self.stands = True
        self.passed = 0
        self._ends = [Address("127.0.0.1", endpoint(each).address.port) for each in peers]
        for each in peers:
            sockets = endpoint(each).detour.sockets
            sockets.send = self._filter(sockets.send)  # type: ignore[method-assign, assignment]

    def _filter(self, send: Callable[[Burst], None]) -> Callable[[Burst], None]:
        def filtered(burst: Burst) -> None:
            if burst.to not in self._ends:
                send(burst)
            elif not self.stands:
                self.passed += len(burst.datagrams)
                send(burst)

        return filtered


@dataclass
class Three:
    ann: Peer
    bob: Peer
    fay: Peer
    wall: Wall
    url: str
    ears: dict[str, Ears] = field(default_factory=dict)


@asynccontextmanager
async def one(url: str, identity: Identity, policy: Policy = "off") -> AsyncIterator[tuple[Peer, Ears]]:
    ears = Ears()
    config = PeerConfig(grapes=(url,), bind="127.0.0.1", identity=identity, relay=policy, use_relays=policy == "off")
    async with open_peer(config, ears) as opened:
        yield opened, ears


@asynccontextmanager
async def three(monkeypatch: pytest.MonkeyPatch, policy: Policy = "friends") -> AsyncIterator[Three]:
    """Fay is trusted by both and trusts both; Bob trusts Ann; the wall stands."""
    monkeypatch.setattr("core.net.stream.CLOSE_TIMEOUT", 0.3)
    async with grape() as (opened, _), one(opened.url, FAY, policy) as (fay, fays):
        await fay.trust(ANN.peer_id, "Ann")
        await fay.trust(BOB.peer_id, "Bob")
        await fay.share("fibonacci")  # so that a record says where she is
        async with one(opened.url, ANN) as (ann, anns), one(opened.url, BOB) as (bob, bobs):
            wall = Wall(ann, bob)
            await ann.trust(FAY.peer_id, "Fay")
            await bob.trust(FAY.peer_id, "Fay")
            await bob.trust(ANN.peer_id, "Ann")
            await ann.trust(BOB.peer_id, "Bob")
            yield Three(ann, bob, fay, wall, opened.url, {"ann": anns, "bob": bobs, "fay": fays})
