"""aiohttp's parser of requests, one at a time, as a connection of ours uses it: without aiohttp's server."""

import asyncio

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser


class _Source(BaseProtocol):
    """Where the parser believes its bytes come from. Bodies are taken out after each piece, so none waits in it."""

    def pause_reading(self) -> None:
        """See above."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """See above."""


def request_parser(loop: asyncio.AbstractEventLoop) -> HttpRequestParser:
    """Return one that gives bodies as they are, and holds back what is behind a request."""
    return HttpRequestParser(_Source(loop), loop, 2**16, auto_decompress=False, max_msg_queue_size=1)
