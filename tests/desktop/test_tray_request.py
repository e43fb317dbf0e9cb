"""The tray's request tells its result, touches nothing that was typed, and joins the history."""

import pytest

from desktop.models.history import ENTRY_ROLE
from desktop.tray_request import TrayRequest
from desktop.views.main_window import MainWindow
from tests.desktop.fake_peer import FakeBridge, busy_snapshot


@pytest.fixture
def told(window: MainWindow, bridge: FakeBridge) -> list[tuple[str, str]]:
    bridge.show(busy_snapshot())
    return []


def asked(window: MainWindow, bridge: FakeBridge, told: list[tuple[str, str]]) -> TrayRequest:
    return TrayRequest(bridge, lambda *words: told.append(words), window.request.remember, window)


def test_it_tells_the_answer_and_leaves_what_was_typed(
    window: MainWindow, bridge: FakeBridge, told: list[tuple[str, str]]
) -> None:
    window.request.set_target("192.0.2.9:9")
    window.request.payload.set_text('{"length": 10000}')
    tray = asked(window, bridge, told)
    tray.send()
    tray.send()  # one at a time
    sent = [call for call in bridge.calls if call[0] == "send_request"]
    assert sent == [("send_request", "fibonacci", {"length": 10}, 10.0)]
    bridge.answer([1, 1, 2])
    assert told == [("fibonacci answered in 182 ms", "[1, 1, 2]")]
    assert window.request.target.currentText() == "192.0.2.9:9"
    assert window.request.payload.editor.value() == '{"length": 10000}'
    assert window.request.history.index(0, 0).data(ENTRY_ROLE).target == "fibonacci"


def test_it_tells_an_error_and_is_ready_again(
    window: MainWindow, bridge: FakeBridge, told: list[tuple[str, str]]
) -> None:
    tray = asked(window, bridge, told)
    tray.send()
    bridge.fail("ERR_NOT_TRUSTED: the owner has to let you in", ending="refused")
    assert told == [("fibonacci: refused", "ERR_NOT_TRUSTED: the owner has to let you in")]
    tray.send()
    bridge.fail("ERR_TIMEOUT: nobody answered")
    assert told[1][0] == "fibonacci: no answer"
