"""What is asked of a stream while the program runs; not compiled, since machine code has no such question."""

from typing import Protocol, runtime_checkable

from core.net.beside import DatagramLink, OnDatagram
from core.wire.datagram_keys import DatagramKeys


@runtime_checkable
class Besides(Protocol):
    """A stream below that can carry datagrams beside it; the ones of tests need not."""

    def open_datagrams(self, keys: DatagramKeys, on_datagram: OnDatagram) -> DatagramLink | None:
        """Begin to; None when it cannot."""
