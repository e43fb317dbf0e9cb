"""The page of calls: the newest on top, more when scrolled, searched, exported, forgotten."""

import pytest
from PySide6.QtCore import QModelIndex, Qt
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from core.ledger.record import CallRecord
from desktop.models.calls import MOST, PAGE, CallColumn, CallsModel
from desktop.theme import ThemeSource
from desktop.views.calls import NO_MATCH, NOBODY, CallsView
from desktop.views.sheets import Question
from tests.desktop.conftest import Alone
from tests.desktop.fake_peer import ALICE, EVE, NOW, FakeBridge, busy_events, call_records, people_snapshot


def numbered(first: int, last: int) -> list[CallRecord]:
    """Return calls with falling numbers."""
    return [CallRecord(NOW, None, "192.0.2.1:9", "fibonacci", 1, 1, 0.1, "ok", at) for at in range(first, last - 1, -1)]


@pytest.fixture
def calls(alone: Alone, bridge: FakeBridge, theme: ThemeSource) -> CallsView:
    bridge.show(people_snapshot())
    made = alone(lambda: CallsView(bridge, theme))
    bridge.tell_calls(*call_records())
    return made


def test_the_model_keeps_qt_s_rules(qtmodeltester: ModelTester) -> None:
    model = CallsModel()
    qtmodeltester.check(model)  # type: ignore[no-untyped-call]
    model.replace(call_records())
    model.refresh(call_records(count=14))
    model.append(numbered(0, -3))
    assert model.rowCount() == 18


def test_new_calls_come_on_top_and_older_ones_when_asked_for() -> None:
    model = CallsModel()
    asked: list[bool] = []
    model.more_wanted.connect(lambda: asked.append(True))
    model.replace(numbered(1000, 1001 - PAGE))
    model.refresh(numbered(1003, 1004 - PAGE))
    assert model.rowCount() == PAGE + 3
    assert model.canFetchMore(QModelIndex())
    model.fetchMore(QModelIndex())
    model.fetchMore(QModelIndex())  # once is enough
    assert asked == [True]
    assert model.oldest() == 1001 - PAGE
    model.append(numbered(1000 - PAGE, 1000 - PAGE - 4))
    assert not model.canFetchMore(QModelIndex())  # fewer than asked for: that was all
    model.refresh(numbered(5000, 5001 - PAGE))  # more came than a page: what is between is not here
    assert model.rowCount() == PAGE


def test_the_model_is_bounded() -> None:
    model = CallsModel()
    model.replace(numbered(MOST, 1))
    model.refresh(numbered(MOST + 5, MOST - 20))
    assert model.rowCount() == MOST


def test_who_called_is_named(calls: CallsView) -> None:
    model = calls.model
    assert model.index(0, CallColumn.WHO).data() == "Anna's greenhouse"
    assert model.index(2, CallColumn.WHO).data() == "plain"
    assert model.index(3, CallColumn.WHO).data() == EVE.short
    assert [model.index(row, CallColumn.OUTCOME).data() for row in (0, 3)] == ["Answered", "Not trusted"]
    assert model.index(0, CallColumn.WHO).data(Qt.ItemDataRole.ToolTipRole) == str(ALICE)
    said = model.index(3, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert "called fibonacci: Not trusted" in said


def test_search_and_outcome_ask_anew(calls: CallsView, bridge: FakeBridge, qtbot: QtBot) -> None:
    view = calls
    view.search.setText(" anna ")
    qtbot.waitUntil(lambda: bridge.calls[-1] == ("ask calls", "anna", "", None, PAGE))
    bridge.tell_calls()
    assert view.table.placeholder() == NO_MATCH
    view.outcome.setCurrentIndex(2)
    assert bridge.calls[-1] == ("ask calls", "anna", "ERR_NOT_TRUSTED", None, PAGE)
    view.search.clear()
    view.outcome.setCurrentIndex(0)
    bridge.tell_calls()
    assert view.table.placeholder() == NOBODY


def test_an_answer_to_an_older_question_is_not_shown(calls: CallsView, bridge: FakeBridge) -> None:
    calls.outcome.setCurrentIndex(1)
    bridge.calls_found.emit(1, tuple(call_records(count=3)))
    assert calls.model.rowCount() == 12


def test_it_looks_for_new_calls_only_while_it_is_shown(calls: CallsView, bridge: FakeBridge, qtbot: QtBot) -> None:
    before = len(bridge.calls)
    bridge.tell(*busy_events())
    qtbot.waitUntil(lambda: len(bridge.calls) == before + 1, timeout=3000)
    calls.hide()
    bridge.tell(*busy_events())
    qtbot.wait(50)
    assert len(bridge.calls) == before + 1


def test_forgetting_asks_first_and_an_export_says_how_much(calls: CallsView, bridge: FakeBridge) -> None:
    calls.clear_button.click()
    (box,) = calls.findChildren(Question, "clear")
    wanted: tuple[object, ...] = ("clear calls",)
    assert wanted not in bridge.calls
    box.answer_button.click()
    assert bridge.calls[-1] == wanted
    bridge.calls_cleared.emit()
    assert bridge.calls[-1][0] == "ask calls"
    bridge.calls_said.emit("12 calls written to there.csv.")
    assert calls.words() == "12 calls written to there.csv."
