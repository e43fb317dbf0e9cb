"""The buttons of invitations on the page of people, and the sheets that they open."""

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QPushButton, QWidget

from core.news.events import PeerSnapshot
from core.peer_id import PeerId
from desktop.models.invitations import button_words
from desktop.models.lookalike import name_form
from desktop.theme import ThemeSource
from desktop.views.contract import BridgeLike
from desktop.views.invitations_sheet import InvitationsSheet
from desktop.views.invite_sheet import InviteSheet
from desktop.views.open_invitation import OpenInvitation
from desktop.views.parts import button

WIDEST = "Invitations (99)..."


class Inviting(QObject):
    """`services()` are those that may be offered. Sheets stand over `page`.

    Signals:
        use_wanted(PeerId): the user wants to see what a new friend shares.
    """

    use_wanted = Signal(object)

    def __init__(
        self, page: QWidget, bridge: BridgeLike, theme: ThemeSource, services: Callable[[], list[str]]
    ) -> None:
        super().__init__(page)
        self._page, self.bridge, self.theme, self._services = page, bridge, theme, services
        self._snapshot: PeerSnapshot | None = None
        self._opened: OpenInvitation | None = None
        self._listed: InvitationsSheet | None = None
        hint = self.tr("Make a link that lets a friend know you, and use what you choose")
        self.invite_button = button(self.tr("&Invite a friend..."), hint, self.invite)
        hint = self.tr("Open a link that a friend sent you")
        self.open_button = button(self.tr("&Open an invitation..."), hint, lambda: self.open_invitation())
        hint = self.tr("See who has come, and take an invitation back")
        self.list_button = button(self.tr("Invi&tations..."), hint, self.show_all)
        # nothing beside it moves when the number comes and goes
        self.list_button.setMinimumWidth(page.fontMetrics().horizontalAdvance(self.tr(WIDEST)) + 28)

    def buttons(self) -> tuple[QPushButton, ...]:
        """Return the buttons."""
        return self.invite_button, self.open_button, self.list_button

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Say how many invitations are open, and let the list follow."""
        self._snapshot = snapshot
        words = button_words(snapshot.invitations.rows, self.tr("Invi&tations"))
        if words != self.list_button.text():
            self.list_button.setText(words)
            self.list_button.setAccessibleName(words.replace("&", "").replace("...", ""))
        if self._listed is not None:
            self._listed.show_snapshot(snapshot)

    def invite(self, chosen: str = "") -> InviteSheet:
        """Make a link for a friend, who may use the share `chosen`."""
        sheet = InviteSheet(self.bridge.inviting, self._services(), self._page, chosen)
        self.bridge.events_arrived.connect(sheet.on_events)
        sheet.open()
        return sheet

    def show_all(self) -> InvitationsSheet:
        """List the invitations; the list that is open already stays."""
        if self._listed is not None:
            self._listed.raise_()
            return self._listed
        sheet = self._listed = InvitationsSheet(self.bridge.inviting, self.theme, self._page)
        if self._snapshot is not None:
            sheet.show_snapshot(self._snapshot)
        sheet.finished.connect(self._on_list_closed)
        sheet.open()
        return sheet

    def open_invitation(self, link: str = "") -> OpenInvitation:
        """Show somebody's invitation. Nothing happens until the user says so; one that is open already stays."""
        if self._opened is not None:
            self._opened.raise_()
            return self._opened
        sheet = self._opened = OpenInvitation(self.bridge.inviting, link, self._page, self._known, self._is_taken)
        sheet.finished.connect(self._on_closed)
        sheet.use_wanted.connect(self.use_wanted)
        self.bridge.events_arrived.connect(sheet.on_events)
        sheet.open()
        return sheet

    def _known(self, peer_id: PeerId) -> str:
        people = () if self._snapshot is None else self._snapshot.known_peers
        found = next((each for each in people if each.peer_id == peer_id and not each.blocked), None)
        return "" if found is None else found.name or peer_id.short

    def _is_taken(self, name: str, peer_id: PeerId) -> bool:
        people = () if self._snapshot is None else self._snapshot.known_peers
        return any(each.peer_id != peer_id and name_form(each.name) == name_form(name) for each in people)

    def _on_closed(self) -> None:
        self._opened = None

    def _on_list_closed(self) -> None:
        self._listed = None
