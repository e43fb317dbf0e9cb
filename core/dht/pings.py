"""Pings under way: at most one to an address, and few to strangers at a time."""

from collections.abc import Callable
from typing import TypeAlias

from core.dht.lookup import Target
from core.dht.transactions import Handler, Outcome
from core.dht.walk import Asked
from core.values import Address

AskPing: TypeAlias = Callable[[Target, Handler, float, bool], Asked]  # (to, handler, now, with a second copy)


class Pings:
    """Sends pings by `ask`. `max_probes`: to strangers at a time."""

    def __init__(self, ask: AskPing, max_probes: int) -> None:
        self._ask = ask
        self._max_probes = max_probes
        self._under_way: set[Address] = set()  # bounded by the transactions
        self._probes = 0

    def __contains__(self, address: object) -> bool:
        return address in self._under_way

    def send(self, to: Target, handler: Handler, now: float, *, again: bool = True) -> bool:
        """Ask whether a node is there; return whether that left."""

        def done(outcome: Outcome, now: float) -> None:
            self._under_way.discard(to.address)
            handler(outcome, now)

        if self._ask(to, done, now, again) is not Asked.SENT:
            return False
        self._under_way.add(to.address)
        return True

    def probe(self, address: Address, now: float) -> None:
        """Ask a stranger who asked us something; the caller looks at `room` first."""
        self._probes += self.send(Target(None, address), self._probed, now, again=False)

    def room(self) -> bool:
        """Return whether one more stranger may be probed."""
        return self._probes < self._max_probes

    def _probed(self, outcome: Outcome, now: float) -> None:
        self._probes -= 1
