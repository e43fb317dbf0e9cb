"""What leaves a mux until its owner takes it: what happened, and datagrams beside those of the connections."""

from core.utp.connection import Connection
from core.utp.events import Connected, Ended, Incoming, Moved, Readable, UtpEvent, Writable
from core.values import Address, Burst, Fragments


class Outlet:
    """A base of `Mux`: a part of it that is asked for each packet, and would cost one call more as an object."""

    def __init__(self) -> None:
        self._outbox: list[Burst] = []
        self._events: list[UtpEvent] = []

    def events(self) -> list[UtpEvent]:
        """Return and forget what happened."""
        events, self._events = self._events, []
        return events

    def send(self, remote: Address, datagram: bytes, fragments: Fragments = Fragments.AVOID) -> None:
        """Queue a datagram that is no part of a connection's stream of packets."""
        self._append(self._outbox, remote, [datagram], fragments)

    def opened(self, connection: Connection) -> None:
        """See Multiplexer."""
        self._events.append(Connected(connection) if connection.initiated else Incoming(connection))

    def readable(self, connection: Connection) -> None:
        """See Multiplexer."""
        self._events.append(Readable(connection))

    def writable(self, connection: Connection) -> None:
        """See Multiplexer."""
        self._events.append(Writable(connection))

    def ended(self, connection: Connection) -> None:
        """See Multiplexer."""
        self._events.append(Ended(connection))

    def moved(self, connection: Connection, old: Address) -> None:
        """See Multiplexer."""
        self._events.append(Moved(connection, old, connection.remote))

    def _take_outbox(self, bursts: list[Burst]) -> tuple[int, int]:
        """Move what is queued beside the connections to `bursts`; return its datagrams and bytes."""
        beside, self._outbox = self._outbox, []
        bursts += beside
        datagrams = [datagram for burst in beside for datagram in burst.datagrams]
        return len(datagrams), sum(map(len, datagrams))

    @staticmethod
    def _append(
        bursts: list[Burst], remote: Address, datagrams: list[bytes], fragments: Fragments = Fragments.AVOID
    ) -> None:
        if bursts and bursts[-1].to == remote and bursts[-1].fragments is fragments:
            bursts[-1].datagrams.extend(datagrams)
        else:
            bursts.append(Burst(remote, datagrams, fragments))
