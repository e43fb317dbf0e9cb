"""Ways to another peer: sources that find them, and openers that open them. A new one is a file of its own."""

import enum
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from core.frozen import frozen
from core.peer_id import PeerId
from core.services.names import RoleName
from core.values import Address


class PathKind(enum.Enum):
    """How packets get there at first. What stands for a peer is `DIRECT` too: its lane knows (`core.relay`)."""

    DIRECT = "direct"  # to an IPv4 address, perhaps through NATs


@frozen
class Path:
    """A way to a peer's socket."""

    address: Address
    kind: PathKind = PathKind.DIRECT


class Origin(enum.Enum):
    """The source of a candidate."""

    GRAPES = "the grapes"
    RECORD = "its own record"
    REMEMBERED = "an earlier request"
    HERE = "this network"  # recognised by its tag
    BEFORE = "an earlier meeting"  # on a network, in another run


@frozen
class Candidate:
    """Where the answer to a request may be had. `peer_id`: who should be there, which that peer still has to prove."""

    path: Path
    origin: Origin
    peer_id: PeerId | None = None
    service: str | None = None  # the key it is asked under


@frozen
class Wanted:
    """What is looked for: a name as announced, or a peer by its ID, perhaps with a service as a person wrote it."""

    service: str | None
    peer_id: PeerId | None = None


class Found(NamedTuple):
    """What one source knows, and under which key it is asked. `final`: the peer's own words, so no need to ask on."""

    candidates: Sequence[Candidate]
    key: str | None = None
    final: bool = False
    meeting: RoleName | None = None  # the name under which the way is opened, where that is another


class CandidateSource(Protocol):
    """Somebody who tells of candidates."""

    async def find(self, wanted: Wanted) -> Found | None:
        """Return the candidates for this; None when it is no question for this source.

        Raises LookupEmpty or RecordMissing when it knows nobody, and other sources may; another PeerError is final.
        """


class LateSource(Protocol):
    """Somebody who tells of candidates while they are tried: it takes seconds, and the other side has to be woken."""

    @property
    def head_start(self) -> float:
        """Seconds that others have before it is asked, where there is anybody else."""

    def knows(self, peer_id: PeerId) -> bool:
        """Return whether it can look for this peer at all."""

    def searching(self, peer_id: PeerId, found: Callable[[Address, float], None]) -> AbstractContextManager[None]:
        """Look for a peer as long as the context lasts. `found(address, seconds)`: try it, so many seconds from now.

        Addresses may be found again, and may be tried before that time when they give a sign of life.
        """


class Publication(Protocol):
    """Something that makes us known, so that others find us as a candidate."""

    def publish(self) -> None:
        """Make what we offer known again now: it has changed, or we have moved, or others keep it now."""


class Opener(Protocol):
    """Somebody who opens the way to candidates."""

    @property
    def finds(self) -> bool:
        """Whether it may bring peers that no source has told of."""

    def opening(self, worker: RoleName | None, candidates: Sequence[Address]) -> AbstractContextManager[bool]:
        """Open the way to those who play this role, as long as the context lasts.

        Yields whether all is arranged: then nobody else opens it. `worker` None: it is no role of a service.
        """


def candidates(
    found: Iterable[Address], origin: Origin, peer_id: PeerId | None = None, service: str | None = None
) -> list[Candidate]:
    """Return direct candidates at these addresses."""
    return [Candidate(Path(address), origin, peer_id, service) for address in found]
