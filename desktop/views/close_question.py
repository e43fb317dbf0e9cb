"""The question of the first close: stay in the tray, or quit? Shown with `open()`, answered by a signal."""

from collections.abc import Callable

from PySide6.QtWidgets import QCheckBox, QMessageBox, QWidget

from core.profile.settings import CloseAction
from desktop.icons import app_icon

ICON = 48  # pixels


class CloseQuestion(QMessageBox):
    """Asks what closing the window means. Escape, or closing the question, changes nothing.

    `answer(action, remember)` is called with "tray" or "quit"; never when the question was dismissed.
    """

    def __init__(self, parent: QWidget, answer: Callable[[CloseAction, bool], None]) -> None:
        super().__init__(parent)
        self._answer = answer
        self.setIconPixmap(app_icon().pixmap(ICON))
        self.setWindowTitle(self.tr("Close"))
        self.setText(f"<b>{self.tr('Keep sharing while the window is closed?')}</b>")
        self.setInformativeText(
            self.tr(
                "In the tray, Grapevine goes on sharing and consuming; its icon brings the window back. "
                "If you quit, other peers lose this one at once."
            )
        )
        self.tray_button = self.addButton(self.tr("&Keep sharing in the tray"), QMessageBox.ButtonRole.AcceptRole)
        self.quit_button = self.addButton(self.tr("&Quit"), QMessageBox.ButtonRole.DestructiveRole)
        self.cancel_button = self.addButton(QMessageBox.StandardButton.Cancel)
        self.setDefaultButton(self.tray_button)
        self.setEscapeButton(self.cancel_button)
        self.remember = QCheckBox(self.tr("&Remember my choice (it can be changed in the settings)"))
        self.remember.setChecked(True)  # the first close asks once; whoever wants to be asked again unticks it
        self.setCheckBox(self.remember)
        self.finished.connect(self._finished)

    def _finished(self, result: int) -> None:
        del result
        clicked, remember = self.clickedButton(), self.remember.isChecked()
        self.deleteLater()
        if clicked is self.tray_button:
            self._answer("tray", remember)
        elif clicked is self.quit_button:
            self._answer("quit", remember)


def ask_close(parent: QWidget, answer: Callable[[CloseAction, bool], None]) -> CloseQuestion:
    """Show the question over `parent` and return at once; `answer` is called later, or never."""
    question = CloseQuestion(parent, answer)
    question.open()
    return question
