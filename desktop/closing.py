"""What the window's close button means: keep the peer in the tray, or quit; asked once, never guessed.

Where there is no tray the window never hides: it would be gone with no way back. Closing then quits, after a question
if somebody would miss this peer.
"""

from collections.abc import Callable

from PySide6.QtCore import QObject

from core.news.events import PeerSnapshot
from core.profile.settings import CloseAction
from desktop.bridge import Bridge
from desktop.choices import Choices
from desktop.models.invitations import outstanding
from desktop.tray import Tray
from desktop.views.close_question import ask_close
from desktop.views.fields import muted
from desktop.views.main_window import MainWindow
from desktop.views.parts import PlainLabel
from desktop.views.sheets import Sheet


def is_sharing(snapshot: PeerSnapshot | None) -> bool:
    """Tell whether anything is shared, or is to be: what has a problem is tried again by itself."""
    return snapshot is not None and (
        any(service.sharing for service in snapshot.services)
        or any(share.on or share.problem for share in snapshot.shares)
    )


def at_work(snapshot: PeerSnapshot | None) -> bool:
    """Tell whether somebody would miss this peer: its user, who uses it, is invited, or meets others through it."""
    return snapshot is not None and (
        is_sharing(snapshot)
        or any(service.consuming for service in snapshot.services)
        or bool(snapshot.uses)
        or snapshot.broker.acting
        or outstanding(snapshot.invitations.rows) > 0
    )


class Closing(QObject):
    """Decides what closing the window does. `quit` ends the program."""

    def __init__(
        self, window: MainWindow, tray: Tray, bridge: Bridge, choices: Choices, quit: Callable[[], None]
    ) -> None:
        super().__init__(window)
        self._window, self._tray, self._bridge, self._choices, self._quit = window, tray, bridge, choices, quit
        self._question: Sheet | None = None

    @property
    def question(self) -> Sheet | None:
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
            self._hold(ask_close(self._window, self._answered, sharing=is_sharing(self._bridge.snapshot())))

    def on_tray_vanished(self) -> None:
        """The panel is gone: a hidden window comes back, or the user could not reach it."""
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
        if not at_work(snapshot):
            self._quit()
            return
        question = QuitQuestion(self._window, self._quit, self._window.showMinimized, sharing=is_sharing(snapshot))
        question.open()
        self._hold(question)

    def _hold(self, question: Sheet) -> None:
        self._question = question
        question.finished.connect(self._let_go)

    def _let_go(self, _result: int) -> None:
        self._question = None


class QuitQuestion(Sheet):
    """Asks before quitting where there is no tray to stay in. Escape changes nothing. `sharing`: it asks about that."""

    def __init__(
        self, parent: MainWindow, quit: Callable[[], None], minimise: Callable[[], None], *, sharing: bool = True
    ) -> None:
        super().__init__(self.tr("Close Grapevine"), parent, width=460)
        self._quit, self._minimise = quit, minimise
        asked = PlainLabel(self.tr("Stop sharing and quit?") if sharing else self.tr("Quit Grapevine?"))
        asked.setObjectName("heading")
        asked.setWordWrap(True)
        self.body.addWidget(asked)
        self.body.addWidget(
            muted(
                self.tr(
                    "This desktop has no tray where Grapevine could stay. "
                    "If you quit, friends can't reach you until you start it again. Minimise it to keep it running."
                )
            )
        )
        self.body.addStretch()
        self.row.addStretch()
        self.cancel_button = self.add_button(self.tr("Cancel"), self.reject)
        self.quit_button = self.add_button(self.tr("&Quit"), lambda: self._choose(self._quit))
        self.minimise_button = self.add_button(
            self.tr("&Minimise"), lambda: self._choose(self._minimise), name="primary"
        )
        self.calm(self.minimise_button)
        self.minimise_button.setFocus()
        self.finished.connect(self.deleteLater)

    def _choose(self, act: Callable[[], None]) -> None:
        self.accept()
        act()
