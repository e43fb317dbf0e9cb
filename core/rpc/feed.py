"""The messages of one stream, handed on within the wake-up of the socket that brought them.

What cannot be handed on at once - a large message that is yet to be read, one that must wait for a place, or more than
a turn of the loop should handle - stops the stream: those behind it wait in order, at most one packet's worth here, and
the rest in the sender's window.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from core.errors import PeerError
from core.rpc.idle import IdleLimit
from core.rpc.memory import Standing
from core.rpc.slices import Slices
from core.rpc.stream import Stream
from core.wire.rpc_message import Decoder, Large, Message

TURN_MAX: Final = 64  # messages handed on in a turn of the loop: some 2 ms; a packet of loopback may hold 600
# Bytes taken in a turn of the loop of those that waited in the stream meanwhile: some 1 ms. A full window is megabytes,
# and held the loop for 20.
TURN_BYTES: Final = 1 << 17


class Feed:
    """`take` is given each message in order and tells whether it took it; `later` waits, and takes, what it did not.

    `run` is the one task that a connection needs: it does what must be waited for.
    """

    def __init__(
        self,
        stream: Stream,
        decoder: Decoder,
        slices: Slices,
        idle: IdleLimit,
        take: Callable[[Message], bool],
        later: Callable[[Message], Awaitable[None]] | None = None,
        *,
        whose: Callable[[], Standing] | None = None,
        weigh: Callable[[int], None] | None = None,
    ) -> None:
        """`take`, `later` and `weigh` may raise: that ends `run`. Whatever comes puts off the end of `idle`.

        `weigh(bytes)` hears how much came that is not read yet, when that changes; `whose()`: its owner.
        """
        self._stream = stream
        self._decoder = decoder
        self._slices = slices
        self._idle = idle
        self._take = take
        self._later = later
        self._whose = whose
        self._weigh = weigh
        self._weighed = 0
        self._held: deque[Message] = deque()
        self._resuming = self._more = False  # the stream hands over what waited there; it has more than a turn's
        self._room = 0  # bytes of this turn, meanwhile
        self.following = False  # more messages came with the one that is handed on
        self._over = False
        self._failure: BaseException | None = None
        self._wanted: asyncio.Future[None] | None = None  # `run` waits for it

    @property
    def busy(self) -> bool:
        """Whether messages wait here."""
        return bool(self._held)

    async def run(self, stream: Stream | None = None) -> None:
        """Hand on messages until the stream ends. Raises what broke it, or what `take` raised.

        `stream`: the session that the one given at first turned out to carry.
        """
        self._stream = stream or self._stream
        self._stream.listen(self)
        try:
            while True:
                taken = 0
                while self._held and self._failure is None:
                    big = isinstance(self._held[0], Large)
                    await self._take_held()
                    taken += 1
                    if big:
                        await asyncio.sleep(0)  # what was done with it, and that it was freed, is enough for a turn
                    if not self._held:
                        await self._resume()
                    if taken % TURN_MAX == 0:
                        await asyncio.sleep(0)
                if self._failure is not None:
                    raise self._failure
                if self._over:
                    return
                self._wanted = asyncio.get_running_loop().create_future()
                await self._wanted
        finally:
            self._stream.pause()  # nobody may be handed anything any more

    async def _resume(self) -> None:
        """Have the stream hand over what waited there, some in each turn of the loop, and then whatever comes."""
        self._resuming = True
        try:
            while self._failure is None:  # else nothing more is to be taken
                self._room, self._more = TURN_BYTES, False
                self._stream.resume()
                if not self._more:
                    return
                await asyncio.sleep(0)
        finally:
            self._resuming = False

    async def _take_held(self) -> None:
        """Hand on the first of those that wait; it counts as waiting until it is taken."""
        message = self._held[0]
        if isinstance(message, Large):
            owner, trusted = (None, False) if self._whose is None else self._whose()[:2]
            message = await self._slices.run(self._decoder.read_steps(message), owner, trusted=trusted)
        if not self._take(message) and self._later is not None:
            await self._later(message)
        self._held.popleft()
        if self._weighed:
            self._weigh_all()

    def _weigh_all(self) -> None:
        """Say how much is here that is not read yet."""
        size = self._decoder.held + sum(len(each.data) for each in self._held if isinstance(each, Large))
        if size != self._weighed and self._weigh is not None:
            self._weighed = size
            self._weigh(size)

    def received(self, chunk: bytes) -> None:
        """Take one packet's bytes (`core.net.channel.Listener`)."""
        self._idle.used()
        try:
            messages = self._decoder.feed(chunk)
            waiting = False
            last = len(messages) - 1
            for number, message in enumerate(messages):
                self.following = number < last
                if number == TURN_MAX or isinstance(message, Large) or not self._take(message):
                    self._held.extend(messages[number:])
                    waiting = True
                    break
            if self._decoder.held or self._weighed or waiting:
                self._weigh_all()
            if self._resuming:
                self._room -= len(chunk)
                self._more = self._room <= 0 and not waiting
            if not (waiting or self._more):
                return
        except Exception as error:  # `run` raises it: here it would cost us this packet, and nobody would know
            self.fail(error)
            return
        self._stream.pause()
        if waiting:
            self._wake()

    def ended(self, error: PeerError | None) -> None:
        """Hear that nothing more comes (`core.net.channel.Listener`)."""
        self._over = True
        self._failure = self._failure or error
        self._wake()

    def fail(self, error: BaseException) -> None:
        """Take nothing more, and let `run` raise this."""
        self._stream.pause()
        self._failure = self._failure or error
        self._wake()

    def let_go(self) -> None:
        """Refer to nobody: it is over, and what it held is free at once, without the garbage collector's look."""
        self._failure = self._later = self._whose = self._weigh = self._wanted = None
        self._take = _refuse
        self._held.clear()

    def _wake(self) -> None:
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)


def _refuse(message: Message) -> bool:
    return False
