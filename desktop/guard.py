"""One filter for the whole program: what no control and no label may do.

A wheel changes nothing that has not the keyboard: two notches over a box that says who may call opened a service to
anyone (FAULTS E5). The wheel goes to what scrolls behind. And a label that nobody gave a format shows its text as it
is: Qt's own default guesses whether a text, perhaps a stranger's, is markup (FAULTS D2).
"""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QRadioButton,
    QScrollBar,
    QTabBar,
    QWidget,
)

TURNED_BY_WHEEL = (QComboBox, QAbstractSpinBox, QAbstractSlider, QRadioButton, QTabBar)
TOOLTIP = "QTipLabel"  # Qt's own; its texts go through `desktop.models.safe.tip`


class Guard(QObject):
    """Filters the events of an application; keep a reference to it."""

    def __init__(self, application: QApplication) -> None:
        super().__init__(application)
        application.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Look at two of the hundred types of events, and let all others pass."""
        kind = event.type()
        if kind is QEvent.Type.Wheel:
            if isinstance(watched, QWidget) and _turned(watched):
                event.ignore()  # so that it goes on to the parent, which may scroll
                return True
        elif kind is QEvent.Type.Polish:
            _polish(watched)
        return False


def _turned(widget: QWidget) -> bool:
    """Tell whether a wheel over this widget would change a control that has not the keyboard."""
    each: QWidget | None = widget
    while each is not None:
        if isinstance(each, TURNED_BY_WHEEL) and not isinstance(each, QScrollBar):
            focus = QApplication.focusWidget()
            return focus is None or not (focus is each or each.isAncestorOf(focus))
        if each.isWindow():  # the list of a box stands in a window of its own, and scrolls
            return False
        each = each.parentWidget()
    return False


def _polish(watched: QObject) -> None:
    """Set right what is about to be shown for the first time."""
    if isinstance(watched, QComboBox | QAbstractSpinBox) and watched.focusPolicy() is Qt.FocusPolicy.WheelFocus:
        watched.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # a wheel would bring the keyboard, and then turn it
    elif (
        isinstance(watched, QLabel)
        and watched.textFormat() is Qt.TextFormat.AutoText
        and watched.metaObject().className() != TOOLTIP
    ):
        watched.setTextFormat(Qt.TextFormat.PlainText)
