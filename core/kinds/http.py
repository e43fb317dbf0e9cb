"""A web page or API of this machine, or of another in the home, passed on whole: bodies, WebSockets, events, ranges."""

import html
import logging
from typing import ClassVar, Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from core.aio.resolver import Resolver
from core.errors import LocalError, PeerError
from core.kinds.base import Check, Shared
from core.kinds.certificate import accepted
from core.kinds.share import BAD, Share, flag_option, text_option
from core.kinds.tcp import CHECK_TIMEOUT, target_of
from core.kinds.web import FORWARDED, PEER_HEADER, StreamServer, end_to_end, forward, reason_of
from core.rpc.fair_places import FairPlaces
from core.scope import network
from core.tunnel.stream import ByteStream
from core.values import Caller
from core.wire.stream_opening import Opening, pack_details

CONNECT_TIMEOUT: Final = 10.0  # seconds; as for any port of the home
CONNECTIONS: Final = 128  # to the page, of all its callers; more wait, and hosts take turns
CONNECTIONS_HOST: Final = 32  # of one host: five windows of a browser, each with 6
ACCEPT: Final = "If it is your own device, accept its certificate (--accept-certificate)."
CERTIFICATE_ERRORS: Final = (aiohttp.ClientConnectorCertificateError, aiohttp.ServerFingerprintMismatch)
_ADMIN_PORTS: Final = {8123: "Home Assistant", 9090: "Cockpit", 10000: "Webmin", 8006: "Proxmox", 631: "CUPS"}

_log = logging.getLogger(__name__)


class HttpService(Shared):
    """Options: `target`, a URL or as of a TCP share; `tell_caller`: whether the page learns the caller's Peer ID.

    `certificate`: the fingerprint of the one certificate that an https:// page may have, also self-signed.
    """

    kind: ClassVar[str] = "http"
    options: ClassVar[frozenset[str]] = frozenset({"target", "tell_caller", "certificate"})

    def __init__(self, share: Share) -> None:
        super().__init__(share)
        self._url = _url_of(share)
        self._tell_caller = flag_option(share, "tell_caller")
        self._pinned = accepted(share)
        if self._pinned is not None and self._url.scheme != "https":
            raise LocalError(f"{share.name}: a certificate is accepted of an https:// page only", name=BAD)
        self._places: FairPlaces[str] = FairPlaces(CONNECTIONS, CONNECTIONS_HOST)
        self._session: aiohttp.ClientSession | None = None
        self._servers: set[StreamServer] = set()

    @property
    def description(self) -> str:
        """Say what it is; where it is in the home is its owner's business."""
        return "a web page"

    def warnings(self) -> list[str]:
        """Name what is known of this port."""
        known = _ADMIN_PORTS.get(self._url.port or 0)
        return (
            [f"This is usually {known}, which can change things in your home. Everybody who may use it can try that."]
            if known
            else []
        )

    async def start(self) -> None:
        """Get ready to connect."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=CONNECTIONS, ttl_dns_cache=60, resolver=Resolver(), ssl=self._pinned or True
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def aclose(self) -> None:
        """End the connections there are."""
        for server in list(self._servers):
            await server.aclose()
        if self._session is not None:
            await self._session.close()

    async def check(self) -> Check:
        """Ask for the page's head."""
        host, port = self._url.host or "", self._url.port or 80
        limit = aiohttp.ClientTimeout(total=CHECK_TIMEOUT)
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=limit, connector=aiohttp.TCPConnector(resolver=Resolver(), ssl=self._pinned or True)
                ) as session,
                session.get(self._url, allow_redirects=False) as answer,
            ):
                return Check(True, f"A web server answers on port {port} ({answer.status}).")
        except CERTIFICATE_ERRORS as error:
            return Check(False, f"A page answers on {host}:{port}, but {reason_of(error)}. {ACCEPT}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Check(False, f"No web page answers on {host}:{port} yet: {reason_of(error)}.")

    async def serve(self, stream: ByteStream, opening: Opening, caller: Caller) -> None:
        """Serve one connection of a caller's."""
        server = StreamServer(lambda request: self._answer(request, caller))
        self._servers.add(server)
        stream.accept(pack_details({"k": self.kind}))
        try:
            await server.serve(stream)
        finally:
            self._servers.discard(server)
            await server.aclose()

    async def _answer(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        if self._session is None:
            return page(503, "Not shared", "This page is no longer shared.")
        headers = end_to_end(request.headers, FORWARDED | {"host"})
        own_name = request.headers.get("Host")
        if own_name:
            headers["X-Forwarded-Host"] = own_name
            headers["X-Forwarded-Proto"] = "http"
        if self._tell_caller and caller.peer_id is not None:
            headers[PEER_HEADER] = str(caller.peer_id)
        self._speak_as_itself(headers, own_name)
        try:
            async with self._places.place(network(caller.address.host)):
                return await forward(request, self._session, self._url_for(request.raw_path), headers)
        except aiohttp.WSServerHandshakeError as error:
            return page(error.status, "No WebSocket", "The page refused this WebSocket.")
        except CERTIFICATE_ERRORS as error:
            _log.warning("%s: %s. %s", self.name, reason_of(error), ACCEPT)
            sentence = f"The other side did not ask the page: {reason_of(error)}. Its owner can accept it."
            return page(502, "Certificate not accepted", sentence)
        except (aiohttp.ClientError, PeerError, TimeoutError, OSError) as error:
            _log.info("%s: %s", self.name, reason_of(error))
            sentence = f"Nothing answers on port {self._url.port} of the other side: {reason_of(error)}."
            return page(502, "Nothing answers there", sentence)

    def _url_for(self, path: str) -> URL:
        """Return where a path leads: to this page's own origin, whatever it says ("//host/" and "http://host/" too)."""
        if not path.startswith("/"):
            raise LocalError(f"{path[:80]!r} is no path")
        return URL(f"{self._url.origin()}{path}", encoded=True)

    def _speak_as_itself(self, headers: CIMultiDict[str], own_name: str | None) -> None:
        """Let the page see its own name where the browser named ours: many refuse another Origin."""
        own = f"{self._url.scheme}://{self._url.authority}"
        for field in ("Origin", "Referer"):
            value = headers.get(field)
            if value is not None and own_name and value.startswith(f"http://{own_name}"):
                headers[field] = own + value.removeprefix(f"http://{own_name}")


def page(status: int, title: str, sentence: str, *, again: float | None = None) -> web.Response:
    """Return a page in words; `again`: it asks once more by itself after so many seconds."""
    refresh = f'<meta http-equiv="refresh" content="{again:g}">' if again is not None else ""
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8">{refresh}<meta name="color-scheme" content="light dark">'
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
        "<style>body{font:18px/1.5 system-ui,sans-serif;max-width:34em;margin:15vh auto;padding:0 1em}</style>"
        f"<h1>{html.escape(title)}</h1><p>{html.escape(sentence)}</p></html>"
    )
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return web.Response(status=status, text=text, content_type="text/html", headers=headers)


def _url_of(share: Share) -> URL:
    text = text_option(share, "target")
    try:
        if "://" not in text:
            target = target_of(text)
            host = f"[{target.host}]" if ":" in target.host else target.host
            return URL(f"http://{host}:{target.port}/")
        url = URL(text)
    except ValueError as error:
        raise LocalError(f"{share.name}: {error}", name=BAD) from None
    if url.scheme not in {"http", "https"} or not url.host or url.user is not None:
        raise LocalError(f"{share.name}: {text[:80]!r} is no http:// or https:// address", name=BAD)
    return url if url.path else url.with_path("/")
