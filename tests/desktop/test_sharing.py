"""The page *Sharing* and its sheets, over a bridge that the test drives."""

from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialogButtonBox
from pytestqt.qtbot import QtBot

from core.kinds.listening import Found
from core.kinds.share import Share
from core.trust.audience import Audience
from desktop.models.share_form import FORMS, Entered, form_of, found_name, problem, proposed_name
from desktop.models.shares import ShareColumn, found_words, kind_words, other_side
from desktop.theme import ThemeSource
from desktop.views.edit_share import EditShareSheet
from desktop.views.main_window import MainWindow
from desktop.views.share_sheet import TYPED_MS, ShareSheet
from desktop.views.sharing import SharingView
from desktop.views.sheets import Question
from tests.desktop.conftest import Alone
from tests.desktop.fake_peer import EVE, FOUND, OURS, FakeBridge, people_snapshot, shares_snapshot
from tests.desktop.test_widgets_lint import nameless


@pytest.fixture
def page(alone: Alone, bridge: FakeBridge, theme: ThemeSource) -> SharingView:
    bridge.show(shares_snapshot())
    return alone(lambda: SharingView(bridge, theme))


def cell(page: SharingView, row: int, column: ShareColumn) -> str:
    return str(page.model.index(row, column).data())


def test_a_row_says_how_many_datagrams_found_no_room(page: SharingView, bridge: FakeBridge) -> None:
    snapshot = shares_snapshot()
    row = replace(snapshot.shares[0], streams=1, sent=2000, received=1000, dropped=0)
    for dropped, words in ((0, "2.0 kB / 1.0 kB"), (3, "2.0 kB / 1.0 kB, 3 dropped")):
        bridge.show(replace(snapshot, shares=(replace(row, dropped=dropped),)))
        assert cell(page, 0, ShareColumn.BYTES) == words


def opened(page: SharingView) -> ShareSheet:
    page.share()
    (sheet,) = page.findChildren(ShareSheet)
    return sheet


def enter(sheet: ShareSheet, key: str, text: str, name: str = "") -> None:
    """Fill in the form, and let the last key be long enough ago."""
    sheet.kinds[key].click()
    sheet.text.setText(text)
    if name:
        sheet.name.setText(name)
    sheet._typed.timeout.emit()


# -- the list ----------------------------------------------------------------------------------------------------------


def test_a_row_says_what_who_and_how_it_goes(page: SharingView) -> None:
    assert cell(page, 0, ShareColumn.WHAT) == "Web page"
    assert cell(page, 1, ShareColumn.WHAT) == "Folder, temporary"
    assert cell(page, 0, ShareColumn.USERS) == f"Anna's greenhouse, {EVE.short}"
    assert cell(page, 0, ShareColumn.BYTES) == "6.5 MB / 41 kB"
    assert cell(page, 1, ShareColumn.CALLS) == "12, 1 failed"
    assert [cell(page, row, ShareColumn.STATE) for row in range(5)] == ["On", "On", "On", "Off", "Not on"]


def test_a_problem_is_said_in_words_while_nothing_is_selected(page: SharingView) -> None:
    assert page.words.text() == "camera is not on: The folder /media/camera is not there, or cannot be read."
    page.table.selectRow(0)
    assert page.words.text().startswith("garden is on. Used now by Anna's greenhouse")


def test_the_box_and_space_turn_a_share_on_and_off(page: SharingView, bridge: FakeBridge) -> None:
    page.table.selectRow(3)
    QTest.keyClick(page.table, Qt.Key.Key_Space)
    assert bridge.sharing.calls[-1] == ("switch", "ssh", True)
    index = page.model.index(3, 0)
    assert index.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked  # at once
    bridge.failed.emit("The folder is not there.")
    assert index.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Unchecked  # and taken back


def test_a_switch_that_has_come_about_follows_the_core_again(page: SharingView, bridge: FakeBridge) -> None:
    page.model.toggle(3)
    snapshot = shares_snapshot()
    on = tuple(replace(share, on=True) if share.name == "ssh" else share for share in snapshot.shares)
    bridge.show(replace(snapshot, shares=on))
    bridge.show(snapshot)
    assert page.model.index(3, 0).data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Unchecked


def test_pause_resume_and_copy(page: SharingView, bridge: FakeBridge) -> None:
    page.table.selectRow(0)
    width = page.pause_button.width()
    page.pause_button.click()
    page.copy_button.click()
    assert bridge.sharing.calls[-1] == ("switch", "garden", False)
    assert QGuiApplication.clipboard().text() == f"grapevine open {OURS}/garden"
    page.table.selectRow(3)
    assert (page.pause_button.text(), page.pause_button.width()) == ("Resume", width)


def test_stop_asks_first(page: SharingView, bridge: FakeBridge) -> None:
    page.table.selectRow(0)
    page.stop_button.click()
    assert ("remove", "garden") not in bridge.sharing.calls
    (question,) = page.findChildren(Question)
    assert question.cancel_button.isDefault()
    question.answer_button.click()
    assert bridge.sharing.calls[-1] == ("remove", "garden")


def test_a_selection_stays_when_another_share_comes(page: SharingView, bridge: FakeBridge) -> None:
    page.table.selectRow(1)
    snapshot = shares_snapshot()
    bridge.show(replace(snapshot, shares=(snapshot.shares[4], *snapshot.shares[:4])))
    chosen = page.selected()
    assert chosen is not None
    assert chosen.name == "holiday pictures"


def test_with_nothing_shared_there_are_words_and_one_button(window: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(people_snapshot())
    window.pages.choose("sharing")
    assert window.sharing.empty_words.text().startswith("Nothing is shared.")
    bridge.show(replace(people_snapshot(), address=None))  # no peer is open
    assert window.sharing.empty_words.text().startswith("Grapevine is starting.")
    assert window.sharing.first_button.isVisible()
    assert not window.sharing.table.isVisible()
    window.sharing.first_button.click()
    assert len(window.sharing.findChildren(ShareSheet)) == 1


def test_edit_changes_the_audience_and_asks_before_it_opens(page: SharingView, bridge: FakeBridge) -> None:
    page.table.selectRow(2)
    page.edit_button.click()
    (sheet,) = page.findChildren(EditShareSheet)
    assert bridge.sharing.calls[-1] == ("check", "temperature")
    bridge.sharing.tell_look(True, True, "The program prints values.")
    assert sheet.check.text() == "The program prints values."
    sheet.audience.setCurrentIndex(2)
    sheet.audience._pick()
    assert sheet.audience.question is not None
    sheet.audience.question.cancel_button.click()
    assert sheet.audience.audience() is Audience.IDENTIFIED
    sheet.audience.setCurrentIndex(0)
    sheet.audience._pick()
    sheet.buttons.button(QDialogButtonBox.StandardButton.Save).click()
    assert bridge.sharing.calls.pop() == ("edit", "temperature", "temperature", Audience.TRUSTED, True, ("utp",))


def test_edit_changes_the_name_and_whether_it_is_kept(page: SharingView, bridge: FakeBridge) -> None:
    page.table.selectRow(2)
    page.edit_button.click()
    (sheet,) = page.findChildren(EditShareSheet)
    save = sheet.buttons.button(QDialogButtonBox.StandardButton.Save)
    other = page.model.rows()[0].name
    for wrong, said in (("", "Give it a name."), (other, "is shared already"), ("a/b", "/")):
        sheet.name.setText(wrong)
        assert not save.isEnabled()
        assert said in sheet.words.text()
    sheet.name.setText("greenhouse")
    assert "opens it again" in sheet.words.text()
    sheet.permanent.setChecked(False)
    save.click()
    (call,) = [call for call in bridge.sharing.calls if call[0] == "edit"]
    assert (call[1], call[2], call[4]) == ("temperature", "greenhouse", False)


def test_edit_opens_a_share_over_http_and_says_who_is_answered_there(page: SharingView, bridge: FakeBridge) -> None:
    page.table.selectRow(2)
    page.edit_button.click()
    (sheet,) = page.findChildren(EditShareSheet)
    assert not sheet.web.isChecked()
    sheet.web.setChecked(True)
    assert "nobody has an ID" in sheet.words.text()
    sheet.buttons.button(QDialogButtonBox.StandardButton.Save).click()
    assert bridge.sharing.calls.pop()[-1] == ("utp", "http", "ws")


def test_the_menu_shares_something_from_any_page(window: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(shares_snapshot())
    window.menus.actions["share_something"].trigger()
    assert window.pages.current() == "sharing"
    assert len(window.sharing.findChildren(ShareSheet)) == 1


# -- the sheet ---------------------------------------------------------------------------------------------------------


def test_what_listens_is_offered_and_shared_for_trusted_peers(page: SharingView, bridge: FakeBridge) -> None:
    sheet = opened(page)
    assert bridge.sharing.calls == [("find",)]
    assert not sheet.this_button.isEnabled()
    bridge.sharing.tell_found(*FOUND)
    assert [sheet.found.item(row).text() for row in range(4)] == [
        "Web page, port 3000, node", "MQTT broker, port 1883, mosquitto", "SSH, port 22", "Home Assistant, port 8123",
    ]  # fmt: skip
    assert not sheet.share_button.isEnabled()
    sheet.found.setCurrentRow(0)
    sheet.this_button.click()
    sheet._typed.timeout.emit()
    share = Share("node-3000", "http", {"target": "3000"}, Audience.TRUSTED, permanent=True)
    assert bridge.sharing.calls[-1] == ("look", share)
    bridge.sharing.tell_look(True, False, "Nothing answers there yet.")
    assert sheet.check.text() == "Nothing answers there yet."
    assert sheet.share_button.isEnabled()  # it may be started later
    sheet.share_button.click()
    assert bridge.sharing.calls[-1] == ("add", share)
    assert not sheet.share_button.isEnabled()  # not twice
    bridge.sharing.done.emit(bridge.sharing.ticket, "")
    assert not sheet.isVisible()
    before = shares_snapshot()
    new = replace(before.shares[0], name="node-3000", users=())
    bridge.show(replace(before, shares=(*before.shares, new)))
    selected = page.selected()
    assert (selected.name if selected is not None else None) == "node-3000"  # its line is what comes next
    page.table.selectRow(0)
    bridge.show(before)
    assert page.selected() == before.shares[0]


def test_who_waits_for_a_new_share_in_the_list_keeps_the_keyboard(page: SharingView, bridge: FakeBridge) -> None:
    before = shares_snapshot()
    page._select_new("not there yet")
    page.table.selectRow(0)
    page.invite_button.setFocus()
    bridge.show(replace(before, shares=tuple(replace(share, served=9) for share in before.shares)))
    assert page.window().focusWidget() is page.invite_button
    selected = page.selected()
    assert (selected.name if selected is not None else "") == before.shares[0].name


def test_the_steps_of_sharing_stay_where_the_sheet_is(page: SharingView, bridge: FakeBridge) -> None:
    sheet = opened(page)
    sheet.move(sheet.pos() - QPoint(7, 9))  # by the user
    before = sheet.geometry()
    sheet.kinds["folder"].click()
    assert sheet.geometry().topLeft() == before.topLeft()
    assert sheet.height() >= before.height()
    sheet.back_button.click()
    assert sheet.geometry().topLeft() == before.topLeft()


def test_a_share_that_cannot_be_leaves_the_sheet_with_the_reason(page: SharingView, bridge: FakeBridge) -> None:
    sheet = opened(page)
    enter(sheet, "folder", "/srv/pictures")
    assert sheet.name.text() == "pictures"
    bridge.sharing.tell_look(True, True, "The folder /srv/pictures is there.", "This folder is hidden.")
    assert sheet.warning.text() == "This folder is hidden."
    sheet.permanent.setChecked(False)
    sheet.share_button.click()
    assert bridge.sharing.calls[-1][1].permanent is False  # type: ignore[attr-defined]
    bridge.sharing.done.emit(bridge.sharing.ticket, "64 shares are the most: remove one first.")
    assert sheet.isVisible()
    assert sheet._said.text() == "64 shares are the most: remove one first."
    assert sheet.share_button.isEnabled()


def test_what_was_typed_after_the_look_is_looked_at_before_it_is_shared(page: SharingView, bridge: FakeBridge) -> None:
    sheet = opened(page)
    enter(sheet, "folder", "/srv/a", "a")
    sheet.text.setText("/")
    sheet.name.setText("a")
    bridge.sharing.tell_look(True, True, "The folder /srv/a is there.")  # of what stood there before
    assert not sheet.share_button.isEnabled()
    assert bridge.sharing.calls[-1][1].options == {"path": "/"}  # type: ignore[attr-defined]
    bridge.sharing.tell_look(True, True, "The folder / is there.", "This is the whole disk.")
    assert sheet.share_button.isEnabled()
    sheet.text.setText("/srv")
    assert not sheet.share_button.isEnabled()


def test_it_is_looked_at_again_and_again_as_long_as_the_sheet_is_open(
    page: SharingView, bridge: FakeBridge, qtbot: QtBot
) -> None:
    sheet = opened(page)
    enter(sheet, "port", "8080", "x")
    sheet._timer.setInterval(5)

    def answered() -> int:
        bridge.sharing.tell_look(True, False, "Nothing answers there yet.")
        return sum(call[0] == "look" for call in bridge.sharing.calls)

    qtbot.waitUntil(lambda: answered() > 3)
    sheet.cancel_button.click()
    assert not sheet._timer.isActive()
    assert TYPED_MS < 1000


def test_a_taken_or_impossible_name_is_said(page: SharingView, bridge: FakeBridge) -> None:
    sheet = opened(page)
    enter(sheet, "folder", "/srv/garden")
    assert sheet.name.text() == "garden-2"  # garden is shared already
    for name, words in (("garden", "shared already"), ("fibonacci", "shared already"), ("a/b", "without / and :")):
        sheet.name.setText(name)
        sheet._typed.timeout.emit()
        assert words in sheet.check.text()
        assert not sheet.share_button.isEnabled()


def test_the_demo_is_where_its_switch_is(window: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(shares_snapshot())
    window.pages.choose("sharing")
    sheet = opened(window.sharing)
    sheet.kinds["fibonacci"].click()
    assert window.pages.current() == "live"
    assert all(call[0] != "set_sharing" for call in bridge.calls)


def test_every_control_of_the_sheets_has_a_name_and_none_is_the_default(page: SharingView) -> None:
    sheet = opened(page)
    for form in FORMS:
        sheet.kinds[form.key].click()
        assert nameless(sheet) == []
        assert not any(each.isDefault() for each in (sheet.share_button, sheet.back_button))
        sheet.back_button.click()
    page.table.selectRow(0)
    page.edit()
    assert nameless(page.findChildren(EditShareSheet)[0]) == []


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "text", "name"),
    [
        ("folder", "/home/me/My Pictures/", "my-pictures"), ("folder", "/", ""), ("folder", "C:\\Bilder", "bilder"),
        ("values", "./read-temp.py --every 5", "read-temp"), ("json", "/usr/bin/bc", "bc"),
        ("python", "~/garden.py:handle", "garden"), ("port", "8080", "port-8080"),
        ("device", "192.168.1.20:1883", "device-1883"), ("values", "   ", ""),
    ],
)  # fmt: skip
def test_a_name_is_proposed(key: str, text: str, name: str) -> None:
    assert proposed_name(form_of(key), text) == name


def test_a_name_of_what_listens_has_nothing_of_a_program_that_names_itself_oddly() -> None:
    assert found_name(Found(8123, "hass", "Home Assistant", "http")) == "home-assistant"
    assert found_name(Found(80, "a/../b: c", "", "tcp")) == "a-..-b-c-80"
    assert "\\u202e" in found_words(Found(80, "a\u202eb", "", "tcp"))


def test_the_options_are_those_of_the_kind() -> None:
    entered = Entered(form_of("folder"), " /srv ", "x", flagged=True)
    assert entered.share() == Share("x", "folder", {"path": "/srv", "drop": True})
    assert Entered(form_of("device"), "10.0.0.2:80", "x", page=True).share().kind == "http"
    assert Entered(form_of("device"), "10.0.0.2:80", "x").share().kind == "tcp"
    assert problem(Entered(form_of("folder"), "", "x"), ()) == "Fill in: Folder."


def test_what_the_other_side_types_fits_the_kind_and_is_quoted() -> None:
    garden, holiday, temperature, *_ = shares_snapshot().shares
    assert other_side(garden, None) == ""
    assert other_side(holiday, OURS) == f"grapevine open '{OURS}/holiday pictures'"
    assert other_side(temperature, OURS) == f"grapevine watch {OURS}/temperature"
    assert other_side(replace(garden, kind="json"), OURS) == f"grapevine request {OURS}/garden '{{}}'"
    assert other_side(replace(garden, name="$(x)"), OURS).endswith("$(x)'")
    assert kind_words("a\u202ekind") == "a\\u202ekind"


def test_what_answers_requests_can_be_open_over_http_too_and_says_for_which_callers(
    page: SharingView, bridge: FakeBridge
) -> None:
    sheet = opened(page)
    sheet.kinds["folder"].click()
    assert not sheet.web.isVisible()
    sheet.back_button.click()
    sheet.kinds["json"].click()
    assert sheet.web.isVisible()
    sheet.text.setText("cat")
    assert not sheet.web.isChecked(), "nothing is open that nobody asked for"
    assert sheet.entered().share().transports == ("utp",)
    sheet.web.setChecked(True)
    assert sheet.entered().share().transports == ("utp", "http", "ws")
    sheet.reject()
