"""The window shows what the bridge tells, and tells the bridge what the user does: by mouse, keyboard and menu."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest
from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from core.news.events import GrapeSnapshot, GrapeState, IdentitySnapshot, PeerSnapshot, Role
from core.profile.settings import Settings, WindowState
from core.trust.audience import Audience
from core.values import Address
from desktop.models.peers import PeerColumn
from desktop.theme import ThemeSource
from desktop.views import services
from desktop.views.header import HeaderView
from desktop.views.main_window import START_SIZE, MainWindow
from desktop.views.sheets import Words
from tests.desktop import fake_peer as scene
from tests.desktop.fake_peer import (
    ANNA,
    BEN,
    CLEO,
    FIBONACCI,
    HOME,
    FakeBridge,
    busy_snapshot,
    empty_snapshot,
    peer_row,
)
from tests.support.samples import some


def clipboard() -> str:
    return QGuiApplication.clipboard().text()


def trigger(window: MainWindow, name: str) -> None:
    window.menus.actions[name].trigger()


# -- header ------------------------------------------------------------------------------------------------------


CARRIER = Address("100.64.3.4", 41234)
LOOPBACK = Address("127.0.0.1", 55284)


@pytest.mark.parametrize(
    ("grape", "title"),
    [
        (scene.STARTING, "Looking for others."),
        (
            replace(scene.ALONE, nearby="No other Grapevine was found on this network."),
            "Only this computer can find this peer. No other Grapevine was found on this network. To be found",
        ),
        (scene.ALONE, "Only this computer can find this peer. To be found by others: add a bootstrap node"),
        (scene.CONNECTED, "Connected to 7 grapes."),
        (replace(scene.CONNECTED, nodes=1), "Connected to 1 grape."),
        (scene.UNREACHABLE, "The grape does not answer. http://192.0.2.7:30001 does not answer."),
        (
            replace(scene.UNREACHABLE, embedded=True, message="Unreachable: no answer came from 192.0.2.7:20001."),
            "The grapes do not answer. Unreachable: no answer came",
        ),
        (
            replace(scene.ALONE, state=GrapeState.NO_NETWORK, message="No network: nobody can find this peer."),
            "This computer has no network. No network: nobody can find this peer.",
        ),
    ],
)
def test_how_the_peer_stands_is_told_in_words(
    header: HeaderView, bridge: FakeBridge, grape: GrapeSnapshot, title: str
) -> None:
    bridge.show(replace(empty_snapshot(grape), address=HOME))
    assert header.words().startswith(title)


def test_how_many_grapes_there_are_is_said_once(window: MainWindow, bridge: FakeBridge) -> None:
    told = replace(scene.CONNECTED, message="Connected: 7 other grapes known. A firewall is in the way.",
                   nearby="A firewall is in the way.")  # fmt: skip
    bridge.show(replace(empty_snapshot(told), address=HOME))
    assert window.header.words() == "Connected to 7 grapes. A firewall is in the way."


def test_alone_is_not_said_of_a_peer_that_others_have_found(window: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(replace(busy_snapshot(), grape=scene.ALONE))
    assert window.header.words().startswith("No other grape is known.")
    bridge.show(replace(scene.broker_snapshot(), grape=scene.ALONE, peers=()))
    assert window.header.words().startswith("Found through 1 broker.")


def test_a_peer_without_a_network_says_so(window: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(replace(empty_snapshot(), address=LOOPBACK))
    assert window.header.words().startswith("Only this computer can reach this peer. Grapevine knows no address")


def test_a_key_that_cannot_be_opened_is_told(window: MainWindow, bridge: FakeBridge) -> None:
    locked = IdentitySnapshot(None, "The keyring is locked: unlock it.")
    bridge.show(replace(busy_snapshot(), identity=locked))
    assert "The keyring is locked: unlock it." in window.header.words()


@pytest.mark.parametrize(
    ("own", "seen", "shown", "copied"),
    [
        (HOME, None, ("In your network: 192.168.1.5:41234", "From the Internet: not known yet"), str(HOME)),
        (
            HOME,
            scene.OBSERVED,
            ("In your network: 192.168.1.5:41234", "From the Internet: 198.51.100.23:41234"),
            str(scene.OBSERVED),
        ),
        (scene.OBSERVED, scene.OBSERVED, ("In your network: the same address", None), str(scene.OBSERVED)),
        (HOME, CARRIER, (None, "From your provider: 100.64.3.4:41234"), str(CARRIER)),
        (LOOPBACK, None, ("In your network: none", "From the Internet: not known yet"), ""),
        (LOOPBACK, LOOPBACK, ("In your network: none", "From the Internet: not known yet"), ""),
        (scene.BOUND, None, ("In your network: not known yet", "From the Internet: not known yet"), ""),
    ],
)
def test_addresses_are_those_that_others_can_use(
    header: HeaderView,
    bridge: FakeBridge,
    own: Address,
    seen: Address | None,
    shown: tuple[str | None, str | None],
    copied: str,
) -> None:
    assert header.address() == ""
    bridge.show(replace(busy_snapshot(), address=own, observed=seen))
    for said, wanted in zip(header.addresses(), shown, strict=True):
        assert wanted is None or said == wanted
    assert header.address() == copied
    QGuiApplication.clipboard().setText("before")
    header.copy_address()
    assert clipboard() == (copied or "before")


@pytest.mark.parametrize("size", [QSize(700, 480), START_SIZE], ids=["narrow", "wide"])
def test_nothing_moves_when_the_standing_changes(window: MainWindow, bridge: FakeBridge, size: QSize) -> None:
    window.resize(size)

    def places() -> dict[str, QPoint]:
        parts = {"switch": window.services.share_switch("fibonacci"), "tabs": window.pages.bar,
                 "peers": window.peers.table, "send": window.request.send_button}  # fmt: skip
        QApplication.processEvents()
        return {name: part.mapTo(window, QPoint(0, 0)) for name, part in parts.items()}

    bridge.show(replace(empty_snapshot(), address=HOME))
    before = places()
    bridge.show(busy_snapshot())
    assert places() == before, "connected"
    bridge.show(scene.people_snapshot())
    assert window.pending.text()
    assert places() == before, "somebody asks"
    window.show_message("A message that is read. " * 12)
    assert places() == before, "a message"
    window.banner.dismiss()
    bridge.show(empty_snapshot(scene.UNREACHABLE))
    assert places() == before, "unreachable"


@pytest.mark.parametrize("page", some(["live", "people", "network", "sharing"], 2))
def test_nothing_moves_and_no_font_changes_when_the_colours_do(
    window: MainWindow, bridge: FakeBridge, theme: ThemeSource, page: str
) -> None:
    theme.force("light")
    bridge.show(scene.shares_snapshot(time.time()))
    window.pages.choose(page)

    def places() -> list[tuple[object, ...]]:
        QApplication.processEvents()
        window.grab()  # tables lay themselves out when they are drawn
        QApplication.processEvents()
        seen = [each for each in window.findChildren(QWidget) if each.isVisible()]
        return [(type(e).__name__, e.mapTo(window, QPoint(0, 0)), e.size(), e.fontInfo().family()) for e in seen]

    def rested() -> list[tuple[object, ...]]:
        """Look until nothing is on its way any longer: a layout that was asked for may ask for another."""
        seen = places()
        for _ in range(10):
            seen, earlier = places(), seen
            if seen == earlier:
                return seen
        pytest.fail("it does not come to rest")

    before = rested()
    for colours in ("dark", "light"):
        theme.force(colours)
        now = rested()
        assert [each for each in now if each not in before] == [], colours
        assert now == before, colours


def test_what_comes_up_takes_no_click_that_was_meant_for_what_was_there(
    window: MainWindow, bridge: FakeBridge, qtbot: QtBot
) -> None:
    bridge.show(busy_snapshot())
    bridge.show(scene.people_snapshot())
    window.show_message("Read me.")
    window.banner.dismiss()
    point = window.notice.mapTo(window, QPoint(window.notice.width() - 40, window.notice.height() // 2))
    for _ in range(2):
        QTest.mouseClick(window.windowHandle(), Qt.MouseButton.LeftButton, pos=point)
    assert bridge.calls == []


def test_what_a_message_covers_is_out_of_reach(window: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(scene.people_snapshot())
    assert window.pending.isEnabled()
    window.show_message("Read me.")
    assert not window.pending.isEnabled()
    window.banner.dismiss()
    assert window.pending.isEnabled()


# -- services ----------------------------------------------------------------------------------------------------


def test_a_click_turns_a_switch_and_the_snapshot_confirms(window: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    bridge.show(empty_snapshot())
    switch = window.services.share_switch("fibonacci")
    QTest.mouseClick(switch, Qt.MouseButton.LeftButton, pos=QPoint(10, switch.height() // 2))
    assert bridge.calls == [("set_sharing", "fibonacci", True)]
    bridge.show(empty_snapshot())  # older news: the click is believed for a while
    assert switch.isChecked()
    bridge.show(empty_snapshot(service=replace(FIBONACCI, sharing=True, announced_nodes=3, served=12, failed=1)))
    assert switch.isChecked()
    words = window.services.lines("fibonacci")[0]
    assert words == "On, but announced on this computer's own grape only. Served 12 requests, 1 failed."
    assert len(bridge.calls) == 1


def test_space_turns_a_switch(window: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    bridge.show(empty_snapshot())
    switch = window.services.consume_switch("fibonacci")
    switch.setFocus()
    QTest.keyClick(switch, Qt.Key.Key_Space)
    QTest.keyClick(switch, Qt.Key.Key_Space)
    assert bridge.calls == [("set_consuming", "fibonacci", True), ("set_consuming", "fibonacci", False)]


def test_a_failure_turns_the_switch_back_and_says_why(window: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(empty_snapshot())
    switch = window.services.share_switch("fibonacci")
    switch.click()
    bridge.failed.emit("UDP port 41234 is in use.")
    assert not switch.isChecked()
    assert window.banner.message() == "UDP port 41234 is in use."
    assert bridge.calls == [("set_sharing", "fibonacci", True)]


def test_a_click_that_nothing_confirms_is_taken_back(
    bridge: FakeBridge, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "PATIENCE_MS", 30)
    view = services.ServicesView(bridge)
    qtbot.addWidget(view)
    view.show_snapshot(empty_snapshot())
    switch = view.share_switch("fibonacci")
    switch.click()
    assert switch.isChecked()
    qtbot.waitUntil(lambda: not switch.isChecked())


def test_the_core_may_turn_a_switch_by_itself(window: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(busy_snapshot())
    assert window.services.share_switch("fibonacci").isChecked()
    bridge.show(empty_snapshot())
    assert not window.services.share_switch("fibonacci").isChecked()
    assert bridge.calls == []


def test_switches_wait_for_the_first_snapshot(window: MainWindow, bridge: FakeBridge) -> None:
    assert not window.services.share_switch("fibonacci").isEnabled()
    bridge.show(empty_snapshot())
    assert window.services.share_switch("fibonacci").isEnabled()


def test_menu_toggles_follow_and_act(window: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(busy_snapshot())
    action = window.menus.actions["share fibonacci"]
    assert action.isChecked()
    action.trigger()
    assert bridge.calls == [("set_sharing", "fibonacci", False)]


def test_a_second_service_gets_its_own_switches(window: MainWindow, bridge: FakeBridge) -> None:
    echo = replace(FIBONACCI, name="echo", description="What you send")
    bridge.show(PeerSnapshot(1, None, None, scene.ALONE, (FIBONACCI, echo), ()))
    window.services.share_switch("echo").click()
    assert bridge.calls == [("set_sharing", "echo", True)]


def test_consuming_tells_of_workers_and_the_last_reply(window: MainWindow, bridge: FakeBridge) -> None:
    consuming = replace(FIBONACCI, consuming=True)
    bridge.show(empty_snapshot(service=consuming))
    assert window.services.lines("fibonacci")[1] == "On. Looking for workers; none found yet."
    silent = peer_row(BEN, Role.WORKER, rtt=None)
    bridge.show(PeerSnapshot(2, None, None, scene.ALONE, (consuming,), (silent,)))
    assert window.services.lines("fibonacci")[1] == "1 worker found. No reply yet."
    bridge.show(PeerSnapshot(3, None, None, scene.ALONE, (consuming,), (replace(silent, rtt=0.2),)))
    assert window.services.lines("fibonacci")[1] == "1 worker found. Last reply after 200 ms."


def test_opening_a_service_to_anyone_asks_once(window: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    told: list[Settings] = []
    window.settings_changed.connect(told.append)
    bridge.show(empty_snapshot())
    box = window.services.audience_box("fibonacci")

    def choose(audience: Audience) -> None:
        number = services.AUDIENCES.index(audience)
        box.setCurrentIndex(number)
        box.activated.emit(number)

    choose(Audience.ANYONE)
    assert box.question is not None
    assert not box.question.answer_button.isDefault()
    bridge.show(empty_snapshot())
    QTest.keyClick(box.question, Qt.Key.Key_Return)
    assert told == []
    assert box.audience() is Audience.TRUSTED
    choose(Audience.ANYONE)
    assert box.question is not None
    box.question.answer_button.click()
    assert told[-1].audiences == {"fibonacci": Audience.ANYONE}
    assert box.audience() is Audience.ANYONE
    choose(Audience.IDENTIFIED)  # narrower: no question
    assert told[-1].audiences == {"fibonacci": Audience.IDENTIFIED}


# -- peers -------------------------------------------------------------------------------------------------------


def test_an_empty_table_says_what_to_do(window: MainWindow, bridge: FakeBridge) -> None:
    table = window.peers.table
    assert "still starting" in table.placeholder()
    bridge.show(empty_snapshot())
    assert "Share a service" in table.placeholder()
    bridge.show(empty_snapshot(service=replace(FIBONACCI, sharing=True)))
    assert table.placeholder().startswith("No consumers yet.")
    bridge.show(empty_snapshot(scene.UNREACHABLE))
    assert "unreachable" in table.placeholder()
    bridge.show(busy_snapshot())
    assert table.placeholder() == ""


def test_selection_and_scroll_survive_updates(window: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    rows = tuple(peer_row(Address("192.0.2.1", port), seen=port) for port in range(1, 101))
    snapshot = replace(busy_snapshot(), peers=rows)
    bridge.show(snapshot)
    qtbot.waitUntil(lambda: window.peers.proxy.rowCount() == 100)  # some rows a turn
    window.peers.reveal(rows[60].address)
    qtbot.waitUntil(lambda: window.peers.table.verticalScrollBar().value() > 0)
    place = window.peers.table.verticalScrollBar().value()
    for step in range(3):
        changed = tuple(replace(row, punches_sent=row.punches_sent + step) for row in rows[: 100 - step])
        bridge.show(replace(snapshot, peers=changed))
        window.peers.model.tick()
    qtbot.waitUntil(lambda: window.peers.model.rows() == list(changed))
    assert [row.address for row in window.peers.selected()] == [rows[60].address]
    assert window.peers.table.verticalScrollBar().value() == place


def test_reveal_peer_selects_the_row_or_says_it_left(window: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(busy_snapshot())
    window.reveal_peer(BEN)
    assert [row.address for row in window.peers.selected()] == [BEN]
    assert window.banner.message() == ""
    window.reveal_peer(Address("192.0.2.99", 1))
    assert "192.0.2.99:1 is no longer in the table" in window.banner.message()


def test_addresses_and_rows_can_be_copied(window: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    bridge.show(busy_snapshot())
    window.peers.reveal(CLEO)
    window.peers.copy_action.trigger()
    assert clipboard() == str(CLEO)
    QTest.keyClick(window.peers.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert clipboard().startswith(f"{CLEO}\t\N{EN DASH}\tConsumer\tPunching\t")


def test_enter_addresses_a_request_to_the_selected_peer(window: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    bridge.show(busy_snapshot())
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    window.peers.reveal(ANNA)
    QTest.keyClick(window.peers.table, Qt.Key.Key_Return)
    assert window.request.target.currentText() == str(ANNA)
    assert QApplication.focusWidget() is window.request.payload.editor
    assert bridge.calls == []


def test_the_user_can_sort(window: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(busy_snapshot())
    window.peers.table.sortByColumn(PeerColumn.LAST_SEEN, Qt.SortOrder.DescendingOrder)
    assert window.peers.proxy.index(0, PeerColumn.ADDRESS).data() == "192.0.2.130:47001"


# -- window ------------------------------------------------------------------------------------------------------


def test_closing_is_asked_not_done(window: MainWindow, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.close_requested):
        window.close()
    assert window.isVisible()
    with qtbot.waitSignal(window.close_requested):
        trigger(window, "close")
    with qtbot.waitSignal(window.quit_requested):
        trigger(window, "quit")
    window.shut()
    assert not window.isVisible()


def test_reveal_brings_a_hidden_or_minimized_window_back(window: MainWindow) -> None:
    window.hide()
    window.reveal()
    assert window.isVisible()
    window.showMinimized()
    window.reveal()
    assert not window.isMinimized()


def test_a_message_is_shown_until_dismissed(window: MainWindow, qtbot: QtBot) -> None:
    window.show_message("first")
    window.show_message("<b>second</b>")
    assert window.banner.message() == "<b>second</b>"
    QTest.keyClick(window.banner, Qt.Key.Key_Escape)
    assert window.banner.message() == ""


def test_keys_go_to_the_panes(window: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    bridge.show(busy_snapshot())
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    panes = {
        Qt.Key.Key_1: window.services.share_switch("fibonacci"),
        Qt.Key.Key_2: window.peers.table,
        Qt.Key.Key_3: window.timeline.table,
        Qt.Key.Key_4: window.request.payload.editor,
        Qt.Key.Key_F: window.timeline.filter,
    }
    for key, widget in panes.items():
        QTest.keyClick(window.windowHandle(), key, Qt.KeyboardModifier.ControlModifier)
        assert QApplication.focusWidget() is widget


def test_no_two_acts_share_a_key(window: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(busy_snapshot())
    keys = [words for action in window.menus.actions.values() for words in (k.toString() for k in action.shortcuts())]
    assert len(keys) == len(set(keys)) >= 14


def test_place_and_sizes_are_kept(theme: ThemeSource, bridge: FakeBridge, window: MainWindow) -> None:
    window.resize(window.width(), 700)
    window.timeline.table.setColumnWidth(0, 177)
    saved = window.save_state()
    other = MainWindow(bridge, Settings(), theme)
    other.restore_state(saved)
    assert other.height() == 700  # the offscreen screen is too narrow for another width
    assert other.timeline.table.columnWidth(0) == 177
    other.deleteLater()


def test_a_broken_state_is_ignored(window: MainWindow) -> None:
    size = window.size()
    for text in ("", "!", "AAAA", "bnVsbA==", "WyJ4Il0=", "WzEsMiwzLDQsNV0=", "é"):
        window.restore_state(WindowState(text, text))
        assert window.size() == size, text


def test_help_opens_without_blocking(window: MainWindow) -> None:
    trigger(window, "keys")
    trigger(window, "about")
    boxes = cast("list[Words]", window.findChildren(Words))
    assert {box.windowTitle() for box in boxes} >= {"Keys", "About Grapevine"}
    assert any("Ctrl+Q" in box.label.text() for box in boxes)
    for box in boxes:
        box.close()


def test_a_theme_change_reaches_every_part(theme: ThemeSource, window: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(busy_snapshot())
    light = window.grab().toImage()
    theme.force("dark")
    dark = window.grab().toImage()
    assert dark.pixelColor(5, 60).lightness() < 60 < light.pixelColor(5, 60).lightness()
    theme.force("light")


def test_a_snapshot_of_a_thousand_peers_costs_less_than_a_frame(
    window: MainWindow, bridge: FakeBridge, best_time: Callable[[Callable[[], None]], float]
) -> None:
    rows = tuple(peer_row(Address("192.0.2.1", port), seen=port) for port in range(1, 1001))
    snapshot = replace(busy_snapshot(), peers=rows)
    bridge.show(snapshot)
    busier = tuple(replace(row, punches_sent=row.punches_sent + 1) for row in rows[:20])
    changed = replace(snapshot, peers=busier + rows[20:])
    turns = iter([changed, snapshot, changed])
    assert best_time(lambda: bridge.show(next(turns))) < 0.02


def test_a_window_made_narrow_and_wide_again_is_as_it_was(window: MainWindow, bridge: FakeBridge) -> None:
    def shape() -> tuple[list[int], int, Qt.Orientation]:
        for _ in range(4):
            QApplication.processEvents()
        return window._across.sizes(), window.notice.height(), window._across.orientation()

    bridge.show(scene.people_snapshot())
    window.resize(START_SIZE)
    wide = shape()
    assert wide[2] is Qt.Orientation.Horizontal
    assert wide[0][0] > 2 * wide[0][1]
    window._across.setSizes([wide[0][0] - 60, wide[0][1] + 60])
    wide = shape()
    window.resize(QSize(700, 480))
    assert shape()[2] is Qt.Orientation.Vertical
    window.resize(START_SIZE)
    assert shape() == wide
    assert window.notice.height() >= window.pending.minimumSizeHint().height()
