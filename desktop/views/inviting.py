"""The two buttons of invitations on the page of people, and the sheets that they open."""

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QPushButton, QWidget

from desktop.views.contract import BridgeLike
from desktop.views.invite_sheet import InviteSheet
from desktop.views.open_invitation import OpenInvitation
from desktop.views.parts import button


class Inviting(QObject):
    """`services()` are those that may be offered. Sheets stand over `page`."""

    def __init__(self, page: QWidget, bridge: BridgeLike, services: Callable[[], list[str]]) -> None:
        super().__init__(page)
        self._page, self._bridge, self._services = page, bridge, services
        self._opened: OpenInvitation | None = None
        hint = self.tr("Make a link that lets a friend know you, and use what you choose")
        self.invite_button = button(self.tr("&Invite a friend..."), hint, self.invite)
        hint = self.tr("Open a link that a friend sent you")
        self.open_button = button(self.tr("&Open an invitation..."), hint, self.open_invitation)

    def buttons(self) -> tuple[QPushButton, ...]:
        """Return the buttons."""
        return self.invite_button, self.open_button

    def invite(self) -> InviteSheet:
        """Make a link for a friend."""
        sheet = InviteSheet(self._bridge.inviting, self._services(), self._page)
        sheet.open()
        return sheet

    def open_invitation(self, link: str = "") -> OpenInvitation:
        """Show somebody's invitation. Nothing happens until the user says so; one that is open already stays."""
        if self._opened is not None:
            self._opened.raise_()
            return self._opened
        sheet = self._opened = OpenInvitation(self._bridge.inviting, link, self._page)
        sheet.finished.connect(self._on_closed)
        self._bridge.events_arrived.connect(sheet.on_events)
        sheet.open()
        return sheet

    def _on_closed(self) -> None:
        self._opened = None
