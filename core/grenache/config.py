"""How services are opened over HTTP and WebSocket. Nothing is, unless the owner says so."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from core.errors import LocalError
from core.frozen import frozen

UTP: Final = "utp"
HTTP: Final = "http"
WS: Final = "ws"
PUB: Final = "pub"
OVER_TCP: Final = (HTTP, WS, PUB)
TRANSPORTS: Final = (UTP, *OVER_TCP)
GENERIC: Final = "ERR_REQUEST_GENERIC"  # the Node client's name for what goes wrong below the request
BAD: Final = "ERR_TRANSPORT"  # a transport or its options that cannot be

IDLE: Final = 5.0  # seconds a connection may be unused: the Node server's (GRENACHE_HTTP_WS section 2.1)
WS_IDLE: Final = 150.0  # seconds; a Node client closes its own after 120 (section 3.1), and is to be the first
HEAD_TIME: Final = 10.0  # seconds for the header of a request, and for a TLS handshake
WRITE_TIME: Final = 30.0  # seconds over which a caller that takes next to nothing is cut off, as on uTP
HANDLER_TIME: Final = 60.0  # seconds for an answer, as on uTP

_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]{1,255}")


@frozen
class Tls:
    """PEM files. Without `ca` any certificate of a caller will do, and its fingerprint tells who that is.

    With `ca` only certificates of these authorities, within their time; `required`: a caller has to have one.
    """

    certificate: Path
    key: Path
    ca: Path | None = None
    required: bool = False


@frozen
class WebConfig:
    """Where services are opened. Port 0 is any free one; `origins` are web pages that may call, such as https://a.b.

    `map`: the router is asked to open the port.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls: Tls | None = None
    origins: tuple[str, ...] = ()
    map: bool = False

    def __post_init__(self) -> None:
        """Raise LocalError for an origin that is none."""
        for origin in self.origins:
            if not _ORIGIN.fullmatch(origin):
                raise LocalError(f"{origin[:80]!r} is no origin: write it like https://example.org", name=BAD)

    @property
    def reachable(self) -> bool:
        """Whether other machines may reach it at all."""
        return self.host != "localhost" and self.host != "::1" and not self.host.startswith("127.")

    def published(self) -> "WebConfig":
        """Return how something is published: in clear, since no subscriber has TLS, on a port of its own."""
        return replace(self, port=0, tls=None)

    @property
    def scheme(self) -> str:
        """ "http" or "https"."""
        return "http" if self.tls is None else "https"


def transports_of(text: str) -> tuple[str, ...]:
    """Read `utp,http,ws`. Raises LocalError that names those there are."""
    names = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    strange = [name for name in names if name not in TRANSPORTS]
    if strange or not names:
        known = ", ".join(TRANSPORTS)
        raise LocalError(f"{text[:80]!r} names no transports: use one or some of {known}, as in utp,http", name=BAD)
    return names
