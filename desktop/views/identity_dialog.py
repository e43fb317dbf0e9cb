"""My identity: the whole ID, its QR code, where the key is, and what can be done with it. Never `exec()`."""

from collections.abc import Callable
from typing import Any, Protocol

from PySide6.QtCore import Qt, Signal, SignalInstance
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core.news.events import IdentitySnapshot
from desktop.theme import fixed_font
from desktop.views.fields import Lines, limit, muted
from desktop.views.flow import FlowRow
from desktop.views.parts import PlainLabel
from desktop.views.qr import QrCode
from desktop.views.sheets import Question, Sheet, primary, standard_buttons

WIDTH = 520  # pixels; the code and the ID side by side
ID_LINES = 4  # of an ID, two groups in each
SAID_LINES = 2  # kept for what an act says
MIN_PASSPHRASE = 8  # characters; as the core wants it
MAX_PASSPHRASE = 1024  # characters
FILES = "Grapevine identity (*.pem);;All files (*)"
LOSS = "Peers that trust this one will not know the new one. Settings, known peers and the record of calls stay."


class Acts(Protocol):
    """`desktop.identity_acts.IdentityActs`."""

    @property
    def done(self) -> SignalInstance: ...
    @property
    def failed(self) -> SignalInstance: ...
    @property
    def read(self) -> SignalInstance: ...
    def export(self, path: str, passphrase: str) -> None: ...
    def load(self, path: str, passphrase: str) -> None: ...
    def become(self, identity: Any) -> None: ...  # noqa: ANN401 - a key, which only the core knows
    def renew(self) -> None: ...
    def retry(self) -> None: ...


class IdentityDialog(Sheet):
    """Shows the identity of the snapshots and acts on it through `acts`."""

    def __init__(self, acts: Acts, parent: QWidget | None = None) -> None:
        super().__init__(self.tr("My identity"), parent, width=WIDTH)
        self._acts = acts
        self.setObjectName("identity")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.code = QrCode()
        self.id = PlainLabel()
        self.id.setFont(fixed_font(self.font().pointSizeF() * 1.2))
        self.id.setTextFormat(Qt.TextFormat.PlainText)
        self.id.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        metrics = self.id.fontMetrics()  # the place of a whole ID is kept: it is never cut, and never moves the rest
        self.id.setMinimumSize(metrics.horizontalAdvance("W" * 15) + 4, ID_LINES * metrics.lineSpacing() + 4)
        self.id.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeading)
        self.kept = muted()
        self.said = Lines(SAID_LINES)
        self.said.setObjectName("muted")
        self.copy_button = self._button(self.tr("&Copy"), self.tr("Copy the whole Peer ID"), self.copy)
        self.retry_button = self._button(self.tr("&Try again"), self.tr("Try to open the key again"), acts.retry)
        policy = self.retry_button.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # nothing moves when the key is open
        self.retry_button.setSizePolicy(policy)
        self.retry_button.hide()
        self.export_button = self._button(self.tr("&Export..."), self.tr("Write the key to a file"), self.export)
        self.import_button = self._button(
            self.tr("&Import..."), self.tr("Use an identity that was exported"), self.load
        )
        self.renew_button = self._button(self.tr("&Renew..."), self.tr("Become a new peer"), self.renew)
        self._lay_out()
        acts.done.connect(lambda text: self._say(text, problem=False))
        acts.failed.connect(lambda text: self._say(text, problem=True))
        acts.read.connect(self._ask_to_become)
        self._shown: IdentitySnapshot | None = None

    def _lay_out(self) -> None:
        words = muted(
            self.tr(
                "This ID leads to this peer and to no other. Give it to people who should reach you. "
                "Anyone may see it: it is no secret."
            )
        )
        upper = FlowRow()
        upper.setSpacing(20)
        upper.addWidget(self.code)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(10)
        column.addWidget(self.id)
        column.addWidget(self.copy_button, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.retry_button, 0, Qt.AlignmentFlag.AlignLeft)
        column.addStretch()
        upper.addWidget(right)
        self.body.addLayout(upper)
        self.body.addWidget(words)
        self.body.addWidget(self.kept)
        self.body.addStretch()
        self.foot.addWidget(self.said)
        for button in (self.export_button, self.import_button, self.renew_button):
            self.row.addWidget(button)
        self.row.addStretch()
        self.close_button = self.add_button(self.tr("Close"), self.reject)
        self.calm(self.close_button)
        self.copy_button.setFocus()

    def show_identity(self, identity: IdentitySnapshot) -> None:
        """Show this one."""
        if identity == self._shown:
            return
        self._shown = identity
        there = identity.peer_id is not None
        text = str(identity.peer_id) if there else ""
        groups = text.split("-")
        self.id.setText("\n".join("-".join(groups[at : at + 2]) for at in range(0, len(groups), 2)) if there else "")
        self.id.setAccessibleName(self.tr("Peer ID {id}").format(id=text) if there else self.tr("No Peer ID"))
        self.code.show_text(text)
        self.code.setVisible(there)
        if self.isVisible():
            self.fit()
        self.kept.setText(identity.message)
        self.copy_button.setEnabled(there)
        self.retry_button.setVisible(identity.can_retry)
        self.export_button.setEnabled(there)
        if not there:
            self.close_button.setFocus()  # never the next button, which may be one that replaces the key

    # -- acts ------------------------------------------------------------------------------------------------------

    def copy(self) -> None:
        """Put the whole ID on the clipboard."""
        if self._shown is not None and self._shown.peer_id is not None:
            QGuiApplication.clipboard().setText(str(self._shown.peer_id))
            self._say(self.tr("The Peer ID is on the clipboard."), problem=False)

    def export(self) -> None:
        """Ask for a file, then for a passphrase, and write."""
        dialog = QFileDialog(self, self.tr("Export the identity"), "grapevine-identity.pem", FILES)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.fileSelected.connect(lambda path: self._ask_passphrase(path, twice=True))
        _open(dialog)

    def load(self) -> None:
        """Ask for a file, then for its passphrase, and read; what then happens is asked again."""
        dialog = QFileDialog(self, self.tr("Import an identity"), "", FILES)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(lambda path: self._ask_passphrase(path, twice=False))
        _open(dialog)

    def renew(self) -> None:
        """Ask, and become a new peer."""
        more = self.tr("{loss} Without an export, the old identity is lost.").format(loss=self.tr(LOSS))
        self._confirm(self.tr("Become a new peer?"), more, self.tr("Become a new peer"), self._acts.renew)

    def _ask_passphrase(self, path: str, *, twice: bool) -> None:
        dialog = PassphraseDialog(twice=twice, parent=self)
        act = self._acts.export if twice else self._acts.load
        dialog.passphrase.connect(lambda text: act(path, text))
        _open(dialog)

    def _ask_to_become(self, identity: object) -> None:
        peer_id = getattr(identity, "peer_id", None)
        if self._shown is not None and peer_id == self._shown.peer_id:
            self._say(self.tr("That file has the identity that this peer has already."), problem=False)
            return
        short = getattr(peer_id, "short", "")
        question = self.tr("Become peer {short}, and give up the identity that is here?").format(short=short)
        answer = self.tr("Become {short}").format(short=short)
        self._confirm(question, self.tr(LOSS), answer, lambda: self._acts.become(identity))

    def _confirm(self, question: str, more: str, answer: str, act: Callable[[], object]) -> None:
        """Ask for the beginning of the ID that is given up, typed: no key pressed by chance does it."""
        ours = self._shown.peer_id if self._shown is not None else None
        typed = ours.short if ours is not None else ""
        box = Question(self, self.tr("Another identity"), question, more, answer, act, typed=typed)
        box.setObjectName("confirm")
        box.open()

    def _say(self, text: str, *, problem: bool) -> None:
        self.said.setProperty("problem", problem)
        self.said.style().unpolish(self.said)
        self.said.style().polish(self.said)
        self.said.setText(text)

    def _button(self, words: str, hint: str, act: Callable[[], object]) -> QPushButton:
        button = QPushButton(words)
        button.setToolTip(hint)
        button.setAccessibleName(words.replace("&", "").replace("...", ""))
        button.clicked.connect(lambda: act())
        return button


class PassphraseDialog(Sheet):
    """Asks for a passphrase, twice for a new one.

    Signals:
        passphrase(str): it was given.
    """

    passphrase = Signal(str)

    def __init__(self, *, twice: bool, parent: QWidget | None = None) -> None:
        super().__init__(self.tr("Passphrase"), parent, width=400)
        self.setObjectName("passphrase")
        self.first = self._field(self.tr("Passphrase"))
        self.second = self._field(self.tr("The same passphrase again")) if twice else None
        hint = muted(
            self.tr("Anyone with this file and passphrase can act as you.")
            if twice
            else self.tr("The passphrase that the file was exported with. Leave it empty if the file has none.")
        )
        self._problem = Lines(1)  # why OK is off; its place is kept
        self._problem.setObjectName("muted")
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.addRow(self.tr("&Passphrase"), self.first)
        if self.second is not None:
            form.addRow(self.tr("&Again"), self.second)
        self.body.addLayout(form)
        self.body.addWidget(hint)
        self.body.addStretch()
        self.foot.addWidget(self._problem)
        standard = QDialogButtonBox.StandardButton
        self.buttons = standard_buttons(self, standard.Ok | standard.Cancel)
        primary(self.buttons.button(standard.Ok))
        self.buttons.accepted.connect(self._take)
        self.buttons.rejected.connect(self.reject)
        self.calm(self.buttons.button(standard.Ok))
        for field in (self.first, self.second):
            if field is not None:
                field.textChanged.connect(self._look)
        self._look()

    def problem(self) -> str:
        """Return why the passphrase is not taken yet, or nothing."""
        return self._problem.text()

    def _field(self, name: str) -> QLineEdit:
        field = QLineEdit()
        field.setEchoMode(QLineEdit.EchoMode.Password)
        field.setAccessibleName(name)
        limit(field, MAX_PASSPHRASE)
        return field

    def _look(self) -> None:
        text, problem = self.first.text(), ""
        if self.second is not None and len(text) < MIN_PASSPHRASE:
            problem = self.tr("Use at least {n} characters.").format(n=MIN_PASSPHRASE)
        elif self.second is not None and text != self.second.text():
            problem = self.tr("The two passphrases are not the same yet.")
        self._problem.setText(problem)
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(not problem)

    def _take(self) -> None:
        self.passphrase.emit(self.first.text())
        self.accept()


def _open(dialog: QDialog) -> None:
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.open()
