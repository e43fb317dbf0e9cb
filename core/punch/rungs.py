"""Which way opens a pair of networks: the rungs of the ladder beyond plain punching, chosen from both sides' reports.

Both sides choose by the same rule, from the same two reports, and so choose the same (NAT.md 3.1):

| | usual routers | ports in order | ports of a block | any ports |
| --- | --- | --- | --- | --- |
| usual routers | plain | predict | birthday, in the block | birthday |
| ports in order | predict | exact | blocks | - |
| ports of a block | birthday, in the block | blocks | blocks | - |
| any ports | birthday | - | - | - |

Where words take seconds, other packets of ours take ports between a word and its use: two routers that give them out
in order then get rows of ports instead of exact ones.
"""

import enum

from core.frozen import dataclass
from core.nat.report import Filtering, Ports
from core.nat.side import Side


class Rung(enum.Enum):
    """A way to open the way."""

    PLAIN = "plain"  # both punch the port that brokers see
    PREDICT = "predicted port"  # one side's next port is known, give or take its neighbours' traffic
    EXACT = "predicted ports"  # both sides' next ports are known: one packet each
    ROWS = "rows of ports"  # both sides' next ports are known, give or take: one opens a row, the other goes along it
    BIRTHDAY = "birthday"  # one side opens many ports, the other tries ports until it finds one
    BLOCKS = "port blocks"  # both sides' ports are of small ranges: pairs of them are tried


@dataclass(frozen=True, slots=True)
class Choice:
    """`opener`: the side that opens ports, where only one does: 0 ours, 1 theirs; None: both do."""

    rung: Rung
    opener: int | None = None


def choose(ours: Side, theirs: Side, round_: int, *, first: bool, rows: bool = False) -> Choice | None:
    """Return how to try in this round, from 0 on; None: nothing but plain punching can help, or nothing can.

    `first` tells the two sides apart where their networks do not. A round that failed is followed by another way.
    `rows`: words between the two take seconds.
    """
    sides = (ours, theirs)
    if ours.hard and theirs.hard:
        return _both_hard(sides, round_, first=first, rows=rows)
    if ours.hard or theirs.hard:
        hard = 0 if ours.hard else 1
        if sides[hard].ports is Ports.IN_ORDER and round_ < 2:
            return Choice(Rung.PREDICT, hard)
        return Choice(Rung.BIRTHDAY, hard)
    # Both seem easy, and plain punching did not do it: one of them may only look so to reflectors of one host.
    doubtful = [number for number, side in enumerate(sides) if not side.sure]
    if not doubtful:
        return None
    if len(doubtful) == 1:
        return Choice(Rung.BIRTHDAY, doubtful[0])
    return Choice(Rung.BIRTHDAY, round_ % 2 if first else 1 - round_ % 2)


def _both_hard(sides: tuple[Side, Side], round_: int, *, first: bool, rows: bool) -> Choice | None:
    ranges = {Ports.IN_ORDER, Ports.BLOCK}
    if not all(side.ports in ranges for side in sides):
        return None
    ordered = [number for number, side in enumerate(sides) if side.ports is Ports.IN_ORDER]
    if len(ordered) == 2:
        if rows:
            return Choice(Rung.ROWS, round_ % 2 if first else 1 - round_ % 2)
        if round_ < 3:
            return Choice(Rung.EXACT)
        return Choice(Rung.BLOCKS, 0 if first == bool(round_ % 2) else 1)
    return Choice(Rung.BLOCKS, ordered[0] if ordered else None)


def plain_may_do(ours: Side, theirs: Side) -> bool:
    """Return whether plain punching may open this pair."""
    if ours.hard and theirs.hard:
        return False
    if ours.hard or theirs.hard:
        easy = theirs if ours.hard else ours
        return easy.filtering is not Filtering.STRICT
    return True
