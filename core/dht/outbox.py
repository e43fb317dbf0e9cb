"""Datagrams that wait for `transmit`, grouped by destination; and the rule that an error never amplifies."""

from dataclasses import replace

from core.dht.statistics import Counters
from core.values import Address, Burst
from core.wire.krpc import Error


class Outbox:
    """At most `capacity` datagrams; further ones are dropped and counted (UDP may lose any of them as well)."""

    def __init__(self, capacity: int, counters: Counters) -> None:
        self._capacity = capacity
        self._counters = counters
        self._waiting = 0
        self.bytes = 0  # queued so far, without headers
        self._bursts: dict[Address, Burst] = {}

    def add(self, to: Address, datagram: bytes) -> None:
        """Queue a datagram."""
        if self._waiting >= self._capacity:
            self._counters.dropped_full += 1
            return
        self._waiting += 1
        self.bytes += len(datagram)
        self._bursts.setdefault(to, Burst(to, [])).datagrams.append(datagram)

    def refuse(self, to: Address, error: Error, query_bytes: int) -> None:
        """Queue an error, cut down to the size of the query it answers, or nothing at all.

        Its source may be forged: what costs us no thought must not grow on the way to a victim.
        """
        for candidate in (error, replace(error, message=""), replace(error, message="", observed=None)):
            datagram = bytes(candidate)
            if len(datagram) <= query_bytes:
                self.add(to, datagram)
                return
        self._counters.dropped_refusals += 1

    def take(self) -> list[Burst]:
        """Return, and forget, what waits."""
        bursts = list(self._bursts.values())
        self._counters.sent += self._waiting
        self._waiting = 0
        self._bursts.clear()
        return bursts
