"""Who this peer is: the whole ID, its QR code, where the key is, and what can be done with it. Never `exec()`."""

from typing import Any, Protocol

from PySide6.QtCore import Qt, Signal, SignalInstance
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core.news.events import IdentitySnapshot
from desktop.theme import fixed_font
from desktop.views.qr import QrCode

MIN_PASSPHRASE = 8  # characters; as the core wants it
FILES = "Grapevine identity (*.pem);;All files (*)"
LOSS = "Peers who trust this one will not know the new one. Settings, known peers and the record of calls stay."


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


class IdentityDialog(QDialog):
    """Shows the identity of the snapshots and acts on it through `acts`."""

    def __init__(self, acts: Acts, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._acts = acts
        self.setObjectName("identity")
        self.setWindowTitle(self.tr("Who this peer is"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.code = QrCode()
        self.id = QLabel()
        self.id.setFont(fixed_font(self.font().pointSizeF() * 1.2))
        self.id.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.kept = _muted()
        self.said = _muted()
        self.copy_button = self._button(self.tr("&Copy"), self.tr("Copy the whole Peer ID"), self.copy)
        self.export_button = self._button(self.tr("&Export..."), self.tr("Write the key to a file"), self.export)
        self.import_button = self._button(self.tr("&Import..."), self.tr("Become a peer that was exported"), self.load)
        self.renew_button = self._button(self.tr("&Renew..."), self.tr("Become a new peer"), self.renew)
        self._lay_out()
        acts.done.connect(lambda text: self._say(text, problem=False))
        acts.failed.connect(lambda text: self._say(text, problem=True))
        acts.read.connect(self._ask_to_become)
        self._shown: IdentitySnapshot | None = None

    def _lay_out(self) -> None:
        words = _muted()
        words.setText(
            self.tr("Others reach this peer, and nobody else, by this ID. Give it to whom you want to be called by.")
        )
        right = QVBoxLayout()
        right.setSpacing(10)
        right.addWidget(self.id)
        right.addWidget(self.copy_button, 0, Qt.AlignmentFlag.AlignLeft)
        right.addWidget(words)
        right.addWidget(self.kept)
        right.addStretch()
        right.addWidget(self.said)
        upper = QHBoxLayout()
        upper.setSpacing(20)
        upper.addWidget(self.code, 0, Qt.AlignmentFlag.AlignTop)
        upper.addLayout(right, 1)
        lower = QHBoxLayout()
        lower.setSpacing(6)
        for button in (self.export_button, self.import_button, self.renew_button):
            lower.addWidget(button)
        lower.addStretch()
        close = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        close.rejected.connect(self.reject)
        lower.addWidget(close)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 14)
        column.setSpacing(14)
        column.addLayout(upper)
        column.addLayout(lower)
        self.setMinimumWidth(640)

    def show_identity(self, identity: IdentitySnapshot) -> None:
        """Show this one."""
        if identity == self._shown:
            return
        self._shown = identity
        there = identity.peer_id is not None
        text = str(identity.peer_id) if there else ""
        groups = text.split("-")
        self.id.setText("\n".join("-".join(groups[at : at + 2]) for at in range(0, len(groups), 2)) if there else "")
        self.id.setAccessibleName(f"Peer ID {text}" if there else "No Peer ID")
        self.code.show_text(text)
        self.code.setVisible(there)
        self.kept.setText(identity.message)
        self.copy_button.setEnabled(there)
        self.export_button.setEnabled(there)

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
        question = self.tr("Become a new peer? {loss} Without an export the old identity is lost.").format(loss=LOSS)
        self._confirm(question, self.tr("Become a new peer"), self._acts.renew)

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
        question = self.tr("Become peer {short}, and give up the identity that is here? {loss}")
        short = getattr(peer_id, "short", "")
        act = self.tr("Become {short}").format(short=short)
        self._confirm(question.format(short=short, loss=LOSS), act, lambda: self._acts.become(identity))

    def _confirm(self, question: str, words: str, act: object) -> None:
        box = QMessageBox(
            QMessageBox.Icon.NoIcon, self.tr("Another identity"), question, QMessageBox.StandardButton.Cancel, self
        )
        box.setObjectName("confirm")
        yes = box.addButton(words, QMessageBox.ButtonRole.AcceptRole)
        yes.clicked.connect(act)
        _open(box)

    def _say(self, text: str, *, problem: bool) -> None:
        self.said.setProperty("problem", problem)
        self.said.style().unpolish(self.said)
        self.said.style().polish(self.said)
        self.said.setText(text)

    def _button(self, words: str, hint: str, act: object) -> QPushButton:
        button = QPushButton(words)
        button.setToolTip(hint)
        button.setAccessibleName(words.replace("&", "").replace("...", ""))
        button.clicked.connect(act)
        return button


class PassphraseDialog(QDialog):
    """Asks for a passphrase, twice for a new one.

    Signals:
        passphrase(str): it was given.
    """

    passphrase = Signal(str)

    def __init__(self, *, twice: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("passphrase")
        self.setWindowTitle(self.tr("Passphrase"))
        self.first = self._field(self.tr("Passphrase"))
        self.second = self._field(self.tr("Once more")) if twice else None
        hint = _muted()
        hint.setText(
            self.tr("At least {n} characters. Who has the file and this is you.").format(n=MIN_PASSPHRASE)
            if twice
            else self.tr("The one that the file was exported with; none, if it has none.")
        )
        standard = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(standard.Ok | standard.Cancel)
        self.buttons.button(standard.Ok).setObjectName("primary")
        self.buttons.accepted.connect(self._take)
        self.buttons.rejected.connect(self.reject)
        form = QFormLayout()
        form.addRow(self.tr("&Passphrase"), self.first)
        if self.second is not None:
            form.addRow(self.tr("&Once more"), self.second)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 14)
        column.addLayout(form)
        column.addWidget(hint)
        column.addWidget(self.buttons)
        self.setMinimumWidth(380)
        self._look()

    def _field(self, name: str) -> QLineEdit:
        field = QLineEdit()
        field.setEchoMode(QLineEdit.EchoMode.Password)
        field.setAccessibleName(name)
        field.textChanged.connect(self._look)
        return field

    def _look(self) -> None:
        if hasattr(self, "buttons"):
            text = self.first.text()
            good = self.second is None or (len(text) >= MIN_PASSPHRASE and text == self.second.text())
            self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(good)

    def _take(self) -> None:
        self.passphrase.emit(self.first.text())
        self.accept()


def _open(dialog: QDialog) -> None:
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.open()


def _muted() -> QLabel:
    label = QLabel()
    label.setObjectName("muted")
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label
