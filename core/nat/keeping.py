"""How often something is sent so that a router keeps a mapping."""

from typing import Final

USUAL: Final = 15.0  # seconds; half of the 30 after which the worst home routers forget (NAT.md 2.2, 8.5)
SHORT: Final = 20.0  # seconds: a shorter lifetime needs more than the usual
SHARE: Final = 0.8  # of a short lifetime: a packet that is lost is followed by another in time only where it is longer
LEAST: Final = 2.0  # seconds: what forgets sooner is no router that anybody can be reached behind


def keepalive(lifetime: float | None) -> float:
    """Return the seconds of silence after which both sides speak. `lifetime` of a mapping; None: not measured."""
    if lifetime is None or lifetime >= SHORT:
        return USUAL
    return max(LEAST, SHARE * lifetime)
