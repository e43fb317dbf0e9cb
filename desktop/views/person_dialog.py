"""Edits one known peer, or adds one: its ID, its name, and which services it may call. Never `exec()`."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDialogButtonBox,
    QFormLayout,
    QLineEdit,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from core.peer_id import PeerId
from core.trust.entries import EVERY, MAX_NAME, MAX_SERVICES, KnownPeer, clean_name, is_service
from desktop.theme import fixed_font
from desktop.views.fields import Lines, limit
from desktop.views.sheets import Sheet, primary, standard_buttons

WIDTH = 640  # pixels; a Peer ID in one line
MAX_ID = 200  # characters: an ID with blanks, as people copy it
ID_CHARACTERS = 63  # of an ID with its dashes


class PersonDialog(Sheet):
    """One peer.

    Signals:
        chosen(PeerId, str, frozenset): saved, and everything makes sense: who, its name, and its services.
    """

    chosen = Signal(object, str, object)

    def __init__(
        self,
        services: Sequence[str],
        known: KnownPeer | None = None,
        *,
        peer_id: PeerId | None = None,
        parent: QWidget | None = None,
    ) -> None:
        """`services` are those here; `known` is who is edited, `peer_id` who is added, if that is clear already."""
        title = self.tr("Add a peer") if known is None else self.tr("Known peer")
        super().__init__(title, parent, width=WIDTH)
        self.setObjectName("person")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        fixed = known.peer_id if known is not None else peer_id
        self.id = QLineEdit("" if fixed is None else str(fixed))
        self.id.setFont(fixed_font())
        self.id.setReadOnly(fixed is not None)
        self.id.setPlaceholderText(self.tr("Eight groups of seven letters and digits"))
        self.id.textChanged.connect(self._look)
        self.name = QLineEdit(known.name if known is not None else "")
        limit(self.name, MAX_NAME)
        limit(self.id, MAX_ID)
        self.name.setPlaceholderText(self.tr("As in Anna's greenhouse"))
        chosen = known.services if known is not None else frozenset()
        self.every = QRadioButton(self.tr("&Every service, those that I share later too"))
        self.some = QRadioButton(self.tr("&Only these:"))
        group = QButtonGroup(self)
        for button in (self.every, self.some):
            button.setAccessibleName(button.text().replace("&", ""))
            group.addButton(button)
            button.toggled.connect(self._look)
        every = known is None or chosen == EVERY
        (self.every if every else self.some).setChecked(True)
        named = () if chosen == EVERY else sorted(chosen)
        self.services = {
            name: self._check(name, name in chosen)
            for name in dict.fromkeys([*services, *named][:MAX_SERVICES])
            if is_service(name)
        }
        self._problem = Lines(2)  # its place is kept: no field moves when there is something to say
        self._problem.setProperty("problem", True)
        standard = QDialogButtonBox.StandardButton
        self.buttons = standard_buttons(self, standard.Save | standard.Cancel)
        primary(self.buttons.button(standard.Save))
        self.calm(self.buttons.button(standard.Save))
        self.buttons.accepted.connect(self._save)
        self.buttons.rejected.connect(self.reject)
        self._lay_out()
        self._look()
        (self.name if fixed is not None else self.id).setFocus()

    def problem(self) -> str:
        """Return what is wrong with the ID so far, or nothing."""
        return self._problem.text()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for words, field in ((self.tr("Peer &ID"), self.id), (self.tr("&Name"), self.name)):
            form.addRow(words, field)
            field.setAccessibleName(words.replace("&", ""))
        form.insertRow(1, "", self._problem)
        form.addRow(self.tr("May call"), self.every)
        form.addRow("", self.some)
        below = QVBoxLayout()
        below.setContentsMargins(24, 0, 0, 0)
        for box in self.services.values():
            below.addWidget(box)
        form.addRow("", below)
        self.body.addLayout(form)
        self.body.addStretch()

    def _check(self, name: str, on: bool) -> QCheckBox:
        box = QCheckBox(name)
        box.setAccessibleName(f"May call {name}")
        box.setChecked(on)
        return box

    def _look(self) -> None:
        """Say what is wrong with the ID while it is typed, from the moment it is as long as one."""
        if not hasattr(self, "services"):  # still being made
            return
        text = self.id.text().strip()
        problem = ""
        try:
            PeerId.parse(text)
            good = True
        except ValueError as error:
            good = False
            sentence = str(error)
            if len(text) >= ID_CHARACTERS or (text and "not" in sentence and "letters and the digits" in sentence):
                problem = f"{sentence[:1].upper()}{sentence[1:]}."
        self._problem.setText(problem)
        self.buttons.button(QDialogButtonBox.StandardButton.Save).setEnabled(good)
        for box in self.services.values():
            box.setEnabled(self.some.isChecked())

    def _save(self) -> None:
        try:
            peer_id = PeerId.parse(self.id.text())
        except ValueError:  # the button is off then
            return
        chosen = frozenset(name for name, box in self.services.items() if box.isChecked())
        self.chosen.emit(peer_id, clean_name(self.name.text()), EVERY if self.every.isChecked() else chosen)
        self.accept()
