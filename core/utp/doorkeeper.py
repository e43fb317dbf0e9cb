"""What a mux answers for no connection of its own: RESETs at a bounded rate, and acks for connections just closed."""

from collections import OrderedDict
from typing import NamedTuple

from core.utp.config import UtpConfig
from core.values import Address

Key = tuple[Address, int]  # a remote and the id that we receive


class Farewell(NamedTuple):
    """The little that is kept of a connection closed in order: enough to ack the peer's repeated FIN."""

    send_id: int
    seq: int
    ack: int
    until: float  # seconds


class Doorkeeper:
    """Memory of closed connections and the allowance of answers to strangers; both bounded."""

    def __init__(self, config: UtpConfig) -> None:
        self._config = config
        self._farewells: OrderedDict[Key, Farewell] = OrderedDict()
        self._allowance = config.resets_per_second
        self._allowance_at = 0.0

    def __contains__(self, key: Key) -> bool:
        return key in self._farewells

    def remember(self, key: Key, send_id: int, seq: int, ack: int, now: float) -> None:
        """Keep a closed connection for a while; the oldest goes when there are too many."""
        self._farewells.pop(key, None)
        self._farewells[key] = Farewell(send_id, seq, ack, now + self._config.closed_kept_for)
        while len(self._farewells) > self._config.closed_kept:
            self._farewells.popitem(last=False)

    def forget(self, key: Key) -> None:
        """Its ids are in use again."""
        self._farewells.pop(key, None)

    def farewell(self, key: Key, now: float) -> Farewell | None:
        """Return what is kept of a closed connection, None when it is unknown or long ago."""
        while self._farewells and next(iter(self._farewells.values())).until <= now:
            self._farewells.popitem(last=False)
        return self._farewells.get(key)

    def may_answer(self, now: float) -> bool:
        """Whether the rate allows one more answer to a packet of no connection; takes it."""
        most = self._config.resets_per_second
        self._allowance = min(most, self._allowance + (now - self._allowance_at) * most)
        self._allowance_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True
