"""The peer that a command means. PEER is a Peer ID, or a name in the list of known peers; PEER/SERVICE: a service."""

from collections.abc import Iterable
from typing import NamedTuple

from core.calling.target import peer_target
from core.errors import LocalError
from core.peer_id import PeerId
from core.trust.entries import KnownPeer

UNKNOWN = "ERR_PEER_UNKNOWN"


class Place(NamedTuple):
    """A peer, its name here, and what stands behind the first slash: a service, perhaps with a path in it."""

    peer_id: PeerId
    name: str
    rest: str

    @property
    def service(self) -> str:
        """The service. Raises LocalError when none is named."""
        if not self.rest:
            raise LocalError(f"name a service too, as in {self.name}/garden; 'grapevine offers {self.name}' lists them")
        return self.rest


def find(text: str, known: Iterable[KnownPeer]) -> Place:
    """Return the place that a text names. Raises LocalError for a mistyped ID, an unknown or ambiguous name."""
    head, _, rest = text.strip().partition("/")
    target = peer_target(head)
    if target is not None:
        name = next((peer.name for peer in known if peer.peer_id == target.peer_id and peer.name), "")
        return Place(target.peer_id, name or target.peer_id.short, rest)
    named = [peer for peer in known if peer.name]
    # the longest first: a name may have a slash in it
    for same in (str.__str__, str.casefold):
        fits = [peer for peer in named if _begins(same(text.strip()), same(peer.name))]
        longest = max((len(peer.name) for peer in fits), default=0)
        fits = [peer for peer in fits if len(peer.name) == longest]
        if len(fits) > 1:
            raise LocalError(f"{len(fits)} peers that you know are named {head[:80]!r}: use the Peer ID", name=UNKNOWN)
        if fits:
            return Place(fits[0].peer_id, fits[0].name, text.strip()[longest + 1 :])
    raise LocalError(
        f"you know nobody named {head[:80]!r}: use the Peer ID, or name a peer with "
        "'grapevine trust add PEER-ID --name NAME'",
        name=UNKNOWN,
    )


def _begins(text: str, name: str) -> bool:
    return text == name or text.startswith(f"{name}/")
