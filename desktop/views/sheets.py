"""Dialogs that fit any screen: what they hold scrolls, their buttons stay in sight, and the safe one is the default."""

from collections.abc import Callable

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QGuiApplication, QShowEvent
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFrame,
    QLabel,
    QLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop.views.fields import muted
from desktop.views.flow import FlowRow
from desktop.views.parts import PlainLabel

MARGIN = 16  # pixels around what a dialog holds
SHARE_OF_SCREEN = 0.94  # of the available room that a dialog takes at most; its frame needs the rest
EDGE = 6  # pixels beside what is scrolled to
SPACE = 8  # pixels between what scrolls, the words under it, and the buttons
TITLE_BAR = 32  # pixels of a frame above a window


class Scrolled(QWidget):
    """What a `Scrolling` area holds. It is as high as its parts need at least; where there is more room, they grow."""

    def heightForWidth(self, width: int) -> int:
        """Return the least height: Qt would scroll as soon as the parts have less than they like best."""
        layout = self.layout()
        return layout.totalMinimumHeightForWidth(width) if layout is not None else super().heightForWidth(width)


class Scrolling(QScrollArea):
    """Scrolls one widget up and down, and sideways only where it cannot be made narrow enough."""

    def __init__(self, inner: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setObjectName("scrolling")
        inner.setObjectName(inner.objectName() or "scrolled")
        self.setWidget(inner)

    def sizeHint(self) -> QSize:
        """Return the room that needs no scrolling."""
        inner = self.widget()
        return inner.sizeHint() if inner is not None else super().sizeHint()

    def minimumSizeHint(self) -> QSize:
        """Return little: the rest scrolls."""
        return QSize(120, 60)


def reveal(area: QScrollArea, widget: QWidget) -> None:
    """Scroll to the whole of a widget; Qt's own way is content with a text field's cursor. Its top goes first."""
    inner = area.widget()
    if inner is None or not inner.isAncestorOf(widget):
        return
    place = QRect(widget.mapTo(inner, QPoint(0, 0)), widget.size()).adjusted(-EDGE, -EDGE, EDGE, EDGE)
    for bar, low, high, room in (
        (area.verticalScrollBar(), place.top(), place.bottom() + 1, area.viewport().height()),
        (area.horizontalScrollBar(), place.left(), place.right() + 1, area.viewport().width()),
    ):
        if high > bar.value() + room:
            bar.setValue(high - room)
        if low < bar.value() or high - low > room:
            bar.setValue(low)


class Sheet(QDialog):
    """A dialog with a body that scrolls and a row of buttons below it. Never `exec()`.

    Attributes:
        body: the layout that what it holds is added to.
        foot: the layout under it, which does not scroll: for words that must be seen.
        row: the layout of the buttons.
    """

    def __init__(self, title: str, parent: QWidget | None = None, *, width: int = 0) -> None:
        """`width` is what it would like at least, in pixels; a small screen gives it less."""
        super().__init__(parent)
        self.setWindowTitle(title)
        self._width = width
        self._placed = False
        inner = Scrolled()
        self.body = QVBoxLayout(inner)
        self.body.setContentsMargins(MARGIN, MARGIN, MARGIN, 4)
        self.body.setSpacing(12)
        self.scrolling = Scrolling(inner)
        self.foot = QVBoxLayout()
        self.foot.setContentsMargins(MARGIN, 0, MARGIN, 0)
        self.row = FlowRow()
        self._below = QVBoxLayout()
        self._below.setContentsMargins(MARGIN, 0, MARGIN, MARGIN - 2)
        self._below.addLayout(self.row)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addWidget(self.scrolling, 1)
        column.addLayout(self.foot)
        column.addLayout(self._below)

    def showEvent(self, event: QShowEvent) -> None:
        """Come up as large as what it holds wants, and no larger than the screen."""
        super().showEvent(event)
        self._placed = False
        self.fit()
        self._placed = True

    def fit(self) -> None:
        """Take the room that what it holds wants, within the screen and over its parent.

        Where it is seen already, it stays where it is and becomes no smaller: nothing moves under the pointer.
        """
        screen = self.screen() or QGuiApplication.primaryScreen()
        room = screen.availableGeometry()
        most = QSize(int(room.width() * SHARE_OF_SCREEN), int(room.height() * SHARE_OF_SCREEN) - TITLE_BAR)
        least = self.size() if self._placed else QSize()
        width = min(max(self._width, self.sizeHint().width(), least.width()), most.width())
        self.resize(width, self.height())  # before it is measured: parts may stand beside one another then
        high = sum(_height(part, width) for part in (self.body, self.foot, self._below)) + 2 * SPACE
        self.resize(QSize(width, max(high + 2, least.height())).boundedTo(most))
        self._place(room.adjusted(0, TITLE_BAR, 0, 0))

    def _place(self, room: QRect) -> None:
        """Stand in the middle of the parent when it comes up, and never beyond the screen."""
        parent = self.parentWidget()
        centre = parent.window().geometry().center() if parent is not None else room.center()
        place = self.geometry()
        if not self._placed:
            place.moveCenter(centre)
        place.moveLeft(max(room.left(), min(place.left(), room.right() - place.width())))
        place.moveTop(max(room.top(), min(place.top(), room.bottom() - place.height())))
        self.move(self.pos() + place.topLeft() - self.geometry().topLeft())  # `pos` is that of the frame

    def add_button(self, words: str, act: Callable[[], object], *, name: str = "") -> QPushButton:
        """Add a button that Enter presses only while it has the keyboard."""
        button = QPushButton(words)
        button.setAutoDefault(False)
        button.setAccessibleName(words.replace("&", "").replace("...", ""))
        button.clicked.connect(lambda: act())
        if name:
            button.setObjectName(name)
        self.row.addWidget(button)
        return button

    def calm(self, default: QPushButton | None) -> None:
        """Let Enter press this button, and no other that has not the keyboard; None: not any."""
        for button in self.findChildren(QPushButton):
            button.setAutoDefault(button is default)
            button.setDefault(button is default)


def _height(layout: QLayout, width: int) -> int:
    return layout.totalHeightForWidth(width) if layout.hasHeightForWidth() else layout.totalSizeHint().height()


def primary(button: QPushButton) -> None:
    """Draw a button as the main one."""
    button.setObjectName("primary")
    button.style().unpolish(button)
    button.style().polish(button)


def standard_buttons(sheet: Sheet, kinds: QDialogButtonBox.StandardButton) -> QDialogButtonBox:
    """Put the system's buttons, in the system's order, at the end of a sheet's row."""
    box = QDialogButtonBox(kinds)
    sheet.row.addStretch()
    sheet.row.addWidget(box)
    return box


class Question(Sheet):
    """Asks before something that cannot be undone. Cancel is the default, and has the keyboard.

    `typed`: a word that has to be typed before the answer can be given.
    """

    def __init__(
        self,
        parent: QWidget,
        title: str,
        question: str,
        more: str,
        answer: str,
        act: Callable[[], object],
        *,
        typed: str = "",
    ) -> None:
        super().__init__(title, parent, width=420)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._act = act
        self._typed = typed
        asked = PlainLabel(question)
        asked.setObjectName("heading")
        asked.setWordWrap(True)
        asked.setTextFormat(Qt.TextFormat.PlainText)
        self.body.addWidget(asked)
        self.body.addWidget(muted(more))
        self.field: QLineEdit | None = None
        if typed:
            self._ask_for(typed)
        self.body.addStretch()
        self.row.addStretch()
        self.answer_button = self.add_button(answer, self._answer, name="danger")
        self.cancel_button = self.add_button(self.tr("Cancel"), self.reject)
        self.calm(self.cancel_button)
        self.answer_button.setEnabled(not typed)
        (self.field or self.cancel_button).setFocus()

    def _ask_for(self, typed: str) -> None:
        label = muted(self.tr("To confirm, type {word}:").format(word=typed))
        self.field = QLineEdit()
        self.field.setAccessibleName(self.tr("Type {word} to confirm").format(word=typed))
        self.field.setMaxLength(64)
        self.field.textChanged.connect(self._look)
        label.setBuddy(self.field)
        self.body.addWidget(label)
        self.body.addWidget(self.field)

    def _look(self, text: str) -> None:
        self.answer_button.setEnabled(text.strip().upper() == self._typed.upper())

    def _answer(self) -> None:
        if self.answer_button.isEnabled():
            self.accept()
            self._act()


class Words(Sheet):
    """Shows words of this program's own, as rich text, until it is closed."""

    def __init__(self, parent: QWidget, title: str, text: str) -> None:
        super().__init__(title, parent, width=420)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.label = QLabel()
        self.label.setTextFormat(Qt.TextFormat.RichText)  # of this program's own words; what is in them is escaped
        self.label.setText(text)
        self.label.setWordWrap(True)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.body.addWidget(self.label)
        self.body.addStretch()
        self.row.addStretch()
        close = self.add_button(self.tr("Close"), self.reject)
        self.calm(close)
        close.setFocus()
