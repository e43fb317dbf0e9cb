"""The request panel: target, checked payload, one request at a time, bounded answer, history."""

import itertools
import json
from collections.abc import Callable

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from core.peer_id import PeerId
from core.values import JsonValue
from desktop.models.pretty import DISPLAY_CHARACTERS
from desktop.theme import ThemeSource
from desktop.views import request as module
from desktop.views.contract import Ending
from desktop.views.main_window import MainWindow
from desktop.views.request import RequestView
from tests.desktop.fake_peer import ANNA, BEN, SEQUENCE, FakeBridge, busy_snapshot, empty_snapshot

CTRL = Qt.KeyboardModifier.ControlModifier


def sent(bridge: FakeBridge) -> list[tuple[object, ...]]:
    return [call for call in bridge.calls if call[0] == "send_request"]


def test_ctrl_enter_in_the_editor_sends_once(window: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    window.request.focus()
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
        QTest.keyClick(window.windowHandle(), key, CTRL)
        bridge.answer(list(SEQUENCE))
    assert sent(bridge) == [("send_request", "fibonacci", {"length": 10}, 10.0)] * 2
    assert window.request.payload.editor.toPlainText() == '{"length": 10}'


def test_a_click_sends_and_the_answer_is_shown(panel: RequestView, bridge: FakeBridge, qtbot: QtBot) -> None:
    QTest.mouseClick(panel.send_button, Qt.MouseButton.LeftButton)
    assert panel.busy()
    assert not panel.send_button.isEnabled()
    assert panel.answer.title() == "Waiting for fibonacci"
    panel.send()  # one at a time
    assert len(sent(bridge)) == 1
    bridge.answer(list(SEQUENCE), peer=BEN, seconds=0.182)
    assert panel.answer.title() == "192.0.2.44:51022 answered in 182 ms"
    qtbot.waitUntil(lambda: panel.answer.text() == "[1, 1, 2, 3, 5, 8, 13, 21, 34, 55]")
    assert panel.send_button.isEnabled()
    panel.answer.copy_button.click()
    qtbot.waitUntil(lambda: QGuiApplication.clipboard().text() == json.dumps(SEQUENCE, indent=2))


def test_send_keeps_its_place_and_the_keyboard_comes_back_to_it(
    window: MainWindow, bridge: FakeBridge, qtbot: QtBot
) -> None:
    window.resize(1024, 600)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    send = window.request.send_button
    send.setFocus()
    QApplication.processEvents()
    before = send.mapToGlobal(QPoint())
    QTest.mouseClick(send, Qt.MouseButton.LeftButton)
    assert not send.isEnabled()
    bridge.answer(list(SEQUENCE))
    assert send.mapToGlobal(QPoint()) == before
    assert window.focusWidget() is send
    QTest.keyClick(send, Qt.Key.Key_Space)
    window.request.target.setFocus()
    bridge.answer(list(SEQUENCE))
    assert window.focusWidget() is not send  # the user had gone on


def test_an_error_is_a_sentence(panel: RequestView, bridge: FakeBridge) -> None:
    panel.send()
    bridge.fail("ERR_TIMEOUT: nobody answered within 10 s", seconds=10.0)
    assert panel.answer.title() == "No answer from fibonacci after 10.00 s"
    assert panel.answer.text() == "Nobody answered within 10 s"
    assert not panel.busy()


@pytest.mark.parametrize(
    ("ending", "title"),
    [
        ("error", "fibonacci answered with an error after 22 ms"),
        ("refused", "fibonacci refused the request after 22 ms"),
        ("silent", "No answer from fibonacci after 22 ms"),
        ("unsent", "The request to fibonacci was not sent"),
    ],
)
def test_an_error_is_an_answer_and_can_be_copied(
    panel: RequestView, bridge: FakeBridge, qtbot: QtBot, ending: Ending, title: str
) -> None:
    panel.send()
    bridge.fail("ERR_PAYLOAD: 'length' must be a whole number", seconds=0.022, ending=ending)
    assert panel.answer.title() == title
    assert panel.answer.text() == "'length' must be a whole number"
    panel.answer.copy_button.click()
    qtbot.waitUntil(lambda: QGuiApplication.clipboard().text() == "ERR_PAYLOAD: 'length' must be a whole number")


def test_a_request_can_be_cancelled(window: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    panel = window.request
    assert panel.answer.cancel_button.isHidden()
    panel.cancel()
    panel.send()
    place = panel.send_button.mapTo(window, QPoint(0, 0))
    panel.answer.cancel_button.click()
    assert bridge.calls[-1] == ("cancel_request", 1)
    assert not panel.busy()
    assert panel.answer.title() == "Cancelled after 1.50 s: fibonacci was not waited for"
    assert panel.send_button.isEnabled()
    assert panel.send_button.mapTo(window, QPoint(0, 0)) == place
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    panel.focus()
    panel.send()
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_Escape)
    assert bridge.calls[-1] == ("cancel_request", 2)


def test_an_answer_to_somebody_else_is_not_ours(panel: RequestView, bridge: FakeBridge) -> None:
    panel.send()
    bridge.send_request("other", None, 1.0)
    bridge.answer("not ours")
    assert panel.busy()


def test_wrong_json_is_explained_and_not_sent(panel: RequestView, bridge: FakeBridge, qtbot: QtBot) -> None:
    panel.payload.editor.setPlainText('{"emoji": "\N{GRAPES}", "length": }')
    qtbot.waitUntil(lambda: panel.payload.verdict().startswith("Line 1, column 26: a value is expected here"))
    assert not panel.send_button.isEnabled()
    panel.send()
    assert sent(bridge) == []
    assert panel.payload.editor.textCursor().position() == 26  # the grapes are two of Qt's characters
    panel.payload.editor.setPlainText("null")
    qtbot.waitUntil(lambda: panel.payload.verdict() == "Valid JSON.")
    assert panel.send_button.isEnabled()


def test_sending_checks_what_was_typed_a_moment_ago(panel: RequestView, bridge: FakeBridge) -> None:
    panel.payload.editor.setPlainText("[")
    panel.send()
    assert sent(bridge) == []


def test_without_a_target_nothing_is_sent(panel: RequestView, bridge: FakeBridge) -> None:
    panel.set_target("  ")
    assert not panel.send_button.isEnabled()
    panel.send()
    assert sent(bridge) == []


def test_services_and_peers_are_offered_and_typing_stays(panel: RequestView, bridge: FakeBridge) -> None:
    panel.set_target("192.0.2.200:9")
    bridge.show(busy_snapshot())
    offered = [panel.target.itemText(each) for each in range(panel.target.count())]
    assert offered[:3] == ["fibonacci", "192.0.2.44:51022", "198.51.100.7:20555"]  # workers before consumers
    assert len(offered) == 6
    assert panel.target.currentText() == "192.0.2.200:9"


def test_typing_is_not_completed_into_another_target(panel: RequestView, bridge: FakeBridge, qtbot: QtBot) -> None:
    bridge.show(busy_snapshot())
    panel.target.setEditText("")
    line = panel.target.lineEdit()
    assert line is not None
    QTest.keyClicks(line, "FIB")
    panel.send()
    assert sent(bridge)[0][1] == "FIB"


def test_a_huge_answer_is_cut_and_can_be_copied_whole(
    panel: RequestView, bridge: FakeBridge, qtbot: QtBot, best_time: Callable[[Callable[[], None]], float]
) -> None:
    data: list[JsonValue] = [10**1000 + each for each in range(2000)]

    def ask() -> None:
        panel.send()
        bridge.answer(data)

    assert best_time(ask) < 0.02
    qtbot.waitUntil(lambda: len(panel.answer.text()) == DISPLAY_CHARACTERS + 1)
    assert panel.answer.copy_full_button.isVisible()
    panel.answer.copy_full_button.click()
    assert not panel.answer.copy_full_button.isEnabled()
    qtbot.waitUntil(panel.answer.copy_full_button.isEnabled, timeout=20_000)
    assert json.loads(QGuiApplication.clipboard().text()) == data


def test_a_late_rendering_does_not_replace_a_newer_answer(panel: RequestView, bridge: FakeBridge, qtbot: QtBot) -> None:
    panel.send()
    bridge.answer(list(range(5000)))
    panel.send()
    bridge.answer("newer")
    qtbot.waitUntil(lambda: panel.answer.text() == '"newer"')
    qtbot.wait(100)
    assert panel.answer.text() == '"newer"'


def test_the_history_repeats(panel: RequestView, bridge: FakeBridge, qtbot: QtBot) -> None:
    panel.set_target(ANNA)
    panel.payload.set_text('{"length": 3}')
    panel.send()
    bridge.answer([1, 1, 2])
    panel.set_target("elsewhere:1")
    panel.payload.set_text("null")
    area = panel.history_list.visualRect(panel.history.index(0, 0)).center()
    QTest.mouseClick(panel.history_list.viewport(), Qt.MouseButton.LeftButton, pos=area)
    assert panel.target.currentText() == str(ANNA)
    assert panel.payload.editor.toPlainText() == '{"length": 3}'
    assert len(sent(bridge)) == 1
    QTest.keyClick(panel.history_list, Qt.Key.Key_Return)
    assert sent(bridge)[1:] == [("send_request", str(ANNA), {"length": 3}, 10.0)]


def test_the_demo_request_is_the_services_example(window: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(empty_snapshot())
    window.request.set_target("elsewhere:1")
    window.request.payload.set_text("null")
    window.send_demo_request()
    assert sent(bridge) == [("send_request", "fibonacci", {"length": 10}, 10.0)]


def test_an_outcome_that_never_comes_frees_the_panel(
    theme: ThemeSource, bridge: FakeBridge, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FRAME_MS", 1)
    ticks = itertools.count(0, 2)
    view = RequestView(bridge, theme, clock=lambda: float(next(ticks)))
    qtbot.addWidget(view)
    view.send()
    qtbot.waitUntil(lambda: not view.busy())
    assert view.answer.title() == "Nothing came back from fibonacci"


def test_the_time_waited_is_drawn(panel: RequestView, bridge: FakeBridge, qtbot: QtBot) -> None:
    panel.timeout.setValue(0.5)
    panel.send()
    qtbot.waitUntil(lambda: panel.progress.value() > 300)
    bridge.answer(None)
    assert panel.progress.value() == 0


def test_tab_leaves_the_editor(window: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    window.request.focus()
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_Tab)
    assert not window.request.payload.editor.hasFocus()
    assert "\t" not in window.request.payload.editor.toPlainText()


def test_a_double_click_in_the_history_sends(panel: RequestView, bridge: FakeBridge, qtbot: QtBot) -> None:
    panel.send()
    bridge.answer(1)
    area: QPoint = panel.history_list.visualRect(panel.history.index(0, 0)).center()
    QTest.mouseClick(panel.history_list.viewport(), Qt.MouseButton.LeftButton, pos=area)
    QTest.mouseDClick(panel.history_list.viewport(), Qt.MouseButton.LeftButton, pos=area)
    assert len(sent(bridge)) == 2


def test_a_mistyped_peer_id_is_explained_and_not_sent(panel: RequestView, bridge: FakeBridge) -> None:
    right = str(PeerId(bytes(range(100, 132))))
    wrong = right[1] + right[0] + right[2:]
    for target in (wrong, f"{wrong}/fibonacci", f"{right[:-3]}/fibonacci"):
        panel.set_target(target)
        assert panel.target_problem.text().startswith(("This Peer ID is mistyped in", "A Peer ID has 56"))
        assert not panel.send_button.isEnabled()
        panel.send()
        assert sent(bridge) == []
    panel.set_target(f"{right.lower()}/fibonacci")
    assert panel.target_problem.text() == ""
    panel.send()
    assert [call[1] for call in sent(bridge)] == [f"{right.lower()}/fibonacci"]
