"""Pairs that both have IPv6: each tells the other where, sealed, and both punch at once.

No router translates IPv6, but most let in answers only: what both send opens both. So a pair needs nothing of the
ladder there, and no opener either: what comes too early is dropped and leaves no trace.
"""

from collections.abc import Callable, Iterable
from typing import Final

from core.scope import Scope, is_six, scope
from core.values import Address

MOST: Final = 2  # addresses of one side that are told, and punched


class OverSix:
    """`own()`: our IPv6 addresses that others may reach, the best first. `meet` punches, as far as the rule lets us."""

    def __init__(
        self, own: Callable[[], Iterable[Address]] = tuple, meet: Callable[[list[Address]], None] = lambda _: None
    ) -> None:
        self._own, self._meet = own, meet

    def ours(self) -> tuple[Address, ...]:
        """Return what we tell."""
        return _outside(self._own())

    def meet(self, theirs: Iterable[Address]) -> None:
        """Punch the other side, which punches us; nothing without IPv6 of our own."""
        wanted = _outside(theirs)
        if wanted and self.ours():
            self._meet(list(wanted))


def _outside(addresses: Iterable[Address]) -> tuple[Address, ...]:
    """Return those on the Internet: of a home's own the other side can have the same, and be another."""
    return tuple(each for each in addresses if is_six(each.host) and scope(each.host) is Scope.PUBLIC)[:MOST]
