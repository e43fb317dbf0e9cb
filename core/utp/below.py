"""What a mux is told of the paths below it: what is too long, and that they changed while their addresses stayed."""

from collections import OrderedDict

from core.limits.fair import Level
from core.scope import network, site
from core.utp.accepted import AcceptedConnections
from core.utp.closed_connections import ClosedConnections, Key
from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.outlet import Outlet
from core.utp.rebinding import Rebinding
from core.utp.state import HANDSHAKE, State
from core.values import Address, Buffer, MayAnswer
from core.wire.utp_packet import HEADER_BYTES, stream_id


class Below(Outlet):
    """A base of `Mux`, which makes the parts that are named here."""

    _config: UtpConfig
    _accepted: AcceptedConnections[Connection]
    _closed: ClosedConnections
    _rebinding: Rebinding

    def __init__(self, may_answer: MayAnswer) -> None:
        super().__init__()
        self._may_answer = may_answer
        self._connections: dict[Key, Connection] = {}
        self._touched: OrderedDict[Connection, None] = OrderedDict()  # who may have something to send, in turn

    def touch(self, connection: Connection) -> None:
        """The connection has something to send, or another deadline."""
        self._touched[connection] = None

    def may_answer(self, remote: Address, now: float) -> bool:
        """See Multiplexer."""
        return self._may_answer(remote, now)

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

    def follow(self, connection: Connection, remote: Address, round_trip: float, now: float) -> bool:
        """Take the owner's word that a peer is at `remote` now, as another connection has proven; say so there.

        For a connection that is silent: where both sides moved, neither hears it from the other. `round_trip` is in
        seconds. Returns whether it moved; if the peer is where it was after all, its packets bring it back.
        """
        open_ = connection.state not in HANDSHAKE and connection.state is not State.CLOSED
        if not open_ or (remote, connection.receive_id) in self._connections:
            return False
        if not self._has_place(connection, remote):
            return False
        self._rekey(connection, remote)
        self._rebinding.settled(connection)
        connection.move(remote, round_trip, now)
        connection.speak(now)
        self._touched[connection] = None
        return True

    def _has_place(self, connection: Connection, to: Address) -> bool:
        """Whether the bounds of accepted connections of a host and a site allow it to move; its ids are free there."""
        host, before = network(to.host), network(connection.remote.host)
        level = self._accepted.crowded(host)
        return host == before or level is None or (level is Level.SITE and site(host) == site(before))

    def _rekey(self, connection: Connection, to: Address) -> None:
        """Know a connection by its peer's new address."""
        old, new = (connection.remote, connection.receive_id), (to, connection.receive_id)
        self._connections[new] = self._connections.pop(old)
        self._closed.forget(new)
        self._accepted.move(connection, network(to.host))

    def speak(self, now: float, to: Address | None = None, *, rest: bool = False) -> None:
        """Say something over every connection, or over those with a remote: we may be at another address.

        `rest`: and then no more than is needed (`Connection.speak`).
        """
        for connection in self._connections.values():
            if to is None or connection.remote == to:
                connection.speak(now, rest=rest)
                self._touched[connection] = None

    def _keep_alive(self, every: float) -> None:
        for connection in self._connections.values():
            connection.keep_alive(every)
            self._touched[connection] = None
