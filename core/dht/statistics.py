"""Counts of a DHT node: mutable inside the node, a frozen copy for others."""

from dataclasses import asdict, astuple

from core.frozen import dataclass


@dataclass(frozen=True, slots=True)
class DhtStatistics:
    """Counts since the node was made; the last five are present sizes."""

    received: int  # datagrams
    sent: int  # datagrams
    queries: int  # of others, answered or refused
    refused: int  # of those, answered with an error of our rules (bad token, unknown method, ...)
    asked: int  # queries of ours
    resent: int  # second copies of them
    timed_out: int  # of ours, without an answer
    dropped_malformed: int  # datagrams that make no sense
    dropped_unexpected: int  # answers to what we did not ask, or from another address
    dropped_refusals: int  # errors not sent, as they would have been longer than the query
    dropped_full: int  # datagrams not sent, as too many were waiting
    withheld: int  # answers not sent, as their receiver had had its share and not proven to be there
    cut: int  # answers shortened, as their receiver had not proven to be there
    nodes: int
    in_flight: int
    operations: int
    keys: int
    items: int


def added(one: DhtStatistics, other: DhtStatistics) -> DhtStatistics:
    """Return the counts of two nodes together."""
    return DhtStatistics(*(left + right for left, right in zip(astuple(one), astuple(other), strict=True)))


@dataclass(slots=True)
class Counters:
    """The counts a node keeps; see DhtStatistics."""

    received: int = 0
    sent: int = 0
    queries: int = 0
    refused: int = 0
    asked: int = 0
    resent: int = 0
    timed_out: int = 0
    dropped_malformed: int = 0
    dropped_unexpected: int = 0
    dropped_refusals: int = 0
    dropped_full: int = 0
    withheld: int = 0
    cut: int = 0

    def snapshot(self, nodes: int, in_flight: int, operations: int, keys: int, items: int) -> DhtStatistics:
        """Return a frozen copy together with the present sizes."""
        return DhtStatistics(
            **asdict(self), nodes=nodes, in_flight=in_flight, operations=operations, keys=keys, items=items
        )
