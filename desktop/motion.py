"""Whether things may move: people who asked their system for less motion see a change, and no movement."""

import os

from PySide6.QtWidgets import QStyle, QWidget

MOTION_VARIABLE = "GRAPEVINE_MOTION"  # "0": nothing moves


def moves(widget: QWidget) -> bool:
    """Return whether a widget may animate what it shows."""
    return os.environ.get(MOTION_VARIABLE) != "0" and bool(
        widget.style().styleHint(QStyle.StyleHint.SH_Widget_Animate, None, widget)
    )
