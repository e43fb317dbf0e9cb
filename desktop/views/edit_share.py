"""The sheet that changes a share: its name, who may use it, and whether it is kept."""

from collections.abc import Collection, Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QCheckBox, QDialogButtonBox, QFormLayout, QLineEdit, QWidget

from core.news.events import ShareRow
from core.trust.entries import Group
from desktop.models.safe import shown
from desktop.models.share_form import ANSWERS, OVER_WEB, UTP_ONLY, name_problem, over_web
from desktop.models.shares import kind_words
from desktop.views.contract_shares import LookLike, SharingLike
from desktop.views.fields import Lines, limit
from desktop.views.groups import GroupBoxes
from desktop.views.parts import IdLine, PlainLabel, heading
from desktop.views.services import AudienceBox
from desktop.views.share_sheet import MAX_NAME
from desktop.views.sheets import Sheet, primary, standard_buttons

WIDTH = 520  # pixels
LOOK_MS = 1000  # milliseconds between two looks at what is shared


class EditShareSheet(Sheet):
    """One share.

    Signals:
        chosen(str, str, Audience, bool, tuple): saved: the name, the new name, who, whether it is kept, and over what.
        grouped(str, list): saved, after that: a name, and the groups that may use what has it, if they are others now.
    """

    chosen = Signal(str, str, object, bool, object)
    grouped = Signal(str, object)

    def __init__(
        self, sharing: SharingLike, share: ShareRow, line: str, parent: QWidget | None = None, *,
        taken: Collection[str] = (), groups: Sequence[Group] = (),
    ) -> None:  # fmt: skip
        """`line` is what the other side types; `taken` are names of other shares; `groups` are all that there are."""
        super().__init__(self.tr("Edit a share"), parent, width=WIDTH)
        self.setObjectName("edit-share")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._sharing = sharing
        self._share = share
        self._ticket: int | None = None
        self._taken = frozenset(taken)
        self.name = QLineEdit(share.name)
        self.name.setAccessibleName(self.tr("Name"))
        limit(self.name, MAX_NAME)
        self.name.textChanged.connect(lambda _text: self._choose_buttons())
        self.permanent = QCheckBox(self.tr("Share it at every start"))
        self.permanent.setChecked(share.permanent)
        self.web = QCheckBox(self.tr("Over HTTP and WebSocket too"))
        self.web.setToolTip(self.tr("For programs on this computer that use Grenache, in any language"))
        self.web.setChecked(over_web(share.transports))
        self.web.toggled.connect(lambda _on: self._choose_buttons())
        self.audience = AudienceBox(shown(share.name, 40))
        self.audience.show_audience(share.audience)
        self._before = [group.name for group in groups if share.name in group.services]
        self.groups = GroupBoxes([group.name for group in groups], self._before, self.tr("For the group {group}"))
        self.check = Lines(2)
        self.check.setObjectName("muted")
        self.body.addWidget(heading(shown(share.name)))
        self.body.addLayout(self._fields(share, line))
        self.body.addWidget(self.check)
        self.words = Lines(2)
        self.words.setObjectName("muted")
        self.body.addWidget(self.words)
        self.body.addStretch()
        standard = QDialogButtonBox.StandardButton
        self.buttons = standard_buttons(self, standard.Save | standard.Cancel)
        primary(self.buttons.button(standard.Save))
        self.calm(None)
        self.buttons.accepted.connect(self._save)
        self.buttons.rejected.connect(self.reject)
        self._choose_buttons()
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)
        sharing.looked.connect(self._show_look)

    def _fields(self, share: ShareRow, line: str) -> QFormLayout:
        other = IdLine(self.tr("What the other side types"))
        other.show_id(line)
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(PlainLabel(self.tr("What")), PlainLabel(kind_words(share.kind)))
        form.addRow(PlainLabel(self.tr("Name")), self.name)
        form.addRow(PlainLabel(self.tr("Who")), self.audience)
        if self.groups.boxes:
            form.addRow(PlainLabel(self.tr("Groups")), self.groups)
        form.addRow(PlainLabel(), self.web)
        form.setRowVisible(self.web, share.kind in ANSWERS)
        form.addRow(PlainLabel(), self.permanent)
        form.addRow(PlainLabel(self.tr("Others type")), other)
        return form

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
        name, audience, permanent = self.name.text().strip(), self.audience.audience(), self.permanent.isChecked()
        if self._problem():
            return
        over, share = self._over(), self._share
        if (name, audience, permanent, over) != (share.name, share.audience, share.permanent, share.transports):
            self.chosen.emit(share.name, name, audience, permanent, over)
        now, renamed = self.groups.chosen(), name != share.name
        if renamed and self._before:
            self.grouped.emit(share.name, [])
        if now != self._before or (renamed and now):
            self.grouped.emit(name, now)
        self.accept()

    def _over(self) -> tuple[str, ...]:
        """Return the transports: those it has, unless the box was changed."""
        now, on = self._share.transports, self.web.isChecked()
        if on == over_web(now):
            return now
        return OVER_WEB if on else UTP_ONLY

    def _problem(self) -> str:
        """Return what is wrong with the name; "" when nothing is."""
        name = self.name.text().strip()
        if name == self._share.name:
            return ""
        return name_problem(name, self._taken)

    def _choose_buttons(self) -> None:
        """Say what is wrong with the name, or what another one means."""
        problem = self._problem()
        self.buttons.button(QDialogButtonBox.StandardButton.Save).setEnabled(not problem)
        changed = self.name.text().strip() != self._share.name
        new = self.tr(
            "Under the new name everybody opens it again, and those who may use only some shares ask you again."
        )
        same = self.tr("To share something else under this name, stop this one and share it new.")
        in_clear = self.tr("Over HTTP nobody has an ID: only what is for anyone is answered there.")
        self.words.setText(problem or (new if changed else in_clear if self.web.isChecked() else same))
