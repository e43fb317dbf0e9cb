"""Find, of several addresses a service may have, one that a connection can be made to.

Candidates are tried a little apart, as RFC 8305 does with addresses of a host. One that gives a sign of life
meanwhile is tried at once, and so is one nobody listed that punches us: that is the mapping a NAT really made.
"""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence

from core.aio.tasks import TaskSet
from core.errors import PeerError, RequestTimeout
from core.reach.held_back import HeldBack
from core.scope import is_six
from core.values import Address

STAGGER = 0.25  # seconds between attempts; RFC 8305 section 5 "Connection Attempt Delay"
MAX_LISTED = 32  # candidates tried in turn for one request: 8 s of attempts; who is alive does not wait its turn
MAX_TRIED = 64  # those that punched us included; more are ignored
MAX_AGAIN = 3  # more tries of an address that failed, for signs of life: the way was opened; as many for words of it
MAX_NAMED = 8  # addresses in the sentence of an error


def by_turns(candidates: Sequence[Address]) -> list[Address]:
    """Return candidates of both kinds in turn, of each in their order: a dead kind costs one pause.

    RFC 8305 section 4 does so. The kind of the first one comes first, as who is asked first is left to chance.
    """
    first = [each for each in candidates if is_six(each.host) == is_six(candidates[0].host)]
    other = [each for each in candidates if is_six(each.host) != is_six(candidates[0].host)]
    turns = itertools.zip_longest(first, other)
    return [each for turn in turns for each in turn if each is not None]


class Race:
    """One search. The first address that connects wins; the others are given up."""

    def __init__(
        self,
        connect: Callable[[Address, float], Awaitable[object]],
        timeout: float,
        *,
        excluded: Collection[Address] = (),
        patient: bool = False,
        proves: bool = False,
        stagger: float = STAGGER,
    ) -> None:
        """`connect(address, seconds)` raises PeerError. `patient`: when all attempts failed, somebody may punch us.

        `proves`: who is reached proves to be who is wanted, so that anybody who punches us may be tried to the end.
        `stagger`: seconds between attempts; 0 tries all candidates at once.
        """
        self._connect = connect
        self._timeout = timeout
        self._excluded = frozenset(excluded)
        self._tasks = TaskSet("race")
        self._tried: dict[Address, asyncio.Event] = {}  # set: try it now
        self._failed: set[Address] = set()
        self._again: Counter[tuple[Address, bool]] = Counter()  # tries after a failure; True: for a sign of life
        self._alive: set[Address] = set()  # gave a sign of life while a connection to it was waited for
        self._under_way: set[Address] = set()
        self._strange: set[Address] = set()  # nobody listed them
        self._hosts: set[str] = set()
        self._running = 0
        self._failure: PeerError | None = None
        self._winner: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
        self._stagger = stagger
        self.patient = patient
        self._proves = proves

    def add(self, address: Address, delay: float = 0.0, *, listed: bool = True) -> None:
        """Try an address `delay` seconds from now, or sooner if it waits for its turn already.

        One that is not `listed` only punched us, and may be anybody: its failure is none of the peer that is wanted.

        Without `delay` that is a sign of life. An attempt that is under way goes on: it may have sent its last packet
        before the way was opened, so it is followed by another.
        """
        if self._winner.done() or address in self._excluded:
            return
        if address in self._failed and self._again[address, not delay] < MAX_AGAIN:
            self._again[address, not delay] += 1
            self._failed.discard(address)
            del self._tried[address]
        hurry = self._tried.get(address)
        if hurry is None:
            if len(self._tried) >= MAX_TRIED:
                return
            hurry = self._tried[address] = asyncio.Event()
            if not listed:
                self._strange.add(address)
            self._hosts.add(address.host)
            self._running += 1
            self._tasks.spawn(self._attempt(address, hurry, delay), name=f"reach {address}")
        elif not delay:
            hurry.set()
            self._alive.add(address)

    def hosts(self) -> set[str]:
        """Return the hosts tried so far."""
        return self._hosts

    def takes_anyone(self) -> bool:
        """Return whether an address is tried that punched us and nobody listed."""
        return self.patient or self._proves

    def tries(self, address: Address) -> bool:
        """Return whether an attempt to connect to an address is under way."""
        return address in self._under_way

    def lose_patience(self) -> None:
        """Nobody else can be expected: fail when, or if already, all attempts have failed."""
        self.patient = False
        self._give_up_when_all_failed()

    def abandon(self, error: PeerError) -> None:
        """End the search with an error."""
        if not self._winner.done():
            self._winner.set_exception(error)

    async def winner(self, candidates: Sequence[Address]) -> Address:
        """Return the first address that connected. Raises RequestTimeout, or the last failure when all failed."""
        try:
            for place, address in enumerate(by_turns(candidates)[:MAX_LISTED]):
                self.add(address, place * self._stagger)
            async with asyncio.timeout(self._timeout):
                return await self._winner
        except TimeoutError:
            sentence = f"no connection within {self._timeout:.3g} s; tried {self._names()}"
            raise RequestTimeout(sentence) from self._failure
        finally:
            if self._winner.done() and not self._winner.cancelled():
                self._winner.exception()  # retrieved: the time may have run out in the same moment
            self._winner.cancel()  # before waiting: nothing may be added any more
            await self._tasks.aclose()

    async def _attempt(self, address: Address, hurry: asyncio.Event, delay: float) -> None:
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await hurry.wait()
            self._alive.discard(address)
            self._under_way.add(address)
            await self._connect(address, self._timeout)
        except HeldBack as error:
            self._failure = error
            self._tried.pop(address, None)  # nothing was tried: it is, when it gives a sign of life
        except PeerError as error:
            if address not in self._strange:
                self._failure = error
            self._failed.add(address)
            if address in self._alive:
                self.add(address)
        else:
            if not self._winner.done():
                self._winner.set_result(address)
        finally:
            self._under_way.discard(address)
            self._running -= 1
        self._give_up_when_all_failed()

    def _give_up_when_all_failed(self) -> None:
        if not self._running and not self.patient and self._failure is not None:
            self.abandon(self._failure)

    def _names(self) -> str:
        names = sorted(str(address) for address in self._tried)
        more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        return ", ".join(names[:MAX_NAMED]) + more or "nobody"
