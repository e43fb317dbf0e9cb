"""Tells requests that a web page can make a visitor's browser send from those of programs.

A grape trusts everybody who reaches its port, and every page that is open beside a grape reaches it, too: a browser
sends what a page says to any address, and only keeps the answer from it. Browsers mark what they send so that servers
can tell, with header fields that no page can set or leave out (Fetch standard, "forbidden request-header"); programs,
curl and both links among them, send none of these. A name that the page's owner can point at this machine (DNS
rebinding) makes the page and the grape one site to the browser. So names are refused, and numbers are not.
"""

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

HOSTS_REMEMBERED: Final = 64  # Host fields; a grape has few addresses, and parsing one takes 2 us
SHOWN: Final = 60  # characters of a header field in a refusal: the sentence fits in one line of a terminal

_OWN_SITES: Final = frozenset({"same-origin", "none"})  # none: the address bar, a bookmark
_FORM_TYPES: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})
_BROWSERS_ONLY: Final = ("Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-User")
_UNSHOWN: Final = re.compile(r"[^A-Za-z0-9.:/\[\]_-]")
_NONE: Final[list[str]] = []


class Forgery(NamedTuple):
    """Why a request may be a web page's: the header field that says so, and a sentence."""

    field: str
    sentence: str


class ForgeryCheck:
    """Looks at the header of each request. `names` are those by which the grape is public, beside localhost."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset({"localhost", *(name.lower().rstrip(".") for name in names)})

    def forgery(self, headers: "CIMultiDictProxy[str]") -> Forgery | None:
        """Return why the request is refused, None if it is not. Nothing of it has been acted on then."""
        hosts = headers.getall("Host", _NONE)
        for host in hosts:
            name, numeric = _host(host)
            if not numeric and name not in self._names:
                advice = f"use the grape's IP address, or start it with --api-host {_shown(name)}"
                return Forgery("Host", f"Host {_shown(host)} is a name: {advice}")
        for origin in headers.getall("Origin", _NONE):
            if origin.lower() not in [f"http://{host.lower()}" for host in hosts]:
                return Forgery("Origin", f"Origin {_shown(origin)} is another site")
        for site in headers.getall("Sec-Fetch-Site", _NONE):
            if site.lower() not in _OWN_SITES:
                return Forgery("Sec-Fetch-Site", f"Sec-Fetch-Site is {_shown(site)}: another site sent this")
        for kind in headers.getall("Content-Type", _NONE):
            form = kind.partition(";")[0].strip().lower()
            if form in _FORM_TYPES and any(field in headers for field in _BROWSERS_ONLY):
                return Forgery("Content-Type", f"Content-Type {form} from a browser is a form: send application/json")
        return None


@lru_cache(maxsize=HOSTS_REMEMBERED)
def _host(field: str) -> tuple[str, bool]:
    """Return the host of a Host field (RFC 9110 section 7.2) without its port, and whether it is an IP address."""
    name = field[1:].partition("]")[0] if field.startswith("[") else field.partition(":")[0]
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.lower().rstrip("."), False
    return name, True


def _shown(text: str) -> str:
    """Return a stranger's text so that no browser takes it for a page of ours."""
    return _UNSHOWN.sub("?", text[:SHOWN])
