"""A peer's one UDP socket: punches, uTP, its sessions' datagrams, and where others see it, told apart by content.

One socket for everything is the point: the NAT mapping that a punch opens is the one that a connection then uses
(PROTOCOL.md section 4).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import field
from random import Random, SystemRandom
from typing import Any, NamedTuple

from core.datagrams.config import DatagramConfig
from core.datagrams.events import DatagramStatistics
from core.errors import LocalError, RequestTimeout, TransportClosed
from core.frozen import dataclass
from core.nat.reflection import Reflection
from core.net.beside import Beside
from core.net.channel import Channel
from core.net.detour import Detour
from core.net.dual_socket import open_dual, require_kind, takes_six
from core.net.probe_desk import ProbeDesk
from core.net.pump import Pump, Route
from core.net.reflecting import Reflecting
from core.net.story import log, tell_connection, tell_punch, told
from core.net.stream import CLOSE_TIMEOUT, Stream
from core.net.udp import UdpSocket, destination, open_udp
from core.punch.events import PunchEvent
from core.punch.puncher import PunchConfig, Puncher, PunchStatistics
from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.events import Incoming, Readable, UtpEvent
from core.utp.mux import Mux
from core.utp.statistics import MuxStatistics
from core.values import Address, Buffer, Burst, Machine, MayAnswer, anybody
from core.wire.datagram_packet import is_datagram
from core.wire.probe_packet import is_probe
from core.wire.punch_packet import parse as parse_punch
from core.wire.utp_marks import Marks
from core.wire.utp_packet import is_utp

FLUSH_TIMEOUT = 0.3  # seconds that `close` gives all streams together; with the rest it stays under 0.5 s


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """Bounds of the engines, and how the socket is used: None takes what is best here.

    `use_reader` forces one way of reading; `batching`: many datagrams per system call (True: LocalError where the
    system cannot). `waits`: a caller before `Endpoint.hear` is not refused; it hears nothing, and tries again.
    """

    utp: UtpConfig = field(default_factory=UtpConfig)
    punch: PunchConfig = field(default_factory=PunchConfig)
    datagrams: DatagramConfig = field(default_factory=DatagramConfig)
    use_reader: bool | None = None
    batching: bool | None = None
    may_acknowledge: MayAnswer = anybody  # as `Puncher` has it
    may_answer: MayAnswer = anybody  # before whatever else leaves for a source that may be forged
    waits: bool = False


@dataclass(frozen=True, slots=True)
class EndpointStatistics:
    """Counts, in datagrams unless named otherwise, since the endpoint opened."""

    received: int
    sent: int
    dropped_unknown: int  # neither uTP, nor a punch, nor a datagram of a session by its first byte
    dropped_malformed: int  # looked like uTP
    icmp_errors: int  # told by the kernel; Linux tells an unconnected socket nothing
    send_errors: int
    send_dropped: int  # our queue for a full kernel buffer overflowed
    receive_dropped: int  # arrived cut off, joined and nothing said where each begins, or too many of one sender
    batches_sent: int  # system calls that sent more than one datagram
    batches_received: int  # system calls that received more than one datagram
    batches_refused: int  # batches that the kernel did not take; their datagrams left one by one
    bytes_received: int  # of datagrams, without the headers of UDP and IP
    bytes_sent: int  # the same
    failures: int  # exceptions caught from callbacks and engines
    streams: int  # now, those being opened or closed included
    utp: MuxStatistics
    punch: PunchStatistics
    datagrams: DatagramStatistics


class Lodging(NamedTuple):
    """What the owner of a lodged engine needs: its clock, `flush` after each verb used on it, and `leave` once."""

    now: Callable[[], float]
    flush: Callable[[], None]
    leave: Callable[[], None]


class Endpoint:
    """One UDP socket. `on_stream` gets accepted streams (without it they are refused), `on_punch` the punch events.

    Both are called on the loop; what they raise is reported to the loop's exception handler and costs nothing else.
    """

    def __init__(self, udp: UdpSocket, config: EndpointConfig, random: Random) -> None:
        """Use `Endpoint.open`."""
        self.address = udp.address
        self.six = takes_six(udp)
        self.may_answer = config.may_answer  # also for engines that lodge here
        self.on_stream: Callable[[Stream], None] | None = None
        self.on_punch: Callable[[PunchEvent], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._udp = udp
        self._mux = Mux(config.utp, random, config.may_answer)
        self._mux.accepts = not config.waits
        self._puncher = Puncher(config.punch, config.may_acknowledge)
        self._utp_route = Route(self._mux, self._on_utp, self._puncher.confirm)
        self._punch_route = Route(self._puncher, self._on_punch, idle=self._puncher.idle)
        self._pump = Pump(lambda burst: self.detour.send(burst), self._classify)
        self.detour = Detour(udp, self._mux, self._pump.receive, self._pump.now)
        self._pump.add(self._utp_route)
        self._pump.add(self._punch_route)
        self._beside = Beside(config.datagrams, random, self._pump, config.may_answer)
        self._datagram_route = Route(self._beside.mux, self._beside.on_event, idle=self._beside.mux.idle)
        self._pump.add(self._datagram_route)
        reflection = Reflection(random, may_answer=config.may_answer)
        self.reflecting = Reflecting(reflection, self._pump.flush, self._pump.now)
        self._reflection_route = Route(reflection, self.reflecting.on_event, idle=reflection.idle)
        self._pump.add(self._reflection_route)
        self.probes = ProbeDesk()
        self._probe_route = Route(self.probes, self.probes.on_event, idle=self.probes.idle)
        self._pump.add(self._probe_route)
        udp.on_too_long = self._too_long
        udp.on_refused = self._refused
        self._lodgers: dict[int, Route[Any]] = {}  # by the first byte of what is theirs
        self._channels: dict[Connection, Channel] = {}
        self._closing, self._closed = False, asyncio.Event()
        self._more: Callable[[], Awaitable[UdpSocket]] | None = None

    @classmethod
    async def open(
        cls,
        bind: Address = Address("0.0.0.0", 0),  # noqa: B008 - an immutable value
        *,
        config: EndpointConfig | None = None,
        random: Random | None = None,
    ) -> "Endpoint":
        """Bind the socket (port 0: any free one) and start. Raises LocalError naming a port that cannot be had."""
        config = config or EndpointConfig()
        udp = await open_dual(bind, use_reader=config.use_reader, batching=config.batching)
        try:
            endpoint = cls(udp, config, random or SystemRandom())
        except BaseException:
            udp.close()
            raise
        udp.start(endpoint.detour.receive, endpoint._mux.goes_first)
        endpoint._more = lambda: open_udp(Address(bind.host, 0), use_reader=config.use_reader, batching=False)
        log.debug("listening at %s (%s)", endpoint.address, type(udp).__name__)
        return endpoint

    async def __aenter__(self) -> "Endpoint":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    # -- demultiplexing -----------------------------------------------------------------------------------------------

    def _classify(self, datagram: Buffer) -> Route[Any] | None:
        if is_utp(datagram):
            return self._utp_route
        if is_datagram(datagram):
            return self._datagram_route
        if parse_punch(datagram):
            return self._punch_route
        if is_probe(datagram):
            return self._probe_route
        if self.reflecting.machine.concerns(datagram):
            return self._reflection_route
        return self._lodgers.get(datagram[0]) if len(datagram) else None

    def _on_utp(self, event: UtpEvent) -> None:
        if type(event) is not Readable and told():
            tell_connection(event)
        if isinstance(event, Incoming):
            self._accept(event)
            return
        channel = self._channels.get(event.connection)
        if channel is not None:
            channel.handle(event)

    def _accept(self, event: Incoming) -> None:
        channel = self._adopt(event.connection)
        if self.on_stream is None or self._closing:
            log.debug("%s is refused: nobody takes connections here", event.connection.remote)
            channel.abort()
            return
        channel.handle(event)
        self.on_stream(Stream(channel, self._dropped, self._beside))

    def _adopt(self, connection: Connection) -> Channel:
        channel = self._channels[connection] = Channel(connection, self._pump, self._forget, self._loop)
        return channel

    def _forget(self, connection: Connection) -> None:
        self._channels.pop(connection, None)
        self._beside.forget(connection)

    def _dropped(self, channel: Channel) -> None:
        """A Stream became garbage: perhaps in the middle of an engine's work, perhaps on another thread."""
        if not (channel.closing or channel.over or self._loop.is_closed()):
            self._loop.call_soon_threadsafe(channel.let_go, CLOSE_TIMEOUT)

    def _on_punch(self, event: PunchEvent) -> None:
        if told():
            tell_punch(event)
        if self.on_punch is not None:
            self.on_punch(event)

    def _refused(self, to: Address, error: OSError) -> None:
        """Nothing leaves for an address: who connects there hears what the system says, instead of waiting."""
        for channel in [channel for channel in self._channels.values() if channel.connection.remote == to]:
            if not channel.opened and not channel.closing:
                self._loop.call_soon(channel.give_up, TransportClosed(f"nothing can be sent there: {error.strerror}"))

    def _too_long(self, to: Address, size: int) -> None:
        log.debug("the system says that %d bytes are too long for the path to %s", size, to)
        for address, was in self.detour.too_long(to, size):
            self._mux.too_long(address, was, self._pump.now())
            self._beside.mux.too_long(address, was, self._pump.now())

    # -- verbs --------------------------------------------------------------------------------------------------------

    def hear(
        self, on_stream: Callable[[Stream], None] | None = None, on_punch: Callable[[PunchEvent], None] | None = None
    ) -> None:
        """Hand accepted streams and punch events to these from now on; without them streams are refused."""
        self.on_stream, self.on_punch = on_stream, on_punch
        self._mux.accepts = True

    def mark(self, marks: Marks) -> None:
        """Say from now on, of new connections, that we can do this; `EndpointConfig.utp` has what is said at first."""
        self._mux.mark(marks)

    def keep_alive(self, every: float) -> None:
        """Say something over each connection after so many silent seconds (`core.nat.keeping`)."""
        self._mux.keep_alive(every)
        self._pump.flush()

    def speak(self, to: Address | None = None, *, rest: bool = False) -> None:
        """Say something over all connections, or those with a remote; `rest`: and then little (`Below.speak`)."""
        self._mux.speak(self._pump.now(), to, rest=rest)
        self._pump.flush()

    async def connect(self, remote: Address, *, timeout: float) -> Stream:
        """Open a stream to `remote` within `timeout` seconds; 0.0.0.0 means this machine.

        Raises RequestTimeout, TransportClosed when it was refused, LocalError for a name that does not resolve or
        when there are too many connections.
        """
        self._require_open()
        channel: Channel | None = None
        try:
            async with asyncio.timeout(timeout):
                remote = await destination(remote)
                self._require_open(remote)
                log.debug("connecting to %s, for %g s at most", remote, timeout)
                channel = self._adopt(self._mux.connect(remote, self._pump.now()))
                self._pump.flush()
                await channel.wait_opened()
        except TimeoutError:
            log.debug("%s did not answer within %g s", remote, timeout)
            if channel is not None:
                channel.abort()
            raise RequestTimeout(f"{remote} did not answer within {round(timeout, 2):g} s") from None
        except asyncio.CancelledError:
            if channel is not None:
                channel.abort()
            raise
        return Stream(channel, self._dropped, self._beside)

    def punch(self, remote: Address, *, packets: int | None = None, openers: int = 0) -> None:
        """Start, or join, a series of punches to a numeric address. Raises LocalError when it cannot be punched.

        `packets` and `openers` as `core.punch.puncher.Puncher.punch` has them.
        """
        self._require_open(remote)
        if told():
            log.debug("punching %s: %s packets, %d of them openers", remote, packets or "the usual", openers)
        self._puncher.punch(remote, self._pump.now(), packets=packets, openers=openers)
        self._pump.flush()

    def round_trip(self, remote: Address) -> float | None:
        """Return the round trip of a connection with `remote` in seconds, the least of several; None: unknown."""
        found = [each.quality()[0] for each in self._channels if each.remote == remote]
        return min(filter(None, found), default=None)

    def lodge(self, first: int, machine: Machine[Any], on_event: Callable[[Any], None], *also: int) -> Lodging:
        """Give one more engine the datagrams that begin with these bytes and are nobody else's, and its turns.

        One that can tell when it is `idle` is not asked then.
        """
        route = Route(machine, on_event, idle=getattr(machine, "idle", None))
        self._lodgers.update(dict.fromkeys((first, *also), route))
        self._pump.add(route)

        def leave() -> None:
            for each in (first, *also):
                if self._lodgers.get(each) is route:
                    del self._lodgers[each]
            self._pump.remove(route)

        return Lodging(self._pump.now, self._pump.flush, leave)

    async def another(self) -> UdpSocket:
        """Open one more socket where ours is, at any free port. Raises LocalError."""
        self._require_open()
        if self._more is None:
            raise LocalError("there are no further sockets here")
        return await self._more()

    def send_probe(self, burst: Burst) -> None:
        """Send a probe from the serving socket, or from the one that its remote is reached by."""
        if not self._closing:
            self.detour.sockets.send(burst)

    def adopt(self, udp: UdpSocket, remote: Address) -> None:
        """Reach a remote from this socket from now on; it closes with this endpoint, or when it falls silent."""
        if self._closing:
            udp.close()
        else:
            self.detour.sockets.adopt(udp, remote)

    def statistics(self) -> EndpointStatistics:
        """Return the counts so far."""
        udp, utp = self._udp.statistics(), self._mux.statistics()
        return EndpointStatistics(
            received=udp.received,
            sent=udp.sent,
            dropped_unknown=self._pump.dropped_unknown,
            dropped_malformed=utp.dropped_malformed,
            icmp_errors=udp.icmp_errors,
            send_errors=udp.send_errors,
            send_dropped=udp.send_dropped,
            receive_dropped=udp.receive_dropped,
            batches_sent=udp.batches_sent,
            batches_received=udp.batches_received,
            batches_refused=udp.batches_refused,
            bytes_received=udp.bytes_received,
            bytes_sent=udp.bytes_sent,
            failures=self._pump.failures,
            streams=len(self._channels),
            utp=utp,
            punch=self._puncher.statistics(),
            datagrams=self._beside.mux.statistics(),
        )

    def talks(self, remote: Address) -> bool:
        """Return whether a connection runs with this remote."""
        return any(each.remote == remote for each in self._channels)

    def quality(self) -> list[tuple[Address, float | None, float]]:
        """Return of each connection: its remote, its round trip in seconds, and the share of bytes lost lately."""
        return [(each.remote, *each.quality()) for each in self._channels]

    def _require_open(self, remote: Address | None = None) -> None:
        if self._closing:
            raise LocalError(f"the endpoint {self.address} is closed: open a new one")
        require_kind(remote, six=self.six)

    # -- closing ------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Close all streams (at most 0.3 s for what is queued), and the socket. Idempotent."""
        if self._closing:
            await self._closed.wait()
            await self._udp.wait_closed()
            return
        self._closing = True
        try:
            await self._finish_streams()
        finally:
            self._shut()
            self._closed.set()
            log.debug("%s is closed", self.address)
        await self._udp.wait_closed()

    async def _finish_streams(self) -> None:
        channels = list(self._channels.values())
        for channel in channels:
            (channel.finish if channel.opened else channel.abort)()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_TIMEOUT):
                for channel in channels:
                    await channel.wait_over()

    def _shut(self) -> None:
        for channel in list(self._channels.values()):
            channel.abort()
        self._pump.flush()
        self._pump.close()
        self.detour.sockets.close()
        self._udp.close()
