"""My identity: nothing dangerous is a default there, and the whole ID stays in sight."""

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from core.news.events import IdentitySnapshot
from core.peer_id import PeerId
from desktop.views.identity_dialog import IdentityDialog
from desktop.views.main_window import MainWindow
from desktop.views.sheets import Question
from tests.desktop.conftest import bury
from tests.desktop.fake_peer import OURS, FakeBridge, FakeIdentityActs, people_snapshot


def test_no_key_pressed_by_chance_replaces_the_identity(window: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    acts = FakeIdentityActs()
    for snapshot in (IdentitySnapshot(), people_snapshot().identity):
        dialog = IdentityDialog(acts, window)
        dialog.show_identity(snapshot)
        dialog.open()
        dialog.show_identity(IdentitySnapshot(None, "The keyring is locked."))
        dialog.show_identity(snapshot)
        for key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            QTest.keyClick(dialog.focusWidget() or dialog, key)
        assert acts.calls == []
        assert dialog.findChildren(Question) == []
        dialog.reject()
        bury()


def test_the_whole_id_stays_in_sight_whatever_is_said(window: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    acts = FakeIdentityActs()
    dialog = IdentityDialog(acts, window)
    dialog.open()
    for peer_id in (OURS, PeerId(bytes([255]) * 32)):
        dialog.show_identity(IdentitySnapshot(peer_id, "Your key is in this computer's keyring.", True))
        acts.done.emit("This is peer AAAAAAA now. Your key is in this computer's keyring. " * 3)
        QApplication.processEvents()
        assert len(dialog.id.text().splitlines()) == 4
        assert dialog.id.height() >= dialog.id.sizeHint().height()
        assert dialog.id.width() >= dialog.id.sizeHint().width()
    dialog.reject()
    bury()
