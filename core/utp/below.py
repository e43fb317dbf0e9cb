"""What a mux is told of the paths below it: what is too long, and that they changed while their addresses stayed."""

from collections import OrderedDict

from core.utp.closed_connections import Key
from core.utp.connection import Connection
from core.utp.outlet import Outlet
from core.utp.state import HANDSHAKE
from core.values import Address, Buffer
from core.wire.utp_packet import HEADER_BYTES, stream_id


class Below(Outlet):
    """A base of `Mux`."""

    def __init__(self) -> None:
        super().__init__()
        self._connections: dict[Key, Connection] = {}
        self._touched: OrderedDict[Connection, None] = OrderedDict()  # who may have something to send, in turn

    def too_long(self, remote: Address, size: int, now: float) -> None:
        """Take what the system knows: a datagram of `size` bytes is too long for the path to `remote`. Rare."""
        for connection in self._connections.values():
            if connection.remote == remote:
                connection.too_long(size, now)

    def knows(self, remote: Address, datagram: Buffer) -> bool:
        """Return whether a datagram has the id of a connection with this remote."""
        return len(datagram) >= HEADER_BYTES and (remote, stream_id(datagram)) in self._connections

    def new_path(self, remote: Address, round_trip: float, now: float, *, too_long: int | None = None) -> None:
        """What goes to `remote` takes another path now, below us: nothing that was known of the former one holds.

        `too_long`: bytes of a datagram that is too long for the new one, if that is known.
        """
        for connection in self._connections.values():
            if connection.remote == remote and connection.state not in HANDSHAKE:
                connection.new_path(round_trip, now)
                if too_long is not None:
                    connection.too_long(too_long, now)
                self._touched[connection] = None

    def speak(self, now: float, to: Address | None = None) -> None:
        """Say something over every connection, or over those with a remote: we may be at another address."""
        for connection in self._connections.values():
            if to is None or connection.remote == to:
                connection.speak(now)
                self._touched[connection] = None

    def _keep_alive(self, every: float) -> None:
        for connection in self._connections.values():
            connection.keep_alive(every)
            self._touched[connection] = None
