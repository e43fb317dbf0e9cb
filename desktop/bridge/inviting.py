"""Invitations for the views: ours are made and withdrawn, those of others are looked at and accepted."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from desktop.bridge.acts import Acts
from desktop.bridge.session import Session
from desktop.bridge.tickets import Tickets, Work

if TYPE_CHECKING:
    from core.peer import Peer

LOOK_SECONDS = 60.0  # for the inviter to be found and to say what it offers


class Inviting(QObject):
    """The verbs of invitations (`desktop.views.contract_inviting.InvitingLike`)."""

    invited = Signal(object, str, object)  # ticket, the link, the invitation's number
    looked = Signal(object, str, object)  # ticket, how the inviter calls itself, tuple of the names of its shares
    joined = Signal(object, str)  # ticket, the inviter's name here
    refused = Signal(object, str)  # ticket, a sentence that says what was not done

    def __init__(self, parent: QObject, acts: Acts, ticket: Callable[[], int]) -> None:
        super().__init__(parent)
        self._acts = acts
        self._tickets = Tickets(self, ticket)

    def attach(self, session: Session) -> None:
        """Act on this peer."""
        self._tickets.attach(session)

    def detach(self) -> None:
        """Act on none; what is under way is answered so."""
        self._tickets.detach()

    def invite(self, name: str, services: frozenset[str], *, uses: int, days: float, called: str) -> int:
        """Make an invitation; its link comes as `invited`, once."""

        def work(ticket: int) -> Work:
            async def invite(peer: "Peer") -> None:
                link, row = await peer.invite(name, services, uses=uses, days=days, called=called)
                self.invited.emit(ticket, str(link), row.number)

            return invite

        return self._tickets.ask("invite", work, self.refused.emit)

    def withdraw(self, number: int) -> None:
        """Let nobody else join by an invitation."""

        async def withdraw(peer: "Peer") -> None:
            await peer.withdraw(number)

        self._acts.do("withdraw an invitation", withdraw)

    def look(self, link: str) -> int:
        """Ask the inviter what a link offers; the answer is `looked` or `refused`. Nothing is spent."""

        def work(ticket: int) -> Work:
            async def look(peer: "Peer") -> None:
                offer = await peer.look_at_invitation(link, timeout=LOOK_SECONDS)
                self.looked.emit(ticket, offer.called, offer.services)

            return look

        return self._tickets.ask("look at an invitation", work, self.refused.emit)

    def join(self, link: str, name: str) -> int:
        """Accept an invitation; it waits for the inviter until it is cancelled. `joined` or `refused`."""

        def work(ticket: int) -> Work:
            async def join(peer: "Peer") -> None:
                joined = await peer.join(link, name=name)
                self.joined.emit(ticket, joined.name)

            return join

        return self._tickets.ask("accept an invitation", work, self.refused.emit)

    def cancel(self, ticket: int) -> None:
        """End what is under way, and say nothing more of it."""
        self._tickets.cancel(ticket)
