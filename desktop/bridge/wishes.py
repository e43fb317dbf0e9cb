"""What the user wants to share and to consume: kept as wishes, so a switch works before the peer is open, and what is
on stays on when a peer is closed and opened again with other settings.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import PeerError
from core.news.events import ServiceSnapshot
from desktop.bridge.session import Session

if TYPE_CHECKING:
    from core.peer import Peer


@dataclass(frozen=True, slots=True)
class Wish:
    """One switch: share (or else consume) a service."""

    service: str
    share: bool


class Wishes:
    """`failed` hears a sentence; `refresh` is called when something was done, with True when it could not be."""

    def __init__(self, failed: Callable[[str], None], refresh: Callable[[bool], None]) -> None:
        self._failed, self._refresh = failed, refresh
        self._wanted: dict[Wish, bool] = {}
        self._busy: set[Wish] = set()
        self._session: Session | None = None

    def wanted(self) -> Mapping[Wish, bool]:
        """Return what the user asked for, done or not yet."""
        return dict(self._wanted)

    def attach(self, session: Session) -> None:
        """Carry out what was wished."""
        self._session = session
        for wish, on in self._wanted.items():
            if on:
                self._start(wish)

    def detach(self) -> None:
        """Keep the wishes for the next peer. Its tasks have ended."""
        self._session = None
        self._busy.clear()  # a task cancelled before its first step never got to say that it ended

    def wish(self, wish: Wish, on: bool) -> None:
        """Note a wish, and carry it out when there is a peer."""
        self._wanted[wish] = on
        self._start(wish)

    def applied(self, service: ServiceSnapshot) -> ServiceSnapshot:
        """Return a service as it will be once there is a peer."""
        share = self._wanted.get(Wish(service.name, share=True), False)
        consume = self._wanted.get(Wish(service.name, share=False), False)
        return dataclasses.replace(service, sharing=share, consuming=consume, announced_nodes=0)

    def _start(self, wish: Wish) -> None:
        """Carry a wish out, unless its task is at it already: that one reads the newest wish when it is done."""
        if self._session is not None and wish not in self._busy:
            self._busy.add(wish)
            verb = "share" if wish.share else "consume"
            self._session.tasks.spawn(self._carry_out(self._session.peer, wish), name=f"{verb} {wish.service}")

    async def _carry_out(self, peer: "Peer", wish: Wish) -> None:
        done: bool | None = None
        failed = True  # also when cancelled, or by a defect that the loop's handler reports
        try:
            while (wanted := self._wanted[wish]) != done:
                if _does(peer, wish) != wanted:
                    await _act(peer, wish, wanted)
                done = wanted
            failed = False
        except PeerError as error:
            self._failed(str(error))
            self._wanted[wish] = _does(peer, wish)
        finally:
            self._busy.discard(wish)
            self._refresh(failed)  # a switch that could not be turned must go back


def _does(peer: "Peer", wish: Wish) -> bool:
    """Return whether the peer does now what the wish is about."""
    for service in peer.snapshot().services:
        if service.name == wish.service:
            return service.sharing if wish.share else service.consuming
    return False


async def _act(peer: "Peer", wish: Wish, on: bool) -> None:
    if wish.share:
        await (peer.share(wish.service) if on else peer.unshare(wish.service))
    else:
        await (peer.consume(wish.service) if on else peer.stop_consuming(wish.service))
