"""Places for what may be under way at once: so many of one owner and in all, and some for trusted owners only.

Taken at once while there is one, else waited for. Owners that wait take turns, however much each asks; trusted owners
come first.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Hashable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Generic, TypeVar

from core.limits.budget import Budget, BudgetState

O = TypeVar("O", bound=Hashable)  # noqa: E741  # an owner: a host, a Peer ID


class FairPlaces(Generic[O]):
    """At most `number` in all and `per_owner` of one; `kept` of them, and `per_trusted` of one, for trusted owners."""

    def __init__(
        self, number: int, per_owner: int | None = None, *, kept: int = 0, per_trusted: int | None = None
    ) -> None:
        """Raises ValueError unless 0 <= kept < number."""
        self._budget: Budget[O] = Budget(number, per_owner or number, kept=kept, per_trusted=per_trusted)
        # who waits: trusted owners and others, each the one whose turn is next first
        self._waiting: dict[bool, OrderedDict[O, deque[asyncio.Future[None]]]] = {
            True: OrderedDict(),
            False: OrderedDict(),
        }

    def free(self, owner: O, *, trusted: bool = False) -> bool:
        """Return whether `take` would succeed."""
        return owner not in self._waiting[trusted] and self._budget.fits(owner, 1, trusted=trusted)

    def take(self, owner: O, *, trusted: bool = False) -> bool:
        """Take a place if that needs no waiting; tell whether it did."""
        if not self.free(owner, trusted=trusted):
            return False
        self._budget.charge(owner, 1)
        return True

    def charge(self, owner: O) -> None:
        """Take a place after `free` has said that there is one."""
        self._budget.charge(owner, 1)

    async def wait(self, owner: O, *, trusted: bool = False) -> None:
        """Take a place once it is our turn. Cancelled, it takes none."""
        if self.take(owner, trusted=trusted):
            return
        waiting = self._waiting[trusted]
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.setdefault(owner, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(owner)  # it was our turn already
            elif owner in waiting and turn in waiting[owner]:
                waiting[owner].remove(turn)
                if not waiting[owner]:
                    del waiting[owner]
            raise

    def give(self, owner: O) -> None:
        """Give a place back: to the host whose turn it is."""
        self._budget.give(owner, 1)
        if self._waiting[True] or self._waiting[False]:
            self._pass_on()

    def place(self, owner: O, *, trusted: bool = False) -> AbstractAsyncContextManager[None]:
        """Have a place for as long as the context lasts, once it is our turn."""
        return _Place(self, owner, trusted)

    def state(self) -> BudgetState:
        """Return how many are taken of how many, and by how many owners."""
        return self._budget.state()

    def _pass_on(self) -> None:
        for trusted, waiting in self._waiting.items():
            for owner in list(waiting):
                if self._budget.used() >= self._budget.limit - (0 if trusted else self._budget.kept):
                    break  # there is none for anybody of these
                if self._budget.fits(owner, 1, trusted=trusted):
                    self._give_turn(owner, waiting)

    def _give_turn(self, owner: O, waiting: "OrderedDict[O, deque[asyncio.Future[None]]]") -> None:
        """Give a place to the first of an owner that still waits; the next turn is another owner's."""
        turns = waiting[owner]
        while turns:
            turn = turns.popleft()
            if not turn.done():
                self._budget.charge(owner, 1)
                turn.set_result(None)
                break
        if turns:
            waiting.move_to_end(owner)
        else:
            del waiting[owner]


class _Place(Generic[O], AbstractAsyncContextManager[None]):
    """A place for as long as the context lasts."""

    def __init__(self, places: FairPlaces[O], owner: O, trusted: bool) -> None:
        self._places = places
        self._owner = owner
        self._trusted = trusted

    async def __aenter__(self) -> None:
        await self._places.wait(self._owner, trusted=self._trusted)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._places.give(self._owner)
