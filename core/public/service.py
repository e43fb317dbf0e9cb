"""The public DHT of one peer: switched on and off, driven on its socket, and a source of candidates for its requests.

A call that goes out writes where we are, reads where the other is, and rings; a ring that comes in is punched back at
once (`core.signal`). What others say of an address is under the rule of `core.reach.outreach`, as anybody's word.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Final

from core.aio.tasks import TaskSet
from core.aio.unasked import is_unasked
from core.aio.waiting import wait_for
from core.limits.table import BoundedTable
from core.mainline.events import MainlineEvent
from core.mainline.role import PATIENCE
from core.mainline.thrift import RING, Use
from core.net.endpoint import Lodging
from core.news.events import PublicDhtSnapshot
from core.news.hub import Hub
from core.news.joins import SearchProgress
from core.news.network import OpenPeersSnapshot
from core.news.public import PublicDhtChanged
from core.peer_id import PeerId
from core.public.callers import Callers, Found
from core.public.joining import Joining
from core.public.needs import Climbs, Opening, Own, Socket
from core.public.open_side import OpenSide
from core.public.people import People
from core.scope import scope
from core.signal.keys import bell
from core.signal.letter import NAT_MANY, NAT_ONE, Letter
from core.signal.wishes import Called, Located, Rung, Witnessed
from core.values import Address

if TYPE_CHECKING:  # only while the public DHT is used
    from core.mainline.node import MainlineNode
    from core.mainline.post import Post
    from core.signal.exchange import Exchange

FIRST: Final = ord("d")  # the first byte of every message of KRPC: a bencoded dictionary
TICK, IDLE_TICK = 0.5, 1.0  # seconds between looks at what is due while somebody calls or waits, and otherwise
RENEW: Final = 20.0  # seconds between wishes for a call that somebody still waits for; one lasts 60 s
TOLD_IN: Final = 22.0  # seconds until the other side looks at its door at the latest, and a little
RINGS: Final = 30.0  # seconds after a ring in which a letter from there is that of somebody who calls
RINGERS: Final = 64  # hosts that have rung; of more, the newest
BESIDE: Final = 0.3  # seconds; an address on our own network is tried at once

_log = logging.getLogger(__name__)


class PublicDht:
    """Off until `start` and `switch`. It is a LateSource of requests. Raises nothing."""

    head_start = 1.5  # seconds: it takes several, and wakes the other side

    def __init__(
        self,
        hub: Hub,
        socket: Socket,
        own: Own,
        opening: Opening,
        path: Path | None,
        bootstrap: Iterable[str],
        *,
        asked: bool = True,
        random: Random | None = None,
        clock: Callable[[], float] = time.time,
        reachable_for: float = PATIENCE,
    ) -> None:
        """`path` keeps good nodes; `asked`: its owner has decided; others get answers after `reachable_for` seconds."""
        self._hub, self._socket, self._own, self._opening = hub, socket, own, opening
        self._joining = Joining(path, tuple(bootstrap), reachable_for)
        self._asked = asked
        self._random = random or SystemRandom()
        self._clock = clock
        self._secret: Callable[[], bytes | None] = lambda: None
        self._people: People | None = None
        self._serves: Callable[[], bool] = lambda: False
        self._climbs: Climbs | None = None
        self._open: OpenSide | None = None
        self._reached: Callable[[], bool] = lambda: False
        self._rang: BoundedTable[str, float] = BoundedTable(RINGERS)  # when, by host
        self._attentive = False
        self._lodging: Lodging | None = None
        self._node: MainlineNode | None = None
        self._exchange: Exchange | None = None
        self._post: Post | None = None
        self._callers = Callers()
        self._renewed: dict[PeerId, float] = {}
        self._tasks = TaskSet("public DHT")
        self._soon = asyncio.Event()
        self._told = PublicDhtSnapshot()

    # -- what its owner does ------------------------------------------------------------------------------------------

    def start(
        self, people: People, secret: Callable[[], bytes | None], serves: Callable[[], bool],
        climbs: Climbs | None = None, open_side: OpenSide | None = None, reached: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        """Know who may be met from now on.

        `secret()` is our identity's; `serves()`: others may want something of us; `climbs` opens the hard ways.
        `open_side`: open peers, both ways. `reached()`: others have shown that they get in.
        """
        self._people, self._secret, self._serves, self._climbs = people, secret, serves, climbs
        self._open, self._reached = open_side, reached
        if open_side is not None:
            open_side.start(self._soon.set, lambda peer_id, words: self._say_of(peer_id, words))

    async def switch(self, on: bool) -> None:
        """Use the public DHT, or stop. Idempotent."""
        self._asked = True
        if on == (self._node is not None):
            return
        if not on:
            await self._stop()
            return
        from core.mainline.node import MainlineNode
        from core.mainline.post import Post
        from core.signal.exchange import Exchange

        began = asyncio.get_running_loop().time()
        node = self._node = MainlineNode(self._random, began, may_answer=self._socket.may_answer)
        self._exchange = Exchange(self._random, lambda day: bell(self._secret() or b"", day))
        self._post = Post(node, self._exchange, self._socket.address.port)
        self._lodging = self._socket.lodge(FIRST, node, self._on_event)
        if self._open is not None:
            self._open.begin(node, self._exchange, self._lodging, self._socket.address.port)
        self._tasks.spawn(self._joining.run(node, self._lodging, self._say), name="join the public DHT")
        self._tasks.spawn(self._run(node, self._exchange), name="look at what is due")
        self._say()

    async def _stop(self) -> None:
        node, lodging = self._node, self._lodging
        self._node = self._exchange = self._post = self._lodging = None
        await self._tasks.aclose()
        self._tasks = TaskSet("public DHT")
        if self._open is not None:
            await self._open.end()
        if lodging is not None:
            lodging.leave()
        if node is not None:
            await self._joining.keep(node)
        self._own.see_at(None)
        self._say()

    async def aclose(self) -> None:
        """Stop, and keep the good nodes."""
        await self._stop()

    def begin_again(self) -> None:
        """Join, ring and call as if we had just begun: we slept, or are on another network."""
        self._joining.begin_again()
        self._renewed.clear()
        if self._open is not None:
            self._open.begin_again()
        self._soon.set()

    def help_others(self, on: bool) -> None:
        """Help strangers meet while others reach us, or stop."""
        if self._open is not None:
            self._open.help(on)
        self._hub.touch()

    def attend(self, on: bool) -> None:
        """Look at our door often, as while somebody looks at the window; or rarely."""
        self._attentive = on

    def snapshot(self) -> PublicDhtSnapshot:
        """Return how it goes."""
        node, seen = self._node, OpenPeersSnapshot() if self._open is None else self._open.snapshot()
        if node is None:
            return PublicDhtSnapshot(asked=self._asked, open_peers=seen)
        return PublicDhtSnapshot(True, True, node.nodes(), node.serving, self._joining.words(node), seen)

    # -- for the ladder -----------------------------------------------------------------------------------------------

    def nodes(self, count: int) -> list[Address]:
        """Return nodes that answer; first those that have said where they see us, which not all do."""
        if self._node is None or self._lodging is None:
            return []
        return list(dict.fromkeys((*self._node.seen.observers(self._lodging.now()), *self._node.good())))[:count]

    def leave(self, peer_id: PeerId, word: bytes) -> None:
        """Say this to a peer in our next letter; empty: what all are told."""
        if self._exchange is not None:
            self._exchange.say(peer_id, word)
            self._soon.set()

    def reached(self, peer_id: PeerId, remote: Address) -> None:
        """Tell who looks for a peer that there is a way to it."""
        self._callers.tell(peer_id, remote, 0.0)

    # -- for requests -------------------------------------------------------------------------------------------------

    def knows(self, peer_id: PeerId) -> bool:
        """Return whether we share a secret with a peer, and are on the public DHT."""
        if self._exchange is None or self._people is None or self._secret() is None:
            return False
        return any(each.name == peer_id for each in self._people.contacts())

    @contextmanager
    def searching(self, peer_id: PeerId, found: Found) -> Iterator[None]:
        """See LateSource."""
        try:
            with self._callers.searching(peer_id, found, awaited=not is_unasked()):
                self._renewed.pop(peer_id, None)
                self._soon.set()
                yield
        finally:
            if peer_id not in self._callers and self._exchange is not None:
                self._exchange.hang_up(peer_id)

    # -- what is due --------------------------------------------------------------------------------------------------

    async def _run(self, node: "MainlineNode", exchange: "Exchange") -> None:
        while True:
            self._look(node, exchange)
            await wait_for(self._soon, TICK if exchange.lively() else IDLE_TICK)

    def _look(self, node: "MainlineNode", exchange: "Exchange") -> None:
        if self._people is None or self._secret() is None or self._lodging is None:
            return
        now, clock = self._lodging.now(), self._clock()
        mapping = node.seen.mapping(now)
        fixed = mapping is not None and mapping.port is not None
        self._own.see_at(Address(mapping.host, mapping.port or 0) if mapping is not None and fixed else None)
        exchange.know(self._people.contacts())
        word = b"" if self._climbs is None else self._climbs.side()
        exchange.be_at(self._addresses(), 0 if mapping is None else NAT_ONE if fixed else NAT_MANY, word)
        awaited = self._people.awaited()
        waits = self._serves() or awaited
        met = node.nodes() > 0 or (self._open is not None and self._open.visits())
        exchange.listen(waits and met, self._attentive or awaited)
        may_visit = node.thrift.may(Use.VISITS, now)
        called = [each for each in self._callers if not self._callers.unasked(each, now) or may_visit]
        for peer_id in called:
            if exchange.knows(peer_id) and now - self._renewed.get(peer_id, -RENEW) >= RENEW:
                self._renewed[peer_id] = now
                exchange.call(peer_id, now, clock, awaited=not self._callers.unasked(peer_id, now))
        self._renewed = {each: at for each, at in self._renewed.items() if each in self._callers}
        for peer_id, unproved in {} if self._climbs is None else self._climbs.waiting().items():
            awaited = not self._callers.unasked(peer_id, now)
            if awaited or may_visit:
                exchange.hurry(peer_id, now, clock, awaited=awaited, unproved=unproved)
        exchange.tick(now, clock)
        self._joining.look(node, mapping, self._own.mapped() is not None or self._reached(), self._own.hosts(), now)
        if self._open is not None:
            self._open.look(node, self._people, waits, called, awaited=any(map(self._callers.awaited, called)))
        self._act(now, clock)
        self._lodging.flush()

    def _addresses(self) -> list[Address]:
        """Return what our letters say: where others see us first."""
        return sorted(self._own.addresses(), key=lambda each: -scope(each.host))

    def _on_event(self, event: MainlineEvent) -> None:
        if self._post is None or self._lodging is None:
            return
        now, clock = self._lodging.now(), self._clock()
        self._post.take(event, now, clock)
        if self._open is not None:
            self._open.take(event)
        self._act(now, clock)
        self._lodging.flush()

    def _act(self, now: float, clock: float) -> None:
        """Do what the exchange tells, and carry out what it wishes."""
        if self._exchange is None or self._post is None:
            return
        for event in self._exchange.events():
            self._soon.set()
            if isinstance(event, Rung):
                self._on_ring(event.address, now)
            elif isinstance(event, Located):
                self._on_letter(event)
            elif isinstance(event, Witnessed):
                if self._climbs is not None and isinstance(event.name, PeerId):
                    self._climbs.witnessed(event.name, event.host, event.node)
            elif isinstance(event, Called) and isinstance(event.name, PeerId):
                seconds = now - self._renewed.get(event.name, now)
                self._tell(event.name, seconds, f"rings at {event.nodes} nodes, and waits for it to answer")
        self._post.step(now, clock)

    def _on_ring(self, address: Address, now: float) -> None:
        """Open the way to one that rings, as nodes say that may lie: as far as the bytes for that go."""
        self._rang[address.host] = now
        if self._node is not None and self._node.thrift.may(Use.RINGS, now):
            self._node.thrift.spend(Use.RINGS, RING, now)
            self._punch([address], 0.0)

    def _on_letter(self, event: Located) -> None:
        name, letter, via = event.name, event.letter, event.via
        listed, told_in = letter.addresses, TOLD_IN
        now = 0.0 if self._lodging is None else self._lodging.now()
        if isinstance(name, PeerId) and self._callers.calls(name, self._clock() - letter.at, now):
            told_in = 0.0
        if via is not None:  # it has ours as well, and where we come from
            told_in = 0.0
            listed = tuple(dict.fromkeys((*([via.seen] if via.seen is not None else []), *letter.addresses)))
        addresses = self._punch(listed, 0.0 if event.seconds is None else told_in)
        if self._climbs is not None and isinstance(name, PeerId) and letter.word:
            calls = name in self._callers or via is not None or self._rings(letter, now)
            self._climbs.posted(name, letter.word, calls=calls)
        if event.seconds is None or not isinstance(name, PeerId):
            return
        where = ", ".join(map(str, addresses[:3])) or "no address that can be used"
        by = "" if via is None else f", introduced by {via.by.host}"
        self._tell(name, event.seconds, f"found at {where}{by}")
        for address in addresses:
            self._callers.tell(name, address, BESIDE if self._own.is_beside(address) else told_in)

    def _rings(self, letter: Letter, now: float) -> bool:
        """Return whether somebody at the writer's host has just rung."""
        return any(now - self._rang.get(each.host, -RINGS) < RINGS for each in letter.addresses)

    def _punch(self, addresses: Iterable[Address], told_in: float) -> list[Address]:
        """Open the way to what was named, as far as the rule lets us; return what is left of it."""
        told = [each for each in self._opening.told(addresses) if not self._own.is_self(each)]
        self._opening.meet([each for each in told if not self._own.is_beside(each)], told_in)
        self._opening.meet([each for each in told if self._own.is_beside(each)])
        return told

    # -- words --------------------------------------------------------------------------------------------------------

    def _tell(self, peer_id: PeerId, seconds: float, message: str) -> None:
        said = f"public DHT: {message}, after {seconds:.1f} s"
        _log.debug("%s: %s", peer_id.short, said)
        self._hub.emit(SearchProgress(self._hub.now(), peer_id, "public DHT", said))

    def _say_of(self, peer_id: PeerId, words: str) -> None:
        """Tell what open peers do for a search."""
        now = 0.0 if self._lodging is None else self._lodging.now()
        self._tell(peer_id, now - self._renewed.get(peer_id, now), words)

    def _say(self) -> None:
        """Tell how it goes, if that is news."""
        before, self._told = self._told, self.snapshot()
        if before != self._told:
            self._hub.touch()
        if before.message != self._told.message:
            _log.debug("%s", self._told.message)
            self._hub.emit(PublicDhtChanged(self._hub.now(), self._told.nodes, self._told.message))
