"""aiohttp's parser of requests, one at a time, as a connection of ours uses it: without aiohttp's server."""

import asyncio
from typing import Any, Final

from aiohttp.http import HttpRequestParser
from aiohttp.streams import StreamReader

from core.errors import RemoteError
from core.grape.parser_source import Request, Source

HEAD_MAX: Final = 32 * 1024  # bytes of a request's header; the Node server takes 16, and common servers 32
HEAD_END: Final = b"\r\n\r\n"
SMALL_REST: Final = 4 * 1024  # bytes that are not worth remembering behind a request that was read

Messages = list[tuple[Request, StreamReader]]


class RequestParser:
    """Gives bodies as they are, and holds back what is behind a request. `held` is how much that may be.

    aiohttp's parser does not say what it keeps: 128 fields of 8 KB of a header that never ends, and all that was sent
    ahead. So what goes in is counted, and what comes out again.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Any: compiled, each value is held against its type, and where that says a list, () comes for no request.
        self._parser: Any = HttpRequestParser(Source(loop), loop, 2**16, auto_decompress=False, max_msg_queue_size=1)
        self._body: StreamReader | None = None
        self._fed = 0  # bytes that came since it was empty
        self._end = 0  # how many of them are the header of the only request in it; 0: not known
        self._head = 0  # bytes that came since the last request, and made no other
        self._rest = 0  # bytes that came with requests and their bodies, and did not come out
        self.empty = True
        """For sure nothing came behind the request that was read last: there is no next one in it."""

    @property
    def held(self) -> int:
        """Bytes that wait in it, at the most."""
        return self._head + self._rest

    def feed(self, data: bytes) -> tuple[Messages, bool, bytes]:
        """Take a piece; return what it makes whole, whether that is an upgrade, and what is behind that.

        Raises aiohttp's errors for what is no request, and RemoteError for a header that is too long.
        """
        if not data and self.empty:
            return [], False, b""
        if self._rest < SMALL_REST:
            self._rest = 0
        within = self._body is not None and not self._body.is_eof()
        self._fed = len(data) if self.empty else self._fed + len(data)
        found = self._parser.feed_data(data)
        messages: Messages = list(found[0])
        if messages:
            request, self._body = messages[0]
            self._head = 0
            self._rest += len(data)
            self._end = data.find(HEAD_END) + len(HEAD_END) if self.empty else 0
            self.took(self._end or sum(len(name) + len(value) + 4 for name, value in request.raw_headers))
        elif within:
            self._rest += len(data)
        else:
            self._end = 0
            self._head += len(data)
            if self._head > HEAD_MAX:
                raise RemoteError(f"a request's header has {HEAD_MAX:,} bytes at the most")
        self.empty = self._is_empty()
        return messages, bool(found[1]), found[2]

    def _is_empty(self) -> bool:
        """Where something came behind a request, or its body in chunks, header and body are less than what came."""
        if self._body is None or not self._end or not self._body.is_eof():
            return False
        return self._end + self._body.total_bytes == self._fed

    def took(self, size: int) -> None:
        """Note that so many bytes of a body came out."""
        self._rest = max(0, self._rest - size)

    def message_consumed(self) -> None:
        """Go on to the next request."""
        self._parser.message_consumed()
