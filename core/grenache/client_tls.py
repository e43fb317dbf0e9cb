"""TLS for clients: our certificate, and what is asked of the server's: an authority, a fingerprint, or nothing."""

import asyncio
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from core.errors import LocalError, RemoteError
from core.frozen import frozen
from core.grenache.config import BAD
from core.peer_id import PeerId
from core.values import Address

if TYPE_CHECKING:
    import ssl


class Verified(NamedTuple):
    """Who answered, by the server's certificate; None without TLS."""

    peer_id: PeerId | None


@frozen
class ClientTls:
    """PEM files, all optional. `expected`: the server's certificate has this fingerprint (SHA-256), or this key."""

    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    expected: PeerId | None = None

    def context(self) -> "ssl.SSLContext":
        """Return what makes the connections. Raises LocalError for files that cannot be used."""
        return _context(self)

    def verify(self, transport: asyncio.BaseTransport, address: Address) -> Verified:
        """Return who answered. Raises RemoteError (ERR_WRONG_PEER) when that is not who was expected."""
        from core.grenache.tls import certificate_id

        tls = transport.get_extra_info("ssl_object")
        found = certificate_id(tls.getpeercert(binary_form=True) if tls is not None else None)
        if self.expected is not None and found != self.expected:
            if isinstance(transport, asyncio.Transport):
                transport.abort()
            raise RemoteError(
                f"{address} has another certificate than the one that was expected", name="ERR_WRONG_PEER"
            )
        return Verified(found)


@lru_cache(maxsize=16)
def _context(tls: ClientTls) -> "ssl.SSLContext":
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False  # servers are called by their IP address, which certificates seldom have
    context.verify_mode = ssl.CERT_NONE if tls.ca is None else ssl.CERT_REQUIRED
    try:
        if tls.ca is not None:
            context.load_verify_locations(tls.ca)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise LocalError(f"the TLS files cannot be used: {error.strerror or error}", name=BAD) from None
    return context
