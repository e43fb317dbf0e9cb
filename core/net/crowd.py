"""Datagrams that were read and wait for their turn, when more arrives than a turn of the loop can handle.

Without I/O. The system's own buffer gives what it has in the order of arrival: a flood of 2 MB stands before a friend's
request for 50 ms. So under load everything is read at once, which is cheap, and handled in turns, which is not: first
what belongs to connections of known peers, then a few datagrams of each host.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from typing import Final

from core.net.udp_socket import Received
from core.scope import network
from core.values import Address, Buffer

FIRST_BYTES: Final = 4 << 20  # that wait of known peers: the windows of four streams at once (1 MiB each)
OTHER_BYTES: Final = 2 << 20  # of everybody else: 12,000 SYNs, or half of what the strangers of all hosts may have open
DATAGRAM_COST: Final = 150  # bytes that a waiting datagram takes besides its own: two objects and a place in the line
AT_A_TIME: Final = 8  # datagrams of one sender before the next has its turn: a window of its packets is handled at once
LEAST_SHARE: Final = 4  # of so many datagrams handled, one is a stranger's, however much known peers send


class Crowd:
    """`first(source, datagram)` tells whether a datagram goes before all others: of a connection of a known peer."""

    def __init__(self, first: Callable[[Address, Buffer], bool]) -> None:
        self._goes_first = first
        self._first = _Line(FIRST_BYTES)
        self._others = _Line(OTHER_BYTES)

    def __len__(self) -> int:
        return self._first.count + self._others.count

    def put(self, batch: Sequence[Received]) -> int:
        """Let datagrams wait, as copies; return how many found no place and are lost, as on a full line."""
        lost = 0
        for source, datagrams in batch:
            for datagram in datagrams:
                if self._goes_first(source, datagram):
                    lost += not self._first.put(source, source, datagram)
                else:
                    lost += not self._others.put(network(source.host), source, datagram)
        return lost

    def take_first(self, room: int) -> list[Received]:
        """Return the next ones of known peers, at most `room`."""
        return self._first.take(room if not self._others.count else max(1, room - room // LEAST_SHARE))

    def take_others(self, room: int) -> list[Received]:
        """Return the next ones of everybody else, at most `room`."""
        return self._others.take(room)


class _Line:
    """Who waits, by sender; senders take turns. Who has more than is still free finds no further place.

    So however many fill it, there is always room for one who has nothing here (dynamic thresholds, Choudhury and
    Hahne 1998).
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0  # bytes
        self.count = 0  # datagrams
        self._queues: OrderedDict[Hashable, _Queue] = OrderedDict()  # whose turn is next first; none is empty

    def put(self, sender: Hashable, source: Address, datagram: Buffer) -> bool:
        cost = len(datagram) + DATAGRAM_COST
        queue = self._queues.get(sender)
        if (0 if queue is None else queue.used) + cost > self._limit - self._used:
            return False
        if queue is None:
            queue = self._queues[sender] = _Queue()
        queue.used += cost
        self._used += cost
        self.count += 1
        queue.waiting.append((source, bytes(datagram)))
        return True

    def take(self, room: int) -> list[Received]:
        batch: list[Received] = []
        while room > 0 and self._queues:
            sender, queue = next(iter(self._queues.items()))
            taken = min(room, AT_A_TIME if len(self._queues) > 1 else room, len(queue.waiting))
            room -= taken
            self.count -= taken
            self._take_of(queue, taken, batch)
            if queue.waiting:
                self._queues.move_to_end(sender)
            else:
                del self._queues[sender]
        return batch

    def _take_of(self, queue: "_Queue", number: int, batch: list[Received]) -> None:
        last: Address | None = None
        group: list[Buffer] = []
        for _ in range(number):
            source, datagram = queue.waiting.popleft()
            cost = len(datagram) + DATAGRAM_COST
            queue.used -= cost
            self._used -= cost
            if source != last:
                last, group = source, []
                batch.append((source, group))
            group.append(datagram)


class _Queue:
    """What waits of one sender."""

    __slots__ = ("used", "waiting")

    def __init__(self) -> None:
        self.used = 0  # bytes
        self.waiting: deque[tuple[Address, bytes]] = deque()
