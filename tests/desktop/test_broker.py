"""The page of brokers: being one, using some, and both remembered."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from core.nat.report import NatReport
from core.news.events import NatSnapshot
from desktop.models.broker import BrokerModel
from desktop.views.broker import EMPTY, OFF, acting_words, using_words
from desktop.views.main_window import MainWindow
from tests.desktop.fake_peer import ALICE, NOW, FakeBridge, broker_snapshot, busy_snapshot, people_snapshot


@pytest.fixture
def broker(window: MainWindow, bridge: FakeBridge) -> MainWindow:
    bridge.show(broker_snapshot())
    window.pages.choose("network")
    window.network.parts.choose("broker")
    return window


def test_the_model_keeps_qt_s_rules_and_says_who_is_there(qtmodeltester: ModelTester) -> None:
    model = BrokerModel(clock=lambda: NOW)
    qtmodeltester.check(model)  # type: ignore[no-untyped-call]
    entries = broker_snapshot().broker.entries
    model.replace(entries)
    model.replace(entries[1:])
    model.replace(entries)
    rows = [[model.index(row, column).data() for column in range(6)] for row in range(3)]
    assert rows[0] == [ALICE.short, "Worker", "fibonacci_worker", "203.0.113.5:40817", "1 h 06 min", "now"]
    assert rows[2][:3] == ["plain", "Consumer", "fibonacci_worker"]


def test_names_of_known_peers_and_words_for_both_switches(broker: MainWindow, bridge: FakeBridge) -> None:
    assert broker.network.broker.model.index(0, 0).data() == "Anna's greenhouse"
    assert broker.network.broker.acting.line.text() == "Announced on 7 grapes. 3 entries now. Refused: 1,204 too often."
    assert broker.network.broker.using.line.text() == (
        "Registered at 203.0.113.9:21000. 2 other peers named. 1 address not punched: private or reserved."
    )
    bridge.show(people_snapshot())
    assert broker.network.broker.table.placeholder() == OFF
    assert acting_words(busy_snapshot().broker).startswith("Off.")
    assert using_words(busy_snapshot().broker_use).startswith("Off.")
    assert EMPTY != OFF


def test_acting_is_asked_of_the_peer_and_remembered(window: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    bridge.show(busy_snapshot())
    with qtbot.waitSignal(window.settings_changed) as told:
        window.network.broker.acting.switch.click()
    assert told.args is not None
    assert told.args[0].act_as_broker is True
    assert bridge.calls[-1] == ("act as broker", True)


def test_brokers_are_announced_ones_or_those_written_down(window: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    bridge.show(busy_snapshot())
    window.pages.choose("network")
    window.network.parts.choose("broker")
    view = window.network.broker
    view.using.switch.click()
    announced: tuple[object, ...] = ("use broker", True, ())
    assert bridge.calls[-1] == announced
    QTest.keyClicks(view.brokers, "203.0.113.9:21000, example.org")
    with qtbot.waitSignal(window.settings_changed):
        QTest.keyClick(view.brokers, Qt.Key.Key_Return)
    assert "not host:port" in view.problem()
    view.brokers.clear()
    QTest.keyClicks(view.brokers, "203.0.113.9:21000")
    bridge.show(broker_snapshot())
    with qtbot.waitSignal(window.settings_changed) as told:
        QTest.keyClick(view.brokers, Qt.Key.Key_Return)
    assert told.args is not None
    assert (told.args[0].use_broker, told.args[0].brokers) == (True, ("203.0.113.9:21000",))
    wanted: tuple[object, ...] = ("use broker", True, ("203.0.113.9:21000",))
    assert bridge.calls[-1] == wanted
    assert view.problem() == ""


def test_the_page_says_what_our_router_does(broker: MainWindow, bridge: FakeBridge) -> None:
    assert "Nobody was asked yet" in broker.network.words.text()
    nat = NatSnapshot(NatReport(), False, "The router does this.", "Nobody can reach this peer.", "Use a broker.")
    bridge.show(replace(broker_snapshot(), nat=nat))
    assert broker.network.words.text() == "Nobody can reach this peer. Use a broker. The router does this."
