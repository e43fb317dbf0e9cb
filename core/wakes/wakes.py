"""The one place that notices a sleep or another network, and tells every part of it, at once and in one order."""

import asyncio
import enum
import logging
from collections.abc import Callable
from typing import Final, Protocol

from core.aio.tasks import TaskSet
from core.frozen import frozen
from core.values import Address
from core.wakes.clocks import hear_of_sleep, read_clocks
from core.wakes.detector import EVERY, Clocks, SleepDetector, Whereabouts

APART: Final = 2.0  # seconds between two events at least: a network comes in steps, and two sources may tell of a sleep
_log = logging.getLogger(__name__)


class Why(enum.Enum):
    """What happened."""

    SLEPT = "this computer slept"
    MOVED = "the network is another one"


@frozen
class Woke:
    """What was so before may be so no longer: ways, mappings, what others keep of us. `seconds` that we were away."""

    why: Why
    seconds: float = 0.0


class Addresses(Protocol):
    """What is needed of our own addresses."""

    def hosts(self) -> tuple[str, ...]:
        """Return this machine's own hosts."""

    def seen(self) -> Address | None:
        """Return where several others see this very socket."""

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` when they are others."""


class Wakes:
    """Notices, and tells its listeners, which must not raise. `refresh()` looks at our own addresses.

    Events are at least APART seconds from each other; what happens sooner is told at the end of that time.
    """

    def __init__(
        self,
        refresh: Callable[[], None] = lambda: None,
        clocks: Callable[[], Clocks] = read_clocks,
        *,
        bus: bool = True,
    ) -> None:
        """`bus`: ask logind as well."""
        self._refresh = refresh
        self._clocks = clocks
        self._bus = bus
        self._sleeps = SleepDetector(clocks())
        self._places = Whereabouts()
        self._listeners: list[Callable[[Woke], None]] = []
        self._woken = asyncio.Event()  # set, and replaced, with every event
        self._loop = asyncio.get_running_loop()
        self._told_at = -APART
        self._later: asyncio.TimerHandle | None = None
        self._tasks = TaskSet("wakes")

    def start(self) -> None:
        """Begin to watch."""
        self._tasks.spawn(self._watch(), name="notice a sleep, and follow our addresses")
        if self._bus:
            self._tasks.spawn(hear_of_sleep(self.slept), name="hear of a sleep")

    async def aclose(self) -> None:
        """Stop, and tell nobody any longer."""
        self._listeners.clear()
        if self._later is not None:
            self._later.cancel()
        await self._tasks.aclose()

    def subscribe(self, listener: Callable[[Woke], None]) -> None:
        """Call `listener` with what happened, those first that subscribed first."""
        self._listeners.append(listener)

    async def rest(self, seconds: float) -> bool:
        """Sleep for a pause that means nothing any longer once something has happened: then return True at once."""
        woken = self._woken
        try:
            async with asyncio.timeout(seconds):
                await woken.wait()
        except TimeoutError:
            return False
        return True

    def slept(self, seconds: float = 0.0) -> None:
        """Take the word of somebody who knows that we slept."""
        self._refresh()  # first: who is told asks for our addresses
        self._tell(Woke(Why.SLEPT, seconds))

    def follow(self, addresses: Addresses) -> None:
        """Tell when our own hosts, or where others see us, are others than before."""

        def look() -> None:
            if self._places.look(addresses.hosts(), addresses.seen()):
                self._tell(Woke(Why.MOVED))

        look()
        addresses.subscribe(look)

    def look(self) -> None:
        """Look at the clocks and at our addresses now."""
        away = self._sleeps.look(self._clocks())
        if away:
            self.slept(away)
        else:
            self._refresh()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            self.look()

    def _tell(self, event: Woke) -> None:
        if self._later is not None:
            return
        wait = self._told_at + APART - self._loop.time()
        if wait > 0:
            self._later = self._loop.call_later(wait, self._tell_now, event)
        else:
            self._tell_now(event)

    def _tell_now(self, event: Woke) -> None:
        self._later, self._told_at = None, self._loop.time()
        _log.info("%s: all ways are opened again", event.why.value)
        woken, self._woken = self._woken, asyncio.Event()
        woken.set()
        for listener in tuple(self._listeners):
            listener(event)
