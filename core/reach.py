"""Find, of several addresses a service may have, one that a connection can be made to.

Candidates are punched and tried a little apart, as RFC 8305 does with addresses of a host; an address that
punches us meanwhile joins at once, because that is the mapping a NAT really made.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from core.errors import PeerError, RequestTimeout
from core.net.tasks import TaskSet
from core.values import Address

STAGGER = 0.25  # seconds between attempts; RFC 8305 section 5 "Connection Attempt Delay"
MAX_CANDIDATES = 16  # addresses tried for one request; a random sample of a larger listing is as good


class Race:
    """One search. The first address that connects wins; the others are given up."""

    def __init__(self, connect: Callable[[Address, float], Awaitable[object]], timeout: float) -> None:
        self._connect = connect
        self._timeout = timeout
        self._tasks = TaskSet("race")
        self._tried: set[Address] = set()
        self._running = 0
        self._failure: PeerError | None = None
        self._winner: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
        self.patient = False  # go on when every attempt has failed: somebody may still punch us

    def add(self, address: Address, delay: float = 0.0) -> None:
        """Try an address, `delay` seconds from now. Once each; beyond MAX_CANDIDATES it is ignored."""
        if address in self._tried or len(self._tried) >= MAX_CANDIDATES or self._winner.done():
            return
        self._tried.add(address)
        self._running += 1
        self._tasks.spawn(self._attempt(address, delay), name=f"reach {address}")

    def hosts(self) -> set[str]:
        """Return the hosts tried so far."""
        return {address.host for address in self._tried}

    async def winner(self, candidates: Sequence[Address]) -> Address:
        """Return the first address that connected. Raises RequestTimeout, or the last failure when all failed."""
        try:
            for place, address in enumerate(candidates):
                self.add(address, place * STAGGER)
            async with asyncio.timeout(self._timeout):
                return await self._winner
        except TimeoutError:
            tried = ", ".join(sorted(str(address) for address in self._tried)) or "nobody"
            raise RequestTimeout(f"no connection within {self._timeout:g} s; tried {tried}") from self._failure
        finally:
            await self._tasks.aclose()
            if not self._winner.done():
                self._winner.cancel()

    async def _attempt(self, address: Address, delay: float) -> None:
        await asyncio.sleep(delay)
        try:
            await self._connect(address, self._timeout)
        except PeerError as error:
            self._failure = error
        else:
            if not self._winner.done():
                self._winner.set_result(address)
        self._running -= 1
        if not self._running and not self.patient and not self._winner.done() and self._failure is not None:
            self._winner.set_exception(self._failure)
