"""The small parts that all views are made of: labels that never read markup, buttons with names, a whole Peer ID.

Text from outside goes through `desktop.models.safe`; these parts see to it that Qt takes it for text.
"""

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton, QWidget

from desktop.models.safe import lines, tip
from desktop.theme import fixed_font

ID_CHARACTERS = 63  # of a Peer ID as it is written, hyphens included: core/peer_id.py
LONGEST_LABEL = 4000  # characters; more is never read in a label, and Qt lays out all of it


class PlainLabel(QLabel):
    """A label that shows its text as it is: Qt's own guesses whether it is markup."""

    def __init__(self, text: str = "", parent: QWidget | None = None, *, name: str = "", wrap: bool = False) -> None:
        """`name` is what the style sheet calls it: "heading", "muted"."""
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(wrap)
        if name:
            self.setObjectName(name)
        self.setText(text)

    def setText(self, text: str) -> None:
        """Show this text; what would turn or hide what stands around it is written out."""
        super().setText(lines(text, LONGEST_LABEL))


def heading(words: str, buddy: QWidget | None = None) -> PlainLabel:
    """Return a heading; a letter marked with & goes to its `buddy`."""
    label = PlainLabel(words, name="heading")
    if buddy is not None:
        label.setBuddy(buddy)
    return label


class IdLine(QLineEdit):
    """A whole Peer ID on one line that can be read, selected and copied, and never changed."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("id")
        self.setReadOnly(True)
        self.setFont(fixed_font())
        self.setFrame(False)
        self.setStyleSheet("border: none; background: transparent; padding: 0")  # read, not written
        self.setAccessibleName(name)

    def sizeHint(self) -> QSize:
        """Return the room for a whole Peer ID: it is compared by all its characters."""
        return QSize(self.fontMetrics().horizontalAdvance("M" * (ID_CHARACTERS + 1)), super().sizeHint().height())

    def show_id(self, text: str) -> None:
        """Show an ID from its beginning; what is selected stays when it is the same."""
        if text != self.text():
            self.setText(text)
            self.setCursorPosition(0)
        self.setToolTip(tip(text))


def button(words: str, hint: str, act: Callable[[], object]) -> QPushButton:
    """Return a push button that no Enter presses unless it has the keyboard."""
    made = QPushButton(words)
    made.setAutoDefault(False)
    made.setToolTip(tip(hint))
    made.setAccessibleName(words.replace("&", "").replace("...", ""))
    made.clicked.connect(lambda _checked=False: act())
    return made
