"""The states of a connection and the table of transitions; `Connection._enter` is the only writer."""

from enum import Enum
from typing import Final


class State(Enum):
    """Where a connection is. LOCAL_ENDED and REMOTE_ENDED say whose stream is over."""

    SYN_SENT = "syn-sent"  # we connect; no answer yet
    SYN_RECEIVED = "syn-received"  # a SYN was answered; not known yet whether its sender hears us
    OPEN = "open"
    LOCAL_ENDED = "local-ended"  # we closed: our FIN follows what is queued; reading goes on
    REMOTE_ENDED = "remote-ended"  # the peer's FIN is reached; writing goes on
    BOTH_ENDED = "both-ended"  # until our FIN is acked and everything is read
    CLOSED = "closed"

    __hash__ = object.__hash__  # the enum module's is made of the name, in Python, and sets of states are on hot paths


TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    State.SYN_SENT: frozenset({State.OPEN, State.CLOSED}),
    State.SYN_RECEIVED: frozenset({State.OPEN, State.CLOSED}),
    State.OPEN: frozenset({State.LOCAL_ENDED, State.REMOTE_ENDED, State.CLOSED}),
    State.LOCAL_ENDED: frozenset({State.BOTH_ENDED, State.CLOSED}),
    State.REMOTE_ENDED: frozenset({State.BOTH_ENDED, State.CLOSED}),
    State.BOTH_ENDED: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}

HANDSHAKE: Final = frozenset({State.SYN_SENT, State.SYN_RECEIVED})
LOCAL_OVER: Final = frozenset({State.LOCAL_ENDED, State.BOTH_ENDED})
REMOTE_OVER: Final = frozenset({State.REMOTE_ENDED, State.BOTH_ENDED})
