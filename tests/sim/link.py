"""How a network treats the datagrams that cross it: delay, jitter, loss, duplication, reordering, a bottleneck."""

import random
from dataclasses import dataclass, field

UDP_OVERHEAD = 28  # bytes of IPv4 and UDP header; RFC 791, RFC 768


@dataclass(frozen=True, slots=True)
class Link:
    """The quality of a network, for every datagram that crosses it.

    Probabilities are 0..1. A datagram takes `delay` plus up to `jitter` seconds; jitter alone may reorder. With
    probability `reorder` one is held back `held` seconds more. `rate` (bytes a second, headers included; None = no
    limit) makes a bottleneck with a tail-drop queue of `queue` bytes, one per ordered pair of hosts.
    """

    delay: float = 0.02
    jitter: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    held: float = 0.05
    rate: float | None = None
    queue: int = 65_536

    def __post_init__(self) -> None:
        for name in ("loss", "duplicate", "reorder"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be from 0 to 1")
        if min(self.delay, self.jitter, self.held) < 0.0 or (self.rate is not None and self.rate <= 0.0):
            raise ValueError("times cannot be negative, nor a rate 0")


@dataclass(slots=True)
class LinkState:
    """The moving part of a link: when each direction's bottleneck is free again."""

    free_at: dict[tuple[str, str], float] = field(default_factory=dict)

    def arrivals(self, link: Link, pair: tuple[str, str], size: int, now: float, rng: random.Random) -> list[float]:
        """Return when a datagram of `size` payload bytes arrives: no times when lost, two when duplicated.

        Draws the same number of random values whatever happens, so that one changed probability does not shift
        every later draw.
        """
        lost, doubled, held = rng.random() < link.loss, rng.random() < link.duplicate, rng.random() < link.reorder
        jitters = (rng.random() * link.jitter, rng.random() * link.jitter)
        leaves = now
        if link.rate is not None:
            begins = max(now, self.free_at.get(pair, now))
            if (begins - now) * link.rate > link.queue:
                return []
            leaves = self.free_at[pair] = begins + (size + UDP_OVERHEAD) / link.rate
        if lost:
            return []
        first = leaves + link.delay + jitters[0] + (link.held if held else 0.0)
        return [first, leaves + link.delay + jitters[1]] if doubled else [first]
