"""What an exchange asks of the DHT, and what it tells. Each wish has a number, under which its outcome is told.

`why` says who waits for it.
"""

from collections.abc import Hashable
from dataclasses import field
from enum import Enum
from typing import TypeAlias

from core.frozen import frozen
from core.signal.keys import Box
from core.signal.letter import Letter
from core.values import Address


class Why(Enum):
    """What a wish is for."""

    IDLE = "idle"  # being called
    EAGER = "eager"  # being called, while somebody waits for that
    VISIT = "visit"  # a call of ours that nobody waits for
    CALL = "call"  # a call that somebody waits for


@frozen
class Contact:
    """Somebody to meet. `ours` and `theirs` are the directions of the boxes that we and they write."""

    name: Hashable
    secret: bytes = field(repr=False)
    ours: bytes
    theirs: bytes


@frozen
class Write:
    """Put a sealed letter into a box."""

    number: int
    box: Box
    sealed: bytes = field(repr=False)
    sequence: int
    why: Why = Why.IDLE


@frozen
class Read:
    """Get what is in a box, if its sequence number is above `known`. `part`: as of Listen."""

    number: int
    box: Box
    known: int
    why: Why = Why.IDLE
    part: int = 0


@frozen
class Listen:
    """List who rings at a door. `part` 1 and more: ask the nearest two and one of the others, in turn."""

    number: int
    door: bytes
    part: int = 0
    why: Why = Why.IDLE


@frozen
class Ring:
    """Be listed at a door."""

    number: int
    door: bytes
    why: Why = Why.CALL


Wish: TypeAlias = Write | Read | Listen | Ring


@frozen
class Rung:
    """Somebody at this address rings, as a node says, which may lie: our own people, or nobody."""

    address: Address


@frozen
class Introduction:
    """An open peer at `by` has handed a letter on, and has `seen` its writer at an address."""

    by: Address
    seen: Address | None


@frozen
class Located:
    """A contact says where it is. `seconds` since it was called; None: we read it since somebody rang.

    `via`: who handed the letter on, if that is no node of the DHT. The other side has ours as well then.
    """

    name: Hashable
    letter: Letter
    seconds: float | None
    via: Introduction | None = None


@frozen
class Called:
    """Our ring is listed at a contact's door, at so many nodes."""

    name: Hashable
    nodes: int


@frozen
class Witnessed:
    """The node at `node` lists `host` where only this contact would have itself listed. Nodes may lie."""

    name: Hashable
    host: str
    node: str


SignalEvent: TypeAlias = Rung | Located | Called | Witnessed
