"""The target that a person wrote: a service's name, a peer's `host:port`, or its ID, perhaps with a service."""

from functools import lru_cache
from typing import NamedTuple

from core.errors import LocalError
from core.peer_id import PeerId, looks_like_id

NO_ID = "ERR_PEER_ID"  # what is meant to be a Peer ID is none


class PeerTarget(NamedTuple):
    """`PEER-ID` or `PEER-ID/service`."""

    peer_id: PeerId
    service: str | None


@lru_cache(maxsize=256)  # an ID is read with its check characters, 50 us, and twice for each request
def peer_target(text: str) -> PeerTarget | None:
    """Return the peer that `text` names by its ID, None when it names none.

    Raises LocalError for a mistyped ID: it is never looked up as a service's name, which anybody could announce.
    """
    head, slash, service = text.strip().partition("/")
    if not looks_like_id(head):
        return None
    try:
        peer_id = PeerId.parse(head)
    except ValueError as error:
        raise LocalError(str(error), name=NO_ID) from None
    if slash and not service.strip():
        raise LocalError("the service after the Peer ID is missing, as in PEER-ID/fibonacci", name=NO_ID)
    return PeerTarget(peer_id, service.strip() or None)
