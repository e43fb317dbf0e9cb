"""The consumer's half that asks: on a punch, or when a found worker stays silent, request from that address."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from core.aio.tasks import TaskSet
from core.errors import PeerError
from core.reach.held_back import HeldBack
from core.reach.remotes import Remotes
from core.serving.refusals import UnknownService
from core.values import Address

ASK_AGAIN = 5.0  # seconds between requests to a worker that keeps punching: lively in the window, little on the wire
PAUSES = (1.0, 2.0, 5.0, 15.0, 60.0)  # seconds after the 1st, 2nd, ... failure in a row; ASK_AGAIN if it punches
ASK_UNHEARD_AFTER = 2.0  # seconds; a public worker of another kind may never punch, so it is asked all the same
MAX_AT_ONCE = 64  # requests under way; a punch beyond that is answered by the next one, a second later
MAX_UNHEARD = 32  # of those, to the merely listed: stale ones take 10 s each, and a live worker's punch must find room

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Known:
    next_at: float
    asked_at: float = math.inf  # when the last request, or a fresh beginning, was
    ended_at: float = math.inf  # when the last request was over
    failures: int = 0
    told: str = ""  # the name of the last failure that was told, while they go on
    asked: bool = False
    held: bool = False  # the last request did not leave, since too little was known of the address
    busy: bool = False


@dataclass(slots=True)
class _Asked:
    """Our note on a remote, by service; there are as many as this peer consumes."""

    of: dict[str, _Known] = field(default_factory=dict)


class Requester:
    """Decides when to ask which worker; `ask` does it and raises PeerError.

    A failure is told to `on_failure` when it is the first in a row or another than the last. That somebody does not
    share the service is no failure to tell: consumers punch too, and a peer that stopped sharing is listed for a while.
    """

    def __init__(
        self,
        ask: Callable[[Address], Awaitable[object]],
        on_failure: Callable[[Address, PeerError], None],
        service: str = "",
        remotes: Remotes | None = None,
    ) -> None:
        """`service` is what is asked for: each has notes of its own in `remotes`."""
        self._ask = ask
        self._on_failure = on_failure
        self._service = service
        self._remotes = Remotes() if remotes is None else remotes
        self._tasks = TaskSet("requester")
        self._closed = False
        self._listed: frozenset[Address] = frozenset()  # in the newest listing
        self._began = -math.inf

    async def aclose(self) -> None:
        """Give up the requests under way; what is heard from the call on is ignored."""
        self._closed = True
        await self._tasks.aclose()

    def begin_again(self) -> None:
        """Forget the pauses of before: we slept, or are on another network."""
        self._began = asyncio.get_running_loop().time()

    def on_punch(self, address: Address, *, patience: float = 0.0) -> None:
        """Ask a peer that punched us, unless it was asked a moment ago.

        With `patience` (seconds) a new one is asked only if it still punches by then: it may not be a worker.
        """
        now = asyncio.get_running_loop().time()
        if self._closed or len(self._tasks) >= MAX_AT_ONCE:
            return
        known = self._recall(address, now + patience)
        due_at = min(known.next_at, known.ended_at + ASK_AGAIN)  # it lives: whatever failed may have passed
        if now >= due_at or not (known.asked or patience):
            self._start(address, known)

    def on_listing(self, listing: Sequence[Address]) -> None:
        """Ask found workers that have not punched us in time, with the same pauses.

        One that punched us before it was listed was held back, and is asked at once.
        """
        now = asyncio.get_running_loop().time()
        before, self._listed = self._listed, frozenset(listing)
        for address in listing:
            if self._closed:
                return
            known = self._recall(address, now + ASK_UNHEARD_AFTER)
            due = now >= known.next_at or (known.held and address not in before)
            if due and len(self._tasks) < MAX_UNHEARD:
                self._start(address, known)

    def _recall(self, address: Address, next_at: float) -> _Known:
        known = self._remotes.use(address).note(_Asked).of.setdefault(self._service, _Known(next_at))
        if known.asked_at < self._began:
            known.next_at, known.failures, known.told = min(known.next_at, next_at), 0, ""
            known.ended_at, known.asked_at = math.inf, self._began
        return known

    def _start(self, address: Address, known: _Known) -> None:
        if known.busy:
            return
        known.busy = known.asked = True
        known.held = False
        known.asked_at = asyncio.get_running_loop().time()
        self._tasks.spawn(self._run(address, known), name=f"ask {address}")

    async def _run(self, address: Address, known: _Known) -> None:
        loop = asyncio.get_running_loop()
        listed = address in self._listed
        try:
            await self._ask(address)
        except HeldBack:  # it may be asked when it has answered a punch, or a while later
            known.held = True
            known.next_at = loop.time() + PAUSES[0]
        except PeerError as error:
            known.next_at = loop.time() + PAUSES[min(known.failures, len(PAUSES) - 1)]
            known.failures += 1
            _log.debug("%s did not answer, %d in a row: %s", address, known.failures, error)
            if error.name not in (known.told, UnknownService.name):
                known.told = error.name
                self._on_failure(address, error)
        else:
            known.failures, known.told = 0, ""
            known.next_at = loop.time() + ASK_AGAIN
        finally:
            known.busy = False
            known.ended_at = loop.time()
        if known.held and not listed and address in self._listed and not self._closed:
            self._start(address, known)  # it was listed meanwhile
