"""Groups of people in the window: on the page People, in the dialog of a peer, and in the sheets of shares."""

from dataclasses import replace

import pytest
from PySide6.QtWidgets import QDialogButtonBox

from core.trust.audience import Audience
from core.trust.entries import EVERY, Group
from desktop.models.people import KnownColumn
from desktop.views.edit_share import EditShareSheet
from desktop.views.main_window import MainWindow
from desktop.views.person_dialog import PersonDialog
from desktop.views.share_sheet import ShareSheet
from tests.desktop.fake_peer import ALICE, BOB, OURS, FakeBridge, shares_snapshot
from tests.desktop.test_widgets_lint import nameless

FAMILY, WORK = Group("family", frozenset({"garden"})), Group("work")


@pytest.fixture
def grouped(window: MainWindow, bridge: FakeBridge) -> MainWindow:
    """Show Anna in the family."""
    scene = shares_snapshot()
    anna, *others = scene.known_peers
    known = (replace(anna, groups=frozenset({FAMILY})), *others)
    bridge.show(replace(scene, known_peers=known, groups=(FAMILY, WORK)))
    return window


def edited(window: MainWindow, name: str) -> PersonDialog:
    window.people.filter.setText(name)
    window.people.table.selectRow(0)
    window.people.edit()
    return window.people.findChildren(PersonDialog)[-1]


def save(sheet: PersonDialog | EditShareSheet) -> None:
    sheet.buttons.button(QDialogButtonBox.StandardButton.Save).click()


def test_the_page_shows_groups_what_they_open_and_finds_by_them(grouped: MainWindow) -> None:
    page = grouped.people
    page.filter.setText("family")
    assert page.proxy.rowCount() == 1
    row = page.proxy.index(0, 0).siblingAtColumn
    assert row(KnownColumn.GROUPS).data() == "family"
    assert row(KnownColumn.SERVICES).data() == "fibonacci, garden"


def test_a_peer_joins_leaves_and_makes_groups(grouped: MainWindow, bridge: FakeBridge) -> None:
    dialog = edited(grouped, "anna")
    assert nameless(dialog) == []
    assert dialog.groups.chosen() == ["family"]
    save(dialog)
    assert not any(call[0] == "groups" for call in bridge.calls), "nothing was changed"
    dialog = edited(grouped, "anna")
    dialog.groups.boxes["family"].setChecked(False)
    dialog.groups.boxes["work"].setChecked(True)
    dialog.new_group.setText("@Chess club")
    save(dialog)
    assert [call[0] for call in bridge.calls[-2:]] == ["trust", "groups"], "it is known before it joins"
    assert bridge.calls[-1] == ("groups", ALICE, ["Chess club", "work"])
    dialog = edited(grouped, BOB.short)
    dialog.new_group.setText("FAMILY")  # there is one: it is meant
    save(dialog)
    assert bridge.calls[-2:] == [("trust", BOB, "", EVERY), ("groups", BOB, ["family"])]


def test_a_name_that_no_group_can_have_is_said_and_not_saved(grouped: MainWindow) -> None:
    grouped.people.add()
    (dialog,) = grouped.people.findChildren(PersonDialog)
    dialog.id.setText(str(OURS))
    dialog.name.setText("Dora")
    button = dialog.buttons.button(QDialogButtonBox.StandardButton.Save)
    assert button.isEnabled()
    for name in ("anna's greenhouse", "a/b", "+x", "Dora"):
        dialog.new_group.setText(name)
        assert not button.isEnabled(), name
        assert "another name" in dialog.note() or "no name for a group" in dialog.note()
        dialog.new_group.setText("chess")
        assert button.isEnabled()
        assert dialog.note() == "", "a group is something that it may be in"


def test_something_is_shared_with_a_group(grouped: MainWindow, bridge: FakeBridge) -> None:
    grouped.sharing.share()
    (sheet,) = grouped.sharing.findChildren(ShareSheet)
    sheet.kinds["port"].click()
    sheet.text.setText("8080")
    sheet.name.setText("web")
    assert nameless(sheet) == []
    sheet.groups.boxes["family"].setChecked(True)
    sheet._typed.timeout.emit()
    bridge.sharing.tell_look(True, True, "Something answers on port 8080.")
    sheet.share_button.click()
    what, share, *groups = bridge.sharing.calls[-1]
    assert (what, groups) == ("add", ["family"])
    assert getattr(share, "audience", None) is Audience.TRUSTED


def test_a_share_is_taken_from_a_group_and_given_to_another(grouped: MainWindow, bridge: FakeBridge) -> None:
    grouped.sharing.table.selectRow(0)
    grouped.sharing.edit()
    (sheet,) = grouped.sharing.findChildren(EditShareSheet)
    assert sheet.groups.chosen() == ["family"]
    sheet.groups.boxes["family"].setChecked(False)
    sheet.groups.boxes["work"].setChecked(True)
    save(sheet)
    assert bridge.sharing.calls[-1] == ("open for", "garden", ["work"])


def test_a_share_under_another_name_keeps_its_groups(grouped: MainWindow, bridge: FakeBridge) -> None:
    grouped.sharing.table.selectRow(0)
    grouped.sharing.edit()
    (sheet,) = grouped.sharing.findChildren(EditShareSheet)
    sheet.name.setText("orchard")
    save(sheet)
    assert [call[0] for call in bridge.sharing.calls[-3:]] == ["edit", "open for", "open for"]
    assert bridge.sharing.calls[-2:] == [("open for", "garden", []), ("open for", "orchard", ["family"])]
