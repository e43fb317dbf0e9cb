"""A page of another peer in the browser here: `http://SERVICE.NAME.localhost:PORT/`, one origin for each service.

The browser is on this machine, and so are all other pages that it shows: none of them may drive a friend's service. So
only loopback is listened on, the Host field must name a service that is open, and what another site makes the browser
send is refused (Fetch standard: no page can set or leave out `Origin` and `Sec-Fetch-*`). Links to the page work.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
from aiohttp import web
from yarl import URL

from core.aio.listening import listening
from core.errors import LocalError, PeerError, RefusedError
from core.kinds.http import page
from core.kinds.web import FORWARDED, HEADERS_MAX, StreamConnector, end_to_end, forward, reason_of
from core.tunnel.stream import ByteStream
from core.using.visitors import Visitors
from core.values import Address

LOOPBACK: Final = "127.0.0.1"
LABEL_MAX: Final = 63  # bytes of one label of a host's name (RFC 1035 section 2.3.4)
SILENT: Final = 75.0  # seconds that a connection may be unused: as long as browsers and common servers keep one
AGAIN: Final = 3.0  # seconds after which a page that says that the peer is away asks again by itself
PASSING: Final = {  # refusals that may be over in a moment, and what they mean here
    "ERR_SERVICE_UNKNOWN": "The other side does not share this at the moment.",
    "ERR_SERVICE_OFF": "The other side does not share this at the moment.",
    "ERR_RATE_LIMITED": "The other side is busy at the moment.",
}
_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")

_log = logging.getLogger(__name__)

OpenStream = Callable[[], Awaitable[ByteStream]]  # raises PeerError


def label(text: str) -> str:
    """Return a name as a label of a host name; "x" where nothing of it is left."""
    kept = _SEPARATORS.sub("-", text.lower()).strip("-")[:LABEL_MAX].strip("-")
    return kept or "x"


class _Page:
    def __init__(self, host: str, title: str, session: aiohttp.ClientSession) -> None:
        self.host = host
        self.title = title  # of the service and its peer, for people
        self.session = session


class LocalPages:
    """One local web server for the pages of all peers."""

    def __init__(self, *, port: int = 0) -> None:
        self._port = port
        self._pages: dict[str, _Page] = {}
        self._server: web.Server | None = None
        self._visitors: Visitors | None = None
        self._listener: asyncio.Server | None = None
        self._address: Address | None = None

    @property
    def address(self) -> Address:
        """Where the browser connects to. Raises LocalError while it is closed."""
        if self._address is None:
            raise LocalError("no page is open")
        return self._address

    async def start(self) -> None:
        """Begin to listen on loopback. Raises LocalError when the port is taken."""
        self._server = web.Server(
            self._answer, access_log=None, keepalive_timeout=SILENT, max_line_size=HEADERS_MAX,
            max_field_size=HEADERS_MAX, auto_decompress=False,
        )  # fmt: skip
        self._visitors = Visitors(self._server)
        try:
            sock = listening(LOOPBACK, self._port)
            self._listener = await asyncio.get_running_loop().create_server(self._visitors, sock=sock)
        except OSError as error:
            taken = f"port {self._port} of this machine cannot be used: {error.strerror or error}"
            raise LocalError(taken, name="ERR_PORT_TAKEN") from None
        host, port = self._listener.sockets[0].getsockname()[:2]
        self._address = Address(host, port)

    async def aclose(self) -> None:
        """Stop listening and end what is under way."""
        if self._listener is not None:
            self._listener.close()
        if self._server is not None:
            await self._server.shutdown(0.1)
        for open_page in list(self._pages.values()):
            await open_page.session.close()
        self._pages.clear()

    def add(self, service: str, peer: str, open_stream: OpenStream) -> str:
        """Open a page; return its URL. `peer` is the peer's name here. Two alike get numbers."""
        host = base = f"{label(service)}.{label(peer)}.localhost"
        number = 1
        while host in self._pages:
            number += 1
            host = f"{label(service)}-{number}.{base.partition('.')[2]}"
        session = aiohttp.ClientSession(
            connector=StreamConnector(open_stream),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        self._pages[host] = _Page(host, f"{service} of {peer}", session)
        return f"http://{host}:{self.address.port}/"

    async def remove(self, url: str) -> None:
        """Close a page. Idempotent."""
        closed = self._pages.pop(URL(url).host or "", None)
        if closed is not None:
            await closed.session.close()

    # -- one request --------------------------------------------------------------------------------------------------

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._visitors is None:
            raise AssertionError("a request without a server")
        with self._visitors.asking(request.transport, request.content.is_eof):
            return await self._pass_on(request)

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        name, port = _host_of(request)
        open_page = self._pages.get(name)
        if open_page is None or port != self.address.port:
            return page(421, "No such page", "Open a page of a friend in Grapevine first: it then has an address here.")
        forged = forgery(request, f"http://{name}:{port}")
        if forged is not None:
            _log.warning("refused a request to %s: %s", name, forged)
            return page(403, "Refused", f"Another web page asked for this, not you: {forged}.")
        headers = end_to_end(request.headers, FORWARDED)
        try:
            url = URL(f"http://{request.headers['Host']}{request.raw_path}", encoded=True)
            return await forward(request, open_page.session, url, headers)
        except aiohttp.WSServerHandshakeError as error:
            return page(error.status, "No WebSocket", "The page refused this WebSocket.")
        except (aiohttp.ClientError, PeerError, TimeoutError, OSError) as error:
            return _away(request, open_page, error)


def _away(request: web.BaseRequest, open_page: _Page, error: Exception) -> web.Response:
    _log.info("%s: %s", open_page.title, reason_of(error))
    if isinstance(error, RefusedError) and error.name in PASSING:
        return page(503, open_page.title, f"{PASSING[error.name]} This page goes on by itself.", again=_again(request))
    if isinstance(error, RefusedError):
        return page(403, open_page.title, f"The other side says no: {error}.")
    sentence = (
        f"The other side is not there at the moment ({reason_of(error)}). This page goes on by itself when it is back."
    )
    return page(503, open_page.title, sentence, again=_again(request))


def _again(request: web.BaseRequest) -> float | None:
    return AGAIN if request.method == "GET" else None


def _host_of(request: web.BaseRequest) -> tuple[str, int]:
    """Return the name and port of the one Host field; ("", 0) when there is not exactly one that can be read."""
    fields = request.headers.getall("Host", [])
    if len(fields) != 1 or not request.raw_path.startswith("/"):
        return "", 0
    name, colon, port = fields[0].lower().rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or len(port) > 5:
        return "", 0
    return name.rstrip("."), int(port)


def forgery(request: web.BaseRequest, own: str) -> str | None:
    """Return why a request may be another page's, None if it is not. `own` is the origin of the page asked for."""
    for origin in request.headers.getall("Origin", []):
        if origin.lower() != own:
            return f"its Origin is {_shown(origin)}"
    for site in request.headers.getall("Sec-Fetch-Site", []):
        if site.lower() not in {"same-origin", "none"} and not _follows_a_link(request):
            return f"it is {_shown(site)}"
    return None


def _follows_a_link(request: web.BaseRequest) -> bool:
    """Return whether the browser's own window goes to this page: that shows it, and changes nothing."""
    headers = request.headers
    whole = headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"
    return whole and request.method in {"GET", "HEAD"}


def _shown(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.:/_-]", "?", text[:60])
