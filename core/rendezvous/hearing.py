"""What the socket tells of punches, handed to everybody it concerns."""

import asyncio
from typing import Protocol

from core.calling.outgoing import Outgoing
from core.news.events import PunchReceived, PunchSent
from core.news.hub import Hub
from core.news.roster import Roster
from core.punch import events as punch
from core.rendezvous.brokers import Brokers
from core.rendezvous.pacer import PunchPacer
from core.rendezvous.place import Place
from core.rendezvous.roles import Roles
from core.values import Address


class Searches(Protocol):
    """Requests under way that look for somebody to answer them."""

    def searching(self) -> bool:
        """Return whether a request waits for somebody to be reached."""

    def heard(self, address: Address) -> None:
        """Note a sign of life."""

    def came(self, address: Address) -> None:
        """Note a connection from there."""


class Hearing:
    """The hearer of the endpoint's punch events."""

    def __init__(
        self,
        hub: Hub,
        roster: Roster,
        place: Place,
        outgoing: Outgoing,
        pacer: PunchPacer,
        brokers: Brokers,
        roles: Roles,
        searches: Searches,
    ) -> None:
        self._place = place
        self._outgoing = outgoing
        self._hub = hub
        self._roster = roster
        self._pacer = pacer
        self._brokers = brokers
        self._roles = roles
        self._searches = searches

    def on_punch(self, event: punch.PunchEvent) -> None:
        """Take what the punch engine tells; of our own socket, which a request to ourselves punches, nobody hears."""
        if self._place.is_self(event.remote):
            return
        if isinstance(event, punch.PunchSent):
            self._roster.note_punch_sent(event.remote)
            self._hub.emit(PunchSent(self._hub.now(), event.remote))
        elif isinstance(event, punch.PunchHeard):
            self._on_heard(event.remote, event.first)
        elif event.confirmed:  # no punch came, but ours got there and somebody told us so
            self._outgoing.heard(event.remote)
            self._pacer.alive(event.remote, asyncio.get_running_loop().time())
            self._roster.note_alive(event.remote)
            self._brokers.reached(event.remote)
            self._roles.on_reached(event.remote)
            self._searches.heard(event.remote)

    def on_connection(self, remote: Address) -> None:
        """Take that somebody has connected to us: packets go both ways, so who waits for that need not any longer."""
        if not self._place.is_self(remote):
            self._brokers.reached(remote)
            self._searches.came(remote)

    def _on_heard(self, address: Address, never_heard: bool) -> None:
        found_as = self._roles.on_punch(address)
        first = self._roster.note_punch_received(address, found_as)
        self._hub.emit(PunchReceived(self._hub.now(), address, never_heard if first is None else first))
        if self._roles.active() or self._searches.searching():
            self._pacer.heard(address, asyncio.get_running_loop().time())
        self._brokers.heard(address)
        self._searches.heard(address)
