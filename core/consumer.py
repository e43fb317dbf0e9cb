"""The consumer's half that asks: on a punch, or when a found worker stays silent, request from that address."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from core.errors import PeerError
from core.net.tasks import TaskSet
from core.values import Address

ASK_AGAIN = 5.0  # seconds between requests to a worker that keeps punching: lively in the window, little on the wire
PAUSES = (1.0, 2.0, 5.0, 15.0, 60.0)  # seconds after the 1st, 2nd, ... failure in a row; then the last one
ASK_UNHEARD_AFTER = 2.0  # seconds; a public worker of another kind may never punch, so it is asked all the same
MAX_KNOWN = 1024  # addresses remembered; the least recently used is forgotten and may be asked at once again
MAX_AT_ONCE = 64  # requests under way; a punch beyond that is answered by the next one, a second later


@dataclass(slots=True)
class _Known:
    next_at: float
    failures: int = 0
    asked: bool = False
    busy: bool = False


class Requester:
    """Decides when to ask whom; `ask` does it and raises PeerError. A failure is told to `on_failure`."""

    def __init__(
        self,
        ask: Callable[[Address], Awaitable[object]],
        on_failure: Callable[[Address, PeerError], None],
    ) -> None:
        self._ask = ask
        self._on_failure = on_failure
        self._known: OrderedDict[Address, _Known] = OrderedDict()
        self._tasks = TaskSet()

    async def aclose(self) -> None:
        """Give up the requests under way."""
        await self._tasks.aclose()

    def on_punch(self, address: Address) -> None:
        """Ask whoever punched us, unless it was asked a moment ago."""
        now = asyncio.get_running_loop().time()
        known = self._recall(address, now)
        if not known.asked or now >= known.next_at:
            self._start(address, known)

    def on_listing(self, listing: Sequence[Address]) -> None:
        """Ask found workers that have not punched us in time, with the same pauses."""
        now = asyncio.get_running_loop().time()
        for address in listing:
            known = self._recall(address, now + ASK_UNHEARD_AFTER)
            if now >= known.next_at:
                self._start(address, known)

    def _recall(self, address: Address, next_at: float) -> _Known:
        known = self._known.setdefault(address, _Known(next_at))
        self._known.move_to_end(address)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return known

    def _start(self, address: Address, known: _Known) -> None:
        if known.busy or self._under_way() >= MAX_AT_ONCE:
            return
        known.busy = known.asked = True
        self._tasks.spawn(self._run(address, known), name=f"ask {address}")

    def _under_way(self) -> int:
        return sum(known.busy for known in self._known.values())

    async def _run(self, address: Address, known: _Known) -> None:
        loop = asyncio.get_running_loop()
        try:
            await self._ask(address)
        except PeerError as error:
            known.next_at = loop.time() + PAUSES[min(known.failures, len(PAUSES) - 1)]
            known.failures += 1
            self._on_failure(address, error)
        else:
            known.failures = 0
            known.next_at = loop.time() + ASK_AGAIN
        finally:
            known.busy = False
