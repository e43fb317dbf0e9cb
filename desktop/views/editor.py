"""A text editor that no paste can freeze: what it cannot lay out within a frame is kept aside, or refused in words.

Qt lays out a whole line before it paints: 100 kB of minified JSON took 1.7 s here, 1 MB over 170 s (issue 11, F4).
"""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QMimeData, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QPlainTextEdit, QWidget

# What Qt takes within a quarter of a frame of 16 ms: 4,000 characters of one line 2.6 ms, 2,000 lines 3 ms,
# 200,000 characters of short lines 7 ms (PySide6 6.11, one core of 2.5 GHz).
MAX_LINE = 4_000  # characters of one line
MAX_LINES = 2_000
MAX_CHARACTERS = 200_000
_BREAKS = ("\r", "\u2028", "\u2029")  # what Qt takes for the end of a line besides \n


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an editor shows, and how much it keeps aside when that is more; `kept` 0: nothing, it refuses."""

    characters: int = MAX_CHARACTERS
    line: int = MAX_LINE
    lines: int = MAX_LINES
    kept: int = 0

    def fits(self, text: str) -> bool:
        """Return whether a text can be laid out within a frame."""
        if len(text) > self.characters or text.count("\n") + sum(map(text.count, _BREAKS)) >= self.lines:
            return False
        return len(text) <= self.line or max(map(len, text.split("\n"))) <= self.line


class GuardedEditor(QPlainTextEdit):
    """A plain text editor with bounds.

    Signals:
        refused(int): a text of so many characters was not taken; the one before is still there.
        kept_changed(): a text is kept aside now, or is no longer.
    """

    refused = Signal(int)
    kept_changed = Signal()

    def __init__(
        self,
        bounds: Bounds = Bounds(),
        summary: Callable[[str], str] = str,
        parent: QWidget | None = None,
    ) -> None:
        """`summary` returns what is shown in place of a text that is kept aside."""
        super().__init__(parent)
        self._bounds = bounds
        self._summary = summary
        self._kept: str | None = None
        self._before = ""  # shown before the text that is kept aside; undo brings it back
        self.setTabChangesFocus(True)

    def value(self) -> str:
        """Return the true text: what is shown, or what is kept aside."""
        return self._kept if self._kept is not None else self.toPlainText()

    def is_kept(self) -> bool:
        """Return whether the true text is kept aside."""
        return self._kept is not None

    def put(self, text: str) -> bool:
        """Show a text in place of all, or keep it aside; return False when it is refused."""
        if self._bounds.fits(text):
            self._let_go()
            self.setPlainText(text)
            return True
        return self._keep(text)

    def settle(self) -> None:
        """Keep aside what has grown beyond the bounds key by key."""
        if self._kept is None and not self._bounds.fits(self.toPlainText()):
            self._keep(self.toPlainText())

    def drop_kept(self) -> None:
        """Throw away what is kept aside, and show what was there before."""
        if self._kept is not None:
            before = self._before
            self._let_go()
            self.setPlainText(before)

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Take what is pasted or dropped if it fits, else keep all aside, or refuse it."""
        new = source.text()
        if len(new) > max(self._bounds.characters, self._bounds.kept):
            self.refused.emit(len(new))
            return
        if self._kept is not None:
            self.put(new)  # nothing can be seen there to put it into: it takes the place of all
            return
        cursor = self.textCursor()
        shown = self.toPlainText()
        start, end = (_index(shown, at) for at in (cursor.selectionStart(), cursor.selectionEnd()))
        whole = shown[:start] + new + shown[end:]
        if self._bounds.fits(whole):
            super().insertFromMimeData(source)
        else:
            self._keep(whole)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Take text, also while a text is kept aside and nothing can be typed."""
        return bool(source.hasText())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """While a text is kept aside: undo, delete and backspace bring back what was there before."""
        if self._kept is not None:
            keys = (QKeySequence.StandardKey.Undo, QKeySequence.StandardKey.Delete, QKeySequence.StandardKey.Cut)
            if event.key() == Qt.Key.Key_Backspace or any(event.matches(key) for key in keys):
                self.drop_kept()
                return
            if event.matches(QKeySequence.StandardKey.Paste):
                self.paste()
                return
        super().keyPressEvent(event)

    def _keep(self, text: str) -> bool:
        if len(text) > self._bounds.kept:
            self.refused.emit(len(text))
            return False
        if self._kept is None:
            shown = self.toPlainText()
            self._before = shown if self._bounds.fits(shown) else ""
        self._kept = text
        self.setReadOnly(True)
        self.setPlainText(self._summary(text))
        self.kept_changed.emit()
        return True

    def _let_go(self) -> None:
        if self._kept is not None:
            self._kept, self._before = None, ""
            self.setReadOnly(False)
            self.kept_changed.emit()


def _index(text: str, units: int) -> int:
    """Return the place in a Python text of a place that Qt counts in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")[: 2 * units].decode("utf-16-le", "surrogatepass"))
