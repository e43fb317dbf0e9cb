"""A limit on how many may be under way at once, that costs nothing while it is not reached."""

import asyncio
from collections import deque


class Places:
    """A number of places: taken at once while one is free and nobody waits, else waited for, first come first served.

    `asyncio.Semaphore` does the same, but can only be awaited.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Take a place if that needs no waiting; tell whether it did."""
        if not self._free or self._waiting:
            return False
        self._free -= 1
        return True

    async def wait(self) -> None:
        """Take a place once it is our turn. Cancelled, it takes none."""
        if self.take():
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give()  # it was our turn already
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def give(self) -> None:
        """Give a place back: to the task that waits for longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
