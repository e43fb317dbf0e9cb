"""What one connection may send aiohttp's server before a request is whole: it takes 128 fields of a header itself."""

import asyncio
from typing import Final, cast

HEAD_MAX: Final = 512 * 1024  # bytes between two requests; cookies of a page that has many are some 100 KB
AT_ONCE_MAX: Final = (
    2 * 1024 * 1024
)  # bytes behind a whole head before it is worked on: what one turn of the loop brings
BEGUN_WITHIN: Final = 0.1  # seconds until a whole request is worked on; a turn or two of the loop
LINGER_MAX: Final = 4 * 1024 * 1024  # bytes of a body behind an early answer, which its sender may still have to read


class HeadLimit(asyncio.Protocol):
    """Hands everything on to `handler`, and ends a connection that sends too much where no request is worked on."""

    def __init__(self, handler: asyncio.Protocol) -> None:
        self._handler = handler
        self._room = HEAD_MAX
        self._asking = 0  # requests that are worked on
        self._check: asyncio.TimerHandle | None = None

    def asks(self) -> None:
        """A request is whole, and worked on."""
        self._asking += 1

    def answered(self, *, whole: bool) -> None:
        """It is answered; `whole`: its body has come too."""
        self._asking -= 1
        self._room = HEAD_MAX if whole else LINGER_MAX

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand on."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Count, and hand on."""
        if not self._asking:
            self._room -= len(data)
            if self._room < HEAD_MAX - AT_ONCE_MAX:
                self.transport.abort()
                return
            if self._room < 0 and self._check is None:
                # a whole head may have come, and its body with it, before aiohttp had its turn
                self._check = asyncio.get_running_loop().call_later(BEGUN_WITHIN, self._look)
        self._handler.data_received(data)

    def _look(self) -> None:
        """End the connection if what came is no request yet."""
        self._check = None
        if not self._asking and self._room < 0:
            self.transport.abort()

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
        """Hand on."""
        if self._check is not None:
            self._check.cancel()
        self._handler.connection_lost(exc)
