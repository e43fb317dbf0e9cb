"""The answer to the last request: pretty-printed up to a bound, its round trip above, all of it on the clipboard."""

import re

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.values import JsonValue
from desktop.icons import icon
from desktop.models.pretty import DISPLAY_CHARACTERS, ELLIPSIS, Pretty, full, pretty
from desktop.models.safe import lines
from desktop.models.words import trip
from desktop.theme import Theme, ThemeSource, fixed_font
from desktop.views.background import Background
from desktop.views.contract import OutcomeLike
from desktop.views.fields import Lines
from desktop.views.parts import PlainLabel

ICON = 16  # pixels
LONG_LINE = 2_000  # characters of one line that are shown: laid out in 1 ms
MIN_COLUMNS = 20  # characters; narrower, a list is easier to read wrapped than one number a line


_NAMED = re.compile(r"ERR_[A-Z0-9_]{1,60}:\s*")


class AnswerView(QWidget):
    """Shows one outcome at a time. Formatting and copying of large answers happen off the UI thread.

    Signals:
        cancel_wanted(): the user waits no longer.
    """

    cancel_wanted = Signal()

    def __init__(self, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme.theme
        self._data: JsonValue = None
        self._error = ""  # of the last outcome, with its name
        self._verdict = ""  # icon of the last outcome
        self._icon = PlainLabel()
        self._icon.setFixedSize(ICON, ICON)
        self._title = Lines(2)
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
        self.cancel_button = QPushButton(self.tr("Cancel"))
        self.cancel_button.setToolTip(self.tr("Stop waiting for the answer (Esc)"))
        self.cancel_button.setAccessibleName(self.tr("Cancel the request"))
        self.cancel_button.clicked.connect(self.cancel_wanted)
        policy = self.cancel_button.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # nothing moves when it comes and goes
        self.cancel_button.setSizePolicy(policy)
        self._cut = PlainLabel()
        self._cut.setObjectName("muted")
        self.copy_full_button = QPushButton(self.tr("Copy &full answer"))
        self.copy_full_button.clicked.connect(self.copy)
        self._formatting = Background[Pretty](self._show_text, self)
        self._copying = Background[str](self._copied, self)
        top = QHBoxLayout()
        top.setSpacing(7)
        above = Qt.AlignmentFlag.AlignTop
        top.addWidget(self._icon, 0, above)
        top.addWidget(self._title, 1, above)
        top.addWidget(self.cancel_button, 0, above)
        top.addWidget(self.copy_button, 0, above)
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
        self._title.setText(self.tr("Waiting for {target}").format(target=target))
        self._draw()
        self.cancel_button.show()

    def lost(self, target: str) -> None:
        """Show that nothing, not even an error, came for a request."""
        self._forget()
        self._verdict = "problem"
        self._title.setText(self.tr("Nothing came back from {target}").format(target=target))
        self._draw()

    def show_outcome(self, outcome: OutcomeLike) -> None:
        """Show an answer, or in a sentence why there is none."""
        self._forget()
        reply = outcome.reply
        if reply is None:
            self._verdict = "info" if outcome.ending == "cancelled" else "problem"
            self._title.setText(self._ending_words(outcome))
            self._error = outcome.error or ""
            whole = len(self._error) <= DISPLAY_CHARACTERS
            self._show_text(cut_lines(Pretty(_sentence(self._error[:DISPLAY_CHARACTERS]), complete=whole)))
        else:
            self._verdict = "check"
            words = self.tr("{peer} answered in {time}")
            self._title.setText(words.format(peer=reply.peer, time=trip(reply.seconds)))
            data = self._data = reply.data
            column = self._columns()
            self._formatting.run(lambda: cut_lines(pretty(data, column=column)))
        self._draw()

    def _ending_words(self, outcome: OutcomeLike) -> str:
        words = {
            "error": self.tr("{target} answered with an error after {time}"),
            "refused": self.tr("{target} refused the request after {time}"),
            "cancelled": self.tr("Cancelled after {time}: {target} was not waited for"),
            "unsent": self.tr("The request to {target} was not sent"),
        }.get(outcome.ending, self.tr("No answer from {target} after {time}"))
        return words.format(target=outcome.target, time=trip(outcome.seconds))

    def title(self) -> str:
        """Return the line above the answer."""
        return self._title.text()

    def text(self) -> str:
        """Return the answer as far as it is shown."""
        return self._text.toPlainText()

    def copy(self) -> None:
        """Put the whole answer on the clipboard, also the part that is not shown."""
        data, error = self._data, self._error
        self._enable_copying(False)
        self._copying.run(lambda: error or _written(data))

    def _columns(self) -> int:
        """Return how many characters fit beside one another, so that a laid-out list is not wrapped a second time."""
        margins = 2 * round(self._text.document().documentMargin())
        width = self._text.viewport().width() - margins
        return max(MIN_COLUMNS, width // max(1, self._text.fontMetrics().horizontalAdvance("0")))

    def _forget(self) -> None:
        self._formatting.forget()
        self._data = None
        self._error = ""
        self.cancel_button.hide()
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


def _sentence(error: str) -> str:
    """Return an error without its name, which is for those who copy it."""
    found = _NAMED.match(error)
    rest = error[found.end() :].strip() if found is not None else error
    return lines(f"{rest[:1].upper()}{rest[1:]}" if rest else error, DISPLAY_CHARACTERS)


def cut_lines(shown: Pretty, most: int = LONG_LINE) -> Pretty:
    """Return a text without the ends of lines that Qt would take longer than a frame to lay out."""
    whole = shown.text.split("\n")
    if max(map(len, whole)) <= most:
        return shown
    cut = (line if len(line) <= most else line[:most] + ELLIPSIS for line in whole)
    return Pretty("\n".join(cut), complete=False)


def _written(data: JsonValue) -> str:
    """Return all of an answer; a sentence in its place when it cannot be written."""
    try:
        return full(data)
    except ValueError as error:
        return f"({error})"
