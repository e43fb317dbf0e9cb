"""A local TCP connection joined to a byte stream: each direction by itself, with back-pressure and half-close."""

import asyncio
import logging
import socket
import struct
import threading
from typing import Final, cast

from core.errors import PeerError
from core.tunnel.stream import ByteStream
from core.wire.stream_frame import Reason

LOCAL_RESET: Final = Reason("ERR_LOCAL_RESET", "the program on the other side closed its connection in the middle")

_log = logging.getLogger(__name__)

READ: Final = 256 * 1024  # bytes of one read at most, as asyncio has it
LEAST: Final = 16 * 1024  # bytes of a read for which the stream has no room


class _Scratch(threading.local):
    """Where every splice of a thread reads to: what is read is copied out of it before anything else happens."""

    made: memoryview | None = None  # with a thread's first splice: most peers have none


_scratch = _Scratch()


def _view() -> memoryview:
    if _scratch.made is None:
        _scratch.made = memoryview(bytearray(READ))
    return _scratch.made


class Splice(asyncio.BufferedProtocol):
    """The local side as an asyncio protocol, the far side as the stream's listener; nothing grows without a bound.

    What the local program sends faster than the stream takes waits in the system's socket buffers, as TCP has it; what
    the stream brings faster than the program reads waits at the sender.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._view = _view()
        self._transport: asyncio.Transport | None = None
        self._rest = b""  # read from the program, and not yet taken by the stream: one read at most
        self._ended = False  # the program has ended its direction
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait_over(self) -> None:
        """Wait until both sides are closed."""
        await asyncio.shield(self._over)

    # -- the program (asyncio.BufferedProtocol) -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: hand on what the stream has."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        if self._stream.over:
            self._transport.abort()
            return
        self._stream.listen(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Read as much as the stream takes: nothing waits here beside what waits there."""
        return self._view[: self._stream.room() or LEAST]  # LEAST: a loop that reads on, although it was paused

    def buffer_updated(self, nbytes: int) -> None:
        """Pass on what the program says."""
        self.feed(bytes(self._view[:nbytes]))
        if not self._rest and not self._stream.room() and self._transport is not None:
            self._transport.pause_reading()

    def feed(self, data: bytes) -> None:
        """Pass on bytes of the program that were read already; those that the stream does not take yet wait here."""
        if self._rest:  # a loop that had read more before it paused
            self._rest += data
            return
        taken = self._stream.offer(data)
        if taken < len(data) and self._transport is not None:
            self._rest += data[taken:]
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The program has ended its direction; it may still read. True: the transport stays open for that."""
        self._ended = True
        if not self._rest:
            self._stream.end()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """The program's connection is gone."""
        self._transport = None
        self._stream.reset(LOCAL_RESET)  # without effect where both sides have ended
        self._settle()

    def pause_writing(self) -> None:
        """The program reads slowly."""
        self._stream.pause()

    def resume_writing(self) -> None:
        """It has read."""
        self._stream.resume()

    # -- the stream (`core.tunnel.stream.Listener`) -------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """Pass on what came from the other peer."""
        if self._transport is not None:
            self._transport.write(data)

    def ended(self) -> None:
        """The other peer has ended its direction."""
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    def closed(self, error: PeerError | None) -> None:
        """The stream is over."""
        if self._transport is not None:
            if error is None:
                self._transport.close()
            else:
                _log.debug("stream to %s broke: %s", self._stream.remote, error)
                _reset(self._transport)
        self._settle()

    def writable(self) -> None:
        """The stream takes more."""
        rest, self._rest = self._rest, b""
        taken = self._stream.offer(rest)
        if taken < len(rest):
            self._rest = rest[taken:]
        elif self._ended:
            self._stream.end()
        elif self._transport is not None:
            self._transport.resume_reading()

    def _settle(self) -> None:
        if self._transport is None and self._stream.over and not self._over.done():
            self._over.set_result(None)


def _reset(transport: asyncio.Transport) -> None:
    """Close a TCP connection by RST (RFC 9293 section 3.5.1): the program sees a break, not an end."""
    local = transport.get_extra_info("socket")
    if local is not None:
        local.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
