"""The sheet that changes who may use a share. Its name stays: friends have it."""

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QDialogButtonBox, QFormLayout, QWidget

from core.news.events import ShareRow
from core.trust.audience import Audience
from desktop.models.safe import shown
from desktop.models.shares import kind_words
from desktop.views.contract_shares import LookLike, SharingLike
from desktop.views.fields import Lines, muted
from desktop.views.parts import IdLine, PlainLabel, heading
from desktop.views.services import AudienceBox
from desktop.views.sheets import Sheet, primary, standard_buttons

WIDTH = 520  # pixels
LOOK_MS = 1000  # milliseconds between two looks at what is shared


class EditShareSheet(Sheet):
    """One share.

    Signals:
        chosen(str, Audience): saved.
    """

    chosen = Signal(str, object)

    def __init__(self, sharing: SharingLike, share: ShareRow, line: str, parent: QWidget | None = None) -> None:
        """`line` is what the other side types."""
        super().__init__(self.tr("Edit a share"), parent, width=WIDTH)
        self.setObjectName("edit-share")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._sharing = sharing
        self._share = share
        self._ticket: int | None = None
        self.audience = AudienceBox(shown(share.name, 40))
        self.audience.show_audience(share.audience)
        self.check = Lines(2)
        self.check.setObjectName("muted")
        other = IdLine(self.tr("What the other side types"))
        other.show_id(line)
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(PlainLabel(self.tr("What")), PlainLabel(kind_words(share.kind)))
        form.addRow(PlainLabel(self.tr("Who")), self.audience)
        form.addRow(PlainLabel(self.tr("Others type")), other)
        self.body.addWidget(heading(shown(share.name)))
        self.body.addLayout(form)
        self.body.addWidget(self.check)
        self.body.addWidget(muted(self.tr("To share something else under this name, stop this one and share it new.")))
        self.body.addStretch()
        standard = QDialogButtonBox.StandardButton
        self.buttons = standard_buttons(self, standard.Save | standard.Cancel)
        primary(self.buttons.button(standard.Save))
        self.calm(None)
        self.buttons.accepted.connect(self._save)
        self.buttons.rejected.connect(self.reject)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)
        sharing.looked.connect(self._show_look)

    def showEvent(self, event: QShowEvent) -> None:
        """Look whether what is shared is there, and go on looking."""
        super().showEvent(event)
        self._look()
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Look no longer."""
        super().hideEvent(event)
        self._timer.stop()

    def _look(self) -> None:
        if self._ticket is None:
            self._ticket = self._sharing.check(self._share.name)

    def _show_look(self, ticket: int, look: LookLike) -> None:
        if ticket == self._ticket:
            self._ticket = None
            self.check.setText(look.sentence)

    def _save(self) -> None:
        audience: Audience = self.audience.audience()
        if audience is not self._share.audience:
            self.chosen.emit(self._share.name, audience)
        self.accept()
