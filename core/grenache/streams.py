"""A stream of bytes on an HTTP connection: the request's body comes, the response's goes, at the same time.

It is a `ByteStream` as those of our peers are, so whatever serves streams serves these, by the same admission, quota
and record. What nobody reads yet waits at the sender: we pause the connection.
"""

import asyncio
import json
from typing import Final

from core.errors import TransportClosed
from core.limits.drop_oldest import DropOldest
from core.peer_id import PeerId
from core.tunnel.stream import ByteStream
from core.values import Address, Caller, JsonValue
from core.wire.grenache_message import encode_error
from core.wire.stream_frame import Reason
from core.wire.stream_opening import Opening, pack_opening

WINDOW: Final = 256 * 1024  # bytes that wait here unread at most, beside one read of the socket
PIECE: Final = 64 * 1024  # bytes of an answer that are read at a time: asyncio's own high water
HEAD: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
GONE: Final = "the caller is gone"


class TcpEngine:
    """What the engines of streams over TCP have in common: the caller, and no datagrams."""

    def __init__(self, transport: asyncio.Transport, caller: Caller) -> None:
        self._transport = transport
        self._caller = caller

    @property
    def remote(self) -> Address:
        """The caller's address."""
        return self._caller.address

    @property
    def peer_id(self) -> PeerId | None:
        """Who its certificate says it is."""
        return self._caller.peer_id

    @property
    def binding(self) -> bytes:
        """There is no session of ours."""
        return b""

    def room(self, number: int) -> int:
        """Say what a piece of an answer may have; `write` itself takes nothing while the caller reads slowly."""
        return PIECE

    def send_datagram(self, number: int, data: bytes) -> bool:
        """There are none."""
        return False

    def carry_datagrams(self, number: int) -> bool:
        """There are none."""
        return False

    def datagrams_dropped(self, number: int) -> int:
        """There are none."""
        return 0

    def waiting_datagrams(self) -> DropOldest:
        """There are none."""
        raise NotImplementedError


class HttpStream(TcpEngine):
    """The connection as the engine of one stream."""

    def __init__(
        self, transport: asyncio.Transport, caller: Caller, service: str, rid: JsonValue, details: dict[str, JsonValue]
    ) -> None:
        super().__init__(transport, caller)
        self._rid = rid
        self._unread = 0
        self._paused = False
        self._choked = False
        self._begun = False  # the head of the response has left
        self._ended_here = self._ended_there = False
        self.stream = ByteStream(self, 0, _opening(service, details), ours=False)

    # -- from the connection

    def received(self, data: bytes, last: bool) -> None:
        """Take a piece of the body."""
        if self.stream.over:
            return
        if data:
            self._unread += len(data)
            if self._unread > WINDOW and not self._paused:
                self._paused = True
                self._transport.pause_reading()
            self.stream.on_received(data)
        if last and not self._ended_there:
            self._ended_there = True
            self.stream.on_ended()
            self._finish()

    def lost(self) -> None:
        """Hear that the connection is gone."""
        if not self.stream.over:
            self.stream.on_broken(TransportClosed(GONE))

    def choke(self) -> None:
        """Hear that the caller reads slowly."""
        self._choked = True

    def flow(self) -> None:
        """Hear that it has read."""
        self._choked = False
        if not self.stream.over:
            self.stream.on_writable()

    # -- core.tunnel.stream.Engine

    def accept(self, number: int, payload: bytes) -> None:
        """Begin the response."""
        if not self._begun:
            self._begun = True
            self._transport.write(HEAD)

    def refuse(self, number: int, reason: Reason) -> None:
        """Answer with an error, as a request is."""
        data = encode_error(self._rid, f"{reason.name}: {reason.message}")
        self._begun = True
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(data), data)
        )
        self._ended_here = True
        self.stream.on_broken(TransportClosed(reason.message))
        self._transport.close()

    def write(self, number: int, data: bytes) -> int:
        """Send a piece of the response, unless the caller reads slowly."""
        if self._choked or self._ended_here or not data or self._transport.is_closing():
            return 0
        self.accept(number, b"")
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return len(data)

    def end(self, number: int) -> None:
        """End the response."""
        if not self._ended_here:
            self._ended_here = True
            self.accept(number, b"")
            self._transport.write(b"0\r\n\r\n")
            self._finish()

    def reset(self, number: int, reason: Reason) -> None:
        """Give it up: a response that is cut short is seen as such."""
        if not self._begun:
            self.refuse(number, reason)
        else:
            self._transport.abort()

    def consumed(self, number: int, size: int) -> None:
        """Let the caller send as much again."""
        self._unread -= size
        if self._paused and self._unread <= WINDOW // 2:
            self._paused = False
            self._transport.resume_reading()

    def _finish(self) -> None:
        if self._ended_here and self._ended_there:
            self.stream.on_finished()
            self._transport.close()


def _opening(service: str, details: dict[str, JsonValue]) -> bytes:
    """Return what a stream is opened with; arguments that are too long for that are left out."""
    try:
        return pack_opening(Opening(service, details))
    except Exception:
        return pack_opening(Opening(service, {}))


def value_text(line: bytes) -> bytes:
    """Return what a subscriber gets of a line `[time, value]`: a text as it is, everything else as JSON."""
    value = json.loads(line)[1]
    return value.encode(errors="replace") if isinstance(value, str) else json.dumps(value, ensure_ascii=False).encode()
