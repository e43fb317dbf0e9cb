"""Every error of core, in one tree. `name` is the Grenache error name that travels or is shown.

PeerError
 +- LocalError      we were called wrongly, or cannot do it here (a port in use)
 +- PayloadError    a caller's payload is not what our service takes
 +- RemoteError     what the other side sent is wrong; costs that peer or packet, never the endpoint
 |   +- RefusedError    the other side, or a grape, answered with an error name
 +- Unreachable     nobody answered
     +- RequestTimeout   ERR_TIMEOUT
     +- TransportClosed  ERR_TRANSPORT_CLOSE
     +- LookupEmpty      ERR_GRAPE_LOOKUP_EMPTY
"""

import os
from typing import Self


class PeerError(Exception):
    """The base: `name` for programs, `str(error)` a sentence for people."""

    name = "ERR_GENERIC"

    def __init__(self, message: str, *, name: str | None = None) -> None:
        super().__init__(message)
        if name is not None:
            self.name = name

    def again(self) -> Self:
        """Return one like it, to be raised: where an error was raised holds everything that was at hand there.

        One that is kept by an object, and raised itself, would keep that object until a collection of garbage finds
        the circle: 50 KB for each handshake of a flood.
        """
        return type(self)(str(self), name=self.name)


class LocalError(PeerError):
    """We were asked for something that cannot be done here; the sentence says what to change."""

    name = "ERR_LOCAL"


class PayloadError(PeerError):
    """The caller's payload is not what the service takes; the sentence says what is expected.

    The one error type that a service raises to have its sentence sent to the caller.
    """

    name = "ERR_PAYLOAD"


class RemoteError(PeerError):
    """A peer sent something malformed or out of protocol."""

    name = "ERR_REMOTE"


class RefusedError(RemoteError):
    """The other side understood and said no; `name` is the name it answered with."""


class Unreachable(PeerError):
    """Nobody answered in time."""

    name = "ERR_UNREACHABLE"


class RequestTimeout(Unreachable):
    """No answer in the time allowed."""

    name = "ERR_TIMEOUT"


class TransportClosed(Unreachable):
    """The connection ended before the answer came."""

    name = "ERR_TRANSPORT_CLOSE"


class LookupEmpty(Unreachable):
    """The grape knows nobody under that name."""

    name = "ERR_GRAPE_LOOKUP_EMPTY"


def reason_of_os(error: OSError) -> str:
    """Return why the system refused a connection. asyncio's words have the address in them, which is not for others."""
    text = error.strerror or str(error)
    if "Connect call failed" not in text:
        return text
    return os.strerror(error.errno) if error.errno else "it cannot be connected to"
