"""Takes what a UDP socket has, a bounded part of it per wake-up, grouped by source.

The bounds are of number, of bytes, and of time: a datagram of a stream costs 10 us, one of joined requests that are
answered at once 100 times that. What is left, readiness being level-triggered, wakes the loop in its next turn. Where
more is there than a wake-up handles, it is read on into a `core.net.crowd.Crowd`, and handled in the order of that.
"""

import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from core.net.asked_at import PKTINFO_BYTES, AskedAt
from core.net.crowd import Crowd
from core.net.segmentation import SOL_UDP, UDP_GRO
from core.net.udp_socket import Received, Receiver, Tally, named_four
from core.values import Address, Buffer

DRAIN_MAX = 64  # datagrams after which a wake-up ends: 1400 bytes each, they take some 1 ms to handle
DATAGRAM_MAX = 65535  # bytes; the UDP length field. Asking for all of it costs the same as asking for 2048 (measured)
DRAIN_BYTES: Final = 65536  # bytes after which a wake-up ends: two joined arrivals, so that 127 datagrams are the most
DRAIN_SECONDS = 0.002  # that a wake-up should take with all that it causes; a turn of the window's loop has as much
DRAIN_MIN = 2  # datagrams that a wake-up takes however long those before took: one that stalled must not stay slow
LONE_BYTES: Final = 512  # a datagram that came alone and is no longer is no part of a stream
READ_SECONDS = 0.0005  # that reading into the crowd takes of a turn: 150 datagrams, in a turn of 3 ms at the most
OTHERS_SECONDS = 0.001  # that strangers' datagrams take of a turn while more wait, with the tasks that come of them
LOOK_EVERY: Final = 8  # wake-ups by a lone datagram after which one looks whether there is more, as after it found more

_GRO_SIZE: Final = struct.Struct("=i")  # how the kernel tells the segment size: int
_ANCILLARY: Final = (
    socket.CMSG_SPACE(_GRO_SIZE.size) + socket.CMSG_SPACE(PKTINFO_BYTES) if sys.platform != "win32" else 0
)
# A plain int: an IntFlag would take ten times as long to be looked at, with every datagram.
_CUT_OFF: Final = int(socket.MSG_TRUNC | socket.MSG_CTRUNC) if sys.platform != "win32" else 0
# What this thread computed: that others had the processor meanwhile is no reason to take less. Windows counts it in
# steps of 16 ms.
_CLOCK: Final = time.thread_time if sys.platform != "win32" else time.perf_counter

Name = Callable[[tuple[Any, ...]], Address]


class Intake(Protocol):
    """One way to read a socket."""

    crowd: Crowd | None  # where what cannot be handled at once waits; None: in the system's buffer

    def drain(self, receiver: Receiver) -> bool:
        """Hand over, in one call, what is there up to the bounds; the loop calls again for the rest.

        True: there is a rest that the loop does not know of, since it was read.
        """


class Pace:
    """How many datagrams the next wake-up may take, by what those of the newest one cost.

    Fewer at once, more by and by: acks, which cost little, come between requests, which cost much.
    """

    def __init__(self, clock: Callable[[], float], seconds: float = DRAIN_SECONDS) -> None:
        self._clock = clock  # seconds
        self._seconds = seconds  # that they should take
        self.room = DRAIN_MAX

    def hand_over(self, batch: list[Received], receiver: Receiver, began: float) -> None:
        """Hand over a batch whose reading began at `began` of `now`, and learn from how long all that took."""
        receiver(batch)
        self.learn(sum(len(datagrams) for _, datagrams in batch), self._clock() - began)

    def learn(self, count: int, spent: float) -> None:
        """Take as many of the next ones as fit, if so many took so long."""
        fitting = int(count * self._seconds / spent) if spent > 0 else DRAIN_MAX
        self.room = min(max(fitting, DRAIN_MIN), self.room + self.room // 4 + 1, DRAIN_MAX)

    def now(self) -> float:
        """Return seconds on the clock of `hand_over`."""
        return self._clock()


class Turns:
    """Handles what waits in a crowd, a part in each turn of the loop: known peers' first, whose answers leave first.

    What strangers' datagrams cost is not over when they are handed over: a connection becomes a task, a request an
    encoder. So what the loop does until the next turn is on their account, and they get less while that takes long.
    """

    def __init__(self, clock: Callable[[], float], tally: Tally) -> None:
        self._clock = clock
        self._tally = tally
        self._first, self._others = Pace(clock), Pace(clock, OTHERS_SECONDS)
        self._count, self._spent, self._ended = 0, 0.0, 0.0  # of others in the last turn, and when that was over

    def hand_over(
        self, crowd: Crowd, batch: list[Received], read_on: Callable[[], list[Received]], receiver: Receiver
    ) -> bool:
        """Let a batch join the crowd, and what `read_on` finds until that is nothing; handle some of them.

        Return whether more wait.
        """
        now = self._clock()
        if self._count:
            self._others.learn(self._count, self._spent + now - self._ended)
        until = now + READ_SECONDS
        while batch:
            self._tally.receive_dropped += crowd.put(batch)
            batch = read_on() if self._clock() < until else []
        began = self._clock()
        if first := crowd.take_first(self._first.room):
            self._first.hand_over(first, receiver, began)
            began = self._clock()
        others = crowd.take_others(self._others.room)
        if others:
            receiver(others)
        self._ended = self._clock()
        self._spent = self._ended - began
        self._count = sum(len(datagrams) for _, datagrams in others)
        if not len(crowd):  # what the loop does before there is one again is nobody's
            self._others.learn(self._count, self._spent)
            self._count = 0
        return len(crowd) > 0


class PlainIntake:
    """One datagram per system call."""

    def __init__(
        self, sock: socket.socket, tally: Tally, clock: Callable[[], float] = _CLOCK, *, name: Name = named_four
    ) -> None:
        """`name` makes an address of what the system says of a source."""
        self.crowd: Crowd | None = None
        self._sock = sock
        self._name = name
        self._tally = tally
        self._pace = Pace(clock)
        self._turns = Turns(clock, tally)

    def drain(self, receiver: Receiver) -> bool:
        """See Intake."""
        began = self._pace.now()
        batch, more = self._fill()
        crowd = self.crowd
        if crowd is not None and (more or len(crowd)):
            return self._turns.hand_over(crowd, batch, lambda: self._fill()[0], receiver)
        if batch:
            self._pace.hand_over(batch, receiver, began)
        return False

    def _fill(self) -> tuple[list[Received], bool]:
        """Read up to the bounds; True: there may be more."""
        batch: list[Received] = []
        last: tuple[Any, ...] | None = None
        group: list[Buffer] = []
        taken, more = 0, True
        for _ in range(self._pace.room):
            try:
                data, source = self._sock.recvfrom(DATAGRAM_MAX)
            except (BlockingIOError, InterruptedError):
                more = False
                break
            except OSError:  # an ICMP answer to something sent earlier; it says nothing about the next datagram
                self._tally.icmp_errors += 1
                continue
            self._tally.received += 1
            if source != last:
                last, group = source, []
                batch.append((self._name(source), group))
            group.append(data)
            taken += len(data)
            if taken > DRAIN_BYTES:
                break
        self._tally.bytes_received += taken
        return batch, more


class JoinedIntake:
    """Many datagrams per system call (UDP_GRO), as slices of one buffer that are overwritten after the call."""

    def __init__(
        self, sock: socket.socket, tally: Tally, clock: Callable[[], float] = _CLOCK, asked_at: AskedAt | None = None,
        *, name: Name = named_four,
    ) -> None:  # fmt: skip
        self.crowd: Crowd | None = None
        self._sock = sock
        self._name = name
        self._tally = tally
        self._pace = Pace(clock)
        self._turns = Turns(clock, tally)
        self._spare: memoryview | None = None
        self._lone = 0  # wake-ups in a row that brought one short datagram
        self._asked_at = asked_at if asked_at is not None and asked_at.on else None
        self._more = False  # the newest reading ended at its bounds

    def drain(self, receiver: Receiver) -> bool:
        """See Intake. A receiver that runs a nested loop (Qt can) may come back here: then another buffer is used."""
        view, self._spare = self._spare or memoryview(bytearray(DRAIN_BYTES + DATAGRAM_MAX)), None
        alone = self._lone % LOOK_EVERY != 0  # of those that come alone one in LOOK_EVERY is timed: the clock is a call
        began = 0.0 if alone else self._pace.now()
        try:
            batch, crowd = self._fill(view), self.crowd
            if crowd is not None and (self._more or len(crowd)):
                return self._turns.hand_over(crowd, batch, lambda: self._fill(view), receiver)
            if batch and alone and self._lone:
                receiver(batch)
            elif batch:
                self._pace.hand_over(batch, receiver, self._pace.now() if alone else began)
            return False
        finally:
            self._spare = view

    def _fill(self, view: memoryview) -> list[Received]:
        batch: list[Received] = []
        last: tuple[Any, ...] | None = None
        group: list[Buffer] = []
        tally, receive = self._tally, self._sock.recvmsg_into
        room = left = self._pace.room
        used = 0
        looks = self._lone % LOOK_EVERY == 0
        while left > 0 and used <= DRAIN_BYTES:
            try:
                size, ancillary, flags, source = receive((view[used:] if used else view,), _ANCILLARY)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # an ICMP answer to something sent earlier; it says nothing about the next datagram
                tally.icmp_errors += 1
                left -= 1
                continue
            if self._asked_at is not None and ancillary:
                at = 0 if ancillary[0][1] == self._asked_at.kind else -1  # the system puts it first, or last
                if ancillary[at][1] == self._asked_at.kind:
                    self._asked_at.note(self._name(source), ancillary.pop(at)[2])
            segment = _segment(ancillary, size) if not flags & _CUT_OFF else 0
            if not segment:  # the pieces cannot be told apart, and a whole one would lie about its length
                tally.receive_dropped += 1
                left -= 1
                continue
            if source != last:
                last, group = source, []
                batch.append((self._name(source), group))
            if size <= segment:
                count = 1
                group.append(view[used : used + size])
            else:
                end = used + size
                pieces = [view[at : at + segment] for at in range(used, end - segment, segment)]
                pieces.append(view[used + len(pieces) * segment : end])
                group += pieces
                count = len(pieces)
                tally.batches_received += 1
            tally.received += count
            used += size
            left -= count
            if used <= LONE_BYTES and not looks:
                break  # asking in vain costs as much as the datagram did; if there is more, the loop calls again
        tally.bytes_received += used
        self._lone = self._lone + 1 if left == room - 1 and used <= LONE_BYTES else 0
        self._more = left <= 0 or used > DRAIN_BYTES
        return batch


def _segment(ancillary: list[tuple[int, int, bytes]], size: int) -> int:
    """Return the size of each datagram but the last of an arrival of `size` bytes; 0 for what makes no sense."""
    if not ancillary:
        return size or 1  # one datagram, perhaps empty
    for level, kind, data in ancillary:
        if level == SOL_UDP and kind == UDP_GRO and len(data) == _GRO_SIZE.size:
            return max(0, int(_GRO_SIZE.unpack(data)[0]))
    return 0
