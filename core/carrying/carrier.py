"""One carrier: what it takes out, and what it drops. Both ends have one."""

from collections.abc import Callable

from core.carrying.config import LONGEST, QUEUED
from core.values import Burst


class Carrier:
    """Sends datagrams by `write(datagram)`, while no more than QUEUED bytes wait by `unsent()`."""

    def __init__(self, write: Callable[[bytes], None], unsent: Callable[[], int], close: Callable[[], None]) -> None:
        self._write, self._unsent, self._close = write, unsent, close
        self.sent = self.dropped = 0  # datagrams

    def send(self, burst: Burst) -> None:
        """Send what there is room for. Never raises."""
        for datagram in burst.datagrams:
            if len(datagram) > LONGEST or self._unsent() > QUEUED:
                self.dropped += 1
            else:
                self.sent += 1
                self._write(datagram)

    def close(self) -> None:
        """End the connection."""
        self._close()
