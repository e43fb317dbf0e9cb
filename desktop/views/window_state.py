"""Where the window and its parts were, as the settings keep it (Qt's own bytes, as text), and its screen."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence

from PySide6.QtCore import QByteArray, QSize
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QWidget

from core.profile.settings import WindowState

FRAME = QSize(8, 40)  # pixels that a frame takes of the screen

Restore = Callable[[QByteArray], object]


def packed(geometry: QByteArray, parts: Sequence[QByteArray]) -> WindowState:
    """Return the state of a window and of its parts, in order."""
    texts = [_text(part) for part in parts]
    return WindowState(_text(geometry), _text(QByteArray(json.dumps(texts).encode())))


def unpack(state: WindowState, geometry: Restore, parts: Sequence[Restore]) -> None:
    """Give the window and its parts what was kept; what cannot be read, or has other parts, is left as it is."""
    kept = _bytes(state.geometry)
    if kept is not None:
        geometry(kept)
    whole = _bytes(state.state)
    try:
        texts = json.loads(bytes(whole.data())) if whole is not None else []
    except (ValueError, RecursionError):
        return
    if isinstance(texts, list) and len(texts) == len(parts):
        for restore, text in zip(parts, texts, strict=True):
            part = _bytes(text) if isinstance(text, str) else None
            if part is not None:
                restore(part)


def _text(data: QByteArray) -> str:
    return base64.b64encode(data.data()).decode("ascii")


def _bytes(text: str) -> QByteArray | None:
    try:
        return QByteArray(base64.b64decode(text, validate=True)) if text else None
    except (binascii.Error, ValueError):
        return None


def within_screen(window: QWidget, wanted: QSize) -> QSize:
    """Return the wanted size, or what the screen has room for."""
    screen = window.screen() or QGuiApplication.primaryScreen()
    return wanted.boundedTo(screen.availableSize() - FRAME).expandedTo(window.minimumSize())


def application() -> QApplication:
    """Return the one that runs."""
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        raise TypeError("a window needs a QApplication first")
    return app
