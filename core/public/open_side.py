"""Open peers, both ways: being met at others, and being one for others. The public DHT drives it."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING

from core.mainline.events import MainlineEvent
from core.net.endpoint import Lodging
from core.news.network import OpenPeersSnapshot
from core.peer_id import PeerId
from core.public.open_client import Kept, OpenPeers
from core.public.open_desk import OpenDesk
from core.public.open_visit import Ask
from core.public.people import People
from core.public.searches import Searches
from core.values import Address

if TYPE_CHECKING:  # only while the public DHT is used
    from core.mainline.node import MainlineNode
    from core.signal.exchange import Exchange


class OpenSide:
    """`ask(address, payload, seconds, expected)` asks an open peer. `desk` answers others, where there is one."""

    def __init__(
        self, ask: Ask, told: Callable[[Sequence[Address]], list[Address]], kept: Kept, random: Random,
        clock: Callable[[], float], desk: OpenDesk | None = None, *, helps: bool = False,
        renew: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """`helps`: its owner lets this peer help strangers meet. `renew()`: all connections are to be new ones."""
        self._renew = renew
        self._clock = clock
        self._desk = desk
        self.helps = helps
        self._stir: Callable[[], None] = lambda: None
        self._tell: Callable[[PeerId, str], None] = lambda peer_id, words: None
        self._peers = OpenPeers(
            ask, told, kept, random, clock, lambda: self._stir(), lambda peer_id, words: self._tell(peer_id, words)
        )
        self._searches: Searches | None = None

    def start(self, stir: Callable[[], None], tell: Callable[[PeerId, str], None]) -> None:
        """Take who is asked for a look at the exchange, and who is told how a search goes."""
        self._stir, self._tell = stir, tell

    def begin(self, node: "MainlineNode", exchange: "Exchange", lodging: Lodging, port: int) -> None:
        """Work from now on: the public DHT is on."""
        self._searches = Searches(node, port, lodging.now, lodging.flush)
        self._peers.begin(exchange, node.thrift)

    async def end(self) -> None:
        """Stop. Idempotent."""
        self._searches = None
        await self._peers.end()
        if self._desk is not None:
            await self._desk.aclose()

    def begin_again(self) -> None:
        """Begin again: we slept, or are on another network."""
        self._renew()
        self._peers.begin_again()

    def help(self, on: bool) -> None:
        """Help strangers meet from now on, as far as others reach us; or stop."""
        self.helps = on
        self._stir()

    def take(self, event: MainlineEvent) -> None:
        """Take what the node tells."""
        if self._searches is not None:
            self._searches.take(event)

    def look(
        self, node: "MainlineNode", people: People, waits: bool, calls: Sequence[PeerId], *, awaited: bool
    ) -> None:  # fmt: skip
        """Do what is due. `waits`: others may call us; `calls`: those that we call, `awaited` if somebody waits."""
        own, searches = people.own(), self._searches
        if searches is None or own is None:
            return
        if self._desk is not None:
            self._desk.look(self.helps and node.serving, searches, self._clock())
        names = [each.name for each in people.contacts()] if waits else []
        self._peers.look(own, waits, calls, names, searches, awaited=awaited)

    def visits(self) -> bool:
        """Return whether we are at an open peer."""
        return self._peers.visited() > 0

    def snapshot(self) -> OpenPeersSnapshot:
        """Return how it goes."""
        if self._searches is None:
            return OpenPeersSnapshot(helps=self.helps)
        found, visited, desk = self._peers.found(), self._peers.visited(), self._desk
        if desk is None or not desk.on:
            return OpenPeersSnapshot(self.helps, False, found, visited)
        work = desk.desk
        return OpenPeersSnapshot(self.helps, True, found, visited, work.watchers(), work.letters(), work.introduced)
