"""What is answered to a packet that belongs to no connection, at a bounded rate: sources can be forged."""

from collections.abc import Callable
from random import Random

from core.limits.rate import TokenBucket
from core.utp.closed_connections import ClosedConnection
from core.utp.config import UtpConfig
from core.utp.header_writer import microseconds
from core.utp.statistics import Counters
from core.values import Address, MayAnswer
from core.wire.utp_packet import RESET, STATE, Packet, pack_header


class Refusals:
    """RESETs, and acks in the name of a connection that is closed."""

    def __init__(
        self,
        config: UtpConfig,
        random: Random,
        counters: Counters,
        send: Callable[[Address, bytes], None],
        may_answer: MayAnswer,
    ) -> None:
        self._may_answer = may_answer
        self._window = config.receive_window
        self._random = random
        self._counters = counters
        self._send = send
        self._rate = TokenBucket(config.resets_per_second, config.resets_per_second)

    def refuse(self, packet: Packet, source: Address, now: float) -> None:
        """Answer RESET. It tells the sender's time, which a forged one cannot know."""
        if self._rate.take(now) and self._may_answer(source, now):
            self._counters.resets_sent += 1
            fields = (*_times(packet, now), 0, self._random.getrandbits(16), packet.seq)
            self._send(source, pack_header(RESET, packet.connection_id, *fields))

    def acknowledge(self, closed: ClosedConnection, packet: Packet, source: Address, now: float) -> None:
        """Ack what is repeated by the peer of a connection just closed, its FIN as a rule."""
        if packet.type is not STATE and self._rate.take(now) and self._may_answer(source, now):
            fields = (*_times(packet, now), self._window, closed.seq, closed.ack)
            self._send(source, pack_header(STATE, closed.send_id, *fields))


def _times(packet: Packet, now: float) -> tuple[int, int]:
    """Return our time, and how much later than the packet's that is."""
    stamp = microseconds(now)
    return stamp, (stamp - packet.timestamp) & 0xFFFFFFFF
