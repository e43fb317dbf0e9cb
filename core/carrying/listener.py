"""Taking carriers: a TCP port, what comes by each connection, and how much one host may have.

What comes by a carrier counts as having come from an address that stands for the connection (`core.scope.CARRIED`),
since its own is one of TCP: nothing of UDP is sent there. Its host is the same for all connections of one host.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol, cast

from core.aio.listening import listening
from core.aio.turns import Turns
from core.carrying.carrier import Carrier
from core.carrying.config import (
    AT_ONCE,
    BURST,
    FRIENDS,
    GRACE,
    HEAD_MAX,
    LONGEST,
    NEW,
    NEW_AT_ONCE,
    NEW_HOST,
    NEW_HOST_AT_ONCE,
    PATH,
    QUEUED,
    RATE,
    SHAKING,
    SILENT,
    SWEEP_EVERY,
)
from core.errors import LocalError
from core.frozen import frozen
from core.grenache.config import HEAD_TIME, Tls
from core.grenache.heads import MALFORMED, switching
from core.grenache.hosts import network
from core.limits import bounds
from core.limits.fair import FairTable
from core.limits.rate import HostRates, TokenBucket
from core.limits.table import BoundedTable
from core.net.detour import Detour
from core.scope import CARRIED, site
from core.values import Address
from core.wire.websocket_frame import GOING_AWAY, VERSION, FrameError, FrameReader, Kind, close_frame, frame, is_key

if TYPE_CHECKING:
    from core.grenache.tls import TlsProtocol  # pyOpenSSL, loaded where there is TLS

BACKLOG = 64  # connections that the kernel keeps for us
_log = logging.getLogger(__name__)


class Base(Protocol):
    """What is needed of the endpoint."""

    detour: Detour

    def talks(self, remote: Address) -> bool:
        """Return whether a connection of ours runs with this remote."""


@frozen
class CarrierStatistics:
    """`carriers` is now; the others count since the start. Datagrams unless named otherwise."""

    carriers: int
    taken: int
    over_rate: int
    turned_away: int  # connections


class CarrierListener:
    """`trusted(address)`: a friend is at the other end, as an encrypted session over it says."""

    def __init__(self, base: Base, trusted: Callable[[Address], bool]) -> None:
        self._base, self._trusted = base, trusted
        self._carriers: FairTable[Accepted, None, str] = FairTable(
            bounds.CARRIERS, bounds.CARRIERS_HOST, kept=bounds.CARRIERS_KEPT
        )
        self._servers: list[asyncio.Server] = []
        self._shaking: FairTable[TlsProtocol, None, str] = FairTable(SHAKING, bounds.CARRIERS_HOST)
        self._new = TokenBucket(NEW, NEW_AT_ONCE)
        self._hosts = HostRates(NEW_HOST, NEW_HOST_AT_ONCE, bounds.CALLERS)
        self._friends: BoundedTable[str, None] = BoundedTable(FRIENDS)  # hosts
        self._secret = os.urandom(16)
        self._port = 1024
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.turns = Turns()
        self.taken = self.over_rate = self.turned_away = 0

    async def listen(self, host: str, port: int, tls: Tls | None = None) -> Address:
        """Take carriers at a TCP port too. Raises LocalError for a port that is taken, or TLS files of no use."""
        context = None
        if tls is not None:
            from core.grenache.tls import TlsProtocol, server_context

            context = await asyncio.to_thread(server_context, tls)

        def accepted() -> asyncio.BaseProtocol:
            if context is None:
                return Accepted(self)
            return TlsProtocol(context, lambda: Accepted(self, counted=True), self)

        try:
            server = await self._loop.create_server(accepted, sock=listening(host, port, BACKLOG), backlog=BACKLOG)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise LocalError(f"TCP port {port} cannot be opened: {why}; choose another one", name="ERR_PORT") from None
        self._servers.append(server)
        if self._timer is None:
            self._timer = self._loop.call_later(SWEEP_EVERY, self._sweep)
        return Address(*server.sockets[0].getsockname()[:2])

    @property
    def listening(self) -> bool:
        """Whether any port is open."""
        return bool(self._servers)

    def close(self) -> None:
        """Take no carriers, and end those there are."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        for each in list(self._carriers):
            each.abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def statistics(self) -> CarrierStatistics:
        """Return the counts so far."""
        return CarrierStatistics(len(self._carriers), self.taken, self.over_rate, self.turned_away)

    # -- for the connections ------------------------------------------------------------------------------------------

    def connected(self, connection: "TlsProtocol", host: str, *, trusted: bool) -> None:
        """Take one that begins a TLS handshake; see `core.grenache.tls.Server`."""
        if not self.welcomes(host):
            connection.abort()
            return
        for gone in self._shaking.put(connection, None, host):
            self.turned_away += 1
            gone.key.abort()

    def disconnected(self, connection: "TlsProtocol") -> None:
        """Forget one whose handshake is over."""
        self._shaking.pop(connection)

    def welcomes(self, host: str) -> bool:
        """Return whether one more connection of a host is taken now, and count it; friends' hosts wait for nobody."""
        now, whose = self._loop.time(), site(host) or host
        if self._servers and self._hosts.take(host, now) and (whose in self._friends or self._new.take(now)):
            return True
        self.turned_away += 1
        return False

    def admit(self, one: "Accepted") -> Address | None:
        """Give a connection a place, and an address that stands for it; None: friends have all that there are."""
        for gone in self._carriers.put(one, None, one.host):
            self.turned_away += 1
            if gone.key is one:
                return None
            gone.key.abort()
        made = blake2b(one.host.encode(), digest_size=3, key=self._secret).digest()
        taken = {each.remote for each in self._carriers}
        while True:
            self._port = self._port + 1 if self._port < 65535 else 1024
            stands = Address(f"{CARRIED}{made[0]}.{made[1]}.{made[2]}", self._port)
            if stands not in taken:  # ports come round after 18 hours of newcomers
                return stands

    def opened(self, one: "Accepted", carrier: Carrier) -> None:
        """Send to it by this."""
        self._base.detour.sockets.carry(one.remote, carrier)

    def receive(self, one: "Accepted", datagrams: list[bytes]) -> None:
        """Take what came."""
        self.taken += len(datagrams)
        self._base.detour.receive([(one.remote, datagrams)])

    def gone(self, one: "Accepted") -> None:
        """Forget a connection."""
        self._carriers.pop(one)
        self._base.detour.sockets.uncarry(one.remote)

    def _sweep(self) -> None:
        now = self._loop.time()
        for each in list(self._carriers):
            silent, young = now - each.heard_at > SILENT, now - each.since < GRACE
            if silent or not (young or self._base.talks(each.remote)):
                each.abort()
            elif not each.kept and self._trusted(each.remote):
                each.kept = True
                self._friends[site(each.host) or each.host] = None
                self._carriers.put(each, None, each.host, kept=True)
        self._timer = self._loop.call_later(SWEEP_EVERY, self._sweep)


class Accepted(asyncio.Protocol):
    """One accepted connection, from its request for an upgrade on."""

    def __init__(self, listener: CarrierListener, *, counted: bool = False) -> None:
        """`counted`: as a newcomer, before its TLS handshake."""
        self._listener, self._counted = listener, counted
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._upgraded = False
        self._reader = FrameReader(LONGEST, masked=True, at_once=AT_ONCE)
        self._unread = b""
        self._waits = False  # for its turn, unread
        self._rate = TokenBucket(RATE, BURST)
        self._due: asyncio.TimerHandle | None = None
        self.since = self.heard_at = self._loop.time()
        self.remote = Address("", 0)
        self.host = ""
        self.kept = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the upgrade."""
        self._transport = cast(asyncio.Transport, transport)
        self.host = network(str((transport.get_extra_info("peername") or ("", 0))[0]))
        welcome = self._counted or self._listener.welcomes(self.host)
        remote = self._listener.admit(self) if welcome else None
        if remote is None:
            self._transport.abort()
            return
        self.remote = remote
        self._due = self._loop.call_later(HEAD_TIME, self.abort)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if not self._upgraded:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end and len(head) <= HEAD_MAX:
                return
            self._head = b""
            if not end or len(head) > HEAD_MAX or not self._upgrade(head):
                self._refuse(MALFORMED)
                return
        self._feed(data)

    def _upgrade(self, head: bytes) -> bool:
        key = upgrade_key(head)
        if key is None or self._transport is None:
            return False
        if self._due is not None:
            self._due.cancel()
        self._upgraded = True
        self._transport.write(switching(key))
        self._listener.opened(self, Carrier(self._write, self._unsent, self.abort))
        return True

    def _feed(self, data: bytes) -> None:
        """Take what came, as far as this turn of the loop has time for it: one read brings thousands of datagrams."""
        turns = self._listener.turns
        self._unread += data
        if self._waits:
            return
        more = True
        if turns.free(trusted=self.kept):
            began = turns.now()
            data, self._unread = self._unread, b""
            self._take(data)
            turns.charge(began)
            more = self._reader.more
        if more and self._transport is not None:
            self._waits = True
            self._transport.pause_reading()
            turns.later(self._go_on, trusted=self.kept)

    def _go_on(self) -> None:
        self._waits = False
        if self._transport is not None:
            self._transport.resume_reading()
            self._feed(b"")

    def _take(self, data: bytes) -> None:
        datagrams: list[bytes] = []
        try:
            for kind, message in self._reader.feed(data):
                if kind is Kind.BINARY and message:
                    datagrams.append(message)
                elif kind is Kind.PING and self._transport is not None:
                    if self._unsent() > QUEUED:  # it asks whether we are there, and takes no answer
                        self.abort()
                        return
                    self._transport.write(frame(Kind.PONG, message))
                elif kind is not Kind.PONG:
                    self._refuse(close_frame(GOING_AWAY))
                    return
        except FrameError as error:
            self._refuse(close_frame(error.code))
            return
        now = self._loop.time()
        taken = [each for each in datagrams if self._rate.take(now, len(each))]
        self._listener.over_rate += len(datagrams) - len(taken)
        if taken:
            self.heard_at = now
            self._listener.receive(self, taken)

    def _write(self, datagram: bytes) -> None:
        if self._transport is not None:
            self._transport.write(frame(Kind.BINARY, datagram))

    def _unsent(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def _refuse(self, last: bytes) -> None:
        if self._transport is not None:
            self._transport.write(last)
            self._transport.close()

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell."""
        self._transport = None
        if self._due is not None:
            self._due.cancel()
        self._listener.gone(self)


def upgrade_key(head: bytes) -> str | None:
    """Return the key of a request for a carrier (RFC 6455 section 4.2.1); None for anything else."""
    request, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    key = fields.get("sec-websocket-key")
    if request != f"GET {PATH} HTTP/1.1" or fields.get("upgrade", "").lower() != "websocket":
        return None
    return key if is_key(key) and fields.get("sec-websocket-version") == VERSION else None
