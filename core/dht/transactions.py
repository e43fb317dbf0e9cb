"""Queries in flight: transaction ids, the one second copy, and time-outs. Bounded by `capacity`."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from core.values import Address
from core.wire.krpc import Error, Reply

Outcome: TypeAlias = Reply | Error | None  # None: no answer in time
Handler: TypeAlias = Callable[[Outcome, float], None]

TRANSACTION_BYTES = 2  # BEP 5; the Node grape sends and expects 2


@dataclass(slots=True)
class Pending:
    """One query that waits for its answer. `expected_id` is None when only the address is known."""

    transaction: bytes
    to: Address
    expected_id: bytes | None
    handler: Handler
    expires_at: float
    datagram: bytes = b""  # set once it left, for the second copy
    use: int = 0  # the owner's own
    sent_at: float = 0.0


class Transactions:
    """The queries in flight. An answer counts only from the address that was asked (BEP 5 leaves that open)."""

    def __init__(
        self, random: Random, capacity: int, timeout: float, resend_after: float, size: int = TRANSACTION_BYTES
    ) -> None:
        """`size`: bytes of an id; capacity and size leave most ids free."""
        self._random = random
        self._size = size
        self._capacity = min(capacity, 1 << 15)  # half of all 2-byte ids: drawing a free one stays quick
        self._timeout = timeout
        self._resend_after = resend_after
        self._pending: OrderedDict[bytes, Pending] = (
            OrderedDict()
        )  # as all wait about equally long, the first ends first
        self._once: OrderedDict[bytes, float] = OrderedDict()  # sent once so far: when the second copy is due

    def __len__(self) -> int:
        """Return the number of queries in flight."""
        return len(self._pending)

    def full(self) -> bool:
        """Say whether no further query may start now."""
        return len(self._pending) >= self._capacity

    def open(
        self, to: Address, expected_id: bytes | None, handler: Handler, now: float, *, again: bool = True,
        timeout: float | None = None,
    ) -> Pending:  # fmt: skip
        """Start a query; `handler` is called once. The caller looks at `full` first. `again`: with a second copy.

        `timeout`: seconds, another than that of all.
        """
        transaction = self._random.randbytes(self._size)
        while transaction in self._pending:
            transaction = self._random.randbytes(self._size)
        wait = self._timeout if timeout is None else timeout
        pending = Pending(transaction, to, expected_id, handler, now + wait, sent_at=now)
        self._pending[transaction] = pending
        if again and self._resend_after < self._timeout:
            self._once[transaction] = now + self._resend_after
        return pending

    def take(self, transaction: bytes, source: Address) -> Pending | None:
        """Return, and forget, the query that this answer belongs to; None if `source` was not asked this."""
        pending = self._pending.get(transaction)
        if pending is None or pending.to != source:
            return None
        self._forget(transaction)
        return pending

    def drop(self, pending: Pending) -> None:
        """Forget a query that was not sent after all; its handler is not called."""
        self._forget(pending.transaction)

    def resend(self, now: float) -> list[Pending]:
        """Return the queries whose second copy is due; each is returned once."""
        due: list[Pending] = []
        while self._once:
            transaction, resend_at = next(iter(self._once.items()))
            if resend_at > now:
                break
            del self._once[transaction]
            due.append(self._pending[transaction])
        return due

    def expire(self, now: float) -> list[Pending]:
        """Return, and forget, the queries that waited too long."""
        due: list[Pending] = []
        while self._pending:
            transaction, pending = next(iter(self._pending.items()))
            if pending.expires_at > now:
                break
            self._forget(transaction)
            due.append(pending)
        return due

    def put_off(self, until: float, most: float) -> None:
        """Give up none before `until`, but those that left `most` seconds ago or more."""
        for pending in self._pending.values():
            pending.expires_at = max(pending.expires_at, min(until, pending.sent_at + most))

    def deadline(self) -> float | None:
        """Return when the next second copy or time-out is due."""
        if not self._pending:
            return None
        expires_at = next(iter(self._pending.values())).expires_at
        return min(next(iter(self._once.values())), expires_at) if self._once else expires_at

    def _forget(self, transaction: bytes) -> None:
        del self._pending[transaction]
        self._once.pop(transaction, None)
