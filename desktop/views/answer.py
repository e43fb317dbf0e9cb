"""The answer to the last request: pretty-printed up to a bound, its round trip above, all of it on the clipboard."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.values import JsonValue
from desktop.icons import icon
from desktop.models.pretty import Pretty, full, pretty
from desktop.models.words import trip
from desktop.theme import Theme, ThemeSource, fixed_font
from desktop.views.background import Background
from desktop.views.contract import OutcomeLike

ICON = 16  # pixels
MIN_COLUMNS = 20  # characters; narrower, a list is easier to read wrapped than one number a line


class AnswerView(QWidget):
    """Shows one outcome at a time. Formatting and copying of large answers happen off the UI thread."""

    def __init__(self, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme.theme
        self._data: JsonValue = None
        self._verdict = ""  # icon of the last outcome
        self._icon = QLabel()
        self._title = QLabel()
        self._title.setWordWrap(True)
        self._title.setTextFormat(Qt.TextFormat.PlainText)
        self._title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._text = QPlainTextEdit()
        self._text.setReadOnly(True)
        self._text.setTabChangesFocus(True)
        self._text.setFont(fixed_font())
        self._text.setAccessibleName(self.tr("Answer"))
        self._text.setMinimumHeight(2 * self._text.fontMetrics().lineSpacing())
        self.copy_button = QToolButton()
        self.copy_button.setAccessibleName(self.tr("Copy the answer"))
        self.copy_button.setToolTip(self.tr("Copy the answer"))
        self.copy_button.clicked.connect(self.copy)
        self._cut = QLabel()
        self._cut.setObjectName("muted")
        self.copy_full_button = QPushButton(self.tr("Copy &full answer"))
        self.copy_full_button.clicked.connect(self.copy)
        self._formatting = Background[Pretty](self._show_text, self)
        self._copying = Background[str](self._copied, self)
        top = QHBoxLayout()
        top.setSpacing(7)
        top.addWidget(self._icon)
        top.addWidget(self._title, 1)
        top.addWidget(self.copy_button)
        below = QHBoxLayout()
        below.addWidget(self._cut, 1)
        below.addWidget(self.copy_full_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(top)
        column.addWidget(self._text, 1)
        column.addLayout(below)
        theme.changed.connect(self._retheme)
        self._retheme(theme.theme)
        self.clear()

    def clear(self) -> None:
        """Show that there is no answer yet."""
        self._forget()
        self._verdict = ""
        self._title.setText(self.tr("The answer appears here."))
        self._draw()

    def waiting(self, target: str) -> None:
        """Show that a request is under way."""
        self._forget()
        self._verdict = "grape-starting"
        self._title.setText(f"Waiting for {target}")
        self._draw()

    def lost(self, target: str) -> None:
        """Show that nothing, not even an error, came for a request."""
        self._forget()
        self._verdict = "problem"
        self._title.setText(f"Nothing came back from {target}")
        self._draw()

    def show_outcome(self, outcome: OutcomeLike) -> None:
        """Show an answer, or in a sentence why there is none."""
        self._forget()
        reply = outcome.reply
        if reply is None:
            self._verdict = "problem"
            self._title.setText(f"No answer from {outcome.target} ({trip(outcome.seconds)})")
            self._text.setPlainText(outcome.error or "")
        else:
            self._verdict = "check"
            self._title.setText(f"{reply.peer} answered in {trip(reply.seconds)}")
            data = self._data = reply.data
            column = self._columns()
            self._formatting.run(lambda: pretty(data, column=column))
        self._draw()

    def title(self) -> str:
        """Return the line above the answer."""
        return self._title.text()

    def text(self) -> str:
        """Return the answer as far as it is shown."""
        return self._text.toPlainText()

    def copy(self) -> None:
        """Put the whole answer on the clipboard, also the part that is not shown."""
        data = self._data
        self._enable_copying(False)
        self._copying.run(lambda: _written(data))

    def _columns(self) -> int:
        """Return how many characters fit beside one another, so that a laid-out list is not wrapped a second time."""
        margins = 2 * round(self._text.document().documentMargin())
        width = self._text.viewport().width() - margins
        return max(MIN_COLUMNS, width // max(1, self._text.fontMetrics().horizontalAdvance("0")))

    def _forget(self) -> None:
        self._formatting.forget()
        self._data = None
        self._text.clear()
        self._show_copying(cut=False)
        self._enable_copying(False)

    def _show_text(self, shown: Pretty) -> None:
        self._text.setPlainText(shown.text)
        self._show_copying(cut=not shown.complete)
        self._enable_copying(True)

    def _copied(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self._enable_copying(True)

    def _show_copying(self, *, cut: bool) -> None:
        self._cut.setText(self.tr("Only the beginning is shown."))
        self._cut.setVisible(cut)
        self.copy_full_button.setVisible(cut)

    def _enable_copying(self, on: bool) -> None:
        self.copy_button.setEnabled(on)
        self.copy_full_button.setEnabled(on)

    def _draw(self) -> None:
        colour = {"problem": self._theme.bad, "check": self._theme.good}.get(self._verdict, self._theme.info)
        self._icon.setVisible(bool(self._verdict))
        if self._verdict:
            self._icon.setPixmap(icon(self._verdict, colour).pixmap(ICON))

    def _retheme(self, theme: Theme) -> None:
        self._theme = theme
        self.copy_button.setIcon(icon("copy", theme.text, theme.edge))
        self._draw()


def _written(data: JsonValue) -> str:
    """Return all of an answer; a sentence in its place when it cannot be written."""
    try:
        return full(data)
    except ValueError as error:
        return f"({error})"
