"""The question of the first close: stay in the tray, or quit? Shown with `open()`, answered by a signal."""

from collections.abc import Callable

from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QWidget

from core.profile.settings import CloseAction
from desktop.icons import app_icon
from desktop.views.fields import muted
from desktop.views.parts import PlainLabel
from desktop.views.sheets import Sheet

ICON = 48  # pixels


class CloseQuestion(Sheet):
    """Asks what closing the window means. Escape, or closing the question, changes nothing.

    `answer(action, remember)` is called with "tray" or "quit"; never when the question was dismissed. `sharing`: it
    asks about that; else it does not claim that anything is shared.
    """

    def __init__(self, parent: QWidget, answer: Callable[[CloseAction, bool], None], *, sharing: bool = True) -> None:
        super().__init__(self.tr("Close"), parent, width=460)
        self._answer = answer
        asked = PlainLabel(
            self.tr("Keep sharing while the window is closed?") if sharing else self.tr("Keep Grapevine in the tray?")
        )
        asked.setObjectName("heading")
        asked.setWordWrap(True)
        picture = PlainLabel()
        picture.setPixmap(app_icon().pixmap(ICON))
        top = QHBoxLayout()
        top.setSpacing(14)
        top.addWidget(picture)
        top.addWidget(asked, 1)
        self.body.addLayout(top)
        if sharing:
            about = self.tr(
                "In the tray, Grapevine keeps sharing and consuming; its icon brings the window back. "
                "If you quit, friends can't reach you until you start it again."
            )
        else:
            about = self.tr(
                "Nothing is shared now. In the tray, Grapevine keeps running, and its icon brings the window back."
            )
        self.body.addWidget(muted(about))
        self.remember = QCheckBox(self.tr("&Remember my choice"))
        self.remember.setToolTip(self.tr("The settings can change it later"))
        self.remember.setChecked(True)  # the first close asks once; a user who wants to be asked again unticks it
        self.body.addWidget(self.remember)
        self.body.addStretch()
        self.row.addStretch()
        self.cancel_button = self.add_button(self.tr("Cancel"), self.reject)
        self.quit_button = self.add_button(self.tr("&Quit"), lambda: self._choose("quit"))
        keep = self.tr("&Keep sharing") if sharing else self.tr("&Keep in the tray")
        self.tray_button = self.add_button(keep, lambda: self._choose("tray"), name="primary")
        self.calm(self.tray_button)
        self.tray_button.setFocus()
        self.finished.connect(self.deleteLater)

    def _choose(self, action: CloseAction) -> None:
        remember = self.remember.isChecked()
        self.accept()
        self._answer(action, remember)


def ask_close(parent: QWidget, answer: Callable[[CloseAction, bool], None], *, sharing: bool = True) -> CloseQuestion:
    """Show the question over `parent` and return at once; `answer` is called later, or never."""
    question = CloseQuestion(parent, answer, sharing=sharing)
    question.open()
    return question
