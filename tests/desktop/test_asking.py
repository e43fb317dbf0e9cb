"""A peer asks to be let in: the whole ID beside Accept, nothing dangerous under the keyboard or the pointer."""

from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QGuiApplication, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QMenu, QPushButton
from pytestqt.qtbot import QtBot

from core.peer_id import PeerId
from core.trust.entries import KnownPeer, Pending
from desktop.tray import Tray
from desktop.views.main_window import MainWindow
from desktop.views.person_dialog import PersonDialog
from desktop.views.table import RowTable
from tests.desktop.fake_peer import ALICE, ANNA, BEN, BOB, CLEO, EVE, NOW, OURS, FakeBridge, people_snapshot

LIKE_ALICE = PeerId(ALICE.key[:4] + bytes(28))
DANGEROUS = ("Accept once", "Always", "Block", "Remove", "Renew")


@pytest.fixture
def people(window: MainWindow, bridge: FakeBridge) -> MainWindow:
    bridge.show(people_snapshot())
    return window


def asking(*who: tuple[PeerId, str]) -> tuple[Pending, ...]:
    return tuple(Pending(peer_id, service, CLEO, NOW - 9, NOW - 9 + at) for at, (peer_id, service) in enumerate(who))


def test_the_strip_stays_with_the_request_it_shows(people: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    strip = people.pending
    bridge.show(replace(people_snapshot(), pending=asking((EVE, "fibonacci"))))
    assert strip.shown_id() == str(EVE)
    qtbot.waitUntil(strip.answers.isEnabled)
    bridge.show(replace(people_snapshot(), pending=asking((EVE, "fibonacci"), (BOB, "camera"))))  # a newer one comes
    assert strip.shown_id() == str(EVE)
    assert "1 more request waits" in strip.text()
    strip.answers.once.click()
    assert bridge.calls[-1] == ("accept", EVE, "fibonacci", True)


def test_a_click_meant_for_one_never_answers_the_next(people: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    strip = people.pending
    bridge.show(replace(people_snapshot(), pending=asking((EVE, "fibonacci"), (BOB, "camera"))))
    qtbot.waitUntil(strip.answers.isEnabled)
    strip.answers.refuse.setFocus()
    bridge.show(replace(people_snapshot(), pending=asking((EVE, "fibonacci"))))  # BOB, who was shown, has gone
    before = list(bridge.calls)
    strip.answers.refuse.click()
    QTest.keyClick(people, Qt.Key.Key_Space)
    assert bridge.calls == before
    focus = QApplication.focusWidget()
    assert not isinstance(focus, QPushButton)
    qtbot.waitUntil(strip.answers.isEnabled)


def test_nothing_moves_when_somebody_asks(people: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    bridge.show(replace(people_snapshot(), pending=()))
    QApplication.processEvents()
    switch, tabs = people.services.share_switch("fibonacci"), people.pages.bar
    places = [switch.mapTo(people, QPoint()), *(tabs.tabRect(number).left() for number in range(tabs.count()))]
    bridge.show(people_snapshot())
    QApplication.processEvents()
    assert people.pending.isVisible()
    assert [switch.mapTo(people, QPoint()), *(tabs.tabRect(n).left() for n in range(tabs.count()))] == places
    people.pages.choose("people")
    qtbot.wait(50)  # the layout of the page settles
    table = people.people.table.mapTo(people, QPoint())
    bridge.show(replace(people_snapshot(), pending=()))
    qtbot.wait(50)
    assert people.people.table.mapTo(people, QPoint()) == table


def test_space_on_the_page_of_people_lets_nobody_in(people: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    people.activateWindow()
    qtbot.waitUntil(people.isActiveWindow)
    for start in (people.services.share_switch("fibonacci"), people.timeline.filter):
        people.pages.choose("live")
        start.setFocus()
        before = list(bridge.calls)
        people.menus.actions["page4"].trigger()
        focus = QApplication.focusWidget()
        assert isinstance(focus, RowTable), focus
        for key in (Qt.Key.Key_Space, Qt.Key.Key_Return):
            QTest.keyClick(focus, key)
        assert bridge.calls == before
        assert people.findChildren(PersonDialog) == []


def test_no_dangerous_button_is_a_default(people: MainWindow) -> None:
    people.people.add()
    for button in people.findChildren(QPushButton):
        if button.accessibleName().startswith(DANGEROUS):
            assert not button.isDefault(), button.text()
            assert not button.autoDefault(), button.text()


def test_a_look_alike_is_warned_of_wherever_it_is_accepted(people: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(replace(people_snapshot(), pending=asking((LIKE_ALICE, "fibonacci"))))
    assert people.pending.text().startswith("Careful: this ID looks like the one of \u201cAnna's greenhouse\u201d")
    assert people.pending.shown_id() == str(LIKE_ALICE)
    assert str(LIKE_ALICE) in people.pending.answers.once.accessibleDescription()
    view = people.people
    people.reveal_pending()
    assert view.careful.text().startswith("Careful")
    assert view.waiting_id.text() == str(LIKE_ALICE)
    view.answers.always_wanted.emit(asking((LIKE_ALICE, "fibonacci"))[0])
    (dialog,) = people.findChildren(PersonDialog)
    assert dialog.careful().startswith("Careful")
    assert dialog.id.text() == str(LIKE_ALICE)
    tray = Tray(bridge, ("fibonacci",))  # type: ignore[arg-type]
    bridge.show(replace(people_snapshot(), pending=asking((LIKE_ALICE, "fibonacci"))))
    (person,) = [menu for menu in tray.menu().findChildren(QMenu) if "Stranger" in menu.title()]
    lines = [action.text() for action in person.actions() if not action.isEnabled()]
    assert "-".join(lines[:2]) == str(LIKE_ALICE)
    assert lines[2].startswith("Careful")


def test_a_name_that_looks_like_another_s_is_warned_of(people: MainWindow) -> None:
    dialog = PersonDialog(["fibonacci"], KnownPeer(EVE, "", NOW), known_peers=people_snapshot().known_peers)
    dialog.name.setText("\u0410nna's greenh\u043euse")
    assert "has a name that looks like this one" in dialog.careful()
    dialog.name.setText("Eve")
    assert dialog.careful() == ""


def test_adding_a_peer_opens_nothing_and_says_why_save_is_off(people: MainWindow) -> None:
    dialog = PersonDialog(["fibonacci", "camera"])
    save = dialog.buttons.button(QDialogButtonBox.StandardButton.Save)
    assert not save.isEnabled()
    assert dialog.note().startswith("Paste or type the Peer ID")
    dialog.id.setText("ABC")
    assert not save.isEnabled()
    assert "56 letters and digits; this has 3" in dialog.note()
    dialog.id.setText(str(OURS))
    assert save.isEnabled()
    assert dialog.note().startswith("It may call nothing yet")
    assert not dialog.every.isChecked()
    assert not any(box.isChecked() for box in dialog.services.values())


def open_menu(table: RowTable, key: Qt.Key, modifier: Qt.KeyboardModifier) -> list[str]:
    QTest.keyClick(table, key, modifier)
    menu = table.menu()
    assert menu is not None
    assert menu.isVisible()
    words = [action.text().replace("&", "") for action in menu.actions() if not action.isSeparator()]
    menu.close()
    QTest.keyClick(table, Qt.Key.Key_Escape)  # Qt remembers the modifier, and selects by it
    return words


@pytest.mark.qt_log_ignore("does not support (grabbing|raise)")  # the offscreen platform, of a menu that is open
@pytest.mark.parametrize(
    ("key", "modifier"),
    [
        (Qt.Key.Key_Menu, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_F10, Qt.KeyboardModifier.ShiftModifier),
    ],
)
def test_the_lists_have_menus_by_keyboard(people: MainWindow, key: Qt.Key, modifier: Qt.KeyboardModifier) -> None:
    people.pages.choose("people")
    view = people.people
    view.table.selectRow(0)
    words = open_menu(view.table, key, modifier)
    assert words == ["Edit...", "Call...", "Copy ID", "Copy name", "Block", "Remove..."]
    view.waiting.selectRow(0)
    words = open_menu(view.waiting, key, modifier)
    assert words == ["Copy ID", "Copy name", "Call...", "Refuse", "Block"]  # accepting is done beside the whole ID


def test_a_known_peer_is_called_from_its_row(people: MainWindow) -> None:
    people.pages.choose("people")
    view = people.people
    view.filter.setText("anna")
    view.table.selectRow(0)
    assert view.chosen_id.text() == str(ALICE)
    view.call_button.click()
    assert people.pages.current() == "live"
    assert people.request.target.currentText() == f"{ALICE}/fibonacci"
    view.copy_name()
    assert QGuiApplication.clipboard().text() == "Anna's greenhouse"


def test_our_own_peer_is_this_computer_and_counts_for_nobody(people: MainWindow, bridge: FakeBridge) -> None:
    scene = people_snapshot()
    assert scene.observed is not None
    own = replace(scene.peers[0], address=scene.observed, peer_id=OURS)
    bridge.show(replace(scene, peers=(own, replace(scene.peers[1], address=BEN))))
    model = people.peers.model
    assert sorted(model.index(row, 1).data() for row in range(2)) == ["plain", "this computer"]
    assert people.peers.counts() == "0 consumers, 1 worker"
    assert ANNA not in (own.address, BEN)


def test_a_row_is_selected_alone_whatever_keys_are_held(people: MainWindow) -> None:
    table = people.people.waiting
    table.selectRow(0)
    QTest.keyClick(table, Qt.Key.Key_F10, Qt.KeyboardModifier.ControlModifier)  # Qt remembers Ctrl from here on
    table.selectRow(1)
    assert table.selected_rows() == [1]
    QTest.keyClick(table, Qt.Key.Key_Escape)
