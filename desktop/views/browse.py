"""Opens pages of friends in the browser: our own local addresses, and nothing else that a peer may have named."""

from urllib.parse import urlsplit

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

OUR_DOMAIN = ".localhost"  # core.using.http gives each page a name there (RFC 6761 section 6.3: loopback)


def is_ours(url: str) -> bool:
    """Return whether this is an address that this program has made: a page on this machine, and its first page."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        return False
    plain = not (parts.username or parts.password or parts.query or parts.fragment) and parts.path == "/"
    labels = host.removesuffix(OUR_DOMAIN).split(".")
    named = host.endswith(OUR_DOMAIN) and all(_is_label(each) for each in labels)
    return parts.scheme == "http" and named and plain and port is not None and url == f"http://{host}:{port}/"


def _is_label(text: str) -> bool:
    return bool(text) and text.isascii() and text.replace("-", "").isalnum()


def browse(url: str) -> bool:
    """Open a page of ours; False: it is none, or there is no browser."""
    return is_ours(url) and QDesktopServices.openUrl(QUrl(url, QUrl.ParsingMode.StrictMode))
