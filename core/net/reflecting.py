"""Asking where we are seen, on asyncio: from the serving socket, and from fresh ones that are closed again."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random, SystemRandom

from core.nat.reflection import Delivered, OtherAnswer, Reflected, Reflection, ReflectionEvent, Reflector
from core.net.pump import Pump, Route
from core.net.udp_socket import UdpSocket
from core.values import Buffer, Burst

HEARD_WITHIN = 2.0  # seconds; the question is sent four times within one


class Reflecting:
    """A `Reflection` and those who wait for its answers. `flush` is the pump's. `other` sends from another port."""

    def __init__(self, machine: Reflection, flush: Callable[[], None], now: Callable[[], float]) -> None:
        self.machine = machine
        self.other: Callable[[Burst], None] | None = None
        self._flush = flush
        self._now = now
        self._waiting: dict[tuple[Reflector, bool], list[asyncio.Future[Reflected]]] = {}
        self._delivered: dict[bytes, asyncio.Event] = {}

    async def ask(self, reflectors: Sequence[Reflector], *, other: bool = False) -> list[Reflected]:
        """Ask all at once; return the answers, and with `observed` None who did not answer. Ends within 2 s."""
        futures = []
        for reflector in dict.fromkeys(reflectors):
            future: asyncio.Future[Reflected] = asyncio.get_running_loop().create_future()
            waiting = self._waiting.setdefault((reflector, other), [])
            if waiting or self.machine.ask(reflector, self._now(), other=other):
                waiting.append(future)
                futures.append(future)
            else:
                del self._waiting[reflector, other]
        self._flush()
        try:
            return list(await asyncio.gather(*futures))
        finally:
            for future in futures:
                future.cancel()

    async def hears(self, asker: "Reflecting", reflector: Reflector, port: int) -> bool:
        """Have another socket ask for an answer at our outside port; return whether that comes to us, within 2 s."""
        nonce = asker.machine.have_answered(reflector, port, asker._now())
        if nonce is None:
            return False
        self.machine.expect(nonce, reflector)
        came = self._delivered[nonce] = asyncio.Event()
        asker._flush()
        try:
            async with asyncio.timeout(HEARD_WITHIN):
                return await came.wait()
        except TimeoutError:
            return False
        finally:
            del self._delivered[nonce]

    def on_event(self, event: ReflectionEvent) -> None:
        """Take what the machine tells."""
        if isinstance(event, OtherAnswer):
            if self.other is not None:
                self.other(Burst(event.to, [event.datagram]))
            return
        if isinstance(event, Delivered):
            if event.nonce in self._delivered:
                self._delivered[event.nonce].set()
            return
        for future in self._waiting.pop((event.reflector, event.other), ()):
            if not future.done():
                future.set_result(event)


class _Lone:
    """A socket with a `Reflection` and nothing else."""

    def __init__(self, udp: UdpSocket, machine: Reflection) -> None:
        self.address = udp.address
        self._udp = udp
        self._pump = Pump(udp.send, self._classify)
        self._reflecting = Reflecting(machine, self._pump.flush, self._pump.now)
        self._route: Route[ReflectionEvent] = Route(machine, self._reflecting.on_event, idle=machine.idle)
        self._pump.add(self._route)
        udp.start(self._pump.receive)

    def _classify(self, datagram: Buffer) -> Route[ReflectionEvent]:
        return self._route

    def close(self) -> None:
        """Close it. Idempotent."""
        self._pump.close()
        self._udp.close()


class FreshSocket(_Lone):
    """A socket that asks reflectors, so that a NAT gives it mappings of its own."""

    def __init__(self, udp: UdpSocket, random: Random | None = None) -> None:
        super().__init__(udp, Reflection(random or SystemRandom(), answers=False))

    async def ask(self, reflectors: Sequence[Reflector], *, other: bool = False) -> list[Reflected]:
        """Ask as `Reflecting.ask` does."""
        return await self._reflecting.ask(reflectors, other=other)

    async def hears(self, asker: "FreshSocket", reflector: Reflector, port: int) -> bool:
        """See `Reflecting.hears`."""
        return await self._reflecting.hears(asker._reflecting, reflector, port)


class Echo(_Lone):
    """A second port of a reflector: it answers by itself, and for the first one, `first`, where that is asked."""

    def __init__(self, udp: UdpSocket, first: Reflecting, random: Random | None = None) -> None:
        super().__init__(udp, Reflection(random or SystemRandom(), may_answer=first.machine.may_answer))
        self._first = first
        first.other = udp.send
        first.machine.also = self.address.port

    def close(self) -> None:
        """Close it; the first one stays without a second. Idempotent."""
        self._first.other = None
        self._first.machine.also = 0
        super().close()
