"""The table models change by the fewest rows, keep their bounds, and pass Qt's own model test."""

import math
from dataclasses import replace

import pytest
from PySide6.QtCore import QCoreApplication, QModelIndex, QPersistentModelIndex, Qt
from pytestqt.modeltest import ModelTester

from core.news.events import (
    PeerRow,
    PunchSent,
    Role,
)
from core.values import Address
from desktop.models.history import Entry, HistoryModel
from desktop.models.peers import ROWS_A_STEP, Path, PeerColumn, PeersModel, path_of, sorted_peers
from desktop.models.timeline import TimelineModel
from tests.desktop.fake_peer import ALICE, ANNA, BEN, BOB, CLEO, DORA, NOW, busy_snapshot, peer_row
from tests.desktop.models_watched import Changes, cell, check

ACCESSIBLE = Qt.ItemDataRole.AccessibleTextRole


def peers_model() -> PeersModel:
    return PeersModel(clock=lambda: NOW)


def test_peers_pass_qts_model_test(qtmodeltester: ModelTester) -> None:
    model = peers_model()
    proxy = sorted_peers(model)
    check(qtmodeltester, model)
    check(qtmodeltester, proxy)
    rows = busy_snapshot().peers
    for step in (rows, rows[1:], rows[::-1], (), rows[2:4], rows):
        model.replace(step)
        model.tick()
        assert {row.address for row in model.rows()} == {row.address for row in step}


def test_only_the_row_that_changed_is_announced() -> None:
    model = peers_model()
    rows = list(busy_snapshot().peers)
    model.replace(rows)
    changes = Changes(model)
    rows[1] = replace(rows[1], punches_sent=65)
    model.replace(rows)
    assert (changes.inserted, changes.removed, changes.changed, changes.resets) == ([], [], [1], 0)
    model.replace(rows)
    assert changes.changed == [1]


def test_rows_that_left_go_in_ranges_and_new_ones_come_last() -> None:
    model = peers_model()
    rows = [peer_row(Address("192.0.2.1", port)) for port in range(1, 8)]
    model.replace(rows)
    changes = Changes(model)
    model.replace([rows[0], rows[3], peer_row(BEN), rows[6]])
    assert changes.removed == [(4, 5), (1, 2)]
    assert changes.inserted == [(3, 3)]
    assert [row.address for row in model.rows()] == [rows[0].address, rows[3].address, rows[6].address, BEN]


def test_a_peer_in_two_roles_has_two_rows() -> None:
    model = peers_model()
    model.replace([peer_row(ANNA, Role.CONSUMER), peer_row(ANNA, Role.WORKER)])
    assert model.rowCount() == 2
    assert model.row_of(ANNA) == 0
    assert model.row_of(BEN) is None


def test_a_tick_moves_relative_times_and_sorts_nothing() -> None:
    now = [NOW]
    model = PeersModel(clock=lambda: now[0])
    model.replace([peer_row(ANNA, seen=1), peer_row(BEN, seen=5)])
    proxy = sorted_peers(model)
    proxy.sort(PeerColumn.LAST_SEEN)
    moved: list[bool] = []
    proxy.layoutChanged.connect(lambda: moved.append(True))
    changes = Changes(model)
    assert cell(proxy, 1, PeerColumn.LAST_SEEN) == "5 s ago"
    now[0] += 60
    model.tick()
    assert cell(proxy, 1, PeerColumn.LAST_SEEN) == "1 min ago"
    assert cell(proxy, 0, PeerColumn.SINCE) == "5 min"
    assert not moved
    assert changes.changed == [0]
    assert changes.roles == [[Qt.ItemDataRole.DisplayRole]]  # with the sort role in it, the proxy would sort again


@pytest.mark.parametrize(
    ("column", "order"),
    [
        (PeerColumn.ADDRESS, [CLEO, ANNA]),
        (PeerColumn.LAST_SEEN, [ANNA, CLEO]),
        (PeerColumn.TRIP, [ANNA, CLEO]),
        (PeerColumn.SINCE, [CLEO, ANNA]),
        (PeerColumn.RECEIVED, [CLEO, ANNA]),
    ],
)
def test_columns_sort_by_value_not_by_text(column: int, order: list[Address]) -> None:
    model = peers_model()
    anna = peer_row(Address("10.0.0.10", 5), seen=3, since=7300, received=10, rtt=1.2)
    cleo = peer_row(Address("10.0.0.9", 5), seen=20, since=90, received=9, rtt=None)
    model.replace([anna, cleo])
    proxy = sorted_peers(model)
    proxy.sort(column)
    names = {ANNA: "10.0.0.10:5", CLEO: "10.0.0.9:5"}
    assert [cell(proxy, row, PeerColumn.ADDRESS) for row in (0, 1)] == [names[each] for each in order]


@pytest.mark.parametrize(
    ("row", "path"),
    [
        (peer_row(), Path.OPEN),
        (peer_row(received=0, rtt=None), Path.PUNCHING),
        (peer_row(sent=0, received=0, rtt=None), Path.LISTED),
        (peer_row(listed=False, seen=14.0), Path.OPEN),
        (peer_row(listed=False, seen=15.0), Path.GONE),
        (peer_row(listed=False, sent=3, received=0, rtt=None), Path.GONE),
    ],
)
def test_listed_is_not_reached(row: PeerRow, path: Path) -> None:
    assert path_of(row, NOW) is path


def test_a_peer_is_a_sentence_to_a_screen_reader() -> None:
    model = peers_model()
    model.replace([peer_row(ANNA, sent=1)])
    assert cell(model, 0, PeerColumn.ADDRESS, ACCESSIBLE) == (
        "Consumer 203.0.113.5:40817, plain, path open, last seen now, 1 punch sent, 10 received, last round trip 182 ms"
    )
    assert cell(model, 0, PeerColumn.SENT, ACCESSIBLE) == "Sent: 1"


def test_who_a_peer_is_by_name_by_id_plain_or_not_known_yet() -> None:
    model = PeersModel(clock=lambda: NOW, name_of=lambda peer_id: "Anna" if peer_id == ALICE else peer_id.short)
    named, other = (peer_row(at, peer_id=who) for at, who in ((ANNA, ALICE), (BEN, BOB)))
    model.replace([named, other, peer_row(CLEO), peer_row(DORA, rtt=None)])
    shown = [cell(model, row, PeerColumn.WHO) for row in range(4)]
    assert shown == ["Anna", BOB.short, "plain", "\N{EN DASH}"]
    hints = [cell(model, row, PeerColumn.WHO, Qt.ItemDataRole.ToolTipRole) for row in range(4)]
    assert hints[:2] == [str(ALICE), str(BOB)]
    assert "nobody knows who" in hints[2]
    assert str(DORA) in hints[3]
    assert cell(model, 0, PeerColumn.ADDRESS, ACCESSIBLE).startswith(f"Consumer {ANNA}, Anna, path open")
    assert cell(model, 3, PeerColumn.ADDRESS, ACCESSIBLE).startswith(f"Consumer {DORA}, path open")


def test_neighbours_that_changed_are_told_in_one_step() -> None:
    model = PeersModel()
    rows = [peer_row(Address("192.0.2.1", 1 + each)) for each in range(30)]
    model.replace(rows)
    spans: list[tuple[int, int]] = []
    model.dataChanged.connect(lambda first, last: spans.append((first.row(), last.row())))
    model.replace([replace(row, punches_sent=9) if at != 20 else row for at, row in enumerate(rows)])
    assert sorted(spans) == [(0, 19), (21, 29)]
    assert {row.punches_sent for at, row in enumerate(model.rows()) if at != 20} == {9}


@pytest.mark.usefixtures("qapp")
def test_many_changes_take_many_turns_and_the_newest_rows_come_last() -> None:
    model = PeersModel()
    old = [peer_row(Address("192.0.2.1", 1 + each)) for each in range(200)]
    model.replace(old)
    assert model.rowCount() == ROWS_A_STEP
    settle(model)
    assert model.rows() == old
    changes = Changes(model)
    new = [replace(row, punches_sent=9) for row in old[50:]]
    model.replace(new)
    assert changes.removed == [(18, 49)]  # of the 50 that left
    model.replace([])  # while it is at it: waits, and is then replaced by what comes after
    newest = [replace(row, punches_sent=10) for row in old[40:]]
    model.replace(newest)
    settle(model)
    assert model.rows() == [*newest[10:], *newest[:10]]
    assert all(last - first < ROWS_A_STEP for first, last in changes.inserted + changes.removed)
    assert len(changes.changed) == 2 * math.ceil(150 / ROWS_A_STEP)  # the newest and those before, none in between


def settle(model: PeersModel) -> None:
    """Let Qt's loop turn until the model has nothing left to do."""
    for _ in range(100):
        if not model._turn.isActive():
            return
        QCoreApplication.processEvents()
    raise AssertionError("the model never came to an end")


@pytest.mark.parametrize("model_type", [PeersModel, TimelineModel, HistoryModel])
def test_rows_have_no_children(model_type: type[PeersModel | TimelineModel | HistoryModel]) -> None:
    model = model_type()
    if isinstance(model, TimelineModel):
        model.add([PunchSent(NOW, ANNA)])
    elif isinstance(model, PeersModel):
        model.replace([peer_row()])
    else:
        model.add(Entry(NOW, "fibonacci", None, 0.1, None))
    assert model.rowCount() == 1
    assert model.rowCount(model.index(0, 0)) == 0
    assert model.data(QModelIndex()) is None
    assert model.data(QPersistentModelIndex()) is None


def test_the_history_is_bounded_newest_first(qtmodeltester: ModelTester) -> None:
    model = HistoryModel(max_entries=3)
    check(qtmodeltester, model)
    for number in range(5):
        model.add(Entry(NOW, f"target {number}", {"length": number}, 0.182, None))
    assert [entry.target for entry in model.entries()] == ["target 4", "target 3", "target 2"]
    assert cell(model, 0, 0).endswith('target 4   {"length": 4}   182 ms')


def test_a_failed_request_says_so() -> None:
    model = HistoryModel()
    model.add(Entry(NOW, "fibonacci", None, 10.0, "ERR_TIMEOUT: no answer"))
    assert cell(model, 0, 0).endswith("no answer")
    assert "no answer: ERR_TIMEOUT" in cell(model, 0, 0, ACCESSIBLE)
    assert cell(model, 0, 0, Qt.ItemDataRole.ToolTipRole) == "ERR_TIMEOUT: no answer"
    model.add(Entry(NOW, "fibonacci", None, 10.0, "ERR_WORKER: no such number", "error"))
    assert cell(model, 0, 0).endswith("answered with an error")
    model.add(Entry(NOW, "fibonacci", None, 10.0, "ERR_NOT_TRUSTED: not you", "refused"))
    assert cell(model, 0, 0).endswith("refused")
