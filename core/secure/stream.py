"""A stream whose other side is known and whose bytes nobody on the path reads or changes: what RPC is given.

Below is a `core.net.stream.Stream`, in between a `TlsSession`. Small messages of one turn of the loop share a TLS
record; records share packets like any bytes, since the other side reads them however they are joined.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from core.aio.tasks import TaskSet
from core.errors import PeerError, TransportClosed
from core.net.beside import DatagramLink, OnDatagram
from core.net.channel import OFFER_MAX
from core.peer_id import PeerId
from core.rpc.stream import Listener, Stream
from core.secure.besides import Besides
from core.secure.frames import HEADER_BYTES, ONCE_BYTES, RECORD_BYTES, SEAL_BYTES, SLICE_BYTES, header
from core.values import Address
from core.wire.datagram_keys import EXPORTED_BYTES, LABEL, split_keys

if TYPE_CHECKING:  # OpenSSL takes 7 MB: a peer without an identity does not load it
    from core.secure.session import TlsSession

OFFER_BYTES: Final = OFFER_MAX - HEADER_BYTES - SEAL_BYTES  # of a message that `offer` may be able to take
# Messages of one turn of the loop that share a record: sealing and opening one costs as much as 2 KB of it do. Once a
# packet of Ethernet's length is well filled it leaves, and the other side works on it meanwhile (`TOGETHER_BYTES`).
JOINED_BYTES: Final = OFFER_BYTES
CLOSE_TIMEOUT: Final = 5.0  # seconds for what waits to be written; as the stream below has for what is queued


class Carrier(Stream, Protocol):
    """The stream below. It can be read as well, before anybody listens: for the handshake."""

    def room(self) -> int:
        """Return how many bytes `put` takes now."""

    async def read(self) -> bytes:
        """Return the bytes of the next packet; b"" at the end. Raises TransportClosed when it broke."""


class _Waiting:
    """A message, or what is sealed already (`sealed`), that waits to be written. `done` ends the wait of its task."""

    __slots__ = ("data", "done", "sealed", "started", "urgent")

    def __init__(
        self, data: bytes, done: asyncio.Future[None] | None, *, sealed: bool = False, urgent: bool = True
    ) -> None:
        self.data = data
        self.done = done
        self.urgent = urgent
        self.sealed = sealed
        self.started = False


class SecureStream:
    """An established session on a stream (`core.rpc.stream.Stream`), with its contract and its errors.

    A message under way is always sent whole: its length has gone ahead. So what must wait to be written is written by a
    task of the stream's own, not by the caller, who may be cancelled; unless it fits what the stream below takes whole.
    """

    def __init__(
        self,
        carrier: Carrier,
        session: "TlsSession",
        first: list[bytes],
        heard: Callable[[], None] | None = None,
    ) -> None:
        """`first` came with the end of the handshake; `heard` is called once, after the first that comes from now."""
        if session.peer_id is None:
            raise AssertionError("this session is not established")
        self.peer_id: Final[PeerId] = session.peer_id
        self.protocol: Final = session.protocol  # what it is for: `core.secure.frames.PROTOCOLS`
        self._carrier = carrier
        self._session = session
        self._pieces = deque(first)  # came, and not yet handed over
        self._heard = heard
        self._listener: Listener | None = None
        self._paused = False
        self._over = False  # nothing more comes
        self._failure: PeerError | None = None
        self._closing = False
        self._joined = b""  # framed messages of this turn of the loop that will share a record
        self._queue: deque[_Waiting] = deque()
        self._writer = TaskSet("secure stream")
        self._direct = False  # a caller writes by itself; what comes then is queued
        self._writing = False  # the writer will look at the queue once more
        self._sealed = 0  # bytes of the first in the queue that the stream below has

    def __repr__(self) -> str:
        return f"<SecureStream {self.peer_id.short} at {self.remote}>"

    @property
    def remote(self) -> Address:
        """The other side's address, as seen here."""
        return self._carrier.remote

    @property
    def heard_at(self) -> float:
        """When something last came from the other side, on the loop's clock; inf for a stream that cannot tell."""
        heard_at: float = getattr(self._carrier, "heard_at", math.inf)
        return heard_at

    def follow(self, remote: Address) -> bool:
        """Go on at another address, where another connection has met the same peer; return whether it does."""
        follow = getattr(self._carrier, "follow", None)
        return follow is not None and bool(follow(remote))

    @property
    def binding(self) -> bytes:
        """What this session has and no other one: `core.secure.session.TlsSession.binding`."""
        return self._session.binding()

    def buffered(self) -> tuple[int, int]:
        """See `core.rpc.stream.Stream`."""
        unsent, unread = self._carrier.buffered()
        unsent += len(self._joined) + sum(len(message.data) for message in self._queue) - self._sealed
        return unsent, unread + sum(map(len, self._pieces))

    def keep(self) -> None:
        """See `core.rpc.stream.Stream`."""
        self._carrier.keep()

    def open_datagrams(self, on_datagram: OnDatagram, *, initiator: bool) -> DatagramLink | None:
        """Begin to carry datagrams beside this session, sealed with keys of its own; None when that cannot be.

        Both sides call it. `initiator`: we connected.
        """
        if self._session.over or not isinstance(self._carrier, Besides):
            return None
        keys = split_keys(self._session.export(LABEL, EXPORTED_BYTES), initiator=initiator)
        return self._carrier.open_datagrams(keys, on_datagram)

    # -- reading --------------------------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """See `core.rpc.stream.Stream`. What is handed over are messages, whole or in pieces, and maybe joined."""
        self._listener = listener
        self._hand_over()
        self._carrier.listen(self)

    def pause(self) -> None:
        """Hand over nothing more, from now on."""
        self._paused = True
        self._carrier.pause()

    def resume(self) -> None:
        """Go on handing over, at once."""
        self._paused = False
        self._hand_over()
        if not self._paused:
            self._carrier.resume()

    def received(self, chunk: bytes) -> None:
        """Take one packet's bytes from the stream below (`core.net.channel.Listener`)."""
        session = self._session
        pieces = session.feed(chunk)
        if pieces:
            self._pieces.append(b"".join(pieces) if len(pieces) > 1 else pieces[0])
            if self._heard is not None:
                heard, self._heard = self._heard, None
                heard()
        if session.ended or session.error is not None:
            self._over = True
            self._failure = session.error
            self._put_sealed(session.outgoing(), soon=False)  # an alert tells why; at once: a reset may be next
        self._hand_over()

    def ended(self, error: PeerError | None) -> None:
        """Hear from the stream below that nothing more comes (`core.net.channel.Listener`)."""
        if not self._over:
            self._over = True
            self._failure = None if self._closing else self._session.cut() if error is None else error
        self._hand_over()

    def _hand_over(self) -> None:
        pieces = self._pieces
        while pieces and not self._paused and self._listener is not None:
            self._listener.received(pieces.popleft())
        if self._over and not (pieces or self._paused) and self._listener is not None:
            listener, self._listener = self._listener, None
            listener.ended(None if self._failure is None else self._failure.again())

    # -- writing --------------------------------------------------------------------------------------------------

    def offer(self, data: bytes, *, soon: bool = False) -> bool:
        """See `core.rpc.stream.Stream`."""
        if self._queue or self._direct or self._closing or self._session.over or len(data) > OFFER_BYTES:
            return False
        framed = header(len(data)) + data
        if soon:
            if not self._joined:
                asyncio.get_running_loop().call_soon(self._seal_joined)
            elif len(self._joined) + len(framed) > JOINED_BYTES:
                self._seal(self._joined)
                self._joined = b""
            self._joined += framed
        else:
            self._seal(self._joined + framed if self._joined else framed)
            self._joined = b""
        return True

    def _seal_joined(self) -> None:
        """Send what was joined in this turn; nothing, if something else has taken it along."""
        if self._joined and not self._session.over:
            self._seal(self._joined)
        self._joined = b""

    def _seal(self, framed: bytes) -> None:
        sealed = self._session.seal(framed)
        if self._queue or not (
            self._carrier.offer(sealed) if len(sealed) <= OFFER_MAX else self._carrier.put(sealed, urgent=True)
        ):
            self._put(_Waiting(sealed, None, sealed=True))  # it is sealed: nothing may overtake it

    def put(self, data: bytes, *, urgent: bool) -> bool:
        """See `core.rpc.stream.Stream`."""
        if self._closing or self._session.over or len(data) > ONCE_BYTES:
            return False
        self._seal_joined()
        sealed = HEADER_BYTES + len(data) + SEAL_BYTES * (SLICE_BYTES // RECORD_BYTES)
        if self._queue or self._direct or self._carrier.room() < sealed:
            return False
        whole = self._session.seal(header(len(data)), data)
        if not self._carrier.put(whole, urgent=urgent):  # OpenSSL had something of its own to say, as new keys
            self._put(_Waiting(whole, None, sealed=True))
        return True

    async def write(self, data: bytes, *, boundary: bool = True) -> None:
        """See `core.rpc.stream.Stream`; messages have lengths here, so without a `boundary` one only may wait a bit."""
        if self._closing or self._session.over:
            raise TransportClosed(f"the connection to {self.remote} is closed")
        self._seal_joined()
        if not self._queue and not self._direct and len(data) <= ONCE_BYTES:
            sealed = self._session.seal(header(len(data)), data)
            if not self._carrier.put(sealed, urgent=boundary):
                await self._write_directly(sealed, boundary)
            return
        message = _Waiting(data, asyncio.get_running_loop().create_future(), urgent=boundary)
        self._put(message)
        try:
            if message.done is not None:
                await message.done
        except asyncio.CancelledError:
            if not message.started:
                self._queue.remove(message)
            raise

    async def _write_directly(self, sealed: bytes, boundary: bool) -> None:
        """Spare the only writer a task of ours: the stream below begins at once, and ends it if either is cancelled."""
        self._direct = True
        await self._carrier.write(sealed, boundary=boundary)
        self._direct = False  # not when it was cancelled: then nobody knows when the stream below has ended it

    def _put_sealed(self, sealed: bytes, *, soon: bool) -> None:
        if sealed and (self._queue or not self._carrier.offer(sealed, soon=soon)):
            self._put(_Waiting(sealed, None, sealed=True))

    def _put(self, message: _Waiting) -> None:
        self._queue.append(message)
        if not self._writing:
            self._writing = True
            self._writer.spawn(self._write_queue(), name=f"write to {self.remote}")

    async def _write_queue(self) -> None:
        failure: PeerError = TransportClosed(f"the connection to {self.remote} was closed here")
        try:
            while self._queue:
                message = self._queue[0]
                message.started = True
                await self._write_one(message)
                self._sealed = 0
                self._queue.popleft()
                _settle(message, None)
        except PeerError as error:
            failure = error
        finally:
            self._writing = False
            self._sealed = 0
            while self._queue:
                _settle(self._queue.popleft(), failure)

    async def _write_one(self, message: _Waiting) -> None:
        if message.sealed:
            await self._carrier.write(message.data, boundary=message.urgent)
            return
        data = memoryview(message.data)
        self._sealed = min(len(data), ONCE_BYTES)
        last = message.urgent and len(data) <= ONCE_BYTES  # which leaves at once; those before it fill packets
        await self._carrier.write(self._session.seal(header(len(data)), data[:ONCE_BYTES]), boundary=last)
        for at in range(ONCE_BYTES, len(data), SLICE_BYTES):
            await asyncio.sleep(0)  # others have their turn of the loop
            last = message.urgent and at + SLICE_BYTES >= len(data)
            self._sealed = min(len(data), at + SLICE_BYTES)
            await self._carrier.write(self._session.seal(data[at : at + SLICE_BYTES]), boundary=last)

    # -- the end --------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Send what is queued, say goodbye under the seal, and end. Idempotent; takes bounded time."""
        if not self._closing:
            self._seal_joined()
            self._closing = True
            try:
                await self._writer.settle(CLOSE_TIMEOUT)
                self._session.close()
                self._put_sealed(self._session.outgoing(), soon=True)
                await self._writer.settle(CLOSE_TIMEOUT)  # the stream below takes nothing more once it is closed
            except asyncio.CancelledError:
                self.abort()
                raise
        await self._carrier.close()

    def abort(self) -> None:
        """Reset at once. Idempotent."""
        self._closing = True
        self._session.close()  # unsaid; but OpenSSL takes up no session that just broke off
        self._carrier.abort()


def _settle(message: _Waiting, failure: PeerError | None) -> None:
    message.started = True
    if message.done is None or message.done.done():
        return
    if failure is None:
        message.done.set_result(None)
    else:
        message.done.set_exception(TransportClosed(str(failure)))
        message.done.exception()  # nobody may be waiting
