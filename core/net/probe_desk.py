"""Probes that come to the serving socket, handed to the climb that has their tag."""

from collections.abc import Callable, Sequence

from core.values import Address, Buffer, Burst
from core.wire.probe_packet import tag_of


class ProbeDesk:
    """A `Machine` without anything to send: climbs send by themselves. What no climb waits for is dropped."""

    def __init__(self) -> None:
        self._climbs: dict[bytes, Callable[[Buffer, Address], None]] = {}

    def expect(self, tag: bytes, take: Callable[[Buffer, Address], None]) -> None:
        """Hand probes with this tag to `take`."""
        self._climbs[tag] = take

    def forget(self, tag: bytes) -> None:
        """Expect none any longer. Idempotent."""
        self._climbs.pop(tag, None)

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        """Hand each to its climb."""
        for datagram in datagrams:
            take = self._climbs.get(tag_of(datagram))
            if take is not None:
                take(datagram, source)

    def tick(self, now: float) -> None:
        """Nothing is ever due."""

    def deadline(self) -> float | None:
        """Nothing is ever due."""
        return None

    def idle(self) -> bool:
        """It always is."""
        return True

    def transmit(self, now: float) -> list[Burst]:
        """Return nothing."""
        return []

    def events(self) -> list[None]:
        """Return nothing."""
        return []

    def on_event(self, event: None) -> None:
        """There are none."""
