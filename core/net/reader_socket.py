"""The direct UDP socket: system calls on a non-blocking socket, woken by add_reader / add_writer.

Datagrams of equal size leave many per call where the kernel can cut them (`core.net.segmentation`). What it refuses
to cut leaves one by one in the same breath, so a refusal costs time and no data.
"""

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from core.net.asked_at import AskedAt
from core.net.crowd import Crowd
from core.net.fragmentation import Fragmentation
from core.net.intake import Intake, JoinedIntake, Name, PlainIntake
from core.net.segmentation import Refusals, batch_end, can_segment, join_arrivals, segment_size
from core.net.time_to_live import lowered
from core.net.udp_socket import (
    NO_WAY,
    Receiver,
    Tally,
    UdpStatistics,
    goes_out,
    is_sendable,
    named,
    named_four,
    placed,
)
from core.values import Address, Buffer, Burst, Fragments

QUEUE_MAX = 2048  # datagrams waiting for a full kernel buffer: 3 MB at 1400 bytes, the order of the kernel's own 4 MiB
QUEUE_BYTES = 4 << 20  # bytes of them; binds where a path takes datagrams far longer than Ethernet's, as loopback does
DATAGRAM_MAX = 65_507  # bytes that IPv4 can carry at all, in fragments or not
FLUSH_MAX = 512  # of them per wake-up: about 1 ms one by one


class ReaderSocket:
    """See UdpSocket. `batching` False: one datagram per system call, for comparison."""

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop, *, batching: bool = True) -> None:
        host, port = sock.getsockname()[:2]
        self.address = Address(host, port)
        self._family = int(sock.family)
        self._six = sock.family == socket.AF_INET6
        self._sock = sock
        self._loop = loop
        self._fd = sock.fileno()
        self._tally = Tally()
        self._fragmentation = Fragmentation(sock)
        self.on_too_long: Callable[[Address, int], None] | None = None
        self.on_refused: Callable[[Address, OSError], None] | None = None
        joined = batching and join_arrivals(sock)
        self._asked_at = AskedAt(sock) if joined else None
        name: Name = named if sock.family == socket.AF_INET6 else named_four
        self._intake: Intake = PlainIntake(sock, self._tally, name=name)
        if joined:
            self._intake = JoinedIntake(sock, self._tally, asked_at=self._asked_at, name=name)
        self._segments = batching and can_segment(sock)
        self.batches = joined and self._segments  # both ways
        self._refusals = Refusals()
        self._receiver: Receiver | None = None
        self._booked = False  # what was read and waits is looked after in the loop's next turn
        self._sendable: Address | None = None  # the newest destination, unless nothing can be sent there
        self._queue: deque[Burst] = deque()
        self._queued = self._queued_bytes = 0
        self._closed = False

    def start(self, receiver: Receiver, first: Callable[[Address, Buffer], bool] | None = None) -> None:
        """See UdpSocket."""
        self._receiver = receiver
        self._intake.crowd = None if first is None else Crowd(first)
        if not self._closed:
            self._loop.add_reader(self._fd, self._drain)

    def _drain(self) -> None:
        if self._booked or self._closed or self._receiver is None:
            return
        if self._intake.drain(self._receiver) and not self._closed:
            self._booked = True
            self._loop.call_soon(self._drain_booked)

    def _drain_booked(self) -> None:
        self._booked = False
        self._drain()

    # -- sending ------------------------------------------------------------------------------------------------------

    def send(self, burst: Burst) -> None:
        """See UdpSocket. The one place where datagrams leave: a whole burst is at hand, for one destination."""
        if self._closed:
            return
        if burst.to != self._sendable:
            self._sendable = burst.to if is_sendable(burst.to, self._family) else None
        if self._sendable is None:
            self._tally.send_errors += len(burst.datagrams)
            return
        if self._queue:  # keep the order
            self._enqueue(burst)
            return
        settled = self._offer(burst)
        if settled < len(burst.datagrams):
            self._enqueue(replace(burst, datagrams=burst.datagrams[settled:]))
            self._loop.add_writer(self._fd, self._flush_queue)

    def _offer(self, burst: Burst) -> int:
        """Send in order; return how many are settled (sent, or refused and counted): fewer when the kernel is full."""
        if burst.ttl is not None:
            with lowered(self._sock, burst.ttl):
                return self._offer_all(burst)
        if burst.fragments is Fragments.ALLOW:
            with self._fragmentation.allowed():
                return self._offer_all(burst)
        return self._offer_all(burst)

    def _offer_all(self, burst: Burst) -> int:
        to, datagrams, fragments = burst.to, burst.datagrams, burst.fragments
        start = 0
        while start < len(datagrams):
            plain = len(datagrams) == 1 or not self._segments or fragments is not Fragments.AVOID
            end = len(datagrams) if plain else batch_end(datagrams, start)
            try:
                if plain or end - start == 1 or not self._send_batch(to, datagrams[start:end]):
                    while start < end:
                        self._send_one(to, datagrams[start], fragments)
                        start += 1
            except (BlockingIOError, InterruptedError):
                return start
            start = end
        return start

    def _send_batch(self, to: Address, batch: list[bytes]) -> bool:
        """Send in one call. False: not one of them left. Raises BlockingIOError when the kernel's buffer is full."""
        size = len(batch[0])
        if self._refusals and self._refusals.stops(to, size, self._loop.time()):
            return False
        ancillary = segment_size(size)
        if self._asked_at is not None:
            ancillary += self._asked_at.ancillary(to)
        try:
            where = placed(to) if self._six else to
            try:
                self._sock.sendmsg(batch, ancillary, 0, where)
            except ConnectionError:  # as in _send_one
                self._tally.icmp_errors += 1
                self._sock.sendmsg(batch, ancillary, 0, where)
        except (BlockingIOError, InterruptedError):
            raise
        except OSError as error:
            if len(ancillary) > 1 and self._asked_at is not None:
                self._asked_at.forget(to)
            self._tally.batches_refused += 1
            self._refusals.note(error.errno, to, size, self._loop.time())
            return False
        self._tally.batches_sent += 1
        self._tally.sent += len(batch)
        self._tally.bytes_sent += size * (len(batch) - 1) + len(batch[-1])  # all but the last are as long as the first
        return True

    def _send_one(self, to: Address, data: bytes, fragments: Fragments) -> None:
        """Send, or count why not. Raises BlockingIOError when the kernel's buffer is full."""
        if not goes_out(data, fragments, avoids=self._fragmentation.avoids):
            self._tally.send_dropped += 1
            return
        try:
            try:
                self._put(to, data)
            except ConnectionError:  # the pending ICMP error of an earlier datagram: told once, this one did not leave
                self._tally.icmp_errors += 1
                self._put(to, data)
        except (BlockingIOError, InterruptedError):
            raise
        except OSError as error:
            if error.errno != errno.EMSGSIZE or fragments is Fragments.ALLOW or len(data) > DATAGRAM_MAX:
                self._tally.send_errors += 1
                if error.errno in NO_WAY and self.on_refused is not None:
                    self.on_refused(to, error)
            else:
                self._send_too_long(to, data, fragments)
        else:
            self._tally.sent += 1
            self._tally.bytes_sent += len(data)

    def _put(self, to: Address, data: bytes) -> None:
        """Send from the address that was asked, or, where that is ours no longer, from any."""
        ancillary = self._asked_at.ancillary(to) if self._asked_at is not None else None
        where = placed(to) if self._six else to
        if not ancillary:
            self._sock.sendto(data, where)
            return
        try:
            self._sock.sendmsg((data,), ancillary, 0, where)
        except (BlockingIOError, InterruptedError, ConnectionError):
            raise
        except OSError as error:
            if error.errno == errno.EMSGSIZE or self._asked_at is None:
                raise
            self._asked_at.forget(to)
            self._sock.sendto(data, where)

    def _send_too_long(self, to: Address, data: bytes, fragments: Fragments) -> None:
        """Tell that the path is known to take less, and send in fragments what may be cut."""
        if fragments is Fragments.AVOID:
            with self._fragmentation.allowed():
                self._send_one(to, data, Fragments.ALLOW)
        if self.on_too_long is not None:
            self.on_too_long(to, len(data))

    # -- the queue for a full kernel buffer ---------------------------------------------------------------------------

    def _enqueue(self, burst: Burst) -> None:
        kept: list[bytes] = []
        for data in burst.datagrams:
            if self._queued >= QUEUE_MAX or self._queued_bytes + len(data) > QUEUE_BYTES:
                break  # what comes after it in order is dropped too: it would be the next to be repeated anyway
            kept.append(data)
            self._queued += 1
            self._queued_bytes += len(data)
        self._tally.send_dropped += len(burst.datagrams) - len(kept)
        if kept:
            self._queue.append(replace(burst, datagrams=kept))

    def _flush_queue(self) -> None:
        """Send up to FLUSH_MAX of what waits; the loop calls again for the rest."""
        left = FLUSH_MAX
        while self._queue and left > 0 and not self._closed:
            waiting = self._queue[0].datagrams
            offered = waiting[:left]
            settled = self._offer(replace(self._queue[0], datagrams=offered))
            self._queued -= settled
            self._queued_bytes -= sum(map(len, offered[:settled]))
            left -= settled
            if settled == len(waiting):
                self._queue.popleft()
            else:
                del waiting[:settled]
            if settled < len(offered):
                return
        if not self._queue and not self._closed:
            self._loop.remove_writer(self._fd)

    # -- the rest -----------------------------------------------------------------------------------------------------

    def statistics(self) -> UdpStatistics:
        """See UdpSocket."""
        return self._tally.snapshot()

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
