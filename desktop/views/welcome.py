"""The first start: one question above the pages, and a self-test in three lines. It stands in nobody's way.

It is a part of the window, not a window of its own: everything else can be used beside it. It is shown once, until it
is answered or closed, and again from the menu Help.
"""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QPushButton, QToolButton, QVBoxLayout, QWidget

from core.news.events import PeerSnapshot
from desktop.icons import icon, pixmap
from desktop.models.safe import tip
from desktop.models.self_test import Line, Verdict, self_test
from desktop.theme import Theme, ThemeSource
from desktop.views.fields import Lines
from desktop.views.flow import FlowRow
from desktop.views.parts import PlainLabel, button, heading
from desktop.views.sheets import primary

ICON = 16  # pixels


class WelcomeStrip(QFrame):
    """Asks what to begin with. Closing it is an answer too."""

    def __init__(
        self,
        theme: ThemeSource,
        share: Callable[[], object],
        open_invitation: Callable[[], object],
        demo: Callable[[], object],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self.setAccessibleName(self.tr("First steps, and a self-test"))
        self._theme = theme
        self._lines: tuple[Line, ...] = ()
        hint = self.tr("A web page, a folder, a port, a program or a sensor")
        self.share_button = self._choice(self.tr("Share something..."), hint, share)
        hint = self.tr("A friend sent you a link, or the picture of a QR code")
        self.open_button = self._choice(self.tr("Open an invitation..."), hint, open_invitation)
        hint = self.tr("This computer asks itself for Fibonacci numbers, and you see how")
        self.demo_button = self._choice(self.tr("Try the demo"), hint, demo)
        primary(self.share_button)
        self.close_button = QToolButton()
        self.close_button.setAccessibleName(self.tr("Close the first steps"))
        self.close_button.setToolTip(tip(self.tr("Close; the menu Help shows it again")))
        self.close_button.clicked.connect(self.answered)
        self._marks = tuple(PlainLabel() for _ in range(3))
        self.results = tuple(Lines(1) for _ in range(3))
        self._lay_out()
        theme.changed.connect(self._retheme)
        self.show_snapshot(None)

    def _choice(self, words: str, hint: str, act: Callable[[], object]) -> QPushButton:
        def chosen() -> None:
            self.answered()
            act()

        return button(words, hint, chosen)

    def _lay_out(self) -> None:
        row = FlowRow()
        row.addWidget(heading(self.tr("What first?")))
        for each in (self.share_button, self.open_button, self.demo_button):
            row.addWidget(each)
        row.addStretch()
        row.addWidget(self.close_button)
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        grid.setVerticalSpacing(2)
        for at, (mark, words) in enumerate(zip(self._marks, self.results, strict=True)):
            mark.setFixedSize(ICON, words.fontMetrics().lineSpacing())
            grid.addWidget(mark, at, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(words, at, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 6, 6, 6)
        column.setSpacing(6)
        column.addLayout(row)
        column.addLayout(grid)

    def answered(self) -> None:
        """Go for good."""
        self.hide()
        self.deleteLater()

    def show_snapshot(self, snapshot: PeerSnapshot | None) -> None:
        """Show how the test stands now."""
        lines = self_test(snapshot)
        if lines != self._lines:
            self._lines = lines
            self._draw()

    def _retheme(self, _theme: Theme) -> None:
        self._draw()

    def _draw(self) -> None:
        theme, ratio = self._theme.theme, self.devicePixelRatioF()
        looks = {
            Verdict.GOOD: ("check", theme.good),
            Verdict.UNKNOWN: ("info", theme.warn),
            Verdict.BAD: ("problem", theme.bad),
        }
        self.close_button.setIcon(icon("close", theme.text))
        for mark, result, line in zip(self._marks, self.results, self._lines, strict=True):
            name, colour = looks[line.verdict]
            drawn = pixmap(name, round(ICON * ratio), colour)
            drawn.setDevicePixelRatio(ratio)
            if line.words:
                mark.setPixmap(drawn)
            else:
                mark.clear()
            result.setText(line.words)
