"""An amount that many owners share, such as bytes that requests hold: by owner, in all, and a part that is kept.

Strangers of one IPv6 site are bounded together as well (`core.limits.fair`).
"""

from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

from core.limits.fair import site_limit
from core.scope import site

O = TypeVar("O", bound=Hashable)  # noqa: E741  # an owner: a host, a Peer ID


class BudgetState(NamedTuple):
    """What is taken of how much; for a status line."""

    used: int
    limit: int
    owners: int
    refused: int


class Budget(Generic[O]):
    """At most `limit` in all and `per_owner` of one owner; the last `kept` are for trusted owners only."""

    def __init__(self, limit: int, per_owner: int, *, kept: int = 0, per_trusted: int | None = None) -> None:
        """`per_trusted`: of one trusted owner; else as of any. Raises ValueError unless 0 <= kept < limit."""
        if not 0 <= kept < limit or per_owner < 1:
            raise ValueError("a budget needs 0 <= kept < limit and 1 <= per_owner")
        self.limit = limit
        self.per_owner = per_owner
        self.per_trusted = per_owner if per_trusted is None else per_trusted
        self.kept = kept
        self._per_site = site_limit(per_owner, limit - kept)
        self._by_owner: dict[O, int] = {}
        self._by_site: dict[str, int] = {}  # trusted owners' amounts are in it too, and refused for none of theirs
        self._used = 0
        self.refused = 0  # takes that found no room so far

    def used(self, owner: O | None = None) -> int:
        """Return what is taken, in all or by one owner."""
        return self._used if owner is None else self._by_owner.get(owner, 0)

    def fits(self, owner: O, amount: int, *, trusted: bool = False) -> bool:
        """Return whether `take` would succeed."""
        own = self._by_owner.get(owner, 0) + amount
        if own > (self.per_trusted if trusted else self.per_owner):
            return False
        place = None if trusted else site(owner)
        if place is not None and self._by_site.get(place, 0) + amount > self._per_site:
            return False
        return self._used + amount <= (self.limit if trusted else self.limit - self.kept)

    def take(self, owner: O, amount: int, *, trusted: bool = False) -> bool:
        """Take an amount for an owner and return True, or take nothing and return False."""
        if not self.fits(owner, amount, trusted=trusted):
            self.refused += 1
            return False
        self.charge(owner, amount)
        return True

    def charge(self, owner: O, amount: int) -> None:
        """Take an amount that is held already, even beyond the limits; then what follows is refused."""
        self._used += amount
        self._by_owner[owner] = self._by_owner.get(owner, 0) + amount
        place = site(owner)
        if place is not None:
            self._by_site[place] = self._by_site.get(place, 0) + amount

    def give(self, owner: O, amount: int) -> None:
        """Give an amount back. Raises ValueError for more than the owner has taken."""
        left = self._by_owner.get(owner, 0) - amount
        if left < 0:
            raise ValueError(f"{owner} gives back {amount} and has taken {left + amount}")
        self._used -= amount
        if left:
            self._by_owner[owner] = left
        else:
            self._by_owner.pop(owner, None)
        place = site(owner)
        if place is not None and self._by_site[place] > amount:
            self._by_site[place] -= amount
        elif place is not None:
            del self._by_site[place]

    def state(self) -> BudgetState:
        """Return what is taken of how much, by how many owners, and how often there was no room."""
        return BudgetState(self._used, self.limit, len(self._by_owner), self.refused)
