"""aiohttp's parser of requests, one at a time, as a connection of ours uses it: without aiohttp's server."""

import asyncio
from typing import Final

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser, RawRequestMessage
from aiohttp.streams import StreamReader

from core.errors import RemoteError

HEAD_MAX: Final = 32 * 1024  # bytes of a request's header; the Node server takes 16, and common servers 32
SMALL_REST: Final = 4 * 1024  # bytes that are not worth remembering behind a request that was read

Messages = list[tuple[RawRequestMessage, StreamReader]]


class _Source(BaseProtocol):
    """Where the parser believes its bytes come from. Bodies are taken out after each piece, so none waits in it."""

    def pause_reading(self) -> None:
        """See above."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """See above."""


class RequestParser:
    """Gives bodies as they are, and holds back what is behind a request. `held` is how much that may be.

    aiohttp's parser does not say what it keeps: 128 fields of 8 KB of a header that never ends, and all that was sent
    ahead. So what goes in is counted, and what comes out again.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._parser = HttpRequestParser(_Source(loop), loop, 2**16, auto_decompress=False, max_msg_queue_size=1)
        self._body: StreamReader | None = None
        self._head = 0  # bytes that came since the last request, and made no other
        self._rest = 0  # bytes that came with requests and their bodies, and did not come out

    @property
    def held(self) -> int:
        """Bytes that wait in it, at the most."""
        return self._head + self._rest

    def feed(self, data: bytes) -> tuple[Messages, bool, bytes]:
        """Take a piece; return what it makes whole, whether that is an upgrade, and what is behind that.

        Raises aiohttp's errors for what is no request, and RemoteError for a header that is too long.
        """
        if self._rest < SMALL_REST:
            self._rest = 0
        within = self._body is not None and not self._body.is_eof()
        messages, upgraded, rest = self._parser.feed_data(data)
        if messages:
            request, self._body = messages[0]
            self._head = 0
            self._rest += len(data)
            self.took(sum(len(name) + len(value) + 4 for name, value in request.raw_headers))
        elif within:
            self._rest += len(data)
        else:
            self._head += len(data)
            if self._head > HEAD_MAX:
                raise RemoteError(f"a request's header has {HEAD_MAX:,} bytes at the most")
        return messages, upgraded, rest

    def took(self, size: int) -> None:
        """Note that so many bytes of a body came out."""
        self._rest = max(0, self._rest - size)

    def message_consumed(self) -> None:
        """Go on to the next request."""
        self._parser.message_consumed()
