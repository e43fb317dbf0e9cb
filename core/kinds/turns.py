"""Turns at what a share can do only so often at a time, such as running a program: one host holds nobody else up."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Final

from core.errors import LocalError
from core.rpc.fair_places import FairPlaces
from core.scope import network
from core.values import Caller

LEFT: Final = 2  # places that one host leaves to the others: what one has begun may take its whole time


class Turns:
    """`at_once` requests are worked on; of one host `waiting` more wait, and its next one is refused.

    Hosts take turns. How many wait in all is bounded by the requests under way (`core.limits.bounds.REQUESTS`).
    """

    def __init__(self, name: str, at_once: int, waiting: int) -> None:
        self._name = name
        self._most = at_once + waiting
        self._places: FairPlaces[str] = FairPlaces(at_once, max(1, at_once - LEFT))
        self._under_way: Counter[str] = Counter()  # by host

    def check(self, caller: Caller) -> None:
        """Raises LocalError (ERR_RATE_LIMITED) for a host that has as many under way as it may."""
        number = self._under_way[network(caller.address.host)]
        if number >= self._most:
            raise LocalError(f"{self._name} is busy: {number} of your requests wait already", name="ERR_RATE_LIMITED")

    @contextmanager
    def counted(self, caller: Caller) -> Iterator[None]:
        """Count a request for as long as the context lasts."""
        host = network(caller.address.host)
        self._under_way[host] += 1
        try:
            yield
        finally:
            self._under_way[host] -= 1
            if not self._under_way[host]:
                del self._under_way[host]

    def place(self, caller: Caller) -> AbstractAsyncContextManager[None]:
        """Have a place for as long as the context lasts, once it is the caller's turn."""
        return self._places.place(network(caller.address.host))

    async def wait(self, caller: Caller) -> None:
        """Take a place, once it is the caller's turn; `give` it back."""
        await self._places.wait(network(caller.address.host))

    def give(self, caller: Caller) -> None:
        """Give a place back."""
        self._places.give(network(caller.address.host))
