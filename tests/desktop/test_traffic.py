"""The last line of the window: rates that can be read, no flicker, totals in the tooltip."""

from dataclasses import replace

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QObject
from pytestqt.qtbot import QtBot

from core.news.events import BudgetRow, Traffic
from desktop.models.traffic import QUIET, WINDOW, Rates, budgets, totals
from desktop.models.words import size
from desktop.views.fields import Lines
from desktop.views.main_window import MainWindow
from desktop.views.traffic import LOOK_MS, TrafficView
from tests.desktop.fake_peer import FakeBridge, busy_snapshot, peer_row

BUSY = Traffic(received=5_000_000, sent=60_000, requests=1000, punches=1, connections=3)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "0 B"), (7, "7 B"), (999.4, "999 B"), (999.5, "1.0 kB"), (9_940, "9.9 kB"), (9_960, "10 kB"),
        (318e6, "318 MB"), (4.2e9, "4.2 GB"), (1e12, "1.0 TB"), (5e15, "5,000 TB"),
    ],
)  # fmt: skip
def test_size(amount: float, words: str) -> None:
    assert size(amount) == words


def test_rates_are_over_the_last_looks_and_quiet_is_said() -> None:
    rates = Rates()
    assert rates.note(0.0, Traffic()) == ("0 connections", QUIET)
    assert rates.note(0.5, BUSY) == ("3 connections", "2,000 requests/s", "10 MB/s in", "120 kB/s out", "2 punches/s")
    assert rates.note(1.0, BUSY)[1] == "1,000 requests/s"
    for look in range(WINDOW):
        last = rates.note(1.5 + look / 2, replace(BUSY, connections=1))
    assert last == ("1 connection", QUIET)


def test_one_punch_a_second_is_quiet_and_a_peer_that_counts_anew_is_no_negative_rate() -> None:
    rates = Rates()
    rates.note(0.0, BUSY)
    assert rates.note(1.0, replace(BUSY, punches=2, sent=BUSY.sent + 500))[1] == QUIET
    assert rates.note(2.0, Traffic(received=10)) == ("0 connections", QUIET)
    assert rates.note(3.0, Traffic(received=10, requests=1))[1] == "1 request/s"


def test_what_callers_take_is_told_with_its_limits() -> None:
    memory = BudgetRow("memory", 4_200_000, 256_000_000, 3, 0)
    places = BudgetRow("connections", 12, 1024, 3, 2)
    assert budgets(Traffic()) == ()
    assert budgets(Traffic(budgets=(memory, places))) == (
        "Callers take now: 4.2 MB of 256 MB memory, 12 of 1,024 connections.",
        "No room was left: 2 times for connections.",
    )
    assert "4.2 MB of 256 MB memory" in totals(Traffic(budgets=(memory,)))


class Paints(QObject):
    """Counts what is painted."""

    count = 0

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        self.count += event.type() == QEvent.Type.Paint
        return False


def test_the_line_says_what_crosses_and_is_left_alone_while_nothing_does(qtbot: QtBot, bridge: FakeBridge) -> None:
    now = 0.0
    view = TrafficView(bridge, clock=lambda: now)
    qtbot.addWidget(view)
    view.resize(900, 20)
    with qtbot.waitExposed(view):
        view.show()
    assert view.words() == ("0 connections", QUIET)
    paints = Paints()
    for cell in view._cells:
        cell.installEventFilter(paints)
    for _ in range(5):
        now += 0.5
        view.look()
        qtbot.wait(1)
    assert paints.count == 0
    bridge.crossed = BUSY
    now += 0.5
    view.look()
    shown = [cell.text() for cell in view._cells]
    assert shown == [*view.words(), ""]  # nothing was refused
    assert shown[1] == "500 requests/s"
    assert "500 requests/s, 2.5 MB/s in" in view.accessibleName()
    assert view.toolTip() == "Since the start: 1,000 requests answered, 5.0 MB received, 60 kB sent, 1 punch."
    view.resize(200, 20)
    assert view._cells[1].shown().endswith("\N{HORIZONTAL ELLIPSIS}")
    refused = (("ERR_NOT_TRUSTED", 4), ("ERR_RATE_LIMITED", 1))
    bridge.crossed = replace(BUSY, refused=refused, turned_away=(("handshakes", 2),))
    view.look()
    assert view.words()[-1] == "5 refused"
    assert "Refused: 4 ERR_NOT_TRUSTED, 1 ERR_RATE_LIMITED.\nTurned away: 2 handshakes." in view.toolTip()


def test_it_looks_twice_a_second_and_only_while_it_can_be_seen(window: MainWindow, qtbot: QtBot) -> None:
    with qtbot.waitExposed(window):
        pass
    assert LOOK_MS == 500
    assert window.traffic._timer.isActive()
    window.hide()
    assert not window.traffic._timer.isActive()


def test_counts_of_the_same_peers_wait_for_their_turn_and_other_peers_do_not(
    window: MainWindow, bridge: FakeBridge, qtbot: QtBot
) -> None:
    snapshot = busy_snapshot()
    model, first = window.peers.model, snapshot.peers[0]
    bridge.show(snapshot)
    for sent in range(5000, 5003):
        bridge.show(replace(snapshot, peers=(replace(first, punches_sent=sent), *snapshot.peers[1:])))
    assert model.rows()[0].punches_sent == first.punches_sent
    qtbot.waitUntil(lambda: model.rows()[0].punches_sent == 5002)  # the newest is not lost
    bridge.show(replace(snapshot, peers=(peer_row(first.address),)))
    assert len(model.rows()) == 1


class Layouts(QObject):
    """Notes what is laid out again."""

    def __init__(self) -> None:
        super().__init__()
        self.of: list[str] = []

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            self.of.append(type(watched).__name__)
        return False


def test_figures_that_move_on_lay_nothing_out(window: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    with qtbot.waitExposed(window):
        pass
    snapshot = busy_snapshot()
    bridge.show(snapshot)
    bridge.crossed = BUSY
    window.traffic.look()
    for _ in range(20):  # what the first snapshot laid out
        QCoreApplication.processEvents()
    layouts = Layouts()
    app = QCoreApplication.instance()
    assert app is not None
    app.installEventFilter(layouts)
    line = window.services.findChildren(Lines)[0]
    before, said = line.text(), window.traffic.words()
    first = snapshot.services[0]
    bridge.show(
        replace(snapshot, revision=snapshot.revision + 1, services=(replace(first, served=first.served + 9_000),))
    )
    bridge.crossed = replace(BUSY, requests=BUSY.requests + 9_000)
    window.traffic.look()
    qtbot.wait(1)
    assert line.text() != before
    assert window.traffic.words() != said
    assert layouts.of == []
