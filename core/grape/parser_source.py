"""What goes into aiohttp's parser, and what comes out of it, as code that is compiled can use it.

This module stays Python: machine code derives from no class of aiohttp's. It would also take a request for a tuple, as
aiohttp's type says, which it is only where aiohttp itself is Python.
"""

from typing import Protocol

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpVersion
from multidict import CIMultiDictProxy


class Request(Protocol):
    """The part of aiohttp's RawRequestMessage that is used here."""

    @property
    def method(self) -> str:
        """As it came."""

    @property
    def path(self) -> str:
        """The target of the request line, as it came."""

    @property
    def version(self) -> HttpVersion:
        """Of HTTP."""

    @property
    def headers(self) -> "CIMultiDictProxy[str]":
        """The fields of the header."""

    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The same, as bytes."""

    @property
    def should_close(self) -> bool:
        """The client wants the connection closed."""

    @property
    def chunked(self) -> bool:
        """Its body comes in chunks."""

    @property
    def upgrade(self) -> bool:
        """The client wants to speak something else."""


class Source(BaseProtocol):
    """Where the parser believes its bytes come from. Bodies are taken out after each piece, so none waits in it."""

    def pause_reading(self) -> None:
        """See above."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """See above."""
