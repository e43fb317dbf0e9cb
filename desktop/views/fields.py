"""Small repairs to Qt's own input fields."""

from PySide6.QtWidgets import QAbstractSpinBox, QLineEdit

INDENT = 6  # pixels before the figure


def roomy(box: QAbstractSpinBox) -> None:
    """Indent a spin box's text: Qt ignores the style sheet's padding there once the arrows are styled."""
    line = box.findChild(QLineEdit)
    if line is not None:
        line.setTextMargins(INDENT, 0, 0, 0)
