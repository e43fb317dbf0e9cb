"""One side of a pairing: announce ourselves under one name, find the others under another, punch them.

The worker announces `<service>_worker` and punches every `<service>_consumer`; the consumer does the reverse
(PROTOCOL section 7). First tick at once, then every second.

A peer that a broker names too is left to the meeting that the broker arranged (`core.rendezvous.brokers`). While
brokers are used, others wait a moment, so that a punch of ours does not reach a router before its owner's own (NAT.md
finding 4).
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from core.aio.tasks import TaskSet
from core.aio.waiting import wait_for
from core.calling.outgoing import Told
from core.directory.announcer import NUDGE_PAUSE, Announcer
from core.directory.names import Directory, Watching
from core.errors import LookupEmpty, PeerError
from core.rendezvous.pacer import TICK, PunchPacer
from core.rendezvous.place import Place
from core.services.names import RoleName
from core.values import Address

NOBODY_TICK = 60.0  # seconds between rounds of punches while nobody is listed: news of a peer begin one at once
MAX_LOGGED = 8  # addresses in one line of the log
MAX_PUNCHED = 256  # targets a tick; a listing holds 100 at most (PROTOCOL section 1), so two grapes' worth and some

QUIET_AFTER = 300.0  # seconds in which nobody was listed: then we look less often, as a battery pays for each look
QUIET_TICK = 3.0  # seconds between looks then; who asks by name waits 5 s for our punch (`core.calling.inviting`)
# Where grapes tell us of newcomers, a look only renews that, and finds what was lost on the way: seconds between two
# looks, and seconds without anybody after which we look only when the grapes' promise ends.
TOLD_TICK = 5.0
TOLD_QUIET_AFTER = 60.0
_log = logging.getLogger(__name__)


class Pairing:
    """Runs until `aclose`; `name` is ours. The callbacks must not raise.

    `told` takes what was listed and returns who may be punched. `head_start()`: seconds that brokers have before a peer
    found on the grapes is punched.

    Every outcome at the grape is told to `on_problem`, with what was tried (`announcing` or `seeking`): an error, or
    None when it went well. Either way the loop goes on.
    """

    def __init__(
        self,
        name: RoleName,
        *,
        place: Place,
        directory: Directory,
        told: Told,
        pacer: PunchPacer,
        head_start: Callable[[], float],
        on_listing: Callable[[Sequence[Address]], None],
        on_announced: Callable[[int], None],
        on_problem: Callable[[str, PeerError | None], None],
    ) -> None:
        self.sought = str(name.other)
        # what is told to on_problem: one role announces the very name that the other seeks
        self.announcing = f"announce {name}"
        self.seeking = f"look up {name.other}"
        self._place = place
        self._directory = directory
        self._told = told
        self._pacer = pacer
        self._on_listing = on_listing
        self._on_announced = on_announced
        self._on_problem = on_problem
        self._told_for = 0.0  # seconds for which the grapes tell us of newcomers
        self._listing: list[Address] = []
        self._brokered: list[Address] = []
        self._head_start = head_start
        self._announcer = Announcer(str(name), place.port, directory, self._announce_outcome)
        self._seek_now = asyncio.Event()
        self._punch_now = asyncio.Event()
        self._tasks = TaskSet(f"pairing {name}")

    def start(self) -> None:
        """Begin: announce and look up at once."""
        self._tasks.spawn(self._announcer.run(), name=self.announcing)
        self._tasks.spawn(self._seek_forever(), name=self.seeking)
        self._tasks.spawn(self._punch_forever(), name=f"punch {self.sought}")

    async def aclose(self) -> None:
        """Stop announcing and punching; no callback is called from the call on. The grapes forget us after a time."""
        await self._tasks.aclose()

    def nudge(self) -> None:
        """Announce and look up again now: the grapes around us changed."""
        self._announcer.nudge()
        self._seek_now.set()

    def look(self) -> None:
        """Look up again now: we heard from a peer that is missing from the last listing."""
        self._seek_now.set()

    def lists(self, address: Address) -> bool:
        """Return whether the newest listing, or a broker, names this address."""
        return address in self._listing or address in self._brokered

    def brokered(self, addresses: Sequence[Address]) -> None:
        """Take the peers that brokers name now, instead of those they named before."""
        self._brokered = list(addresses)
        self._on_listing(self._everybody())

    def _everybody(self) -> list[Address]:
        return list(dict.fromkeys([*self._brokered, *self._listing]))

    def _announce_outcome(self, nodes: int, error: PeerError | None) -> None:
        self._on_problem(self.announcing, error)
        self._on_announced(nodes)

    async def _seek_forever(self) -> None:
        loop = asyncio.get_running_loop()
        lively_at = loop.time()
        while True:
            started = loop.time()
            await self._seek()
            if self._listing or self._brokered:
                lively_at = started
            await asyncio.sleep(NUDGE_PAUSE)
            await wait_for(self._seek_now, started + self._tick(started - lively_at) - loop.time())

    def _tick(self, quiet: float) -> float:
        """Return the seconds between two looks, when there has been nobody for `quiet` seconds."""
        if self._told_for:
            return self._told_for if quiet >= TOLD_QUIET_AFTER else TOLD_TICK
        return QUIET_TICK if quiet >= QUIET_AFTER else TICK

    async def _seek(self) -> None:
        try:
            found = await self._look()
        except LookupEmpty:
            found = []
        except PeerError as error:
            _log.debug("%s failed, and the last listing is kept: %s", self.seeking, error)
            self._told_for = 0.0
            self._on_problem(self.seeking, error)  # keep the last listing: those peers may well be there
            return
        self._on_problem(self.seeking, None)
        others = (address for address in found[:MAX_PUNCHED] if not self._place.is_self(address))  # we list ourselves
        found = self._told(others)
        if set(found) != set(self._listing):
            _log.debug("%s: %s", self.seeking, ", ".join(map(str, found[:MAX_LOGGED])) or "nobody")
        if not set(found).issubset(self._listing):
            self._punch_now.set()
        self._listing = found
        self._on_listing(self._everybody())

    async def _look(self) -> list[Address]:
        """Ask few grapes where that can be; all that are near where there is somebody, and none tells us of changes."""
        if not isinstance(self._directory, Watching):
            return await self._directory.lookup(self.sought, fresh=True)
        watch = await self._directory.watch(self.sought, self._seek_now.set)
        self._told_for = watch.told_for
        if watch.told_for or not (watch.addresses or self._listing):
            return watch.addresses
        return await self._directory.lookup(self.sought, fresh=True)

    async def _punch_forever(self) -> None:
        """Apart from the lookups: while no grape answers, the peers we know are still punched every second."""
        loop = asyncio.get_running_loop()
        while True:
            await wait_for(self._punch_now, TICK if self._listing else NOBODY_TICK)
            listing = [address for address in self._listing if address not in self._brokered]
            for address in listing:
                self._pacer.want(address, loop.time(), self._head_start())
