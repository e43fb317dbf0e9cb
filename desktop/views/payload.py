"""The payload editor: JSON that is checked while it is typed, with a line that says where it is wrong."""

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from desktop.icons import icon
from desktop.models.json_check import MAX_CHARACTERS, Checked, check_json
from desktop.models.words import size
from desktop.theme import Theme, ThemeSource, fixed_font
from desktop.views.editor import Bounds, GuardedEditor
from desktop.views.fields import Lines
from desktop.views.parts import PlainLabel

SETTLE_MS = 120  # milliseconds after the last key before the text is checked
ICON = 16  # pixels
LINES = 3  # of the editor, at least
BEGINNING = 80  # characters of a text that is kept aside which are shown
BOUNDS = Bounds(kept=MAX_CHARACTERS)


class PayloadEditor(QWidget):
    """A text editor and the verdict under it.

    Signals:
        checked(): the verdict is about the text as it is now.
    """

    checked = Signal()

    def __init__(self, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme.theme
        self.editor = GuardedEditor(BOUNDS, self._summary)
        self.editor.setAccessibleName(self.tr("Payload, as JSON"))
        self.editor.setFont(fixed_font())
        self.editor.setMinimumHeight(LINES * self.editor.fontMetrics().lineSpacing() + 12)
        self.editor.refused.connect(self._say_refused)
        self.editor.kept_changed.connect(self._show_kept)
        self._icon = PlainLabel()
        self._verdict = Lines(3)  # its place is kept: nothing below moves when it says more
        self._verdict.setObjectName("muted")
        self._remove = QPushButton(self.tr("Re&move"))
        self._remove.setToolTip(self.tr("Remove the text that is kept, and show what was here before (Backspace)"))
        self._remove.setAccessibleName(self.tr("Remove the text that is kept"))
        self._remove.clicked.connect(self.editor.drop_kept)
        self._remove.hide()
        below = QHBoxLayout()
        below.setSpacing(6)
        below.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        below.addWidget(self._verdict, 1)
        below.addWidget(self._remove, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.editor, 1)
        column.addLayout(below)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self.check)
        self.editor.textChanged.connect(self._settle.start)
        self._checked = Checked(None)
        self.check()
        theme.changed.connect(self._retheme)

    def set_text(self, text: str) -> None:
        """Put a text into the editor and check it at once; one that is too long leaves what was there."""
        if self.editor.put(text):
            self.check()

    def check(self) -> Checked:
        """Check the text as it is now and say what is wrong with it."""
        self._settle.stop()
        before = self._checked.problem
        self.editor.settle()
        self._settle.stop()
        self._checked = check_json(self.editor.value())
        self._verdict.setText(self._checked.problem or self.tr("Valid JSON."))
        self.editor.setAccessibleDescription(self._verdict.text())
        if self._checked.problem != before:
            QAccessible.updateAccessibility(QAccessibleEvent(self.editor, QAccessible.Event.DescriptionChanged))
        self._draw()
        self.checked.emit()
        return self._checked

    def check_result(self) -> Checked:
        """Return what the last check found."""
        return self._checked

    def verdict(self) -> str:
        """Return the line under the editor."""
        return self._verdict.text()

    def show_problem(self) -> None:
        """Put the cursor where the text is wrong."""
        cursor = self.editor.textCursor()
        if not self.editor.is_kept():
            before = self.editor.toPlainText()[: self._checked.position]
            cursor.setPosition(len(before.encode("utf-16-le", "surrogatepass")) // 2)  # Qt counts UTF-16 units
            self.editor.setTextCursor(cursor)
        self.editor.setFocus(Qt.FocusReason.OtherFocusReason)

    def _summary(self, text: str) -> str:
        words = self.tr("{size} in long lines, kept as it is and sent whole.\nIt begins: {text}")
        amount = size(len(text.encode("utf-8", "surrogatepass")))
        return words.format(size=amount, text=" ".join(text[:BEGINNING].split()) + "\N{HORIZONTAL ELLIPSIS}")

    def _say_refused(self, characters: int) -> None:
        """Say why a text was not taken; what was there before is there still, and is still checked."""
        words = self.tr("Not pasted: {n} characters. A payload typed here has {most} at most.")
        self._verdict.setText(words.format(n=f"{characters:,}", most=f"{MAX_CHARACTERS:,}"))
        self.editor.setAccessibleDescription(self._verdict.text())
        QAccessible.updateAccessibility(QAccessibleEvent(self.editor, QAccessible.Event.DescriptionChanged))
        self._draw(wrong=True)

    def _show_kept(self) -> None:
        if self._remove.hasFocus():
            self.editor.setFocus(Qt.FocusReason.OtherFocusReason)  # else the keyboard is nowhere
        self._remove.setVisible(self.editor.is_kept())

    def _draw(self, *, wrong: bool | None = None) -> None:
        wrong = self._checked.problem is not None if wrong is None else wrong
        name, colour = ("problem", self._theme.bad) if wrong else ("check", self._theme.good)
        self._icon.setPixmap(icon(name, colour).pixmap(ICON))
        if self._verdict.property("problem") != wrong:  # a style sheet looks at properties only when told to
            self._verdict.setProperty("problem", wrong)
            self._verdict.style().unpolish(self._verdict)
            self._verdict.style().polish(self._verdict)

    def _retheme(self, theme: Theme) -> None:
        self._theme = theme
        self._draw()
