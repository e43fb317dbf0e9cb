"""Being met at open peers: they are found in the public DHT, checked, and visited as long as somebody may be met there.

Who may be called is met at the open peers nearest to its own place; who calls comes to the nearest to the place of the
one that is called. Both leave their sealed letters there (`core.signal`), and are told of the other's at once. Letters
go by the public DHT all the same: what comes first counts.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Sequence
from random import Random
from typing import TYPE_CHECKING, Final, Protocol

from core.aio.tasks import TaskSet
from core.dht.items import sign_item
from core.errors import LocalError, PeerError, RefusedError, RemoteError
from core.limits.table import BoundedTable
from core.mainline.thrift import CHECK, CHECKED, POLL, Thrift, Use
from core.open_peers.config import CALLED, CHECKS, PER_NODE, SHARDS_AT_ONCE, SPREAD, WAITED
from core.open_peers.judge import Judge, OpenPeer
from core.open_peers.keys import SHARDS, days, gathering, place
from core.peer_id import PeerId
from core.public.open_check import check
from core.public.open_visit import Ask, Visit
from core.public.searches import Searches
from core.signal.keys import Box
from core.signal.wishes import Introduction, Write
from core.values import Address
from core.wire.open_message import OpenItem

if TYPE_CHECKING:  # only while the public DHT is used
    from core.signal.exchange import Exchange

KEEP_EVERY: Final = 600.0  # seconds between writings of those that are good
KEEP_SOON: Final = 5.0  # seconds until one that has just proved to be one is written
SIGNED: Final = 256  # letters whose signature is remembered
LISTED_IN: Final = 256  # addresses whose lists are remembered
_log = logging.getLogger(__name__)


class Kept(Protocol):
    """Where those that are good are kept until the next run."""

    async def read(self) -> list[tuple[Address, PeerId]]:
        """Return them."""

    async def write(self, known: Sequence[tuple[Address, PeerId]]) -> None:
        """Keep them."""


class OpenPeers:
    """Works between `begin` and `end`. `stir()` asks for a look at the exchange; `tell(peer, words)` is for people."""

    def __init__(
        self,
        ask: Ask,
        told: Callable[[Sequence[Address]], list[Address]],
        kept: Kept,
        random: Random,
        clock: Callable[[], float],
        stir: Callable[[], None],
        tell: Callable[[PeerId, str], None],
    ) -> None:
        """`told(addresses)` takes those that we are about to ask, and returns who may be sent to."""
        self._ask, self._told, self._kept, self._random, self._clock = ask, told, kept, random, clock
        self._stir, self._tell = stir, tell
        self._judge = Judge(random.randbytes(32))
        self._visits: dict[Address, Visit] = {}  # SPREAD at most
        self._boxes: dict[bytes, tuple[Hashable, Box]] = {}  # whose letters are watched now
        self._signed: BoundedTable[tuple[bytes, int], OpenItem] = BoundedTable(SIGNED)
        self._listed_in: BoundedTable[Address, frozenset[int]] = BoundedTable(LISTED_IN)
        self._said: BoundedTable[PeerId, str] = BoundedTable(SPREAD)  # of a call, last
        self._exchange: Exchange | None = None
        self._thrift = Thrift()
        self._tasks = TaskSet("open peers")
        self._checking = self._looking = 0
        self._keep_at = 0.0
        self._recalled = False

    def begin(self, exchange: "Exchange", thrift: Thrift) -> None:
        """Find open peers from now on, as far as the bytes for that go."""
        self._exchange, self._thrift = exchange, thrift
        self._keep_at = asyncio.get_running_loop().time() + KEEP_EVERY
        self._tasks.spawn(self._recall(), name="recall open peers")

    async def end(self) -> None:
        """Leave all, and keep those that are good. Idempotent."""
        self._exchange = None
        visits, self._visits = self._visits, {}
        for each in visits.values():
            await each.aclose()
        await self._tasks.aclose()
        self._tasks = TaskSet("open peers")
        self._checking = self._looking = 0
        if self._recalled:
            await self._kept.write(self._judge.kept())

    def begin_again(self) -> None:
        """Hold no silence against anybody, and begin all visits again: we slept, or are on another network."""
        self._judge.begin_again()
        for address in list(self._visits):
            self._leave(address)

    def found(self) -> int:
        """Return how many have proved to be open peers."""
        return len(self._judge.good(self._now()))

    def visited(self) -> int:
        """Return at how many of them we are."""
        return sum(each.working for each in self._visits.values())

    def lies(self) -> int:
        """Return how many listed addresses turned out to be none."""
        return self._judge.lies

    async def _recall(self) -> None:
        self._judge.recall(await self._kept.read())
        self._recalled = True

    # -- what is due --------------------------------------------------------------------------------------------------

    def look(
        self, own: PeerId, waits: bool, calls: Sequence[PeerId], names: Sequence[Hashable], searches: Searches, *,
        awaited: bool,
    ) -> None:  # fmt: skip
        """Do what is due. `waits`: others may call us, by `names`; `calls`: those that we call now.

        `awaited`: somebody waits for one of the calls.
        """
        exchange = self._exchange
        if exchange is None or not self._recalled:
            return
        now, clock = self._now(), self._clock()
        day = days(clock)[0]
        places = {each: place(each.key, day) for each in calls}
        mine = [place(own.key, each) for each in days(clock)] if waits and names else []
        if places or mine:
            self._find([*places.values(), *mine], now, searches, calls=awaited)
        self._visit(self._chosen(exchange, places, mine, names, now), exchange, clock)
        for gone in [each for each in self._said if each not in places]:
            del self._said[gone]
        if now >= self._keep_at:
            self._keep_at = now + KEEP_EVERY
            self._tasks.spawn(self._kept.write(self._judge.kept()), name="keep open peers")

    def _find(self, places: Sequence[bytes], now: float, searches: Searches, *, calls: bool) -> None:
        use = Use.AWAITED if calls else Use.LISTS
        if not self._thrift.may(use, now):
            return
        if searches.possible() and not self._looking and self._judge.should_look(now, calls=calls):
            self._judge.looked(now)
            self._looking += 1
            self._tasks.spawn(self._look_at_lists(searches, use), name="look for open peers")
        while self._checking < CHECKS:
            chosen = self._judge.to_check(places, now)
            if chosen is None:
                return
            self._checking += 1
            address = chosen.address if isinstance(chosen, OpenPeer) else chosen
            self._tasks.spawn(self._check(address, places, use), name=f"check {address}")

    async def _look_at_lists(self, searches: Searches, use: Use) -> None:
        """Look at the lists in an order of our own, a few at a time."""
        try:
            wanted = [(day, shard) for day in days(self._clock()) for shard in range(SHARDS)]
            self._random.shuffle(wanted)
            for at in range(0, len(wanted), SHARDS_AT_ONCE):
                async with asyncio.TaskGroup() as group:
                    for day, shard in wanted[at : at + SHARDS_AT_ONCE]:
                        group.create_task(self._look_at(searches, day, shard, use), name=f"look at list {shard}")
        finally:
            self._looking -= 1

    async def _look_at(self, searches: Searches, day: int, shard: int, use: Use) -> None:
        def heard(listed: Sequence[Address], node: str) -> None:
            for each in listed[:PER_NODE]:
                self._listed_in[each] = self._listed_in.get(each, frozenset()) | {shard}
            self._judge.heard(listed, self._now(), node, f"{day} {shard}")
            self._stir()

        await searches.find(gathering(day, shard), heard, use=use)

    async def _check(self, address: Address, places: Sequence[bytes], use: Use) -> None:
        try:
            self._thrift.spend(use, CHECK, self._now())
            if not self._told([address]):
                raise LocalError(f"{address} is no address that anything is sent to")
            peer_id = await check(self._ask, address, self._random.randbytes, self._listed_in.get(address))
        except PeerError as error:
            _log.debug("%s is no open peer: %s", address, error)
            self._judge.failed(address, self._now(), lied=_lied(error))
        else:
            self._thrift.spend(use, CHECKED, self._now())
            _log.debug("%s is an open peer: %s", address, peer_id.short)
            self._judge.proved(address, peer_id, self._now(), places)
            self._keep_at = min(self._keep_at, self._now() + KEEP_SOON)
        finally:
            self._checking -= 1
        self._stir()

    # -- visits -------------------------------------------------------------------------------------------------------

    def _chosen(
        self, exchange: "Exchange", places: dict[PeerId, bytes], mine: Sequence[bytes], names: Sequence[Hashable],
        now: float,
    ) -> dict[Address, tuple[OpenPeer, set[Hashable], set[Hashable]]]:  # fmt: skip
        """Return where to be, with those who are met there, and those who are called there."""
        chosen: dict[Address, tuple[OpenPeer, set[Hashable], set[Hashable]]] = {}

        def be_at(peer: OpenPeer, met: set[Hashable], called: set[Hashable]) -> None:
            if peer.address in chosen or len(chosen) < SPREAD:
                _, also, rung = chosen.setdefault(peer.address, (peer, set(), set()))
                also |= met
                rung |= called

        for at in mine:
            for peer in self._judge.at(at, WAITED, now):
                be_at(peer, set(names), set())
        for callee, at in places.items():
            if exchange.knows(callee):
                nearest = self._judge.at(at, CALLED, now)
                for peer in nearest:
                    be_at(peer, {callee}, {callee})
                self._say_where(callee, nearest)
        return chosen

    def _say_where(self, callee: PeerId, nearest: Sequence[OpenPeer]) -> None:
        where = ", ".join(each.address.host for each in nearest)
        if nearest and self._said.get(callee) != where:
            self._said[callee] = where
            count = self.found()
            self._tell(callee, f"{count} open peer{'s'[: count != 1]} found; calls at {where}")

    def _visit(
        self, chosen: dict[Address, tuple[OpenPeer, set[Hashable], set[Hashable]]], exchange: "Exchange", clock: float
    ) -> None:
        for gone in self._visits.keys() - chosen.keys():
            self._leave(gone)
        self._boxes = {}
        for address, (peer, met, called) in chosen.items():
            visit = self._visits.get(address) or self._begin(peer)
            keys, items, rings = [], {}, set()
            for name in sorted(met, key=lambda each: each not in called):
                for of in exchange.boxes(name, clock):
                    self._boxes[of.public] = name, of
                    keys.append(of.public)
                written = exchange.written(name)
                if written is not None:
                    items[written.box.public] = self._item(written)
                    rings |= {written.box.public} if name in called else set()
            visit.want(sorted(keys), items, frozenset(rings))

    def _begin(self, peer: OpenPeer) -> Visit:
        address = peer.address
        visit = self._visits[address] = Visit(
            peer, self._ask, lambda item: self._on_letter(item, address), lambda: self._on_told(address),
            lambda: self._on_served(address), lambda lied: self._on_end(address, lied),
        )  # fmt: skip
        visit.start()
        return visit

    def _leave(self, address: Address) -> None:
        visit = self._visits.pop(address, None)
        if visit is not None:
            self._tasks.spawn(visit.aclose(), name=f"leave the open peer {address}")

    def _item(self, written: Write) -> OpenItem:
        """Return a letter as it is left, signed by its box's writer."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        def sign() -> OpenItem:
            writer = Ed25519PrivateKey.from_private_bytes(written.box.writer)
            signed = sign_item(writer, written.sealed, written.sequence)
            return OpenItem(written.box.public, written.sealed, signed.signature, written.sequence)

        return self._signed.use((written.box.public, written.sequence), sign)

    def _on_letter(self, item: OpenItem, by: Address) -> None:
        name, of = self._boxes.get(item.key, (None, None))
        if self._exchange is None or of is None:
            return
        now, via = self._now(), Introduction(by, item.seen)
        if self._exchange.handed(name, of, item.value, item.sequence, now, self._clock(), via, rings=item.rung):
            self._stir()

    def _on_told(self, by: Address) -> None:
        """Somebody that we call at this open peer waits there, and has our letter."""
        for callee in list(self._said):
            if by.host in self._said[callee].split(", "):
                self._tell(callee, f"introduced by {by.host}")

    def _on_served(self, address: Address) -> None:
        self._judge.served(address, self._now())
        self._thrift.spend(Use.DOOR, POLL, self._now())

    def _on_end(self, address: Address, lied: bool) -> None:
        if lied:
            self._judge.failed(address, self._now(), lied=True)
        else:
            self._judge.struck(address, self._now())
        self._leave(address)
        self._stir()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _lied(error: PeerError) -> bool:
    """Return whether an answer was none of an open peer's: who says that it is none has not lied."""
    return isinstance(error, RemoteError) and not isinstance(error, RefusedError)
