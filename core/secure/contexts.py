"""What TLS is told once for an identity: everything that all its sessions have in common."""

from typing import Final

from OpenSSL import SSL

from core.identity.identity import Identity
from core.peer_id import PeerId
from core.secure.certificates import Judgement, verify
from core.secure.frames import ALPN, PROTOCOLS
from core.secure.session import TlsSession
from core.secure.tickets import Tickets
from core.values import Address

SESSION_TIME: Final = 7200  # seconds a ticket is good for; RFC 8446 section 4.6.1 allows a week, a stolen one less
_PARTIAL_WRITE: Final = 1  # SSL_MODE_ENABLE_PARTIAL_WRITE of openssl/ssl.h; pyOpenSSL sets it, and has no name for it
_OPTIONS: Final = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE


class Contexts:
    """Makes the sessions of one identity, and keeps the tickets of those it made as a client."""

    def __init__(self, identity: Identity) -> None:
        self.peer_id: Final = identity.peer_id
        self._tickets = Tickets()
        self._client = _context(identity)
        self._client.set_alpn_protos([ALPN])
        self._server = _context(identity)
        self._server.set_session_id(b"grapevine")  # else OpenSSL takes up no session that has a client's certificate
        self._server.set_timeout(SESSION_TIME)
        self._server.set_alpn_select_callback(  # the session refuses who has not offered it
            lambda tls, offered: next((each for each in PROTOCOLS if each in offered), SSL.NO_OVERLAPPING_PROTOCOLS)
        )

    def client(self, address: Address, expected: PeerId | None = None, protocol: bytes = ALPN) -> TlsSession:
        """Return a session that begins at once, with a ticket if there is one; `expected`: nobody else will do."""
        tls = SSL.Connection(self._client, None)
        if protocol != ALPN:
            tls.set_alpn_protos([protocol])
        tls.set_connect_state()
        ticket = self._tickets.take(address, expected)
        if ticket is not None:
            tls.set_session(ticket)
        return TlsSession(tls, Judgement(expected), protocols=(protocol,))

    def server(self) -> TlsSession:
        """Return a session for somebody who called."""
        tls = SSL.Connection(self._server, None)
        tls.set_accept_state()
        return TlsSession(tls, Judgement(None))

    def keep(self, address: Address, expected: PeerId | None, session: TlsSession) -> None:
        """Keep the ticket of a client's session, for the next one that is asked for in the same way."""
        ticket = session.ticket()
        if ticket is not None:
            self._tickets.keep(address, expected, ticket)


def _context(identity: Identity) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_options(_OPTIONS)
    context.clear_mode(_PARTIAL_WRITE)  # a memory buffer always has room: all records of a write in one call
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # an idle session keeps no buffers of 16 KiB
    context.use_privatekey(identity.private_key)
    context.use_certificate(identity.certificate)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify)
    # `Tickets` is a client's memory; a server's is the ticket itself, sealed with a key that this context alone has.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    return context
