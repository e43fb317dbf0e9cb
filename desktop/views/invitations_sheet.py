"""The invitations that were made: who has come, who has not yet, and the way to take one back."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QAbstractItemView, QWidget

from core.news.events import PeerSnapshot
from core.peer_id import PeerId
from core.trust.entries import KnownPeer
from desktop.icons import icon
from desktop.models.invitations import ACCEPTED, OPEN, InvitationColumn, InvitationModel
from desktop.models.people import called
from desktop.models.table import STATE_ROLE
from desktop.theme import Theme, ThemeSource
from desktop.views.contract_inviting import InvitingLike
from desktop.views.fields import Lines
from desktop.views.sheets import Sheet
from desktop.views.table import ICON_ROOM, CellDelegate, Index, RowTable

WIDTH = 760  # pixels
SAMPLES = ("Anna's greenhouse", "photos, camera", f"{ICON_ROOM}Accepted: Bert, 2026-11-27 18:04", "2026-11-27")
LINES = 6  # of the table, whatever is in it; more scroll
NOBODY = "You have invited nobody yet."
KEEP = "Keep Grapevine running until your friends have come: an open invitation waits for them here."


class InvitationsSheet(Sheet):
    """Follows the snapshots while it is open."""

    def __init__(self, bridge: InvitingLike, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(self.tr("Your invitations"), parent, width=WIDTH)
        self.setObjectName("invitations")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._bridge = bridge
        self._known: Sequence[KnownPeer] = ()
        self.model = InvitationModel(self, name_of=self._called)
        self.table = RowTable(self.tr("Your invitations"))
        self.table.setModel(self.model)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setItemDelegateForColumn(InvitationColumn.STATE, CellDelegate(self._dress, self.table))
        self.table.set_samples(SAMPLES, fit_all=True)
        self.table.set_placeholder(self.tr(NOBODY))
        self.table.setMinimumHeight((LINES + 1) * self.table.verticalHeader().defaultSectionSize() + 8)
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._choose())
        self.words = Lines(2)
        self.words.setText(self.tr(KEEP))
        self.body.addWidget(self.table, 1)
        self.foot.addWidget(self.words)
        self.withdraw_button = self.add_button(self.tr("&Withdraw"), self.withdraw)
        self.row.addStretch()
        self.close_button = self.add_button(self.tr("Close"), self.reject)
        self.calm(None)
        theme.changed.connect(self._retheme)
        self._retheme(theme.theme)
        self._choose()
        self.table.setFocus()

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Show how they stand; the selection stays."""
        rows = tuple(reversed(snapshot.invitations.rows))
        chosen = self._chosen()
        if snapshot.known_peers != self._known:
            self._known = snapshot.known_peers
            self.model.tick()
        if list(rows) != self.model.rows():
            self.model.replace(rows)
            for number, row in enumerate(rows):
                if chosen is not None and row.number == chosen:
                    self.table.selectRow(number)
        self.words.setText(snapshot.invitations.problem or self.tr(KEEP))
        self._choose()

    def withdraw(self) -> None:
        """Let nobody else join by the selected invitation."""
        chosen = self._chosen()
        if chosen is not None:
            self._bridge.withdraw(chosen)

    def _called(self, peer_id: PeerId) -> str:
        return called(peer_id, self._known)

    def _chosen(self) -> int | None:
        rows = self.table.selected_rows()
        return self.model.row_at(rows[0]).number if rows and rows[0] < self.model.rowCount() else None

    def _choose(self) -> None:
        rows = self.table.selected_rows()
        row = self.model.row_at(rows[0]) if rows and rows[0] < self.model.rowCount() else None
        self.withdraw_button.setEnabled(row is not None and row.state == "open")

    def _dress(self, index: Index) -> tuple[QIcon | None, str]:
        return self._dresses.get(index.data(STATE_ROLE), (None, ""))

    def _retheme(self, theme: Theme) -> None:
        self._dresses = {
            OPEN: (icon("asking", theme.warn), theme.warn),
            ACCEPTED: (icon("check", theme.good), theme.good),
        }
        self.table.viewport().update()
