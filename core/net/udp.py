"""One UDP socket: datagrams arrive in batches, leave in bursts, and no send or ICMP error ever raises.

Where the loop has `add_reader` (every POSIX loop, qasync's included) the socket is drained directly: one wake-up
takes up to `DRAIN_MAX` datagrams. Elsewhere (Windows proactor) asyncio's datagram transport does the work.
"""

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

from core.errors import LocalError
from core.net.socket_options import configure, default_uses_reader
from core.values import Address, Buffer, Burst

DRAIN_MAX = 64  # datagrams per wake-up: 64 x 1400 bytes take some 1 ms to handle, a twentieth of a GUI slot's 20 ms
DATAGRAM_MAX = 65535  # bytes; the UDP length field. Asking for all of it costs no more than asking for 2048 (measured)
QUEUE_MAX = 2048  # datagrams waiting for a full kernel buffer: 3 MB at 1400 bytes, the order of the kernel's own 4 MiB
TRANSPORT_BUFFER_MAX = 4 << 20  # bytes; the same bound where asyncio's transport does the queueing

Received = tuple[Address, list[Buffer]]
"""Datagrams that arrived one after the other from one source."""


class Receiver(Protocol):
    """Who takes what arrives; called once per wake-up, buffers are only valid during the call."""

    def __call__(self, batch: Sequence[Received], /) -> None: ...


@dataclass(frozen=True, slots=True)
class UdpStatistics:
    """Counts, in datagrams unless named otherwise, since the socket opened."""

    received: int
    sent: int
    send_errors: int  # the kernel refused one: no route, forbidden, too long, ...
    send_dropped: int  # our queue for a full kernel buffer overflowed
    icmp_errors: int  # errors about earlier datagrams that the kernel told us of


class _Tally:
    """The mutable side of UdpStatistics."""

    __slots__ = ("icmp_errors", "received", "send_dropped", "send_errors", "sent")

    def __init__(self) -> None:
        self.received = self.sent = self.send_errors = self.send_dropped = self.icmp_errors = 0


class UdpSocket(Protocol):
    """What `open_udp` returns. Nothing arrives before `start`; after `close` nothing leaves or arrives."""

    address: Address

    def start(self, receiver: Receiver) -> None:
        """Hand every batch that arrives from now on to `receiver`."""

    def send(self, burst: Burst) -> None:
        """Send, or queue, or drop and count. Never raises."""

    def statistics(self) -> UdpStatistics:
        """Return the counts so far."""

    def close(self) -> None:
        """Close the socket at once; idempotent. What the kernel has not taken is lost."""

    async def wait_closed(self) -> None:
        """Wait, after `close`, until the loop has let go of the socket: its port is free again."""


async def open_udp(bind: Address, *, use_reader: bool | None = None) -> UdpSocket:
    """Open a socket bound to `bind` (port 0: any free one).

    `use_reader` forces the direct (True) or the transport (False) way; None picks what the loop can do.
    Raises LocalError that names the port and what to do when the address cannot be had.
    """
    loop = asyncio.get_running_loop()
    target = await resolve(bind)
    sock = _bound_socket(target)
    try:
        if default_uses_reader(loop) if use_reader is None else use_reader:
            return _ReaderSocket(sock, loop)
        protocol = _TransportSocket(sock)
        await loop.create_datagram_endpoint(lambda: protocol, sock=sock)
        return protocol
    except BaseException:
        sock.close()
        raise


async def resolve(address: Address) -> Address:
    """Return `address` with its host as canonical IPv4 text, asking the resolver for names.

    Raises LocalError for a name without an IPv4 address and for a port out of range.
    """
    if not 0 <= address.port <= 65535:
        raise LocalError(f"{address.port} is not a UDP port: use a number from 1 to 65535")
    try:
        return Address(socket.inet_ntoa(socket.inet_aton(address.host)), address.port)
    except OSError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            address.host, address.port, family=socket.AF_INET, type=socket.SOCK_DGRAM
        )
    except (OSError, UnicodeError) as error:
        raise LocalError(f"the name {address.host!r} has no IPv4 address ({error}): check its spelling") from error
    return Address(str(found[0][4][0]), address.port)


def _bound_socket(bind: Address) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        configure(sock)
        sock.bind(bind)
    except OSError as error:
        sock.close()
        raise LocalError(_bind_advice(bind, error)) from error
    return sock


def _bind_advice(bind: Address, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"UDP port {bind.port} is in use by another program: close that program or choose another port"
    if error.errno == errno.EACCES:
        return f"UDP port {bind.port} is forbidden here: choose a port from 1024 to 65535, or 0 for any free one"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this machine has no address {bind.host} for UDP port {bind.port}: use 0.0.0.0 for all its addresses"
    return f"UDP port {bind.port} on {bind.host} cannot be opened ({error}): choose another port or address"


class _Waiting(NamedTuple):
    """A datagram that waits for room in the kernel's buffer."""

    data: bytes
    to: Address


class _ReaderSocket:
    """The direct way: recvfrom and sendto on a non-blocking socket, woken by add_reader / add_writer."""

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        host, port = sock.getsockname()
        self.address = Address(host, port)
        self._sock = sock
        self._loop = loop
        self._fd = sock.fileno()
        self._receiver: Receiver | None = None
        self._queue: deque[_Waiting] = deque()
        self._tally = _Tally()
        self._closed = False

    def start(self, receiver: Receiver) -> None:
        """See UdpSocket."""
        self._receiver = receiver
        if not self._closed:
            self._loop.add_reader(self._fd, self._drain)

    def _drain(self) -> None:
        """Take what is there, at most DRAIN_MAX; the loop calls again for the rest."""
        if self._closed or self._receiver is None:
            return
        batch: list[Received] = []
        last: tuple[str, int] | None = None
        group: list[Buffer] = []
        for _ in range(DRAIN_MAX):
            try:
                data, source = self._sock.recvfrom(DATAGRAM_MAX)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # an ICMP answer to something sent earlier; it says nothing about the next datagram
                self._tally.icmp_errors += 1
                continue
            self._tally.received += 1
            if source != last:
                last, group = source, []
                batch.append((Address(*source), group))
            group.append(data)
        if batch:
            self._receiver(batch)

    def send(self, burst: Burst) -> None:
        """See UdpSocket. The one place where datagrams leave: a whole burst is at hand, for one destination."""
        if self._closed:
            return
        if self._queue:  # keep the order
            self._enqueue(burst.to, burst.datagrams)
            return
        if not _is_sendable(burst.to):
            self._tally.send_errors += len(burst.datagrams)
            return
        for index, data in enumerate(burst.datagrams):
            if not self._try_send(data, burst.to):
                self._enqueue(burst.to, burst.datagrams[index:])
                self._loop.add_writer(self._fd, self._flush_queue)
                return

    def _try_send(self, data: bytes, to: Address) -> bool:
        """Return False when the kernel's buffer is full; every other outcome is final and counted."""
        try:
            self._sock.sendto(data, to)
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionError:  # the pending ICMP error of an earlier datagram: told once, and this one did not leave
            self._tally.icmp_errors += 1
            return self._send_again(data, to)
        except OSError:
            self._tally.send_errors += 1
            return True
        self._tally.sent += 1
        return True

    def _send_again(self, data: bytes, to: Address) -> bool:
        try:
            self._sock.sendto(data, to)
        except OSError:
            self._tally.send_errors += 1
        else:
            self._tally.sent += 1
        return True

    def _enqueue(self, to: Address, datagrams: Sequence[bytes]) -> None:
        room = QUEUE_MAX - len(self._queue)
        self._queue.extend(_Waiting(data, to) for data in datagrams[:room])
        self._tally.send_dropped += max(0, len(datagrams) - room)

    def _flush_queue(self) -> None:
        while self._queue and not self._closed:
            data, to = self._queue[0]
            if not self._try_send(data, to):
                return
            self._queue.popleft()
        if not self._closed:
            self._loop.remove_writer(self._fd)

    def statistics(self) -> UdpStatistics:
        """See UdpSocket."""
        return _snapshot(self._tally)

    def close(self) -> None:
        """See UdpSocket."""
        if self._closed:
            return
        self._closed = True
        if not self._loop.is_closed():
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
        self._queue.clear()
        self._sock.close()

    async def wait_closed(self) -> None:
        """See UdpSocket."""


class _TransportSocket(asyncio.DatagramProtocol):
    """The portable way: asyncio's datagram transport reads, queues and reports errors."""

    def __init__(self, sock: socket.socket) -> None:
        host, port = sock.getsockname()
        self.address = Address(host, port)
        self._transport: asyncio.DatagramTransport | None = None
        self._receiver: Receiver | None = None
        self._tally = _Tally()
        self._paused = False
        self._lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio gave us the transport."""
        self._transport = cast(asyncio.DatagramTransport, transport)  # asyncio's own class is no subclass of it
        if isinstance(transport, asyncio.WriteTransport):
            transport.set_write_buffer_limits(high=TRANSPORT_BUFFER_MAX)

    def start(self, receiver: Receiver) -> None:
        """See UdpSocket."""
        self._receiver = receiver

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """One datagram arrived; what comes before `start` is dropped, as by a socket that is not open yet."""
        if self._receiver is not None:
            self._tally.received += 1
            self._receiver([(Address(*addr), [data])])

    def error_received(self, exc: Exception) -> None:
        """A send failed, or an ICMP error came back: counted, nothing else (Windows reports it as WinError 10054)."""
        if isinstance(exc, ConnectionError):
            self._tally.icmp_errors += 1
        else:
            self._tally.send_errors += 1

    def pause_writing(self) -> None:
        """The transport's queue is full."""
        self._paused = True

    def resume_writing(self) -> None:
        """The transport's queue has room again."""
        self._paused = False

    def send(self, burst: Burst) -> None:
        """See UdpSocket."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if not _is_sendable(burst.to):
            self._tally.send_errors += len(burst.datagrams)
            return
        for data in burst.datagrams:
            if self._paused:
                self._tally.send_dropped += 1
                continue
            refused = self._tally.send_errors + self._tally.icmp_errors
            transport.sendto(data, burst.to)  # reports errors to error_received, at once or later
            if refused == self._tally.send_errors + self._tally.icmp_errors:
                self._tally.sent += 1

    def statistics(self) -> UdpStatistics:
        """See UdpSocket."""
        return _snapshot(self._tally)

    def close(self) -> None:
        """See UdpSocket."""
        self._receiver = None
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio has closed the socket."""
        self._lost.set()

    async def wait_closed(self) -> None:
        """See UdpSocket."""
        await self._lost.wait()


def _is_sendable(to: Address) -> bool:
    """Tell whether `to` is numeric and in range.

    sendto would block the loop on a name, and a port out of range kills asyncio's transport.
    """
    try:
        socket.inet_pton(socket.AF_INET, to.host)
    except (OSError, ValueError):
        return False
    return 0 < to.port <= 65535


def _snapshot(tally: _Tally) -> UdpStatistics:
    return UdpStatistics(tally.received, tally.sent, tally.send_errors, tally.send_dropped, tally.icmp_errors)
