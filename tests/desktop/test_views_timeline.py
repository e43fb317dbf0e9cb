"""The timeline view: it follows its end only when it is there, filters, and copies."""

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from core.news.events import PeerEvent, RequestSent
from core.values import Address
from desktop.models.timeline import MAX_ROWS, TimelineColumn
from desktop.models.timeline_rows import Kind
from desktop.theme import ThemeSource
from desktop.views.main_window import MainWindow
from desktop.views.timeline import TimelineView
from tests.desktop.conftest import Alone
from tests.desktop.fake_peer import NOW, FakeBridge, busy_events


def requests(number: int, start: int = 0) -> list[PeerEvent]:
    numbers = range(start, start + number)
    return [RequestSent(NOW + each, "fibonacci", Address("192.0.2.1", 1 + each)) for each in numbers]


@pytest.fixture
def view(alone: Alone, bridge: FakeBridge, theme: ThemeSource) -> TimelineView:
    made = alone(lambda: TimelineView(theme), 800, 240)
    bridge.events_arrived.connect(made.add)
    return made


def top_peer(view: TimelineView) -> str:
    """Return the peer in the first line that is fully in sight."""
    row = view.table.rowAt(view.table.verticalHeader().defaultSectionSize() - 1)
    return str(view.model.index(row, TimelineColumn.PEER).data())


def test_it_follows_the_newest_line_until_one_scrolls_up(view: TimelineView, bridge: FakeBridge) -> None:
    bridge.tell(*requests(100))
    assert view.at_end()
    assert not view.newest.isEnabled()
    view.table.verticalScrollBar().setValue(200)
    bridge.tell(*requests(50, 100))
    assert view.table.verticalScrollBar().value() == 200
    assert view.newest.isEnabled()
    view.newest.click()
    bridge.tell(*requests(50, 150))
    assert view.at_end()


def test_lines_in_sight_stay_when_the_ring_turns(view: TimelineView, bridge: FakeBridge) -> None:
    bridge.tell(*requests(MAX_ROWS))
    view.table.verticalScrollBar().setValue(1000 * view.table.verticalHeader().defaultSectionSize())
    seen = top_peer(view)
    bridge.tell(*requests(70, MAX_ROWS))
    assert top_peer(view) == seen


def test_resizing_keeps_the_end_in_sight(window: MainWindow, bridge: FakeBridge) -> None:
    bridge.tell(*requests(100))
    window.resize(window.width(), window.height() - 60)
    assert window.timeline.at_end()


def test_filters_by_text_and_kind(view: TimelineView, bridge: FakeBridge, qtbot: QtBot) -> None:
    bridge.tell(*busy_events())
    assert 0 < view.model.rowCount() < view.model.total()  # only what is important
    view.kinds.setCurrentIndex(view.kinds.findText("Everything"))
    QTest.keyClicks(view.filter, "served no such thing")
    qtbot.waitUntil(lambda: view.model.rowCount() == 0)
    assert view.table.placeholder() == "No line matches the filter."
    assert not view.copy_all_button.isEnabled()
    view.filter.clear()
    qtbot.waitUntil(lambda: view.model.rowCount() == view.model.total())
    view.kinds.setCurrentIndex(view.kinds.findData(Kind.PROBLEM))
    assert view.model.rowCount() == 1
    view.set_filter("", None)
    assert view.model.rowCount() == view.model.total()


def test_selected_lines_and_all_lines_are_copied(window: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    view = window.timeline
    bridge.tell(*requests(3))
    view.table.setFocus()
    view.table.selectRow(1)
    QTest.keyClick(view.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    line = QGuiApplication.clipboard().text()
    assert line.split("\t")[1:] == ["Out", "Request", "192.0.2.1:2", "fibonacci"]
    window.menus.actions["copy_timeline"].trigger()
    assert QGuiApplication.clipboard().text().splitlines()[1] == line
    assert len(QGuiApplication.clipboard().text().splitlines()) == 3


def test_copying_without_a_selection_leaves_the_clipboard(view: TimelineView, bridge: FakeBridge) -> None:
    bridge.tell(*requests(3))
    QGuiApplication.clipboard().setText("mine")
    view.table.copy()
    assert QGuiApplication.clipboard().text() == "mine"


def test_a_full_batch_costs_less_than_a_frame(
    view: TimelineView, bridge: FakeBridge, best_time: Callable[[Callable[[], None]], float]
) -> None:
    bridge.tell(*requests(MAX_ROWS))
    batch = requests(100)
    assert best_time(lambda: bridge.tell(*batch)) < 0.02
