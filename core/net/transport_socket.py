"""The portable UDP socket: asyncio's datagram transport reads, queues and reports errors."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, cast

from core.net.time_to_live import lowered
from core.net.udp_socket import NO_WAY, Receiver, Tally, UdpStatistics, goes_out, is_sendable, named, placed
from core.values import Address, Buffer, Burst

TRANSPORT_BUFFER_MAX = 4 << 20  # bytes that wait for a full kernel buffer: the order of the kernel's own 4 MiB


class TransportSocket(asyncio.DatagramProtocol):
    """See UdpSocket. One datagram per wake-up and per system call.

    The system may fragment what leaves here, so a long datagram that must not be is dropped.
    """

    def __init__(self, sock: socket.socket) -> None:
        host, port = sock.getsockname()[:2]
        self.address = Address(host, port)
        self._family = int(sock.family)
        self.on_too_long: Callable[[Address, int], None] | None = None
        self.on_refused: Callable[[Address, OSError], None] | None = None
        self._sending: Address | None = None  # where to, while `sendto` is called
        self._sock = sock
        self._transport: asyncio.DatagramTransport | None = None
        self._receiver: Receiver | None = None
        self._tally = Tally()
        self._paused = False
        self._lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio gave us the transport."""
        self._transport = cast(asyncio.DatagramTransport, transport)  # asyncio's own class is no subclass of it
        if isinstance(transport, asyncio.WriteTransport):
            transport.set_write_buffer_limits(high=TRANSPORT_BUFFER_MAX)

    def start(self, receiver: Receiver, first: Callable[[Address, Buffer], bool] | None = None) -> None:
        """See UdpSocket. Here the loop itself reads, so that nobody goes first."""
        self._receiver = receiver

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """One datagram arrived; what comes before `start` is dropped, as by a socket that is not open yet."""
        if self._receiver is not None:
            self._tally.received += 1
            self._tally.bytes_received += len(data)
            self._receiver([(Address(*addr) if len(addr) == 2 else named(addr), [data])])

    def error_received(self, exc: Exception) -> None:
        """A send failed, or an ICMP error came back: counted, nothing else (Windows reports it as WinError 10054)."""
        if isinstance(exc, ConnectionError):
            self._tally.icmp_errors += 1
        else:
            self._tally.send_errors += 1
            told = self.on_refused
            if told is not None and self._sending is not None and isinstance(exc, OSError) and exc.errno in NO_WAY:
                told(self._sending, exc)

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
        if not is_sendable(burst.to, self._family):
            self._tally.send_errors += len(burst.datagrams)
            return
        if burst.ttl is not None:
            with lowered(self._sock, burst.ttl):  # what waits for a full kernel buffer leaves later, as far as ever
                self._send_all(transport, burst)
        else:
            self._send_all(transport, burst)

    def _send_all(self, transport: asyncio.DatagramTransport, burst: Burst) -> None:
        try:
            where = placed(burst.to)
        except OSError:  # an interface that is gone
            self._tally.send_errors += len(burst.datagrams)
            return
        for data in burst.datagrams:
            if self._paused or not goes_out(data, burst.fragments, avoids=False):
                self._tally.send_dropped += 1
                continue
            refused = self._tally.send_errors + self._tally.icmp_errors
            self._sending = burst.to
            transport.sendto(data, where)  # reports errors to error_received, at once or later
            self._sending = None
            if refused == self._tally.send_errors + self._tally.icmp_errors:
                self._tally.sent += 1
                self._tally.bytes_sent += len(data)

    def statistics(self) -> UdpStatistics:
        """See UdpSocket."""
        return self._tally.snapshot()

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
