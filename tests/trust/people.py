"""Peers and callers for the tests of trust."""

from core.peer_id import PeerId
from core.values import Address, Caller

HERE = Address("192.0.2.1", 5000)
NOW = 1_800_000_000.0  # Unix seconds


def peer_id(number: int) -> PeerId:
    """Return the ID of somebody; equal numbers are the same person."""
    return PeerId(number.to_bytes(32, "big"))


def caller(number: int | None, address: Address = HERE) -> Caller:
    """Return somebody who calls; None is a plain peer."""
    return Caller(address, None if number is None else peer_id(number))


ANN, BOB, EVE = peer_id(1), peer_id(2), peer_id(666)
