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


_ABORT: Final = "abort"
_RESET: Final = "RESET"
_RESTART: Final = "the peer restarted"
_SILENCE: Final = "silence, or no progress"
_EVICTED: Final = "another needs its place"
_FIN: Final = "the peer's FIN, and all before it"

# from -> to -> what causes it; docs/utp-states.md is made of this table (scripts/state_diagram.py)
TRANSITIONS: Final[dict[State, dict[State, tuple[str, ...]]]] = {
    State.SYN_SENT: {
        State.OPEN: ("the STATE that acks our SYN",),
        State.CLOSED: ("no answer to the last SYN", "close with nothing written", _ABORT, _RESET),
    },
    State.SYN_RECEIVED: {
        State.OPEN: ("a packet that acks our answer",),
        State.CLOSED: ("never confirmed", _RESET, "another SYN with its ids was confirmed"),
    },
    State.OPEN: {
        State.LOCAL_ENDED: ("close",),
        State.REMOTE_ENDED: (_FIN,),
        State.CLOSED: (_ABORT, _RESET, _SILENCE, _RESTART, _EVICTED),
    },
    State.LOCAL_ENDED: {
        State.BOTH_ENDED: (_FIN,),
        State.CLOSED: (_ABORT, _RESET, _SILENCE, _RESTART, _EVICTED, "the peer lives, but neither sends nor ends"),
    },
    State.REMOTE_ENDED: {
        State.BOTH_ENDED: ("close",),
        State.CLOSED: (_ABORT, _RESET, _SILENCE, _RESTART, _EVICTED),
    },
    State.BOTH_ENDED: {
        State.CLOSED: (
            "our FIN is acked and everything is read",
            "RESET or silence, when only the ack of our FIN is missing and everything is read",
            "what the peer sent was never read",
            _ABORT,
            _RESET,
            _SILENCE,
            _RESTART,
            _EVICTED,
        ),
    },
    State.CLOSED: {},
}

HANDSHAKE: Final = frozenset({State.SYN_SENT, State.SYN_RECEIVED})
LOCAL_OVER: Final = frozenset({State.LOCAL_ENDED, State.BOTH_ENDED})
REMOTE_OVER: Final = frozenset({State.REMOTE_ENDED, State.BOTH_ENDED})
