"""The name under which a peer is met by those who know its ID: it tells others nothing of what is shared."""

import hashlib
from typing import Final

from core.errors import LocalError
from core.peer_id import PeerId
from core.values import Caller, JsonValue, Outcome

PREFIX: Final = "gv-"
_DIGITS: Final = 32  # of hexadecimal: 128 bits; the ID gives the name, and the name does not give the ID


def personal_name(peer_id: PeerId) -> str:
    """Return a peer's personal name, as of a service."""
    return PREFIX + hashlib.sha256(b"grapevine personal name" + peer_id.key).hexdigest()[:_DIGITS]


def is_personal(name: str) -> bool:
    """Return whether a service's name is a peer's personal name: nobody shares it as a service."""
    return name.startswith(PREFIX) and len(name) == len(PREFIX) + _DIGITS


class Personal:
    """Stands for everything that is shared without being listed. It answers nothing itself."""

    description = "whatever this peer shares with those it trusts"
    example: JsonValue = None

    def __init__(self, peer_id: PeerId) -> None:
        self.name = personal_name(peer_id)

    def handle(self, payload: JsonValue, caller: Caller) -> Outcome:
        """Refuse: a caller has to name the service that it wants."""
        raise LocalError("name the service that you want, as in PEER-ID/garden", name="ERR_SERVICE_UNKNOWN")
