"""An awaitable uTP stream: what `Endpoint.connect` returns and `Endpoint.on_stream` is given."""

import asyncio
import weakref
from collections.abc import Callable

from core.frozen import mypyc_attr
from core.net.beside import Beside, DatagramLink, OnDatagram
from core.net.channel import Channel, Listener
from core.peer_id import PeerId
from core.values import Address
from core.wire.datagram_keys import DatagramKeys
from core.wire.utp_marks import Marks

CLOSE_TIMEOUT = 5.0  # seconds that `close` gives the other side: ten round trips at the 0.5 s of a bad mobile link


@mypyc_attr(native_class=False)  # it is referred to weakly, which a class laid out by mypyc cannot be
class Stream:
    """One reliable, ordered connection. Keep it: a stream that is garbage-collected is closed.

    Any number of tasks may write; one should read. Cancelling a call is safe: a cancelled `read` loses nothing, a
    cancelled `write` either sent nothing or its whole message will go.
    """

    def __init__(self, channel: Channel, dropped: Callable[[Channel], None], beside: Beside) -> None:
        """Made by the endpoint only; `dropped` is called from any thread when this object is garbage."""
        self._channel = channel
        self._beside = beside
        weakref.finalize(self, dropped, channel).atexit = False

    def __repr__(self) -> str:
        return f"<Stream {self.remote}{' closed' if self.closed else ''}>"

    @property
    def remote(self) -> Address:
        """Where the other side is now; a NAT that restarts moves it."""
        return self._channel.remote

    @property
    def heard_at(self) -> float:
        """When a packet last came from the other side, an acknowledgement too; on the loop's clock."""
        return self._channel.connection.heard_at

    @property
    def closed(self) -> bool:
        """True after `close` or `abort`, and once the connection is over."""
        return self._channel.closing or self._channel.over

    @property
    def joins_messages(self) -> bool:
        """Whether the other side reads messages however they are joined or split; plain peers want one per packet."""
        return self._channel.joins

    @property
    def marks(self) -> Marks:
        """What the other side says that it can do; nothing for a plain peer."""
        return self._channel.connection.peer_marks

    @property
    def peer_id(self) -> PeerId | None:
        """None: who the other side is, only an encrypted session tells (`core.secure.stream`)."""
        return None

    @property
    def packet_bytes(self) -> int:
        """How long a full packet to the other side is now, in bytes of UDP payload; it changes with the path."""
        return self._channel.connection.path.packet_bytes

    def follow(self, remote: Address) -> bool:
        """Go on at another address, where a connection of the same peer has proven that it is; return whether it does.

        For a stream that is silent: both sides may have moved.
        """
        return self._channel.follow(remote)

    def open_datagrams(self, keys: DatagramKeys, on_datagram: OnDatagram) -> DatagramLink | None:
        """Begin to carry datagrams beside this connection, sealed with these keys; it ends with the connection.

        None: the connection is over, has them already, or too many have. `on_datagram` hears what comes, within the
        wake-up of the socket.
        """
        return None if self.closed else self._beside.open(self._channel.connection, keys, on_datagram)

    def keep(self) -> None:
        """Say that the other side is a known, trusted peer: this stream makes room for nobody when places are short.

        Call it once that is proven, as by an encrypted session. Harmless when repeated, and once the stream is over.
        """
        self._channel.connection.keep()

    def buffered(self) -> tuple[int, int]:
        """Return the bytes written that the other side has not acknowledged, and those it sent that nobody has read."""
        return self._channel.buffered()

    async def read(self) -> bytes:
        """Return the next chunk: the bytes of one DATA packet.

        b"" at the end: the other side closed, or we did. Raises TransportClosed when the connection broke, after
        everything that arrived before was read.
        """
        return await self._channel.read()

    async def peek(self) -> bytes:
        """Return what `read` will, and leave it there."""
        return await self._channel.peek()

    def listen(self, listener: Listener) -> None:
        """Hand what arrives to `listener` as it comes, what came before at once; `read` is no longer used.

        It is not told within a time, but within the wake-up of the socket that brought it: no task has to run first.
        """
        self._channel.listen(listener)

    def pause(self) -> None:
        """Hand over nothing more, from now on: the receive window fills, and the other side has to wait."""
        self._channel.pause()

    def resume(self) -> None:
        """Go on handing over, at once."""
        self._channel.resume()

    def offer(self, data: bytes, *, soon: bool = False) -> bool:
        """Write a whole message now if that needs no waiting; False: nothing was written, `write` it.

        That is so when others are writing, the buffer is full, the stream is over, or the message is too long
        (OFFER_MAX bytes). `soon`: with what else is written in this turn of the loop, a packet's worth.
        """
        return self._channel.offer(data, soon=soon)

    def put(self, data: bytes, *, urgent: bool) -> bool:
        """Write bytes of any length now, if there is room for all of them and nobody waits to write; False: nothing.

        They share packets with what comes before and after, as nobody but ours can read. `urgent`: they do not wait
        for more to fill one.
        """
        return self._channel.put(data, urgent=urgent)

    def room(self) -> int:
        """Return how many bytes `put` takes now."""
        return self._channel.room()

    async def write(self, data: bytes, *, boundary: bool = True) -> None:
        """Queue `data` as one whole, and wait while the send buffer is full; other writers wait for their turn.

        `boundary`: a message, which leaves at once and starts a packet of its own, unless the other side
        `joins_messages`: then it shares packets with what else is waiting. Without it small writes may be held back.
        Returning means accepted, not delivered. Raises TransportClosed when the connection is over.
        """
        await self._channel.write(data, boundary=boundary)

    async def close(self) -> None:
        """Send what is queued and say goodbye; after CLOSE_TIMEOUT seconds, or when cancelled, reset. Idempotent."""
        await self._channel.close(CLOSE_TIMEOUT)

    def abort(self) -> None:
        """Reset the connection now; what is queued is lost. Idempotent."""
        self._channel.abort()

    async def __aenter__(self) -> "Stream":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if isinstance(exc_info[1], asyncio.CancelledError):
            self.abort()
        else:
            await self.close()
