"""The sheets of invitations: a link is made once, and nothing happens to one that was sent until the user says so."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from core.invitations.link import Link
from core.news.joins import InvitationAccepted, JoinProgress
from core.peer_id import PeerId
from desktop.app import show_invitation
from desktop.models.timeline_rows import Kind, row_of
from desktop.views.main_window import MainWindow
from desktop.views.open_invitation import OpenInvitation
from tests.desktop.fake_peer import NOW, FakeBridge, people_snapshot
from tests.desktop.test_widgets_lint import nameless

LINK = Link(PeerId(bytes(range(32))), bytes(16))


@pytest.fixture
def people(window: MainWindow, bridge: FakeBridge) -> MainWindow:
    bridge.show(people_snapshot())
    return window


def test_a_link_is_made_copied_and_withdrawn(people: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    sheet = people.people.inviting.invite()
    fake = bridge.inviting
    assert nameless(sheet) == []
    assert not sheet.make_button.isEnabled()
    QTest.keyClicks(sheet.name, "  Bert ")
    QTest.keyClick(sheet.name, Qt.Key.Key_Return)
    assert fake.calls == []  # no Enter makes a link
    next(iter(sheet.boxes.values())).setChecked(True)
    sheet.make_button.click()
    sheet.make_button.click()
    assert fake.calls == [("invite", "Bert", frozenset({next(iter(sheet.boxes))}), 1, 7.0, "")]
    fake.invited.emit(99, "grapevine:i/other", 3)
    assert sheet.link.text() == ""
    fake.invited.emit(1, str(LINK), 3)
    assert sheet.link.text() == str(LINK)
    assert sheet.code.isVisibleTo(sheet)
    sheet.copy_button.click()
    assert QGuiApplication.clipboard().text() == str(LINK)
    sheet.withdraw_button.click()
    assert fake.calls[-1] == ("withdraw", 3)
    assert not sheet.isVisible()


def test_what_was_not_done_is_said(people: MainWindow, bridge: FakeBridge) -> None:
    sheet = people.people.inviting.invite()
    sheet.name.setText("Bert")
    sheet.make()
    bridge.inviting.refused.emit(1, "100 invitations are open.")
    assert sheet.note.text() == "100 invitations are open."
    assert sheet.make_button.isEnabled()


def test_an_invitation_is_asked_about_and_then_accepted(people: MainWindow, bridge: FakeBridge) -> None:
    sheet = people.people.inviting.open_invitation(str(LINK))
    fake = bridge.inviting
    assert nameless(sheet) == []
    assert (fake.calls, sheet.who.text()) == ([], str(LINK.peer_id))
    assert not sheet.accept_button.isEnabled()
    assert not any(each.isDefault() or each.autoDefault() for each in (sheet.ask_button, sheet.accept_button))
    sheet.accept_offer()
    assert fake.calls == []
    sheet.ask_button.click()
    assert fake.calls == [("look", str(LINK))]
    fake.looked.emit(1, "<b>Anna</b>", ("photos",))
    assert sheet.offer.text().startswith("<b>Anna</b> offers photos.")
    assert sheet.offer.textFormat() == Qt.TextFormat.PlainText
    sheet.name.setText("Anna")
    sheet.accept_button.click()
    assert fake.calls[-1] == ("join", str(LINK), "Anna")
    bridge.tell(
        JoinProgress(NOW, LINK.peer_id, "waiting", "she is away"), JoinProgress(NOW, PeerId(bytes(32)), "x", "no")
    )
    assert sheet.story.text() == "She is away."
    fake.joined.emit(2, "Anna")
    assert sheet.story.text() == "Anna and you know each other now."
    assert not sheet.accept_button.isEnabled()


def test_a_damaged_link_is_named_and_nothing_can_be_done_with_it(people: MainWindow, bridge: FakeBridge) -> None:
    sheet = people.people.inviting.open_invitation()
    assert "begins with grapevine:i/" in sheet.story.text()
    for text, words in ((str(LINK)[:-1], "is missing"), (str(LINK) * 2, "two links"), ("https://a.b", "no invitation")):
        sheet.link.setText(text)
        assert words in sheet.story.text()
        assert not sheet.ask_button.isEnabled()
    sheet.link.setText(str(LINK))
    sheet.ask()
    sheet.reject()
    assert bridge.inviting.calls[-1] == ("cancel", 1)


def test_events_are_lines_of_the_timeline() -> None:
    accepted = row_of(InvitationAccepted(NOW, 1, LINK.peer_id, "Bert", ("photos",)))
    assert (accepted.kind, "Bert has joined" in accepted.result) == (Kind.TRUST, True)
    assert row_of(JoinProgress(NOW, LINK.peer_id, "found", "found it")).result == "found it"


def test_a_click_on_a_link_shows_it_and_does_nothing(people: MainWindow, bridge: FakeBridge) -> None:
    show_invitation(people, str(LINK))
    (sheet,) = people.findChildren(OpenInvitation)
    assert (sheet.link.text(), bridge.inviting.calls) == (str(LINK), [])
    show_invitation(people, "grapevine:i/other")  # a page that opens links by itself changes nothing that is shown
    assert people.findChildren(OpenInvitation) == [sheet]
    assert sheet.link.text() == str(LINK)
    sheet.reject()
    assert people.people.inviting.open_invitation() is not sheet
