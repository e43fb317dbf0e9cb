"""The one question about the public DHT, in plain words, above the pages: it stands in nobody's way."""

from collections.abc import Callable

from PySide6.QtWidgets import QFrame, QToolButton, QVBoxLayout, QWidget

from desktop.icons import icon
from desktop.models.safe import tip
from desktop.theme import Theme, ThemeSource
from desktop.views.fields import Lines
from desktop.views.flow import FlowRow
from desktop.views.parts import button, heading


class PublicDhtQuestion(QFrame):
    """Asks whether friends may find this peer by the public DHT. Closing it is no answer: it comes again."""

    def __init__(self, theme: ThemeSource, answer: Callable[[bool], object], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        title = self.tr("Let friends find you without a server?")
        self.setAccessibleName(title)
        self._theme = theme
        self._answer = answer
        hint = self.tr("You can change it in the settings at any time")
        self.no_button = button(self.tr("&No"), hint, lambda: self._said(False))
        self.yes_button = button(self.tr("&Yes, let them"), hint, lambda: self._said(True))
        self.close_button = QToolButton()
        self.close_button.setAccessibleName(self.tr("Close the question"))
        self.close_button.setToolTip(tip(self.tr("Close; it is asked again at the next start")))
        self.close_button.clicked.connect(self.go)
        self.words = Lines(2)
        self.words.setText(
            self.tr(
                "By the DHT of BitTorrent: your address becomes visible to its nodes, what you share and who your "
                "friends are does not. It takes 25 MB a day at the most while you call nobody."
            )
        )
        row = FlowRow()
        row.addWidget(heading(title))
        row.addWidget(self.no_button)
        row.addWidget(self.yes_button)
        row.addStretch()
        row.addWidget(self.close_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 6, 6, 6)
        column.setSpacing(6)
        column.addLayout(row)
        column.addWidget(self.words)
        theme.changed.connect(self._retheme)
        self._retheme(theme.theme)

    def go(self) -> None:
        """Leave."""
        self.hide()
        self.deleteLater()

    def _said(self, yes: bool) -> None:
        self.go()
        self._answer(yes)

    def _retheme(self, theme: Theme) -> None:
        self.close_button.setIcon(icon("close", theme.text))
