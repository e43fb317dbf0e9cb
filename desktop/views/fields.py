"""Small repairs to Qt's own widgets: fields with a limit that is told, labels whose place does not change."""

import html

from PySide6.QtCore import QCoreApplication, QEvent, QPoint, QSize, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPaintEvent, QResizeEvent, QTextLayout, QTextOption
from PySide6.QtWidgets import QAbstractSpinBox, QComboBox, QLabel, QLineEdit, QSizePolicy, QStyle, QToolTip, QWidget

from desktop.models import safe
from desktop.views.parts import PlainLabel

INDENT = 6  # pixels before the figure
MAX_TIP = 600  # characters of a tooltip: some ten lines; Qt lays out all of a longer one before it shows the first
MAX_LABEL = 2000  # characters of a label; more is never read there


def roomy(box: QAbstractSpinBox) -> None:
    """Indent a spin box's text: Qt ignores the style sheet's padding there once the arrows are styled."""
    line = box.findChild(QLineEdit)
    if line is not None:
        line.setTextMargins(INDENT, 0, 0, 0)


def plain_tip(text: str) -> str:
    """Return a tooltip that shows this text as it is, cut where it is too long to be read.

    It is wrapped, which Qt does to markup only: so it is made markup, with nothing of the text's own.
    """
    return f"<qt>{html.escape(safe.lines(text, MAX_TIP))}</qt>".replace("\n", "<br>") if text else ""


FILTER_CHARACTERS = 200  # more than any name, ID or line that is filtered


def limit(field: QLineEdit | QComboBox, characters: int) -> None:
    """Let a field take so many characters at most; what is longer is cut, and the field says so at once."""
    line = field.lineEdit() if isinstance(field, QComboBox) else field
    if line is None:
        return
    line.setMaxLength(characters)
    words = QCoreApplication.translate("limit", "This field takes {n} characters at most. The rest was left out.")

    def tell() -> None:
        QToolTip.showText(line.mapToGlobal(QPoint(0, line.height())), words.format(n=f"{characters:,}"), line)

    line.inputRejected.connect(tell)


class Lines(QLabel):
    """Words in a place of fixed height: so many lines. What does not fit is cut, and is the tooltip.

    Nothing below it moves when its words change. So it draws them by itself: a label with other words asks all
    around it for a new layout, the whole page, which took milliseconds for each figure that moved on.
    """

    def __init__(self, lines: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines = lines
        self._full = self._shown = ""
        self.setTextFormat(Qt.TextFormat.PlainText)  # what asks a label for its words never takes them for markup
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeading)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def setText(self, text: str) -> None:
        """Show these words, which may come from outside."""
        text = safe.lines(text, MAX_LABEL)
        if text != self._full:
            self._full = text
            self.setAccessibleName(text)
            self._fit()

    def text(self) -> str:
        """Return all the words, also those that are cut."""
        return self._full

    def set_lines(self, lines: int) -> None:
        """Take another number of lines: the room has changed."""
        if lines != self._lines:
            self._lines = lines
            self.updateGeometry()
            self._fit()

    def cut(self) -> bool:
        """Return whether some words are cut."""
        return self._shown.replace("\n", " ") != " ".join(self._full.split())

    def shown(self) -> str:
        """Return the words that can be seen, in their lines."""
        return self._shown

    def sizeHint(self) -> QSize:
        """Return the place, whatever the words."""
        return QSize(10 * self.fontMetrics().averageCharWidth(), self._lines * self.fontMetrics().lineSpacing() + 1)

    def minimumSizeHint(self) -> QSize:
        """Return the same height: it is never less."""
        return QSize(0, self.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Break the words into other lines."""
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        """Break the words into other lines for another font."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the words as a label does."""
        super().paintEvent(event)
        painter, role = QPainter(self), self.foregroundRole()
        flags = QStyle.visualAlignment(self.layoutDirection(), self.alignment())
        self.style().drawItemText(
            painter, self.contentsRect(), flags, self.palette(), self.isEnabled(), self._shown, role
        )

    def _fit(self) -> None:
        shown, whole = wrapped(self._full, self.font(), self.contentsRect().width(), self._lines)
        self.setToolTip("" if whole else plain_tip(self._full))
        if shown != self._shown:
            self._shown = shown
            self.update()


class Roomy(QWidget):
    """Asks for a width, and does with less."""

    def __init__(self, width: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._width = width

    def sizeHint(self) -> QSize:
        """Return the width asked for, and the height of what it holds."""
        return QSize(self._width, super().sizeHint().height())


def wrapped(text: str, font: QFont, width: int, lines: int) -> tuple[str, bool]:
    """Return a text broken into at most so many lines of `width` pixels, and whether that is all of it."""
    text = " ".join(text[: MAX_LABEL + 1].split())
    if width <= 0 or not text:
        return text, True
    layout = QTextLayout(text, font)
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    layout.setTextOption(option)
    found: list[str] = []
    metrics = QFontMetricsF(font)
    layout.beginLayout()
    while (line := layout.createLine()).isValid():
        if len(found) == lines - 1:
            line.setLineWidth(float(1 << 24))
            rest = text[line.textStart() :]
            last = metrics.elidedText(rest, Qt.TextElideMode.ElideRight, width)
            found.append(last)
            layout.endLayout()
            return "\n".join(found), last == rest
        line.setLineWidth(width)
        found.append(text[line.textStart() : line.textStart() + line.textLength()].rstrip())
    layout.endLayout()
    return "\n".join(found), True


def muted(words: str = "") -> QLabel:
    """Return a label for a second line: it wraps, and takes its words as they are."""
    label = PlainLabel(words)
    label.setObjectName("muted")
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def filter_line(placeholder: str, name: str, *, narrowest: int, widest: int) -> QLineEdit:
    """Return a line to filter a table by; `name` is for screen readers, the widths are in pixels."""
    made = QLineEdit()
    made.setPlaceholderText(placeholder)
    made.setAccessibleName(name)
    made.setClearButtonEnabled(True)
    limit(made, FILTER_CHARACTERS)
    made.setMinimumWidth(narrowest)
    made.setMaximumWidth(widest)
    return made
