"""One climb on asyncio: its sockets, its timer, its packets. What it says to the other side is handed to its owner."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from random import SystemRandom
from typing import Protocol

from core.aio.descriptors import room
from core.aio.tasks import TaskSet
from core.errors import PeerError
from core.nat.reflection import Reflected, Reflection, Reflector
from core.net.pump import Received
from core.net.udp_socket import UdpSocket
from core.punch.climb import Ask, Climb, Climbed, Open, Say, Shot
from core.values import Address, Buffer, Burst
from core.wire.probe_packet import is_probe

OPENED_AT_ONCE = 32  # sockets in one turn of the loop, at some 40 us each
LINGER = 2.0  # seconds that the sockets of a climb that was won go on answering
SAMPLED_WITHIN = 1.8  # seconds for the reflector
_log = logging.getLogger(__name__)


class Base(Protocol):
    """What is needed of the endpoint."""

    async def another(self) -> UdpSocket:
        """Open one more socket. Raises LocalError."""

    def send_probe(self, burst: Burst) -> None:
        """Send from the serving socket."""

    def adopt(self, udp: UdpSocket, remote: Address) -> None:
        """Use a socket for a remote from now on."""


class Climbing:
    """Drives a climb until `close`. `say(text)` leaves a text for the other side; `ended` gets each round's outcome."""

    def __init__(
        self,
        climb: Climb,
        base: Base,
        reflector: Callable[[], Reflector | None],
        say: Callable[[bytes], None],
        ended: Callable[[Climbed], None],
    ) -> None:
        self.climb = climb
        self._base, self._reflector, self._say, self._ended = base, reflector, say, ended
        self._loop = asyncio.get_running_loop()
        self._sockets: dict[int, UdpSocket] = {}
        self._waiting: list[Shot] = []  # for sockets that are being opened
        self._wanted = 0
        self._asking: Reflection | None = None
        self._ask_soon = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0  # uvloop's handle of what is due at once does not tell
        self._tasks = TaskSet("climb")
        self._opening: asyncio.Task[None] | None = None
        self.closed = False

    def start(self) -> None:
        """Begin with the next round."""
        self.climb.start(self._loop.time())
        self.act()

    def mail(self, text: bytes) -> None:
        """Take what the other side says."""
        self.climb.mail(text, self._loop.time())
        self.act()

    def look(self) -> None:
        """See whether what was missing for a round is there now."""
        self.climb.look(self._loop.time())
        self.act()

    def receive(self, datagram: Buffer, source: Address) -> None:
        """Take a probe that came to the serving socket."""
        self.climb.receive(0, datagram, source, self._loop.time())
        self.act()

    async def close(self) -> None:
        """Stop, and close what is open. Idempotent."""
        self.closed = True
        self.climb.close()
        self._disarm()
        await self._tasks.aclose()
        self._drop_sockets()

    def act(self) -> None:
        """Carry out what the climb wants, and arm the timer."""
        if self.closed:
            return
        for order in self.climb.orders():
            match order:
                case Say(text):
                    self._say(text)
                case Shot():
                    self._shoot(order)
                case Open(count):
                    self._open(count)
                case Ask():
                    self._ask()
        for outcome in self.climb.outcomes():
            self._take_outcome(outcome)
        self._arm()

    def _take_outcome(self, outcome: Climbed) -> None:
        if outcome.remote is not None:
            udp = self._sockets.pop(outcome.via, None) if outcome.via else None
            if udp is not None:
                self._base.adopt(udp, outcome.remote)
            self._loop.call_later(LINGER, self._drop_sockets)
        self._ended(outcome)

    # -- sockets ------------------------------------------------------------------------------------------------------

    def _shoot(self, shot: Shot) -> None:
        burst = Burst(shot.to, [shot.datagram], ttl=shot.ttl)
        if shot.via == 0:
            self._base.send_probe(burst)
        elif shot.via in self._sockets:
            self._sockets[shot.via].send(burst)
        elif self._opening is not None and not self._opening.done():
            self._waiting.append(shot)

    def _open(self, count: int) -> None:
        if self._opening is not None:
            self._opening.cancel()
        self._drop_sockets()
        self._waiting.clear()
        self._wanted = count
        self._opening = self._tasks.spawn(self._open_all(count), name="open sockets") if count else None

    async def _open_all(self, count: int) -> None:
        for via in range(1, room(count) + 1):
            try:
                udp = await self._base.another()
            except PeerError as error:  # as many as the system gives
                _log.debug("no more than %d sockets: %s", via - 1, error)
                break
            self._sockets[via] = udp
            udp.start(partial(self._take, via))
            if via % OPENED_AT_ONCE == 0:
                await asyncio.sleep(0)
        if self._ask_soon:
            self._ask()
        waiting, self._waiting = self._waiting, []
        for shot in waiting:
            if shot.via in self._sockets:
                self._shoot(shot)

    def _take(self, via: int, batch: Sequence[Received]) -> None:
        now = self._loop.time()
        for source, datagrams in batch:
            for datagram in datagrams:
                if is_probe(datagram):
                    self.climb.receive(via, datagram, source, now)
                elif self._asking is not None and self._asking.concerns(datagram):
                    self._asking.receive([datagram], source, now)
        self._sampled()
        self.act()

    def _drop_sockets(self) -> None:
        for udp in self._sockets.values():
            udp.close()
        self._sockets.clear()
        self._asking = None

    # -- where socket 1 is seen ---------------------------------------------------------------------------------------

    def _ask(self) -> None:
        reflector = self._reflector()
        self._ask_soon = 1 not in self._sockets
        if self._ask_soon:
            return
        if reflector is None:
            self.climb.sampled(None, self._loop.time())
            return
        self._asking = Reflection(SystemRandom(), answers=False)
        self._asking.ask(reflector, self._loop.time())
        self._tasks.spawn(self._keep_asking(self._asking), name="ask where a socket is seen")

    async def _keep_asking(self, asking: Reflection) -> None:
        until = self._loop.time() + SAMPLED_WITHIN
        while self._asking is asking and self._loop.time() < until:
            asking.tick(self._loop.time())
            for burst in asking.transmit(self._loop.time()):
                if 1 in self._sockets:
                    self._sockets[1].send(burst)
            self._sampled()
            self.act()
            await asyncio.sleep(max(0.01, (asking.deadline() or until) - self._loop.time()))

    def _sampled(self) -> None:
        for event in self._asking.events() if self._asking is not None else ():
            if isinstance(event, Reflected):
                self._asking = None
                self.climb.sampled(event.observed.port if event.observed else None, self._loop.time())

    # -- the timer ----------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        deadline = self.climb.deadline()
        if self._timer is not None and (deadline is None or self._timer_at > deadline):
            self._disarm()
        if deadline is not None and self._timer is None:
            self._timer_at = max(deadline, self._loop.time() + 0.001)
            self._timer = self._loop.call_at(self._timer_at, self._wake)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        self._timer = None
        self.climb.tick(self._loop.time())
        self.act()
