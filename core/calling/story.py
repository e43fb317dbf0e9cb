"""The story of a search for a peer by its ID, told while it goes on: where it was looked for, and what came of it."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from core.calling.paths import Candidate, Origin
from core.errors import PeerError
from core.news.hub import Hub
from core.news.joins import SearchProgress
from core.peer_id import PeerId
from core.scope import virtual
from core.values import Address

_SHOWN: Final = 3  # addresses in a sentence


class Story:
    """Tells one search; nothing of one by name (`peer_id` None)."""

    def __init__(self, hub: Hub, peer_id: PeerId | None) -> None:
        self._hub = hub
        self._peer_id = peer_id
        self._began = asyncio.get_running_loop().time()

    def __enter__(self) -> "Story":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Tell how it ended, if nobody was reached."""
        if error is not None:
            self._say("end", f"not reached: {error}" if isinstance(error, PeerError) else "not reached in time")

    def near(self, candidates: Sequence[Candidate]) -> None:
        """Tell what we know of our own networks."""
        here = [each.path.address for each in candidates if each.origin is Origin.HERE]
        before = [each.path.address for each in candidates if each.origin is Origin.BEFORE]
        self._say("network", f"this network: at {_some(here)}" if here else "this network: nobody known by that key")
        if before:
            self._say("last place", f"last known place: trying {_some(before)}")

    def silent(self) -> None:
        """Tell that nobody answers nearby."""
        self._say("last place", "nearby: silent")

    def located(self, candidates: Iterable[Candidate], *, own_words: bool) -> None:
        """Tell what the grapes know."""
        found = _some([each.path.address for each in candidates])
        self._say("record", f"its own record: at {found}" if own_words else f"the grapes: at {found}")

    def missing(self) -> None:
        """Tell that the grapes know nothing."""
        self._say("record", "the grapes: no record of it")

    def opening(self, arranged: bool) -> None:
        """Tell that the way is opened."""
        by = "a broker brings both sides together" if arranged else "both sides have to send first"
        self._say("routers", f"opening the routers: {by}")

    def reached(self, address: Address) -> None:
        """Tell where it answered, and after how long."""
        took = asyncio.get_running_loop().time() - self._began
        how = "by a friend who passes packets on" if virtual(address) else f"directly to {address}"
        self._say("way", f"connected {how}, after {took:.1f} s")

    def _say(self, where: str, message: str) -> None:
        if self._peer_id is not None:
            self._hub.emit(SearchProgress(self._hub.now(), self._peer_id, where, message))


def _some(addresses: Sequence[Address]) -> str:
    more = f" and {len(addresses) - _SHOWN} more" if len(addresses) > _SHOWN else ""
    return ", ".join(map(str, addresses[:_SHOWN])) + more or "a place that it does not tell"
