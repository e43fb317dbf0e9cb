"""Both sides of passing on, of one peer: made before its parts are there, and begun when they are."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from core.net.detour import Detour
from core.news.hub import Hub
from core.news.relays import PassingSnapshot, RelaysSnapshot
from core.peer_id import PeerId
from core.relaying.brokers import KnownBrokers
from core.relaying.desk import RelayDesk
from core.relaying.relays import Relays, Socket
from core.relaying.waiting import OpenStream
from core.relaying.world import World

AUTO, OFF, FRIENDS, EVERYONE = "auto", "off", "friends", "everyone"


class Carries(Socket, Protocol):
    """What is needed of the endpoint."""

    detour: Detour


class Relaying:
    """`passes`: who may have packets passed on; "auto": friends, where others reach us directly.

    `uses`: whether friends may pass our packets on. Nothing happens before `start`.
    """

    def __init__(self, hub: Hub, socket: Carries, passes: str, *, uses: bool) -> None:
        self._hub = hub
        self._passes, self._uses = passes, uses
        self._reachable: Callable[[], bool] = lambda: False
        self._trusts: Callable[[PeerId], bool] = lambda peer_id: False
        self.desk = RelayDesk(socket, lambda peer_id: self._trusts(peer_id), self.policy, hub.touch)
        self.relays = Relays(hub, socket)
        self.brokers = KnownBrokers()

    def start(self, world: World, open_stream: OpenStream, reachable: Callable[[], bool]) -> None:
        """Know the rest of the peer from now on. `reachable()`: others reach us directly."""
        self._reachable, self._trusts = reachable, world.trusts
        self.relays.start(world, open_stream)
        self.relays.switch(self._uses)

    async def aclose(self) -> None:
        """Pass on nothing, and leave all relays."""
        await self.relays.aclose()
        await self.desk.aclose()

    def policy(self) -> str:
        """Return who may have packets passed on now: "off", "friends" or "everyone"."""
        if self._passes == AUTO:
            return FRIENDS if self._reachable() else OFF
        return self._passes

    def pass_on(self, passes: str) -> None:
        """Change who may have packets passed on; it holds at once."""
        self._passes = passes
        self.desk.policy_changed()

    def use(self, on: bool) -> None:
        """Let friends pass our packets on, or not; it holds at once."""
        self._uses = on
        self.relays.switch(on)

    def begin_again(self) -> None:
        """We slept, or are on another network: no path is trusted."""
        self.brokers.begin_again()
        self.relays.begin_again()

    def snapshot(self) -> RelaysSnapshot:
        """Return both sides of it."""
        passing: PassingSnapshot = replace(self.desk.snapshot(), chosen=self._passes)
        return RelaysSnapshot(passing, self.relays.ready(), self.relays.peers(), self._uses)
