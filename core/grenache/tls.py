"""TLS for servers: any certificate of a caller may be asked for and told by its fingerprint, as Node does.

The standard library asks for a certificate only if it can verify it. So the records go through pyOpenSSL here, between
asyncio's transport and a protocol that sees an ordinary one.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from OpenSSL import SSL, crypto

from core.errors import LocalError
from core.grenache.config import BAD, HEAD_TIME, Tls
from core.grenache.hosts import network
from core.peer_id import PeerId

_PIECE: Final = 64 * 1024  # bytes taken out of OpenSSL in one call
_PARTIAL_WRITE: Final = 1  # SSL_MODE_ENABLE_PARTIAL_WRITE, as in core.secure.contexts
_OPTIONS: Final = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE
CERTIFICATE: Final = "peer_certificate_der"  # what `get_extra_info` has of the caller


def server_context(tls: Tls) -> SSL.Context:
    """Read the files. Raises LocalError that names the one that cannot be used."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(_OPTIONS)
    context.clear_mode(_PARTIAL_WRITE)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(b"grapevine web")
    for what, path, use in (
        ("certificate", tls.certificate, context.use_certificate_chain_file),
        ("key", tls.key, context.use_privatekey_file),
        *((("CA", tls.ca, context.load_verify_locations),) if tls.ca is not None else ()),
    ):
        try:
            use(str(path))
        except (SSL.Error, crypto.Error, OSError) as error:
            raise LocalError(f"the TLS {what} file {path} cannot be used: {_reason(error)}", name=BAD) from None
    any_certificate = tls.ca is None
    mode = SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if tls.required else 0)
    context.set_verify(mode, lambda tls, certificate, number, depth, ok: any_certificate or bool(ok))
    return context


def certificate_id(der: bytes | None) -> PeerId | None:
    """Return who has a certificate: the key itself of a Grapevine's, else its SHA-256 fingerprint, as an ID.

    The handshake proved that the caller has the private key. Both are 32 bytes, and nobody can make a certificate
    whose fingerprint is the key of somebody else.
    """
    if der is None:
        return None
    with contextlib.suppress(ValueError):
        key = x509.load_der_x509_certificate(der).public_key()
        if isinstance(key, Ed25519PublicKey):
            return PeerId(key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))
    return PeerId(hashlib.sha256(der).digest())


def _reason(error: Exception) -> str:
    told = error.args[0] if error.args else ""
    if isinstance(told, list):
        return str(told[0][-1]) if told else "it is damaged, or of another kind"
    return getattr(error, "strerror", None) or str(error)


class Server(Protocol):
    """Where connections are counted, from before their handshakes on; `core.grenache.server.WebServer`."""

    def connected(self, connection: "TlsProtocol", host: str, *, trusted: bool) -> None:
        """Take one; one too many is aborted."""

    def disconnected(self, connection: "TlsProtocol") -> None:
        """Forget it."""


class TlsProtocol(asyncio.Protocol):
    """One accepted connection: records below, the protocol that `make` returns above, once the handshake is done."""

    def __init__(
        self, context: SSL.Context, make: Callable[[], asyncio.Protocol], server: "Server | None" = None
    ) -> None:
        """`server` counts it until the handshake is done."""
        self._server = server
        self._make = make
        self._tls = SSL.Connection(context, None)
        self._tls.set_accept_state()
        self._raw: asyncio.Transport | None = None
        self._inner: asyncio.Protocol | None = None
        self._transport: _TlsTransport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the handshake, for as long as that may take."""
        self._raw = cast(asyncio.Transport, transport)
        self._timer = asyncio.get_running_loop().call_later(HEAD_TIME, self._raw.abort)
        where = transport.get_extra_info("peername") or ("", 0)
        if self._server is not None:
            self._server.connected(self, network(where[0].removeprefix("::ffff:")), trusted=False)

    def data_received(self, data: bytes) -> None:
        """Take records."""
        try:
            self._tls.bio_write(data)
            if self._inner is None and not self._shake():
                return
            self._hand_on()
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self._ended()
        except SSL.Error:
            self._flush()  # the alert that says why
            if self._raw is not None:
                self._raw.close()
            return
        self._flush()

    def _shake(self) -> bool:
        try:
            self._tls.do_handshake()
        finally:
            self._flush()
        if self._raw is None or self._raw.is_closing():
            return False
        if self._timer is not None:
            self._timer.cancel()
        certificate = self._tls.get_peer_certificate(as_cryptography=True)
        der = certificate.public_bytes(serialization.Encoding.DER) if certificate is not None else None
        self._transport = _TlsTransport(self._raw, self._tls, self._flush, der)
        if self._server is not None:
            self._server.disconnected(self)  # the protocol above counts from now on
        self._inner = self._make()
        self._inner.connection_made(self._transport)
        return True

    def _hand_on(self) -> None:
        while self._inner is not None and self._raw is not None and not self._raw.is_closing():
            self._inner.data_received(self._tls.recv(_PIECE))

    def _ended(self) -> None:
        if self._inner is None or not self._inner.eof_received():
            self._flush()
            if self._raw is not None:
                self._raw.close()

    def _flush(self) -> None:
        with contextlib.suppress(SSL.WantReadError):
            while self._raw is not None and not self._raw.is_closing():
                self._raw.write(self._tls.bio_read(_PIECE))

    def eof_received(self) -> bool:
        """End: without the other side's goodbye, what came may be cut short."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the protocol above."""
        self._raw = None
        if self._timer is not None:
            self._timer.cancel()
        if self._inner is not None:
            self._inner.connection_lost(exc)
        elif self._server is not None:
            self._server.disconnected(self)

    def look(self, now: float) -> None:
        """The handshake has a timer of its own."""

    def abort(self) -> None:
        """Close at once, within the handshake."""
        if self._raw is not None:
            self._raw.abort()

    def pause_writing(self) -> None:
        """Pass on that the caller reads slowly."""
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that it has read."""
        if self._inner is not None:
            self._inner.resume_writing()


class _TlsTransport(asyncio.Transport):
    """What the protocol above writes to."""

    def __init__(
        self, raw: asyncio.Transport, tls: SSL.Connection, flush: Callable[[], None], der: bytes | None
    ) -> None:
        super().__init__()
        self._raw = raw
        self._tls = tls
        self._flush = flush
        self._der = der

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's own
        """Return what is known of the connection, and the caller's certificate."""
        return self._der if name == CERTIFICATE else self._raw.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Seal and send."""
        if data and not self._raw.is_closing():
            with contextlib.suppress(SSL.Error):
                self._tls.sendall(bytes(data))
            self._flush()

    def get_write_buffer_size(self) -> int:
        """Return what is sealed and not yet sent."""
        return self._raw.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See asyncio."""
        self._raw.set_write_buffer_limits(high, low)

    def can_write_eof(self) -> bool:
        """TLS has no half-close that everybody understands."""
        return False

    def is_closing(self) -> bool:
        """See asyncio."""
        return self._raw.is_closing()

    def pause_reading(self) -> None:
        """See asyncio."""
        with contextlib.suppress(RuntimeError):
            self._raw.pause_reading()

    def resume_reading(self) -> None:
        """See asyncio."""
        with contextlib.suppress(RuntimeError):
            self._raw.resume_reading()

    def close(self) -> None:
        """Say goodbye under the seal, and close."""
        if not self._raw.is_closing():
            with contextlib.suppress(SSL.Error):
                self._tls.shutdown()
            self._flush()
            self._raw.close()

    def abort(self) -> None:
        """Close at once."""
        self._raw.abort()
