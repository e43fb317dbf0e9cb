"""What the book of invitations consists of. Times are Unix seconds."""

import enum
from typing import Final

from core.frozen import frozen
from core.peer_id import PeerId

MAX_USES: Final = 100  # by different peers; more people than that are asked in another way
MAX_DAYS: Final = 365.0
DAYS: Final = 7.0  # when nothing is said
DAY: Final = 86_400.0  # seconds


class State(enum.StrEnum):
    """How an invitation stands; the value is what `--json` says."""

    OPEN = "open"  # somebody may still join
    ACCEPTED = "accepted"  # as many peers have joined as it was for
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@frozen
class Joined:
    """A peer that has joined. `settled`: it is in the list of known peers, too."""

    peer_id: PeerId
    at: float
    settled: bool = False


@frozen
class Invitation:
    """An invitation. `number` names it here; `verifier` is what is kept of the secret; `called`: our name, as told."""

    number: int
    name: str
    services: frozenset[str]
    verifier: bytes
    made: float
    expires: float
    uses: int = 1
    called: str = ""
    joined: tuple[Joined, ...] = ()
    withdrawn: float | None = None

    def state(self, now: float) -> State:
        """Return how it stands."""
        if self.withdrawn is not None:
            return State.WITHDRAWN
        if len(self.joined) >= self.uses:
            return State.ACCEPTED
        return State.EXPIRED if now >= self.expires else State.OPEN

    def by(self, peer_id: PeerId) -> Joined | None:
        """Return how a peer joined by it."""
        return next((each for each in self.joined if each.peer_id == peer_id), None)
