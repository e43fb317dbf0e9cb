"""The map without a pixel: spots, ways, flights, and the report; then the drawn one: calm, by keyboard, in words."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QAccessible, QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from core.nat.report import Mapping, NatReport
from core.news.events import NatSnapshot, PunchReceived, PunchSent
from core.news.seen import Connections, Via
from core.peer_id import PeerId
from core.values import Address
from desktop.models.attempts import AttemptsModel, report
from desktop.models.flights import APART, MOST, SECONDS, Flights
from desktop.models.map import FAR_PLACES, LISTED, Kind, Line, SpotsModel, spots
from desktop.models.peers import PeerColumn
from desktop.models.table import Scene
from desktop.motion import MOTION_VARIABLE
from desktop.theme import ThemeSource
from desktop.views.main_window import MainWindow
from desktop.views.map import LIT_MS, TICK_MS, MapView
from desktop.views.map_picture import point_on
from desktop.views.network import MapPage
from tests.desktop.conftest import Alone
from tests.desktop.connected import FAILED, NEIGHBOUR, VIRTUAL, connected_snapshot, paths
from tests.desktop.fake_peer import ALICE, ANNA, CLEO, EVE, NOW, FakeBridge, empty_snapshot

SCENE = Scene(NOW, lambda peer_id: "Anna" if peer_id == ALICE else peer_id.short)


@pytest.fixture
def page(alone: Alone, bridge: FakeBridge, theme: ThemeSource) -> MapPage:
    made = alone(lambda: MapPage(theme))
    bridge.events_arrived.connect(made.map.on_events)
    bridge.show(connected_snapshot())
    return made


@pytest.fixture
def drawn(page: MapPage) -> MapView:
    return page.map


def test_everybody_has_a_spot_and_a_way() -> None:
    found = {each.key: each for each in spots(connected_snapshot(), SCENE)}
    assert (found["self"].kind, found["router"].kind) == (Kind.SELF, Kind.ROUTER)
    anna = found[f"peer {ANNA}"]
    assert (anna.name, anna.badge, anna.line, anna.through) == ("Anna", "punched", Line.OPEN, ("router",))
    assert found[f"peer {NEIGHBOUR}"].through == ()
    relayed = found[f"peer {VIRTUAL}"]
    assert (relayed.badge, relayed.line, relayed.through) == ("relayed by Bert", Line.RELAYED, ("router", "relay Bert"))
    assert found[f"peer {CLEO}"].line is Line.TRYING
    assert found["grapes"].name == "7 grapes"
    assert found["broker 203.0.113.9:21000"].kind is Kind.BROKER
    assert all(0 <= share <= 1 for each in found.values() if each.place for share in each.place)


def test_a_peer_without_a_router_has_none_on_its_map() -> None:
    plain = replace(connected_snapshot(), nat=NatSnapshot(NatReport(Mapping.NONE)))
    found = {each.key: each for each in spots(plain, SCENE)}
    assert "router" not in found
    assert found[f"peer {ANNA}"].through == ()


def test_what_has_no_place_is_in_the_list_all_the_same() -> None:
    many = tuple(
        replace(paths()[0], address=Address("203.0.113.5", 2000 + at), via=Via.DIRECT, peer_id=None) for at in range(50)
    )
    found = spots(replace(connected_snapshot(), connections=Connections(many)), SCENE)
    assert sum(each.path is not None for each in found) == 50
    assert len({each.key for each in found}) == len(found)
    assert sum(each.place is not None for each in found) <= FAR_PLACES + 2
    assert [each.name for each in found if each.kind is Kind.OTHERS] == ["and 47 others"]


def test_a_thousand_strangers_push_no_friend_off_the_map_and_cost_little() -> None:
    strangers = tuple(
        replace(
            paths()[0], address=Address(f"203.0.{at // 250}.{at % 250}", 2000), via=Via.DIRECT, since=float(at),
            peer_id=PeerId(at.to_bytes(32)) if at < 500 else None,
        )
        for at in range(1000)
    )  # fmt: skip
    friend = replace(paths()[0], address=Address("198.51.100.1", 5), via=Via.DIRECT, peer_id=ALICE, since=1e9)
    shown = replace(connected_snapshot(), connections=Connections((*strangers, friend)))
    assert ALICE in {each.peer_id for each in shown.known_peers}
    found = spots(shown, SCENE)
    assert next(each.place for each in found if each.path == friend) is not None
    assert sum(each.path is not None for each in found) == LISTED
    (others,) = [each for each in found if each.kind is Kind.OTHERS]
    drawn = sum(each.path is not None and each.place is not None for each in found)
    assert (drawn, others.place is not None) == (FAR_PLACES - 1, True)
    assert int(others.name.split()[1].replace(",", "")) >= 1001 - drawn


def test_the_list_keeps_qt_s_rules_and_says_each_spot_in_a_sentence(qtmodeltester: ModelTester) -> None:
    model = SpotsModel(name_of=SCENE.name_of, clock=lambda: NOW)
    qtmodeltester.check(model)  # type: ignore[no-untyped-call]
    model.replace(spots(connected_snapshot(), SCENE))
    qtmodeltester.check(model)  # type: ignore[no-untyped-call]
    row = model.row_of(f"peer {VIRTUAL}")
    assert row is not None
    assert (
        model.index(row, 0)
        .data(Qt.ItemDataRole.AccessibleTextRole)
        .startswith(f"{EVE.short}: relayed by Bert, round trip 210 ms, for 8 s. No direct way was found yet")
    )
    assert [model.index(row, column).data() for column in range(2, 5)] == ["210 ms", "2.5 %", "8 s"]


def test_flights_are_few_on_each_way_and_end() -> None:
    flights = Flights()
    keys = {ANNA: "anna"}
    flights.take([PunchSent(0, ANNA)] * 2000, keys, "", 10.0)  # as a birthday's
    assert [(each.key, each.out) for each in flights.under_way(10.0)] == [("anna", True)]
    flights.take([PunchReceived(0, ANNA, True), PunchSent(0, CLEO)], keys, "", 10.0 + APART / 2)
    assert len(flights.under_way(10.0 + APART)) == 2
    assert flights.under_way(10.0 + APART)[0].share(10.0 + SECONDS / 2) == pytest.approx(0.5)
    for number in range(100):
        flights.take([PunchSent(0, Address("203.0.113.7", 1024 + number))], {}, f"other {number}", 10.2)
    assert len(flights.under_way(10.2)) == MOST
    assert flights.under_way(20.0) == []


def test_a_dot_goes_along_its_way() -> None:
    way = [QPointF(0, 0), QPointF(10, 0), QPointF(10, 30)]
    assert [point_on(way, share).toTuple() for share in (0.0, 0.25, 0.5, 1.0)] == [(0, 0), (10, 0), (10, 10), (10, 30)]


def test_the_report_names_nobody_and_shows_no_whole_address() -> None:
    said = report(connected_snapshot())
    assert "peer 1: punched (plain punching), 38 ms, 0.2 % lost." in said
    assert "relayed by another peer" in said
    assert FAILED in said
    assert "0.30 s  its own record: at 203.0.x.x:40817" in said
    for secret in (str(ALICE), ALICE.short, EVE.short, "203.0.113", "198.51.100"):
        assert secret not in said


def test_the_report_shows_no_whole_ipv6_address_and_all_of_a_time() -> None:
    scene = connected_snapshot()
    way = replace(scene.connections.paths[0], address=Address("2001:db8:1:2::5", 40817), reason="At 12:34:56, by ::1.")
    said = report(replace(scene, connections=replace(scene.connections, paths=(way,), attempts=())))
    network = replace(scene.nat, network="It is at [2001:db8:1:2:a:b:c:d]:4000 and fe80::7%eth0.")
    said += report(replace(scene, nat=network))
    assert "2001:0db8:x:x" in said
    assert "12:34:56" in said
    for secret in ("db8:1", "1:2", "::5", "a:b:c:d", "::7"):
        assert secret not in said


def test_attempts_are_rows_with_packets_time_and_outcome(qtmodeltester: ModelTester) -> None:
    model = AttemptsModel(name_of=SCENE.name_of, clock=lambda: NOW)
    model.replace(connected_snapshot().connections.attempts)
    qtmodeltester.check(model)  # type: ignore[no-untyped-call]
    rows = [[model.index(row, column).data() for column in range(1, 6)] for row in range(4)]
    assert rows[1] == ["198.51.100.7:20555", "Punches", "2.00 s", "11 sent, 0 arrived",
                       f"Not connected: {FAILED}, 3 times in a row"]  # fmt: skip
    assert rows[2][:3] == ["Anna", "Search", "800 ms"]


# -- drawn ---------------------------------------------------------------------------------------------------------


def test_nothing_ticks_while_nothing_moves(drawn: MapView, bridge: FakeBridge, qtbot: QtBot) -> None:
    assert not drawn.moving()
    bridge.tell(PunchSent(NOW, ANNA))
    assert drawn.moving()
    qtbot.waitUntil(lambda: not drawn.moving(), timeout=5000)


def test_nothing_flies_on_a_page_that_nobody_sees(window: MainWindow, bridge: FakeBridge) -> None:
    window.pages.choose("network")
    bridge.show(connected_snapshot())
    drawn = window.network.map_page.map
    bridge.tell(PunchSent(NOW, ANNA))
    window.pages.choose("live")
    assert not drawn.moving()
    bridge.tell(PunchSent(NOW, ANNA))
    assert not drawn.moving()


def test_the_way_lights_up_for_those_who_asked_for_less_motion(
    drawn: MapView, bridge: FakeBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MOTION_VARIABLE, "0")
    bridge.tell(PunchSent(NOW, ANNA))
    drawn.grab()
    assert drawn._timer.interval() == LIT_MS
    assert TICK_MS < LIT_MS


def test_the_keyboard_goes_from_spot_to_spot_and_readers_hear_of_it(page: MapPage, drawn: MapView) -> None:
    drawn.setFocus()
    QTest.keyClick(drawn, Qt.Key.Key_Home)
    assert drawn.current() == "self"
    QTest.keyClick(drawn, Qt.Key.Key_Down)
    assert drawn.current() == "router"
    face = QAccessible.queryAccessibleInterface(drawn)
    assert "Your router" in face.text(QAccessible.Text.Description)
    assert page.why.text().startswith("Your router: Friends reach this peer")
    assert page.table.selected_rows() == [1]
    QTest.keyClick(drawn, Qt.Key.Key_End)
    QTest.keyClick(drawn, Qt.Key.Key_Right)
    assert drawn.current() == "public DHT"


def test_a_click_on_a_spot_says_why(page: MapPage, drawn: MapView) -> None:
    drawn.grab()
    QTest.mouseClick(drawn, Qt.MouseButton.LeftButton, pos=drawn._places[f"peer {VIRTUAL}"].toPoint() + QPoint(2, 2))
    assert page.why.text().startswith(f"{EVE.short}: No direct way was found yet")


def test_a_row_that_is_chosen_is_ringed_on_the_map(page: MapPage, drawn: MapView) -> None:
    page.table.selectRow(2)
    assert drawn.current() == f"peer {NEIGHBOUR}"


def test_the_live_table_shows_the_way_and_leads_to_the_map(window: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(connected_snapshot())
    model = window.peers.model
    row = model.row_of(ANNA)
    assert row is not None
    model.scene.now = NOW
    assert model.index(row, PeerColumn.PATH).data() == "punched"
    assert "Both sides sent" in model.index(row, PeerColumn.PATH).data(Qt.ItemDataRole.ToolTipRole)
    window.peers.reveal(ANNA)
    window.peers.path_action.trigger()
    assert (window.pages.current(), window.network.map_page.map.current()) == ("network", f"peer {ANNA}")


def test_the_steps_of_an_attempt_stay_while_new_ones_come(window: MainWindow, bridge: FakeBridge) -> None:
    window.pages.choose("network")
    window.network.parts.choose("attempts")
    full = connected_snapshot()
    bridge.show(replace(full, connections=replace(full.connections, attempts=full.connections.attempts[1:])))
    view = window.network.attempts
    view.table.selectRow(1)
    bridge.show(full)
    chosen = view.chosen()
    assert chosen is not None
    assert chosen.peer_id == ALICE
    assert view.steps.toPlainText().splitlines()[0] == "0.00 s  this network: nobody known by that key"
    view.copy_button.click()
    assert QGuiApplication.clipboard().text() == report(full)


def test_a_remembered_page_of_another_name_is_found(window: MainWindow) -> None:
    window.pages.choose("broker")
    assert window.pages.current() == "network"


def test_a_peer_alone_has_a_map_too(window: MainWindow, bridge: FakeBridge) -> None:
    window.pages.choose("network")
    bridge.show(empty_snapshot())
    assert window.network.map_page.map.current() == "self"
    assert "Nobody was looked for" in window.network.attempts.table.placeholder()


def test_a_picture_is_quick(
    drawn: MapView, bridge: FakeBridge, best_time: Callable[[Callable[[], None]], float]
) -> None:
    """25 a second while punches fly: 2 ms each are 5 % of a core. The bound is for a machine that is busy."""
    bridge.tell(PunchSent(time.time(), ANNA), PunchSent(time.time(), CLEO))
    drawn.grab()
    assert best_time(drawn._tick) < 0.002
