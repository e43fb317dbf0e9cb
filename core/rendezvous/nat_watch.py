"""Knowing our network: reflectors are asked from the very socket that serves, and again when something changes."""

import asyncio
import contextlib
import itertools
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from core.aio.tasks import TaskSet
from core.aio.waiting import wait_for
from core.errors import PeerError
from core.limits.rate import Backoff
from core.limits.table import BoundedTable
from core.nat.classify import Sample, Trial, classify
from core.nat.reflection import TRIES, Reflected, Reflector
from core.nat.report import Mapping, NatReport, Ports
from core.nat.words import describe
from core.net.reflecting import FreshSocket, Reflecting
from core.net.udp_socket import UdpSocket
from core.news.events import NatChanged, NatSnapshot, PortOpen
from core.news.hub import Hub
from core.rendezvous.lifetime import DAY, measure
from core.scope import Scope, is_six, scope
from core.values import Address

EVERY = 300.0  # seconds between looks; Tailscale's full report has the same
SOON = 1.0  # seconds between looks that something asks for: changes come in groups
PATIENCE = 15.0  # seconds between looks while nobody has answered: long enough for a network that comes back
AGAIN = 4.0  # seconds until others are asked, where too few answered to tell anything; doubled up to EVERY
SILENT = 32  # reflectors that are remembered as silent, and come last
REFLECTORS = 4  # asked at a time; two of different hosts are needed
ORDER_SOCKETS = 4  # opened one after the other to see the order of ports
BLOCK_SOCKETS = 12  # and more at once where there is no order: 24 ports bound a carrier's block to a few per cent
_log = logging.getLogger(__name__)


class Socket(Protocol):
    """What is needed of the endpoint."""

    reflecting: Reflecting
    address: Address

    async def another(self) -> UdpSocket:
        """Open one more socket. Raises LocalError."""


class Own(Protocol):
    """What is needed of our own addresses."""

    def hosts(self) -> tuple[str, ...]:
        """Return this machine's own hosts."""


class NatWatch:
    """Keeps the report. `sources()` names who may be asked; `may_ask(address, packets)` says whether, and counts it."""

    def __init__(
        self,
        hub: Hub,
        socket: Socket,
        own: Own,
        sources: Callable[[], Iterable[Reflector]],
        may_ask: Callable[[Address, int], bool],
        brokers: Callable[[], int],
        online: Callable[[], bool],
        six: Callable[[], str] = str,
    ) -> None:
        """`brokers()`: how many have us registered. `online()`: whether others answer by TCP.

        `six()`: a sentence on our IPv6.
        """
        self._six = six
        self._hub = hub
        self._socket = socket
        self._own = own
        self._sources = sources
        self._may_ask = may_ask
        self._brokers = brokers
        self._online = online
        self._report = NatReport()
        self._port = PortOpen()
        self._web_port = PortOpen()
        self._port_6 = PortOpen()
        self._asked: set[Address] = set()
        self._answering: set[Address] = set()
        self._silent: BoundedTable[Address, None] = BoundedTable(SILENT)
        self._again = Backoff(AGAIN, EVERY)
        self._looks = 0
        self._now = asyncio.Event()
        self._tasks = TaskSet("nat watch")
        self._lifetime: float | None = None
        self._measured_at = -math.inf
        self._measured_on: object = None  # the network

    def start(self) -> None:
        """Look from now on."""
        self._tasks.spawn(self._run(), name="know our network")

    async def aclose(self) -> None:
        """Stop looking."""
        await self._tasks.aclose()

    @property
    def report(self) -> NatReport:
        """The newest report."""
        return self._report

    def reflectors(self) -> list[Reflector]:
        """Return who is to be asked: those furthest away only, who see us through most, and different hosts first.

        Who was silent the last time comes last.
        """
        asked = (each for each in dict.fromkeys(self._sources()) if not is_six(each.address.host))
        known = [each for each in asked if scope(each.address.host) > Scope.LOOPBACK]
        furthest = max((scope(each.address.host) for each in known), default=Scope.PUBLIC)
        known = [each for each in known if scope(each.address.host) is furthest]
        known.sort(key=lambda each: each.address in self._silent)
        by_host: dict[str, list[Reflector]] = {}
        for each in known:
            by_host.setdefault(each.address.host, []).append(each)
        turns = itertools.zip_longest(*by_host.values())
        return [each for turn in turns for each in turn if each is not None][:REFLECTORS]

    def nudge(self) -> None:
        """Look again: we moved, or there is somebody new to ask."""
        self._now.set()

    def on_brokers(self) -> None:
        """Look again if there is somebody who was not asked yet."""
        if self._others():
            self.nudge()

    def _others(self) -> bool:
        """Return whether somebody may be asked who was not asked yet."""
        return any(each.address not in self._asked for each in self.reflectors())

    def snapshot(self) -> NatSnapshot:
        """Return the report and its words."""
        words = describe(self._report, brokers=max(self._brokers(), len(self._answering)))
        reachable, message, advice = words.reach.friends, words.message, words.advice
        if self._port.address is not None:
            reachable, advice = True, ""
            message = f"Friends can reach this peer at {self._port.address}. {self._port.words}"
        elif self._port_6.address is not None and not self._own.hosts():  # IPv6 is all that there is
            reachable, advice = True, ""
            message = f"Friends with IPv6 can reach this peer at {self._port_6.address}."
        network = " ".join(filter(None, (words.network, self._six())))
        return NatSnapshot(
            self._report, reachable, network, message, advice, complete=self._looks > 0, port=self._port,
            web_port=self._web_port, port_6=self._port_6,
        )  # fmt: skip

    def opened(self, port: PortOpen) -> None:
        """Take what the router was asked to open, and tell it."""
        self._port = port
        self._tell_ports()

    def opened_6(self, port: PortOpen) -> None:
        """Take whether the router lets IPv6 packets in, and tell it."""
        self._port_6 = port
        self._tell_ports()

    def _tell_ports(self) -> None:
        self._hub.touch()
        self._hub.emit(NatChanged(self._hub.now(), self.snapshot()))

    def opened_web(self, port: PortOpen) -> None:
        """Take the same of HTTP and WebSocket; who opened it has told it."""
        self._web_port = port

    async def _run(self) -> None:
        while True:
            self._now.clear()
            try:
                await self._look()
            except PeerError as error:
                _log.debug("our network could not be looked at: %s", error)
            await asyncio.sleep(SOON)
            await wait_for(self._now, self._pause())

    def _pause(self) -> float:
        """Return how many seconds the last look is good for."""
        if not self._report.reflectors:
            return PATIENCE
        if self._report.mapping is Mapping.UNKNOWN and self._others():  # not all nodes say where they see us
            return self._again.failed()
        self._again.succeeded()
        return EVERY

    async def _look(self) -> None:
        reflectors = [each for each in self.reflectors() if self._may_ask(each.address, TRIES)]
        if not reflectors:
            return
        self._asked = {each.address for each in reflectors}
        loop = asyncio.get_running_loop()
        here = self._socket.address
        answers = [each for each in await self._socket.reflecting.ask(reflectors) if each.observed is not None]
        for each in reflectors:
            self._silent[each.address] = None
        for answer in answers:
            self._silent.pop(answer.reflector.address, None)
        self._answering = {each.reflector.address for each in answers if not each.reflector.dht}
        two = [each for each in answers if each.also is not None]
        more = [Reflector(Address(each.reflector.address.host, each.also or 0)) for each in two]
        more = [each for each in more if each not in reflectors][:REFLECTORS]
        trial = Trial(len(reflectors) + len(more), self._own.hosts(), online=self._online(), lifetime=self._lifetime)
        filtering = self._tasks.spawn(self._try_filter(two), name="try what our router lets in")
        samples = _samples(here, answers) + _samples(here, await self._socket.reflecting.ask(more))
        if classify(samples, here, trial, 0.0).mapping.hard:
            samples += await self._order([*(each.reflector for each in answers), *more][:2], samples, here)
        self._tell(classify(samples, here, trial, loop.time()))
        hairpin = await self._try_hairpin()
        trial = replace(trial, other_port=await filtering, hairpin=hairpin)
        self._tell(classify(samples, here, trial, loop.time()))
        self._looks += 1
        self._hub.touch()
        self._measure_lifetime([each.reflector for each in answers if not each.reflector.dht])

    def _measure_lifetime(self, reflectors: Sequence[Reflector]) -> None:
        """Begin to measure for how long mappings are kept: on a new network, and once a day."""
        network, now = (self._report.host, self._own.hosts()), asyncio.get_running_loop().time()
        if network != self._measured_on:
            self._lifetime = None
            if self._report.lifetime is not None:
                self._tell(replace(self._report, lifetime=None))
        due = network != self._measured_on or now - self._measured_at >= DAY
        if due and reflectors and not self._report.local and self._may_ask(reflectors[0].address, TRIES):
            self._measured_on, self._measured_at = network, now
            self._tasks.spawn(self._lifetime_of(network, reflectors[0]), name="measure how long mappings are kept")

    async def _lifetime_of(self, network: object, reflector: Reflector) -> None:
        try:
            found = await measure(self._fresh, reflector)
        except PeerError as error:
            _log.debug("how long mappings are kept was not measured: %s", error)
            return
        if network == self._measured_on and found is not None:
            self._lifetime = found
            self._tell(replace(self._report, lifetime=found))

    async def _try_filter(self, two: Sequence[Reflected]) -> bool | None:
        try:
            return await self._other_port([each.reflector for each in two])
        except PeerError:
            return None

    async def _try_hairpin(self) -> bool | None:
        """Ask ourselves, from a fresh socket, where others see us: whether the router turns packets round."""
        report = self._report
        if report.mapping is not Mapping.ENDPOINT_INDEPENDENT or report.local:
            return None
        try:
            async with self._fresh() as fresh:
                return (await fresh.ask([Reflector(report.observed[0])]))[0].observed is not None
        except PeerError:
            return None

    async def _other_port(self, reflectors: Sequence[Reflector]) -> bool | None:
        """Ask a reflector, from a fresh socket, for an answer from another port; None where none can.

        One that does not answer may have told our neighbours all that it tells them for now, so the next one is asked.
        """
        for reflector in reflectors:
            async with self._fresh() as fresh:
                first = (await fresh.ask([reflector]))[0]  # so that our router knows this one, and this one only
                if first.observed is not None:
                    return (await fresh.ask([reflector], other=True))[0].observed is not None
        return None

    async def _order(self, reflectors: Sequence[Reflector], known: Sequence[Sample], here: Address) -> list[Sample]:
        """Ask from fresh sockets: one after the other to see whether ports have an order, else many at once."""
        found: list[Sample] = []
        for _ in range(ORDER_SOCKETS):
            found += await self._ask_afresh(reflectors[:1])
        ordered = classify([*known, *found], here, Trial(), 0.0).ports is Ports.IN_ORDER
        if not ordered:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._ask_afresh(reflectors)) for _ in range(BLOCK_SOCKETS)]
            found += [sample for task in tasks for sample in task.result()]
        return found

    async def _ask_afresh(self, reflectors: Sequence[Reflector]) -> list[Sample]:
        async with self._fresh() as fresh:
            return _samples(fresh.address, await fresh.ask(reflectors))

    @contextlib.asynccontextmanager
    async def _fresh(self) -> AsyncIterator[FreshSocket]:
        fresh = FreshSocket(await self._socket.another())
        try:
            yield fresh
        finally:
            fresh.close()

    def _tell(self, report: NatReport) -> None:
        before, self._report = self._report, report
        self._hub.touch()
        if not before.same(report):
            shown = self.snapshot()
            _log.debug("our network: %s", report)
            self._hub.emit(NatChanged(self._hub.now(), shown))


def _samples(inside: Address, answers: Iterable[Reflected]) -> list[Sample]:
    return [
        Sample(inside, each.reflector.address, each.observed, each.asked_at)
        for each in answers if each.observed is not None
    ]  # fmt: skip
