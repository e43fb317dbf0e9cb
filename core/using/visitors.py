"""The connections of a local web server, of which any user of this machine and any web page may open thousands."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from core.kinds.head_limit import HeadLimit

CONNECTIONS: Final = 256  # at once: forty windows of a browser, each with 6


class Visitors:
    """Makes a server's protocols out of `make`'s. Full: who never asked makes room, then who asks nothing now."""

    def __init__(self, make: Callable[[], asyncio.Protocol]) -> None:
        self._make = make
        self._silent: dict[asyncio.Transport, HeadLimit] = {}  # who came first is first
        self._heard: dict[asyncio.Transport, HeadLimit] = {}  # they have asked; who did so longest ago is first
        self._busy: Counter[asyncio.Transport] = Counter()  # requests under way

    def __len__(self) -> int:
        return len(self._silent) + len(self._heard)

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of one connection."""
        return _Visitor(self, self._make())

    @contextmanager
    def asking(self, asked_on: asyncio.Transport | None, whole: Callable[[], bool] = lambda: True) -> Iterator[None]:
        """Keep a connection whatever comes, for as long as a request on it is answered; `whole`: its body has come."""
        visitor = None if asked_on is None else self._silent.get(asked_on) or self._heard.get(asked_on)
        if asked_on is None or visitor is None:  # it has gone
            yield
            return
        self._note(asked_on, visitor)
        self._busy[asked_on] += 1
        visitor.asks()
        try:
            yield
        finally:
            visitor.answered(whole=whole())
            self._busy[asked_on] -= 1
            if not self._busy[asked_on]:
                del self._busy[asked_on]
            self._note(asked_on, visitor)

    def enter(self, newcomer: asyncio.Transport, visitor: HeadLimit) -> bool:
        """Let a connection in; False: there is no place."""
        if len(self) >= CONNECTIONS:
            silent = next(iter(self._silent), None)
            gone = silent or next((each for each in self._heard if each not in self._busy), None)
            if gone is None:
                return False
            self.leave(gone)
            gone.abort()
        self._silent[newcomer] = visitor
        return True

    def leave(self, gone: asyncio.Transport) -> None:
        """Forget a connection. Idempotent."""
        self._silent.pop(gone, None)
        self._heard.pop(gone, None)

    def _note(self, asked_on: asyncio.Transport, visitor: HeadLimit) -> None:
        if asked_on in self._silent or asked_on in self._heard:
            self.leave(asked_on)
            self._heard[asked_on] = visitor


class _Visitor(HeadLimit):
    """One connection; what answers on it hears everything."""

    def __init__(self, visitors: Visitors, handler: asyncio.Protocol) -> None:
        super().__init__(handler)
        self._visitors = visitors

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Come in, if there is a place."""
        super().connection_made(transport)
        if not self._visitors.enter(self.transport, self):
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave."""
        self._visitors.leave(self.transport)
        super().connection_lost(exc)
