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
MAX_PUNCHED = 256  # targets a tick; a listing holds 100 at most (PROTOCOL section 1), so two grapes' worth and some


class Directory(Protocol):
    """What a pairing needs of the link."""

    async def lookup(self, name: str, *, fresh: bool = False) -> list[Address]:
        """Return who is announced under a name. Raises PeerError."""

    async def announce(self, name: str, port: int) -> int:
        """Announce us. Returns the number of grapes that stored it. Raises PeerError."""


class Pairing:
    """Runs until `aclose`. Errors of the grape are told to `on_problem` once and the loop goes on."""

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
        on_problem: Callable[[PeerError | None], None],
    ) -> None:
        self.announced = announced
        self.sought = sought
        self._port = port
        self._directory = directory
        self._punch = punch
        self._on_listing = on_listing
        self._on_announced = on_announced
        self._on_problem = on_problem
        self._schedule = PunchSchedule()
        self._listing: list[Address] = []
        self._nudged = asyncio.Event()
        self._tasks = TaskSet()

    def start(self) -> None:
        """Begin: announce and look up at once."""
        self._tasks.spawn(self._announce_forever(), name=f"announce {self.announced}")
        self._tasks.spawn(self._seek_forever(), name=f"seek {self.sought}")

    async def aclose(self) -> None:
        """Stop announcing and punching. The grapes forget the announce after its age."""
        await self._tasks.aclose()

    def nudge(self) -> None:
        """Announce again now: the grapes around us changed."""
        self._nudged.set()

    def heard(self, address: Address) -> None:
        """Note a punch from there: it is alive, so it is punched every second again."""
        self._schedule.heard(address, asyncio.get_running_loop().time())

    def lists(self, address: Address) -> bool:
        """Return whether the newest listing names this address."""
        return address in self._listing

    async def _announce_forever(self) -> None:
        while True:
            self._nudged.clear()
            try:
                self._on_announced(await self._directory.announce(self.announced, self._port))
            except PeerError as error:
                self._on_announced(0)
                self._on_problem(error)
            try:
                async with asyncio.timeout(REANNOUNCE):
                    await self._nudged.wait()
            except TimeoutError:
                continue

    async def _seek_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            await self._seek()
            for address in self._schedule.due(self._listing, loop.time()):
                with contextlib.suppress(PeerError):  # a listing may name what nobody can punch: 0.0.0.0, a broadcast
                    self._punch(address)
            await asyncio.sleep(max(0.0, started + TICK - loop.time()))

    async def _seek(self) -> None:
        try:
            found = await self._directory.lookup(self.sought, fresh=True)
        except LookupEmpty:
            found = []
        except PeerError as error:
            self._on_problem(error)  # keep the last listing: those peers may well be there
            return
        self._on_problem(None)
        self._listing = found[:MAX_PUNCHED]
        self._on_listing(self._listing)
