"""The timeline's model: a bounded ring of lines, joined where a flood would fill it, and filtered."""

import time

from PySide6.QtCore import Qt
from pytestqt.modeltest import ModelTester

from core.news.events import (
    Discovered,
    ErrorRaised,
    PeerEvent,
    PunchReceived,
    PunchSent,
    ReplyReceived,
    RequestSent,
    RequestServed,
)
from core.values import Address
from desktop.models.timeline import DETAILS, MAX_ROWS, PUNCH_LINES, PUNCHES_APART, TimelineColumn, TimelineModel
from desktop.models.timeline_rows import Direction, Kind, row_of
from tests.desktop.fake_peer import ANNA, BEN, CLEO, NOW, busy_events
from tests.desktop.models_watched import Changes, cell, check

ACCESSIBLE = Qt.ItemDataRole.AccessibleTextRole


def requests(number: int, start: int = 0) -> list[PeerEvent]:
    numbers = range(start, start + number)
    return [RequestSent(NOW + each, "fibonacci", Address("192.0.2.1", 1 + each)) for each in numbers]


def test_the_timeline_passes_qts_model_test(qtmodeltester: ModelTester) -> None:
    model = TimelineModel(max_rows=12)
    check(qtmodeltester, model)
    model.add(busy_events())
    model.set_filter("fibonacci", None)
    model.add(requests(5))
    model.set_filter("", Kind.PUNCH)
    model.add(busy_events())
    model.set_filter("", None)
    model.add(requests(100))
    assert model.rowCount() == model.total() == 12


def test_every_event_has_a_line_and_a_sentence() -> None:
    rows = [row_of(event) for event in busy_events()]
    assert all(row.what and row.sentence().startswith(row.what) for row in rows)
    assert {row.direction for row in rows} == set(Direction)
    assert {row.kind for row in rows} == set(Kind)


def test_an_event_of_a_later_version_is_shown_by_its_name() -> None:
    assert row_of(PeerEvent(NOW)).what == "Event"


def test_a_strangers_error_text_is_cut() -> None:
    row = row_of(ErrorRaised(NOW, "ERR_X", "a\n" * 100_000))
    assert len(row.result) <= 300
    assert "\n" not in row.result


def test_the_ring_keeps_the_newest() -> None:
    model = TimelineModel()
    changes = Changes(model)
    for start in range(0, MAX_ROWS + 300, 100):
        model.add(requests(100, start))
    assert model.rowCount() == MAX_ROWS
    assert cell(model, MAX_ROWS - 1, TimelineColumn.PEER) == f"192.0.2.1:{MAX_ROWS + 300}"
    assert cell(model, 0, TimelineColumn.PEER) == "192.0.2.1:301"
    assert changes.removed == [(0, 99)] * 3
    assert changes.resets == 0


def test_a_batch_larger_than_the_ring_keeps_its_end() -> None:
    model = TimelineModel(max_rows=10)
    model.add(requests(5))
    model.add(requests(25))
    assert [cell(model, row, TimelineColumn.PEER) for row in (0, 9)] == ["192.0.2.1:16", "192.0.2.1:25"]


def results(model: TimelineModel) -> list[tuple[str, str]]:
    rows = range(model.rowCount())
    return [(cell(model, row, TimelineColumn.PEER), cell(model, row, TimelineColumn.RESULT)) for row in rows]


def test_punches_of_a_peer_share_one_line_that_counts_up() -> None:
    model = TimelineModel()
    model.add([PunchSent(NOW + 0.05 * each, ANNA) for each in range(3)])
    assert results(model) == [(str(ANNA), "knocking (3 sent)")]
    changes = Changes(model)
    model.add([PunchSent(NOW + 0.15, ANNA), PunchReceived(NOW + 0.2, ANNA, first=True), PunchSent(NOW + 0.3, BEN)])
    model.add([ReplyReceived(NOW + 0.35, ANNA, 0.1, 1)])
    for second in range(1, 60):
        model.add([PunchReceived(NOW + second, ANNA, first=False), PunchSent(NOW + second, ANNA)])
    assert results(model) == [
        (str(ANNA), "open (63 sent, 60 arrived)"),
        (str(BEN), "knocking (1 sent)"),
        (str(ANNA), "after 100 ms: 1"),
    ]
    assert changes.inserted == [(1, 1), (2, 2)]  # nothing pushes the reply up
    assert "sent" in model.details(0)
    assert len(model.details(0).splitlines()) == 2 + DETAILS
    model.add([PunchSent(NOW + 60 + PUNCHES_APART, ANNA)])  # another attempt
    assert model.rowCount() == 4


def test_our_own_punches_and_discoveries_are_left_out() -> None:
    model = TimelineModel()
    model.is_ours = lambda address: address == ANNA
    model.add([PunchSent(NOW, ANNA), PunchReceived(NOW, ANNA, first=True), Discovered(NOW, "x", ANNA)])
    assert model.rowCount() == 0


def test_an_owner_s_refusal_is_no_failure() -> None:
    refused, wrong = (row_of(RequestServed(NOW, "fibonacci", ANNA, 0.1, f"{name}: no")) for name in REFUSED_OR_WRONG)
    assert refused.result.startswith("fibonacci refused: ")
    assert wrong.result.startswith("fibonacci answered with an error: ")


REFUSED_OR_WRONG = ("ERR_NOT_TRUSTED", "ERR_PAYLOAD")


def served(number: int, caller: Address = ANNA, error: str | None = None, at: float = NOW) -> list[PeerEvent]:
    return [RequestServed(at + each * 0.0001, "fibonacci_worker", caller, 0.0004, error) for each in range(number)]


def test_a_storm_of_requests_is_a_handful_of_lines_and_one_change_a_batch() -> None:
    model = TimelineModel()
    changes = Changes(model)
    model.add(served(2000))
    model.add([*served(3000, at=NOW + 0.3), *served(2, error="ERR_X", at=NOW + 0.4)])
    texts = [cell(model, row, TimelineColumn.RESULT) for row in range(model.rowCount())]
    answered = "fibonacci_worker answered in 0.4 ms"
    assert (
        texts
        == [answered] * 3
        + [f"{answered}, 4997 times in 600 ms"]
        + ["fibonacci_worker answered with an error: ERR_X"] * 2
    )
    assert changes.changed == [3]  # in the first batch it was new anyway
    assert len(changes.inserted) == 2
    model.add(served(1, at=NOW + 1.5))
    assert cell(model, 6, TimelineColumn.RESULT) == answered  # a new second


def test_requests_that_can_be_read_have_lines_of_their_own() -> None:
    model = TimelineModel()
    for second in range(5):
        model.add(served(3, at=NOW + second))
    assert model.rowCount() == 15


def test_a_flood_from_forged_sources_costs_a_bounded_number_of_lines() -> None:
    model = TimelineModel()
    flood = [PunchReceived(NOW, Address("192.0.2.1", 1 + each), first=True) for each in range(5000)]
    model.add([*flood, *requests(3)])
    texts = [cell(model, row, TimelineColumn.RESULT) for row in range(model.rowCount())]
    assert len(texts) == PUNCH_LINES + 1 + 3
    assert texts[PUNCH_LINES] == "4,980 arrived: of addresses that have no line of their own"
    assert texts[-3:] == ["fibonacci"] * 3  # what we did ourselves is never left out


def test_a_clock_set_back_starts_a_new_line() -> None:
    model = TimelineModel()
    model.add([PunchSent(NOW, ANNA), PunchSent(NOW - 3600, ANNA)])
    assert model.rowCount() == 2


def test_the_filter_holds_for_old_and_new_lines() -> None:
    model = TimelineModel()
    model.add(busy_events())
    model.set_filter("ANSWERED 203.0.113.5", Kind.REQUEST)
    before = model.rowCount()
    assert before == 4  # the error is an answer too
    model.add([*requests(3), Discovered(NOW, "fibonacci_consumer", CLEO)])
    assert model.rowCount() == before
    model.set_filter("192.0.2.1:2", None)
    assert [cell(model, row, TimelineColumn.PEER) for row in range(model.rowCount())] == ["192.0.2.1:2"]
    model.set_filter("", None)
    assert model.rowCount() == model.total()


def test_a_joined_punch_that_is_filtered_out_changes_no_row() -> None:
    model = TimelineModel()
    model.set_filter("", Kind.REQUEST)
    model.add([PunchSent(NOW, ANNA), *requests(1)])
    changes = Changes(model)
    model.add([PunchSent(NOW + 0.1, ANNA)])
    assert changes.changed == []
    model.set_filter("", Kind.PUNCH)
    assert cell(model, 0, TimelineColumn.RESULT) == "knocking (2 sent)"


def test_filtering_and_a_batch_are_fast_enough_for_a_frame() -> None:
    model = TimelineModel()
    model.add(requests(MAX_ROWS))
    batch = requests(50)
    best_filter = best_batch = 1.0
    for _ in range(3):
        started = time.thread_time()
        model.set_filter("192.0.2.1 4", None)
        best_filter = min(best_filter, time.thread_time() - started)
        started = time.thread_time()
        model.add(batch)
        best_batch = min(best_batch, time.thread_time() - started)
    assert best_filter < 0.02
    assert best_batch < 0.02


def test_a_line_is_a_sentence_to_a_screen_reader() -> None:
    model = TimelineModel()
    model.add([PunchReceived(NOW, ANNA, first=True)])
    text = cell(model, 0, TimelineColumn.TIME, ACCESSIBLE)
    assert text.startswith("Punches with 203.0.113.5:40817: open (1 arrived), at ")
