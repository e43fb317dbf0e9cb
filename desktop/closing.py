"""What the window's close button means: keep the peer in the tray, or quit; asked once, never guessed.

Where there is no tray the window never hides: it would be gone with no way back. Closing then quits, after a question
if something is shared or consumed.
"""

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QMessageBox

from core.profile.settings import CloseAction
from desktop.bridge import Bridge
from desktop.choices import Choices
from desktop.tray import Tray
from desktop.views.close_question import ask_close
from desktop.views.main_window import MainWindow


class Closing(QObject):
    """Decides what closing the window does. `quit` ends the program."""

    def __init__(
        self, window: MainWindow, tray: Tray, bridge: Bridge, choices: Choices, quit: Callable[[], None]
    ) -> None:
        super().__init__(window)
        self._window, self._tray, self._bridge, self._choices, self._quit = window, tray, bridge, choices, quit
        self._question: QMessageBox | None = None

    @property
    def question(self) -> QMessageBox | None:
        """The question on the screen, if there is one."""
        return self._question

    def on_close(self) -> None:
        """The user closed the window: hide, quit or ask. Ask only once at a time."""
        action = self._choices.current.close_action
        if self._question is not None:
            self._question.raise_()
        elif action == "quit":
            self._quit()
        elif not self._tray.available():
            self._close_without_tray()
        elif action == "tray":
            self._window.hide()
        else:
            self._hold(ask_close(self._window, self._answered))

    def on_tray_vanished(self) -> None:
        """The panel is gone: a hidden window comes back, or nobody could reach it."""
        if not self._window.isVisible():
            self._window.reveal()

    def _answered(self, action: CloseAction, remember: bool) -> None:
        if remember:
            self._choices.replace(close_action=action)
        if action == "quit":
            self._quit()
        elif self._tray.available():
            self._window.hide()
        else:  # it went away while the question stood there
            self._window.showMinimized()

    def _close_without_tray(self) -> None:
        snapshot = self._bridge.snapshot()
        if snapshot is None or not any(service.sharing or service.consuming for service in snapshot.services):
            self._quit()
            return
        question = QuitQuestion(self._window, self._quit, self._window.showMinimized)
        question.open()
        self._hold(question)

    def _hold(self, question: QMessageBox) -> None:
        self._question = question
        question.finished.connect(self._let_go)

    def _let_go(self, _result: int) -> None:
        self._question = None


class QuitQuestion(QMessageBox):
    """Asks before quitting where there is no tray to stay in. Escape changes nothing."""

    def __init__(self, parent: MainWindow, quit: Callable[[], None], minimise: Callable[[], None]) -> None:
        super().__init__(parent)
        self._quit, self._minimise = quit, minimise
        self.setIcon(QMessageBox.Icon.Question)
        self.setWindowTitle(self.tr("Close Grapevine"))
        self.setText(self.tr("Stop sharing and quit?"))
        self.setInformativeText(
            self.tr(
                "This desktop has no tray where Grapevine could stay. "
                "If you quit, other peers lose this one at once. Minimised, it goes on."
            )
        )
        self.quit_button = self.addButton(self.tr("&Quit"), QMessageBox.ButtonRole.DestructiveRole)
        self.minimise_button = self.addButton(self.tr("&Minimise"), QMessageBox.ButtonRole.AcceptRole)
        self.setEscapeButton(self.addButton(QMessageBox.StandardButton.Cancel))
        self.setDefaultButton(self.minimise_button)
        self.finished.connect(self._finished)

    def _finished(self, _result: int) -> None:
        clicked = self.clickedButton()
        self.deleteLater()
        if clicked is self.quit_button:
            self._quit()
        elif clicked is self.minimise_button:
            self._minimise()
