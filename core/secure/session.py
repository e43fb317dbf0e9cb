"""One encrypted session as a sans-IO engine: TLS 1.3 records in and out, pieces of messages in and out.

The cryptography is OpenSSL's. Here is only what our peers agreed upon: which certificates count, that the other side is
who was meant (`core.secure.certificates`), and where a message ends. Nothing here raises for what the other side sent:
`error` says what was wrong, and the session is over.
"""

import contextlib
from collections.abc import Container
from typing import Final

from OpenSSL import SSL

from core.errors import PeerError, RemoteError, TransportClosed
from core.peer_id import PeerId
from core.secure.certificates import Judgement, judge_connection
from core.secure.frames import PROTOCOLS, FrameReader, RecordCounter
from core.secure.pipe import Pipe
from core.values import Buffer
from core.wire.rpc_message import MAX_BYTES

_BINDING: Final = b"EXPORTER-Channel-Binding"  # RFC 9266 section 2; in TLS 1.3 no context is an empty one
_BINDING_BYTES: Final = 32


class TlsSession:
    """One side of a session; made by `core.secure.contexts.Contexts`.

    First `outgoing` and `feed` in turns until `established` or `error`; then `seal` as well. Whatever is called, take
    `outgoing` afterwards and send it, also after an error: the other side is told what is wrong.
    """

    def __init__(
        self,
        connection: SSL.Connection,
        judgement: Judgement,
        *,
        max_bytes: int = MAX_BYTES,
        protocols: Container[bytes] = PROTOCOLS,
    ) -> None:
        """`connection` is on memory buffers and knows its role; a client's says its first words at once.

        `protocols`: one of these has to be agreed upon (ALPN).
        """
        connection.set_app_data(judgement)  # where `core.secure.certificates.verify` finds it
        self._tls = connection
        self._pipe = Pipe(connection)
        self._judgement = judgement
        self._protocols = protocols
        self.protocol = b""  # what was agreed upon, once established
        self._frames = FrameReader(max_bytes)
        self._records = RecordCounter()
        self.established = False  # the other side is verified; on a client's word alone until its first message comes
        self.resumed = False  # by a ticket, without certificates on the wire
        self.ended = False  # the other side said that nothing more comes
        self.error: PeerError | None = None
        self._closed = False
        self._shake()

    @property
    def peer_id(self) -> PeerId | None:
        """The other side's Peer ID, once established."""
        return self._judgement.found if self.established else None

    def binding(self) -> bytes:
        """Return what this session has and no other one, 32 bytes (RFC 9266 "tls-exporter"); b"" before it is there."""
        return self._tls.export_keying_material(_BINDING, _BINDING_BYTES) if self.established else b""

    @property
    def over(self) -> bool:
        """Whether nothing more can be sealed."""
        return self._closed or self.error is not None

    def feed(self, data: Buffer) -> list[bytes]:
        """Take what came; return the pieces of messages that it completes, in order. Nothing after an error."""
        if self.error is not None or self.ended or not data:
            return []
        pieces: list[bytes] = []
        try:
            self._pipe.put(data)
            whole = self._records.count(data)
            if not self.established:
                if not self._shake():
                    return pieces
                whole += 1  # whatever came along with the end of the handshake
            while whole > 0:  # one more would only tell that there is nothing: by an exception, which costs
                text, count = self._pipe.open(whole)
                whole -= count
                pieces += self._frames.feed(text)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.ended = True
            if self._frames.unfinished:
                self.error = RemoteError(f"{self._who()} ended the session within a message", name="ERR_TLS")
        except SSL.Error as error:
            self._fail(error)
        except RemoteError as broken:  # of a frame
            self.error = broken
            self._goodbye()
        return pieces

    def cut(self) -> PeerError | None:
        """Hear that the stream ended. Returns what that means: None if the other side had said goodbye, as it must.

        Anybody on the path can end a uTP connection, so that an end counts only when it was said under the seal.
        """
        if self.error is None and not self.ended:
            what = "within a message" if self._frames.unfinished else "without a goodbye"
            if not self.established:
                what = "before it was encrypted"
            self.error = TransportClosed(f"the connection to {self._who()} was cut {what}")
        return self.error

    def seal(self, *parts: Buffer) -> bytes:
        """Encrypt a part of the stream: a message's `header` and the message, in as many steps as one likes.

        Returns everything that is to be sent. Raises TransportClosed when the session is over, or not established.
        """
        if self.over or not self.established:
            raise self.error.again() if self.error else TransportClosed("this session is not open")
        try:
            data = parts[0] if len(parts) == 1 else b"".join(parts)
            self._pipe.seal(data)  # all of it: see `core.secure.contexts`
        except SSL.Error as error:
            self._fail(error)
            raise TransportClosed(f"the session broke: {self.error}") from error
        return self._pipe.take()

    def outgoing(self) -> bytes:
        """Return, and forget, what is to be sent."""
        return self._pipe.take()

    def export(self, label: bytes, size: int) -> bytes:
        """Return secret bytes that only both sides of this session know (RFC 8446 section 7.5). Call it established."""
        return self._tls.export_keying_material(label, size)

    def close(self) -> None:
        """Say under the seal that nothing more comes. Idempotent; harmless at any time."""
        if not self._closed:
            self._closed = True
            self._goodbye()

    def ticket(self) -> SSL.Session | None:
        """Return what spares the next session with this server its certificates; there is one once a message came."""
        return self._tls.get_session() if self.established and self.error is None else None

    def _shake(self) -> bool:
        """Go on with the handshake; tell whether the session is established."""
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            self._fail(error)
            return False
        self._settle()
        return self.established

    def _settle(self) -> None:
        """The handshake is done: check the other side's ID. Also when a ticket was used, and no callback was called."""
        self.resumed = self._judgement.found is None
        judge_connection(self._tls, self._judgement)
        self.error = self._judgement.error
        self.protocol = self._tls.get_alpn_proto_negotiated()
        if self.error is None and self.protocol not in self._protocols:
            self.error = RemoteError(f"{self._who()} does not speak Grapevine's protocol", name="ERR_TLS")
        self.established = self.error is None
        if self.error is not None:
            self.outgoing()  # our last words of the handshake are not for this peer

    def _goodbye(self) -> None:
        if self.established:
            with contextlib.suppress(SSL.Error):  # it may be broken already
                self._tls.shutdown()

    def _fail(self, error: SSL.Error) -> None:
        """Note why it is over: our own judgement first, since OpenSSL knows it only as a certificate that failed."""
        self.error = self._judgement.error or _explain(error, self._who())

    def _who(self) -> str:
        found = self._judgement.found or self._judgement.expected
        return f"peer {found.short}" if found else "the other side"


# What OpenSSL says, and what it means to people. An alert is what the other side told us.
_MEANINGS: Final = (
    ("peer did not return a certificate", "ERR_CERTIFICATE", "{who} has no certificate"),
    ("certificate required", "ERR_CERTIFICATE", "{who} wants a certificate from us"),
    ("alert bad certificate", "ERR_CERTIFICATE", "{who} refused our certificate"),
    ("alert unknown ca", "ERR_CERTIFICATE", "{who} refused our certificate, or had called somebody else"),
    ("unsupported protocol", "ERR_TLS", "{who} does not speak TLS 1.3"),
    ("protocol version", "ERR_TLS", "{who} does not speak TLS 1.3"),
    ("no application protocol", "ERR_TLS", "{who} does not speak Grapevine's protocol"),
    ("decryption failed or bad record mac", "ERR_TLS", "what came from {who} was altered on its way"),
    ("alert bad record mac", "ERR_TLS", "what went to {who} was altered on its way"),
    ("wrong version number", "ERR_TLS", "{who} does not speak TLS"),
)


def _explain(error: SSL.Error, who: str) -> RemoteError:
    told = error.args[0] if error.args and isinstance(error.args[0], list) else []
    reasons = [str(each[-1]) for each in told] or ["no reason given"]  # the last may be a mere "record layer failure"
    for sign, name, sentence in _MEANINGS:
        if any(sign in reason for reason in reasons):
            return RemoteError(sentence.format(who=who), name=name)
    return RemoteError(f"the encrypted session with {who} failed: {reasons[0]}", name="ERR_TLS")
