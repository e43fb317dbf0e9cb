"""Datagrams of sessions beside their uTP connections: what joins the datagram engine to the connections of a socket."""

from collections.abc import Callable
from random import Random

from core.datagrams.config import DatagramConfig
from core.datagrams.events import Arrived
from core.datagrams.mux import Mux
from core.datagrams.path import Path
from core.net.channel import Driver
from core.utp.connection import Connection
from core.values import MayAnswer, anybody
from core.wire.datagram_keys import DatagramKeys

OnDatagram = Callable[[int, bytes], None]
"""Takes the number of a stream, and a datagram for it. It may not block."""


class DatagramLink:
    """The datagrams of one session, which go wherever its uTP connection goes. `close` it with the session."""

    def __init__(self, mux: Mux, path: Path, connection: Connection, driver: Driver, on_datagram: OnDatagram) -> None:
        """Made by `Beside.open` only."""
        self.on_datagram = on_datagram
        self._mux = mux
        self.path = path
        self._connection = connection
        self._driver = driver
        self._utp_remote = connection.remote  # where uTP's packets went when we looked last

    @property
    def usable(self) -> bool:
        """Whether datagrams get through now, by all that is known."""
        return self.path.usable

    def open_flow(self, stream: int) -> bool:
        """Let a stream send datagrams here; False when too many do."""
        opened = self.path.open_flow(stream, self._driver.now())
        self._touch()
        return opened

    def close_flow(self, stream: int) -> None:
        """Forget a stream. Idempotent."""
        self.path.close_flow(stream)

    def send(self, stream: int, data: bytes) -> bool:
        """Queue a datagram; it leaves in the loop's next turn, with the others of this one.

        False: it cannot go this way now. True: it is dealt with; when the queue was full, the oldest was dropped.
        """
        taken = self.path.send(stream, data, self._driver.now())
        self._touch()
        return taken

    def dropped(self, stream: int) -> int:
        """Return how many datagrams of a stream were dropped for want of room."""
        return self.path.dropped(stream)

    @property
    def held(self) -> int:
        """Bytes that wait."""
        return self.path.queued

    def close(self) -> None:
        """Take and send nothing further. Idempotent."""
        self._mux.close(self.path)

    def _touch(self) -> None:
        remote = self._connection.remote
        if remote != self._utp_remote:
            self._utp_remote = remote
            self.path.moved(remote)
        self.path.known_size(self._connection.path.packet_bytes, self._driver.now())
        self._mux.touch(self.path)
        self._driver.flush_soon()


class Beside:
    """All links of one socket, and their engine."""

    def __init__(self, config: DatagramConfig, random: Random, driver: Driver, may_answer: MayAnswer = anybody) -> None:
        self.mux = Mux(config, random, may_answer)
        self._driver = driver
        self._links: dict[Path, DatagramLink] = {}
        self._by_connection: dict[Connection, DatagramLink] = {}

    def open(self, connection: Connection, keys: DatagramKeys, on_datagram: OnDatagram) -> DatagramLink | None:
        """Begin to take the datagrams of the session that a connection carries; None when there are too many."""
        if connection in self._by_connection:
            return None
        path = self.mux.open(keys, connection.remote)
        if path is None:
            return None
        link = DatagramLink(self.mux, path, connection, self._driver, on_datagram)
        self._links[path] = self._by_connection[connection] = link
        return link

    def forget(self, connection: Connection) -> None:
        """A connection is over, and its session with it."""
        link = self._by_connection.pop(connection, None)
        if link is not None:
            link.close()
            del self._links[link.path]

    def on_event(self, event: Arrived) -> None:
        """Hand a datagram to its session."""
        link = self._links.get(event.path)
        if link is not None:
            link.on_datagram(event.stream, event.data)
