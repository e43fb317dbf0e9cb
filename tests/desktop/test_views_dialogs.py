"""Settings and the close question: opened without a nested loop, answered by signals, checked in sentences."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialogButtonBox
from pytestqt.qtbot import QtBot

from core.profile.settings import CloseAction, Settings, WindowState
from desktop.views.close_question import CloseQuestion, ask_close
from desktop.views.main_window import MainWindow
from desktop.views.settings_dialog import SettingsDialog
from tests.desktop.conftest import bury
from tests.desktop.fake_peer import FakeBridge, empty_snapshot

FULL = Settings(
    grapes=("http://192.0.2.7:30001", "http://192.0.2.8:30001"),
    bootstrap=("192.0.2.7:20001",),
    dht_port=20003,
    api_port=30003,
    udp_port=40000,
    sharing=("fibonacci",),
    lan=False,
    notify_new_peers=False,
    close_action="quit",
    window=WindowState("Z2Vv", "c3RhdGU="),
)


def dialog(qtbot: QtBot, settings: Settings) -> SettingsDialog:
    made = SettingsDialog(settings, ["fibonacci"])
    made.open()
    return made


def save(made: SettingsDialog, qtbot: QtBot) -> None:
    QTest.mouseClick(made.buttons.button(QDialogButtonBox.StandardButton.Save), Qt.MouseButton.LeftButton)


@pytest.mark.parametrize("settings", [FULL, Settings()])
def test_what_goes_in_comes_out(qtbot: QtBot, settings: Settings) -> None:
    made = dialog(qtbot, settings)
    assert made.settings() == settings
    made.reject()
    bury()


def test_every_field_reaches_the_record(qtbot: QtBot) -> None:
    made = dialog(qtbot, Settings())
    made.grapes.setPlainText(" http://192.0.2.7:30001 \n\nhttp://192.0.2.8:30001\nhttp://192.0.2.7:30001")
    made.bootstrap.setPlainText("192.0.2.7:20001")
    made.dht_port.setValue(20003)
    made.api_port.setValue(30003)
    made.udp_port.setValue(40000)
    made.share["fibonacci"].click()
    made.notify.click()
    made.close_action.setCurrentIndex(made.close_action.findData("quit"))
    made.lan.click()
    with qtbot.waitSignal(made.chosen) as heard:
        save(made, qtbot)
    assert heard.args == [replace(FULL, window=WindowState())]
    bury()


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("grapes", "192.0.2.7:30001", "is not a grape's address"),
        ("grapes", "http://192.0.2.7", "has no port"),
        ("bootstrap", "192.0.2.7", "is not host:port"),
        ("bootstrap", "192.0.2.7:99999", "is not a port"),
    ],
)
def test_wrong_entries_are_explained_and_not_saved(qtbot: QtBot, field: str, text: str, sentence: str) -> None:
    made = dialog(qtbot, Settings())
    heard: list[Settings] = []
    made.chosen.connect(heard.append)
    getattr(made, field).setPlainText(text)
    save(made, qtbot)
    assert sentence in made.problem()
    assert made.isVisible()
    assert heard == []
    made.reject()
    bury()


def test_the_window_opens_one_dialog_and_tells_what_was_saved(
    window: MainWindow, bridge: FakeBridge, qtbot: QtBot
) -> None:
    bridge.show(empty_snapshot())
    window.open_settings()
    window.open_settings()
    (made,) = window.findChildren(SettingsDialog)
    made.udp_port.setValue(41000)
    with qtbot.waitSignal(window.settings_changed) as heard:
        save(made, qtbot)
    assert heard.args == [Settings(udp_port=41000)]
    bury()
    window.set_settings(Settings(udp_port=42000))
    window.open_settings()
    (again,) = window.findChildren(SettingsDialog)
    assert again.udp_port.value() == 42000
    again.reject()


@pytest.mark.parametrize(("button", "action"), [("tray_button", "tray"), ("quit_button", "quit")])
@pytest.mark.parametrize("remember", [True, False])
def test_the_question_is_answered_once(window: MainWindow, button: str, action: CloseAction, remember: bool) -> None:
    answers: list[tuple[CloseAction, bool]] = []
    question = ask_close(window, lambda chosen, kept: answers.append((chosen, kept)))
    question.remember.setChecked(remember)
    assert QApplication.activeModalWidget() is question
    getattr(question, button).click()
    assert answers == [(action, remember)]


def test_escape_changes_nothing(window: MainWindow, qtbot: QtBot) -> None:
    answers: list[CloseAction] = []
    question = ask_close(window, lambda chosen, _kept: answers.append(chosen))
    QTest.keyClick(question, Qt.Key.Key_Escape)
    assert answers == []
    bury()
    assert window.findChildren(CloseQuestion) == []
