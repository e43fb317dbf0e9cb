"""The memory that requests hold, counted where it is held: by caller, in all, and with a part kept for trusted ones.

Without I/O. What is held is unfinished input, payloads under way, results that wait to be written, replies that wait
for the caller's window, and what the streams below have in their buffers.
"""

import sys
from itertools import islice
from typing import Final, NamedTuple

from core.limits import bounds
from core.limits.budget import Budget, BudgetState
from core.limits.table import BoundedTable
from core.peer_id import PeerId

Owner = PeerId | str
INPUT, PAYLOADS, RESULTS, REPLIES, BUFFERS = "input", "payloads", "results", "replies", "buffers"
KINDS: Final = (INPUT, PAYLOADS, RESULTS, REPLIES, BUFFERS)
_LOOKED_AT: Final = 2048  # values of a result that are weighed, 0.5 ms; of longer lists and objects a sample
_DIGITS: Final = 0.302  # decimal digits of a bit
_SAMPLE: Final = 64  # elements of one list or object


class Standing(NamedTuple):
    """What a caller may hold: counted as `owner`, with the places of `trusted` ones, messages of so many bytes."""

    owner: Owner
    trusted: bool
    message_bytes: int


class Memory:
    """One budget for all kinds, and one of unfinished input within it."""

    def __init__(
        self,
        budget: Budget[Owner] | None = None,
        unfinished: Budget[Owner] | None = None,
    ) -> None:
        self._all = budget or Budget(
            bounds.MEMORY, bounds.MEMORY_HOST, kept=bounds.MEMORY_KEPT, per_trusted=bounds.MEMORY_TRUSTED
        )
        self._input = unfinished or Budget(
            bounds.INPUT, bounds.INPUT_HOST, kept=bounds.INPUT_KEPT, per_trusted=bounds.INPUT
        )
        self.by_kind = dict.fromkeys(KINDS, 0)  # bytes
        self._expected: BoundedTable[Owner, int] = BoundedTable(bounds.CALLERS)  # bytes of each one's last big result

    def take(self, kind: str, whose: Standing, amount: int) -> bool:
        """Count bytes that somebody is about to hold; False: there is no room for them, and nothing was counted."""
        owner, trusted, _ = whose
        if kind == INPUT and not self._input.take(owner, amount, trusted=trusted):
            return False
        if not self._all.take(owner, amount, trusted=trusted):
            if kind == INPUT:
                self._input.give(owner, amount)
            return False
        self.by_kind[kind] += amount
        return True

    def charge(self, kind: str, whose: Standing, amount: int) -> None:
        """Count bytes that somebody holds already, beyond all limits if need be."""
        self._all.charge(whose.owner, amount)
        self.by_kind[kind] += amount

    def give(self, kind: str, whose: Standing, amount: int) -> None:
        """Count them no longer."""
        if kind == INPUT:
            self._input.give(whose.owner, amount)
        self._all.give(whose.owner, amount)
        self.by_kind[kind] -= amount

    def expect(self, whose: Standing, amount: int) -> None:
        """Note what a result held: the next one of this caller may be alike."""
        self._expected[whose.owner] = amount

    def may_hold_another(self, whose: Standing) -> bool:
        """Return whether there is room for a result as the caller's last one: else it is not worth computing."""
        expected = self._expected.get(whose.owner)
        return expected is None or self._all.fits(whose.owner, expected, trusted=whose.trusted)

    def over(self, whose: Standing) -> bool:
        """Return whether a caller holds more than it may, or strangers together do and this is one."""
        return not self._all.fits(whose.owner, 0, trusted=whose.trusted)

    @property
    def crowded(self) -> bool:
        """Whether somebody may hold more than it should: looking at everybody is worth it."""
        return self._all.used() > min(self._all.per_owner, self._all.limit - self._all.kept)

    def used(self, owner: Owner | None = None) -> int:
        """Return the bytes held, in all or by one caller."""
        return self._all.used(owner)

    def state(self) -> BudgetState:
        """Return how much is held of how much."""
        return self._all.state()

    def state_of_input(self) -> BudgetState:
        """Return the same of unfinished messages."""
        return self._input.state()


class Held:
    """Bytes of one kind that one thing holds, from when it is made until it is let go."""

    __slots__ = ("_kind", "_memory", "_whose", "amount")

    def __init__(self, memory: Memory, kind: str, whose: Standing) -> None:
        self._memory = memory
        self._kind = kind
        self._whose = whose
        self.amount = 0

    def grow(self, amount: int) -> bool:
        """Hold as much as this, if there is room; less is always possible. False: it holds what it held."""
        more = amount - self.amount
        if more > 0:
            if not self._memory.take(self._kind, self._whose, more):
                return False
        elif more < 0:
            self._memory.give(self._kind, self._whose, -more)
        self.amount = amount
        return True

    def grow_beyond(self, free: int, amount: int) -> bool:
        """Do so, but hold nothing for up to `free` bytes, which are not worth counting."""
        return self.grow(amount if amount > free else 0)

    def set(self, amount: int, whose: Standing) -> None:
        """Hold as much as this, as somebody else perhaps, whether there is room or not."""
        self.let_go()
        self._whose, self.amount = whose, amount
        if amount:
            self._memory.charge(self._kind, whose, amount)

    def let_go(self) -> None:
        """Hold nothing. Idempotent."""
        if self.amount:
            self._memory.give(self._kind, self._whose, self.amount)
            self.amount = 0


def weigh(value: object) -> tuple[int, int]:
    """Return about how many bytes a value holds, and about how many its JSON will; long lists are sampled."""
    held, text, looked_at = 0.0, 0.0, 0
    todo: list[tuple[object, float]] = [(value, 1.0)]
    while todo and looked_at < _LOOKED_AT:
        item, times = todo.pop()
        looked_at += 1
        held += sys.getsizeof(item) * times
        if isinstance(item, str):
            text += (len(item) + 3) * times
        elif isinstance(item, int):
            text += (item.bit_length() * _DIGITS + 2) * times
        else:
            text += 4 * times
        if isinstance(item, list | tuple | dict) and item:
            step = -(-len(item) // _SAMPLE)
            sample = list(islice(item.items() if isinstance(item, dict) else item, 0, None, step))
            times *= len(item) / len(sample)
            members = [part for member in sample for part in member] if isinstance(item, dict) else sample
            todo += [(member, times) for member in members]
    return int(held), int(text)
