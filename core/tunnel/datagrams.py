"""Datagrams of a session's streams: beside its connection where that works, and in the connection where it does not."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from core.rpc.stream import Stream


class Link(Protocol):
    """What carries datagrams beside a connection (`core.net.beside.DatagramLink`)."""

    @property
    def held(self) -> int:
        """Bytes that wait to be sent."""

    def open_flow(self, stream: int) -> bool:
        """Let a stream send datagrams; False when too many do."""

    def close_flow(self, stream: int) -> None:
        """Forget a stream. Idempotent."""

    def send(self, stream: int, data: bytes) -> bool:
        """Queue a datagram; False: it cannot go this way now."""

    def dropped(self, stream: int) -> int:
        """Return how many datagrams of a stream were dropped for want of room."""

    def close(self) -> None:
        """Take and send nothing further. Idempotent."""


@runtime_checkable
class Besides(Protocol):
    """A connection that can carry datagrams beside it."""

    def open_datagrams(self, on_datagram: Callable[[int, bytes], None], *, initiator: bool) -> Link | None:
        """Begin to; None when that cannot be. Both sides have to."""


class SessionDatagrams:
    """The link of one session, made when a stream first wants it."""

    def __init__(self, connection: Stream, on_datagram: Callable[[int, bytes], None], *, initiator: bool) -> None:
        self._connection = connection
        self._on_datagram = on_datagram
        self._initiator = initiator
        self._link: Link | None = None

    @property
    def held(self) -> int:
        """Bytes that wait to be sent."""
        return 0 if self._link is None else self._link.held

    def carry(self, stream: int) -> bool:
        """Send this stream's datagrams beside the connection from now on, whenever they get through; False: never."""
        if self._link is None and isinstance(self._connection, Besides):
            self._link = self._connection.open_datagrams(self._on_datagram, initiator=self._initiator)
        return self._link is not None and self._link.open_flow(stream)

    def send(self, stream: int, data: bytes) -> bool:
        """Send one beside the connection; False: it has to go in it."""
        return self._link is not None and self._link.send(stream, data)

    def dropped(self, stream: int) -> int:
        """Return how many of a stream were dropped for want of room."""
        return 0 if self._link is None else self._link.dropped(stream)

    def forget(self, stream: int) -> None:
        """A stream is over."""
        if self._link is not None:
            self._link.close_flow(stream)

    def close(self) -> None:
        """The session is over."""
        if self._link is not None:
            self._link.close()
