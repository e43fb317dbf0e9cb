"""Edits one known peer, or adds one: its ID, its name, and which services it may call. Never `exec()`."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDialogButtonBox,
    QFormLayout,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from core.errors import LocalError
from core.peer_id import PeerId
from core.trust.entries import EVERY, MAX_GROUP, MAX_NAME, MAX_SERVICES, KnownPeer, clean_name, is_service
from core.trust.groups import group_form, new_group, same_group
from desktop.models.lookalike import same_named, warning
from desktop.models.safe import menu_text, shown
from desktop.theme import fixed_font
from desktop.views.fields import Lines, limit
from desktop.views.groups import GroupBoxes
from desktop.views.sheets import Sheet, primary, standard_buttons

MAX_ID = 200  # characters: an ID with blanks, as people copy it
WIDTH = 640  # pixels; a Peer ID in one line
ID_CHARACTERS = 63  # of an ID with its dashes
NO_ID = "Paste or type the Peer ID: 56 letters and digits, in eight groups of seven."
NOTHING_YET = "It may call nothing yet: choose what it may call, now or later."


class PersonDialog(Sheet):
    """One peer.

    Signals:
        chosen(PeerId, str, frozenset): saved, and everything makes sense: who, its name, and its services.
        grouped(PeerId, list): saved, after that: the groups that it is in, if they are others than before.
    """

    chosen = Signal(object, str, object)
    grouped = Signal(object, object)

    def __init__(
        self,
        services: Sequence[str],
        known: KnownPeer | None = None,
        *,
        peer_id: PeerId | None = None,
        known_peers: Sequence[KnownPeer] = (),
        groups: Sequence[str] = (),
        accepts: str = "",
        parent: QWidget | None = None,
    ) -> None:
        """`services` are those here; `known` is who is edited, `peer_id` who is added, if that is clear already.

        `known_peers` are looked through for one that could be taken for this one. `groups` are all that there are.
        `accepts` is the service that a waiting peer is let in to by saving.
        """
        title = self.tr("Add a peer") if known is None else self.tr("Known peer")
        super().__init__(self.tr("Always accept a peer") if accepts else title, parent, width=WIDTH)
        self.setObjectName("person")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._known_peers = known_peers
        self._accepts = accepts
        fixed = known.peer_id if known is not None else peer_id
        self.id = QLineEdit("" if fixed is None else str(fixed))
        self.id.setFont(fixed_font())
        self.id.setReadOnly(fixed is not None)
        self.id.setPlaceholderText(self.tr("Eight groups of seven letters and digits"))
        self.name = QLineEdit(known.name if known is not None else "")
        limit(self.name, MAX_NAME)
        limit(self.id, MAX_ID)
        self.name.setPlaceholderText(self.tr("As in Anna's greenhouse"))
        chosen = known.services if known is not None else frozenset()
        self.some = QRadioButton(self.tr("&Only these:"))
        self.every = QRadioButton(self.tr("&Every service, those that I share later too"))
        group = QButtonGroup(self)
        for each in (self.some, self.every):
            each.setAccessibleName(each.text().replace("&", ""))
            group.addButton(each)
        (self.every if chosen == EVERY else self.some).setChecked(True)
        named = () if chosen == EVERY else sorted(chosen)
        self.services = {
            name: self._check(name, name in chosen)
            for name in dict.fromkeys([*services, *named][:MAX_SERVICES])
            if is_service(name)
        }
        self._make_groups(groups, known)
        self._problem, self._careful, self._note = Lines(2), Lines(2), Lines(1)  # their places are always there
        for label in (self._problem, self._careful):
            label.setProperty("problem", True)
        self._note.setObjectName("muted")
        self._make_buttons()
        self._lay_out()
        self._listen()
        self._look()
        (self.name if fixed is not None else self.id).setFocus()

    def _make_groups(self, groups: Sequence[str], known: KnownPeer | None) -> None:
        self._before = sorted(group.name for group in known.groups) if known is not None else []
        self.groups = GroupBoxes(groups, self._before, self.tr("In the group {group}"))
        self.new_group = QLineEdit()
        limit(self.new_group, MAX_GROUP)
        self.new_group.setPlaceholderText(self.tr("A new group, as in family"))
        self.new_group.setAccessibleName(self.tr("New group"))

    def problem(self) -> str:
        """Return what is wrong with the ID so far, or nothing."""
        return self._problem.text()

    def careful(self) -> str:
        """Return which known peer could be taken for this one, or nothing."""
        return self._careful.text()

    def note(self) -> str:
        """Return why Save is off, or what saving leaves closed; or nothing."""
        return self._note.text()

    def _make_buttons(self) -> None:
        standard = QDialogButtonBox.StandardButton
        self.buttons = standard_buttons(self, standard.Save | standard.Cancel)
        primary(self.buttons.button(standard.Save))
        if self._accepts:
            self.buttons.button(standard.Save).setText(self.tr("Always accept"))
        self.calm(None)
        self.buttons.accepted.connect(self._save)
        self.buttons.rejected.connect(self.reject)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(6)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for words, field in ((self.tr("Peer &ID"), self.id), (self.tr("&Name"), self.name)):
            form.addRow(words, field)
            field.setAccessibleName(words.replace("&", ""))
        form.insertRow(1, "", self._problem)
        form.addRow("", self._careful)
        form.addRow(self.tr("May call"), self.some)
        below = QVBoxLayout()
        below.setContentsMargins(24, 0, 0, 0)
        for box in self.services.values():
            below.addWidget(box)
        form.addRow("", below)
        form.addRow("", self.every)
        form.addRow(self.tr("Groups"), self.groups if self.groups.boxes else self.new_group)
        if self.groups.boxes:
            form.addRow("", self.new_group)
        self.body.addLayout(form)
        self.body.addStretch()
        self.foot.addWidget(self._note)

    def _listen(self) -> None:
        self.id.textChanged.connect(self._look)
        self.name.textChanged.connect(self._look)
        self.new_group.textChanged.connect(self._look)
        for button in (self.some, self.every, *self.services.values()):
            button.toggled.connect(self._look)

    def _check(self, name: str, on: bool) -> QCheckBox:
        box = QCheckBox(menu_text(name))
        box.setAccessibleName(self.tr("May call {service}").format(service=shown(name)))
        box.setChecked(on)
        return box

    def _read_id(self) -> tuple[PeerId | None, str]:
        """Return the ID, or None and what is wrong with it."""
        text = self.id.text().strip()
        try:
            return PeerId.parse(text), ""
        except ValueError as error:
            sentence = str(error)
            return None, f"{sentence[:1].upper()}{sentence[1:]}." if text else self.tr(NO_ID)

    def _look(self) -> None:
        """Say what is wrong with the ID, loudly from the moment it is as long as one, and why Save is off."""
        peer_id, why = self._read_id()
        text = self.id.text().strip()
        loud = peer_id is None and (len(text) >= ID_CHARACTERS or ("letters and the digits" in why and bool(text)))
        self._problem.setText(why if loud else "")
        self._careful.setText(self._alike(peer_id))
        nothing = self.some.isChecked() and not any(box.isChecked() for box in self.services.values())
        wrong = self._wrong_group()
        nothing = nothing and not self._in_groups()
        said = (why if not loud else "") or wrong or (self.tr(NOTHING_YET) if peer_id and nothing else "")
        self._note.setText(said)
        save = self.buttons.button(QDialogButtonBox.StandardButton.Save)
        save.setEnabled(peer_id is not None and not wrong)
        why = why or wrong
        save.setToolTip(why)
        save.setAccessibleDescription(why)
        for box in self.services.values():
            box.setEnabled(self.some.isChecked())

    def _in_groups(self) -> list[str]:
        """Return the groups that it is to be in."""
        new = group_form(self.new_group.text())
        held = same_group(new, self.groups.boxes) or new
        return sorted({*self.groups.chosen(), *([held] if held else [])})

    def _wrong_group(self) -> str:
        """Return why a new group cannot be called so, or nothing."""
        text = self.new_group.text()
        if not text.strip() or same_group(group_form(text), self.groups.boxes) is not None:
            return ""
        try:
            new_group(text, [*self._known_peers, KnownPeer(PeerId(bytes(32)), clean_name(self.name.text()), 0.0)])
        except LocalError as error:
            return f"{str(error)[:1].upper()}{str(error)[1:]}."
        return ""

    def _alike(self, peer_id: PeerId | None) -> str:
        """Return which known peer could be taken for this one."""
        if peer_id is not None and (alike := warning(peer_id, self._known_peers)):
            return alike
        named = same_named(clean_name(self.name.text()), peer_id, self._known_peers)
        if named is None:
            return ""
        words = self.tr("Careful: \u201c{name}\u201d, peer {id}, has a name that looks like this one.")
        return words.format(name=named.name, id=named.peer_id.short)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let Enter press only the button that has the keyboard: nothing is opened to a peer by an Enter too many."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            focus = self.focusWidget()
            if isinstance(focus, QPushButton):
                focus.click()
            event.accept()
            return
        super().keyPressEvent(event)

    def _save(self) -> None:
        peer_id, _why = self._read_id()
        if peer_id is None:  # the button is off then
            return
        chosen = frozenset(name for name, box in self.services.items() if box.isChecked())
        self.chosen.emit(peer_id, clean_name(self.name.text()), EVERY if self.every.isChecked() else chosen)
        if self._in_groups() != self._before:
            self.grouped.emit(peer_id, self._in_groups())
        self.accept()
