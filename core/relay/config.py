"""Bounds of a relay and of lanes, each with unit and reason."""

from typing import Final

from core.frozen import frozen
from core.limits import bounds

KIB: Final = 1024
MB: Final = 1_000_000


@frozen
class RelayConfig:
    """What one peer passes on for others."""

    pairs: int = bounds.RELAY_PAIRS  # at once; full: nobody else is joined
    pairs_of_peer: int = bounds.RELAY_PAIRS_PEER  # at once, of one peer
    kept: int = bounds.RELAY_PAIRS_KEPT  # of the pairs, for two friends
    pair_rate: float = bounds.RELAY_PAIR_RATE  # bytes a second of one pair, both ways together
    pair_burst: float = 512 * KIB  # bytes at once: a window of uTP
    rate: float = bounds.RELAY_RATE  # bytes a second in all
    burst: float = 1 * MB  # bytes at once in all
    day_bytes: int = bounds.RELAY_DAY  # in 24 hours
    stranger_rate: float = bounds.RELAY_STRANGER_RATE  # bytes a second of a pair that are not both friends of ours
    stranger_burst: float = 128 * KIB  # bytes at once of it
    strangers_rate: float = bounds.RELAY_STRANGERS_RATE  # of `rate`, of all such pairs
    strangers_burst: float = 512 * KIB  # of `burst`, of all such pairs
    stranger_bytes: int = bounds.RELAY_STRANGER_PAIR  # of such a pair; then it ends
    strangers_day: int = bounds.RELAY_STRANGERS_DAY  # of `day_bytes`, of all such pairs
    stranger_day: int = bounds.RELAY_STRANGER_DAY  # of these, of the pairs that one host asked for
    hosts: int = bounds.CALLERS  # whose bytes of the day are remembered
    lifetime: float = 4 * 3600.0  # seconds of a pair; then its two ask again
    idle: float = 90.0  # seconds without a packet until a pair ends: six of the slowest beats
    queued: int = 512  # datagrams that wait to leave in one turn, half of them strangers'; more are dropped


@frozen
class LaneConfig:
    """How a pair's lane is kept, by whatever path."""

    lanes: int = bounds.LANES  # at once; full: the one unused for longest ends
    links: int = 3  # relays of one lane at once
    candidates: int = 8  # direct addresses that are tried; the other side names eight
    beat: float = 2.0  # seconds between beats of a path in use
    slow_beat: float = 15.0  # of one that is not: half of the shortest common NAT timeout (NAT.md 2.1)
    misses: int = 3  # beats in a row without an answer after which a path is dead
    least_wait: float = 0.5  # seconds for an answer, or four round trips if that is more
    most_wait: float = 3.0
    first_tries: tuple[float, ...] = (0.0, 0.2, 0.4, 0.8, 1.5, 3.0, 5.0)  # seconds after which candidates are tried
    retry: float = 8.0  # seconds between tries after that while the lane is in use: moved within 10 s
    slow_retry: float = 60.0  # the same while it is not
    openers: int = 2  # first tries of a candidate that end on the way: they open our router and disturb none
    in_use: float = 10.0  # seconds after a datagram
    kept: float = 150.0  # seconds unused until a lane ends: longer than a session's 120
    lies: int = 32  # frames in `lies_within` seconds that were changed, or came again, until a relay is left
    lies_within: float = 10.0
    queued: int = 256  # beats that wait to leave
