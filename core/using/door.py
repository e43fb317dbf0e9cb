"""The connections of a local web server, of which any user of this machine and any web page may open thousands."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, cast

CONNECTIONS: Final = 256  # at once: forty windows of a browser, each with 6


class Door:
    """Makes a server's protocols out of `make`'s. Full: who never asked makes room, then who asks nothing now."""

    def __init__(self, make: Callable[[], asyncio.Protocol]) -> None:
        self._make = make
        self._silent: dict[asyncio.Transport, None] = {}  # who came first is first
        self._heard: dict[asyncio.Transport, None] = {}  # they have asked; who did so longest ago is first
        self._busy: Counter[asyncio.Transport] = Counter()  # requests under way

    def __len__(self) -> int:
        return len(self._silent) + len(self._heard)

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of one connection."""
        return _Visitor(self, self._make())

    @contextmanager
    def asking(self, asked_on: asyncio.Transport | None) -> Iterator[None]:
        """Keep a connection whatever comes, for as long as a request on it is answered."""
        if asked_on is None or (asked_on not in self._silent and asked_on not in self._heard):  # it has gone
            yield
            return
        self._note(asked_on)
        self._busy[asked_on] += 1
        try:
            yield
        finally:
            self._busy[asked_on] -= 1
            if not self._busy[asked_on]:
                del self._busy[asked_on]
            self._note(asked_on)

    def enter(self, newcomer: asyncio.Transport) -> bool:
        """Let a connection in; False: there is no place."""
        if len(self) >= CONNECTIONS:
            silent = next(iter(self._silent), None)
            gone = silent or next((each for each in self._heard if each not in self._busy), None)
            if gone is None:
                return False
            self.leave(gone)
            gone.abort()
        self._silent[newcomer] = None
        return True

    def leave(self, gone: asyncio.Transport) -> None:
        """Forget a connection. Idempotent."""
        self._silent.pop(gone, None)
        self._heard.pop(gone, None)

    def _note(self, asked_on: asyncio.Transport) -> None:
        if asked_on in self._silent or asked_on in self._heard:
            self.leave(asked_on)
            self._heard[asked_on] = None


class _Visitor(asyncio.Protocol):
    """One connection; what answers on it hears everything."""

    def __init__(self, door: Door, handler: asyncio.Protocol) -> None:
        self._door = door
        self._handler = handler

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Come in, if there is a place."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._handler.connection_made(transport)
        if not self._door.enter(self._transport):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Hand on."""
        self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        """Hand on."""
        return self._handler.eof_received()

    def pause_writing(self) -> None:
        """Hand on."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Hand on."""
        self._handler.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand on, and leave."""
        self._door.leave(self._transport)
        self._handler.connection_lost(exc)
