"""Peers and callers for the tests of trust."""

from pathlib import Path

from core.peer_id import PeerId
from core.trust.store import TrustStore
from core.values import Address, Caller

HERE = Address("192.0.2.1", 5000)
NOW = 1_800_000_000.0  # Unix seconds


def peer_id(number: int) -> PeerId:
    """Return the ID of somebody; equal numbers are the same person."""
    return PeerId(number.to_bytes(32, "big"))


def caller(number: int | None, address: Address = HERE) -> Caller:
    """Return somebody who calls; None is a plain peer."""
    return Caller(address, None if number is None else peer_id(number))


WEATHER = frozenset({"weather"})
ANN, BOB, EVE = peer_id(1), peer_id(2), peer_id(666)


async def opened(path: Path, *, serving: bool = True) -> TrustStore:
    """Return a store as a program that starts now has it."""
    store = TrustStore(path, serving=lambda: serving)
    await store.open(NOW)
    return store
