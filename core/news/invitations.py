"""Invitations as people see them. They are read here, not changed."""

import enum

from core.frozen import frozen
from core.peer_id import PeerId


class JoinStage(enum.StrEnum):
    """How far opening somebody's invitation is."""

    LOOKING = "looking"
    FOUND = "found"
    OPENING = "opening"
    CONNECTED = "connected"
    WAITING = "waiting"  # it did not work yet; the message says what is waited for
    ACCEPTED = "accepted"


@frozen
class InvitationRow:
    """An invitation of ours. Times are Unix seconds; `state` is open, accepted, expired or withdrawn."""

    number: int
    name: str  # what the invited peer will be called here
    services: tuple[str, ...]
    state: str
    made: float
    expires: float
    uses: int
    joined: tuple[tuple[PeerId, float], ...] = ()  # who, and when


@frozen
class Invitations:
    """All invitations of ours, the newest last; `problem` says why none holds, when the file cannot be used."""

    rows: tuple[InvitationRow, ...] = ()
    problem: str | None = None
