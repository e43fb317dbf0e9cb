"""One side of a pairing: announce ourselves under one name, find the others under another, punch them.

The worker announces `<service>_worker` and punches every `<service>_consumer`; the consumer does the reverse
(PROTOCOL section 7). First tick at once, then every second.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

from core.errors import LookupEmpty, PeerError
from core.net.tasks import TaskSet
from core.punch_schedule import TICK, PunchSchedule
from core.values import Address

REANNOUNCE = 5.0  # seconds; a grape that restarted with nothing stored lists us again within this time
NUDGE_PAUSE = 0.1  # seconds; grapes that come and go in a flurry cost ten announces a second at most
MAX_PUNCHED = 256  # targets a tick; a listing holds 100 at most (PROTOCOL section 1), so two grapes' worth and some


class Directory(Protocol):
    """What a pairing needs of the link."""

    async def lookup(self, name: str, *, fresh: bool = False) -> list[Address]:
        """Return who is announced under a name. Raises PeerError."""

    async def announce(self, name: str, port: int) -> int:
        """Announce us. Returns the number of grapes that stored it. Raises PeerError."""


class Pairing:
    """Runs until `aclose`. The callbacks must not raise.

    Every outcome at the grape is told to `on_problem`, with what was tried (`announcing` or `seeking`): an error, or
    None when it went well. Either way the loop goes on.
    """

    def __init__(
        self,
        *,
        announced: str,
        sought: str,
        port: int,
        directory: Directory,
        punch: Callable[[Address], None],
        on_listing: Callable[[Sequence[Address]], None],
        on_announced: Callable[[int], None],
        on_problem: Callable[[str, PeerError | None], None],
    ) -> None:
        self.announced = announced
        self.sought = sought
        # what is told to on_problem: one role announces the very name that the other seeks
        self.announcing = f"announce {announced}"
        self.seeking = f"look up {sought}"
        self._port = port
        self._directory = directory
        self._punch = punch
        self._on_listing = on_listing
        self._on_announced = on_announced
        self._on_problem = on_problem
        self._schedule = PunchSchedule()
        self._listing: list[Address] = []
        self._announce_now = asyncio.Event()
        self._seek_now = asyncio.Event()
        self._punch_now = asyncio.Event()
        self._tasks = TaskSet(f"pairing {announced}")

    def start(self) -> None:
        """Begin: announce and look up at once."""
        self._tasks.spawn(self._announce_forever(), name=self.announcing)
        self._tasks.spawn(self._seek_forever(), name=self.seeking)
        self._tasks.spawn(self._punch_forever(), name=f"punch {self.sought}")

    async def aclose(self) -> None:
        """Stop announcing and punching; no callback is called from the call on. The grapes forget us after a time."""
        await self._tasks.aclose()

    def nudge(self) -> None:
        """Announce and look up again now: the grapes around us changed."""
        self._announce_now.set()
        self._seek_now.set()

    def look(self) -> None:
        """Look up again now: somebody is there whom the newest listing does not name."""
        self._seek_now.set()

    def heard(self, address: Address) -> None:
        """Note a sign of life from there: it is punched every second again."""
        self._schedule.heard(address, asyncio.get_running_loop().time())

    def lists(self, address: Address) -> bool:
        """Return whether the newest listing names this address."""
        return address in self._listing

    async def _announce_forever(self) -> None:
        while True:
            try:
                nodes = await self._directory.announce(self.announced, self._port)
            except PeerError as error:
                self._on_announced(0)
                self._on_problem(self.announcing, error)
            else:
                self._on_problem(self.announcing, None)
                self._on_announced(nodes)
            await asyncio.sleep(NUDGE_PAUSE)
            await _wait(self._announce_now, REANNOUNCE - NUDGE_PAUSE)

    async def _seek_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            await self._seek()
            await asyncio.sleep(NUDGE_PAUSE)
            await _wait(self._seek_now, started + TICK - loop.time())

    async def _seek(self) -> None:
        try:
            found = await self._directory.lookup(self.sought, fresh=True)
        except LookupEmpty:
            found = []
        except PeerError as error:
            self._on_problem(self.seeking, error)  # keep the last listing: those peers may well be there
            return
        self._on_problem(self.seeking, None)
        found = found[:MAX_PUNCHED]
        if not set(found).issubset(self._listing):
            self._punch_now.set()
        self._listing = found
        self._on_listing(found)

    async def _punch_forever(self) -> None:
        """Apart from the lookups: while no grape answers, the peers we know are still punched every second."""
        loop = asyncio.get_running_loop()
        while True:
            await _wait(self._punch_now, TICK)
            for address in self._schedule.due(self._listing, loop.time()):
                self._punch(address)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most so long, and reset it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    event.clear()
