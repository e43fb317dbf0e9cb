"""What a `core.punch.puncher.Puncher` tells its owner."""

from typing import TypeAlias

from core.frozen import dataclass
from core.values import Address


@dataclass(frozen=True, slots=True)
class PunchSent:
    """One punch left for `remote`."""

    remote: Address


@dataclass(frozen=True, slots=True)
class PunchHeard:
    """One punch (`c3 bf`) arrived; an acknowledgement is none.

    `remote` is the source as seen here, so after its NAT. `first`: nothing was heard from there that is still
    remembered (`PunchConfig.remembered`).
    """

    remote: Address
    first: bool


@dataclass(frozen=True, slots=True)
class PunchFinished:
    """A series toward `remote` is over; sent exactly once per series.

    `heard`: something came from there lately (a punch, an acknowledgement, or a uTP packet).
    `confirmed`: and it is known that one of this series' punches, or what followed it, got there. Implies `heard`.
    Against a plain Grenache peer, which never acknowledges, a series ends unconfirmed unless uTP packets come.
    """

    remote: Address
    heard: bool
    confirmed: bool


PunchEvent: TypeAlias = PunchSent | PunchHeard | PunchFinished
