"""The sheets of invitations: a link is made once, and nothing happens to one that was sent until the user says so."""

import io
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import segno
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from core.invitations.link import Link, parse
from core.news.invitations import InvitationRow, Invitations
from core.news.joins import InvitationAccepted, JoinProgress
from core.peer_id import PeerId
from desktop.friends import add_to_window, show_invitation, show_shares_of
from desktop.models.invitations import InvitationColumn
from desktop.models.timeline_rows import Kind, row_of
from desktop.pictures import NotFound, text_of
from desktop.theme import ThemeSource
from desktop.views.invite_sheet import InviteSheet
from desktop.views.main_window import MainWindow
from desktop.views.open_invitation import OpenInvitation
from desktop.views.people import PeopleView
from tests.desktop.conftest import Alone
from tests.desktop.fake_peer import ALICE, NOW, FakeBridge, people_snapshot, shares_snapshot
from tests.desktop.test_widgets_lint import nameless

LINK = Link(PeerId(bytes(range(32))), bytes(16))


@pytest.fixture
def page(alone: Alone, bridge: FakeBridge, theme: ThemeSource) -> PeopleView:
    bridge.show(people_snapshot())
    return alone(lambda: PeopleView(bridge, theme))


@pytest.fixture
def people(window: MainWindow, bridge: FakeBridge) -> MainWindow:
    bridge.show(people_snapshot())
    return window


def test_a_link_is_made_copied_and_withdrawn(page: PeopleView, bridge: FakeBridge, qtbot: QtBot) -> None:
    sheet = page.inviting.invite()
    fake = bridge.inviting
    assert nameless(sheet) == []
    QApplication.processEvents()  # layouts come to rest
    assert sheet.code.mapTo(sheet, QPoint()).x() > sheet.name.mapTo(sheet, QPoint()).x() + sheet.name.width()  # beside
    spare = sheet.note.mapTo(sheet, QPoint()).y() - sheet.copy_button.mapTo(sheet, QPoint()).y()
    assert spare < 3 * sheet.copy_button.height()  # no higher than what it holds
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
    before = [(each.text(), each.mapToGlobal(QPoint())) for each in sheet.findChildren(QPushButton)]
    fake.invited.emit(1, str(LINK), 3)
    assert sheet.link.text() == str(LINK)
    assert sheet.code.grab().toImage().pixelColor(2, 2) == Qt.GlobalColor.white  # of the quiet zone
    assert [(each.text(), each.mapToGlobal(QPoint())) for each in sheet.findChildren(QPushButton)] == before
    sheet.copy_button.click()
    assert QGuiApplication.clipboard().text() == str(LINK)
    sheet.withdraw_button.click()
    assert fake.calls[-1] == ("withdraw", 3)
    assert not sheet.isVisible()


def test_who_came_is_said_on_the_sheet_and_on_any_page(window: MainWindow, bridge: FakeBridge) -> None:
    add_to_window(window, bridge)
    sheet = window.people.inviting.invite()
    sheet.name.setText("Bert")
    sheet.make()
    bridge.inviting.invited.emit(1, str(LINK), 3)
    window.pages.choose("calls")
    bridge.tell(InvitationAccepted(NOW, 4, PeerId(bytes(32)), "Carla", ("photos",)))
    assert "Carla" not in sheet.note.text()  # by another link
    bridge.tell(InvitationAccepted(NOW, 3, PeerId(bytes(32)), "<b>Bert", ("photos",)))
    assert sheet.note.text() == "<b>Bert accepted it. You know each other now."
    told = "<b>Bert accepted your invitation. You know each other now. May use: photos."
    assert window.banner.message() == told


def test_what_was_not_done_is_said(page: PeopleView, bridge: FakeBridge) -> None:
    sheet = page.inviting.invite()
    sheet.name.setText("Bert")
    sheet.make()
    bridge.inviting.refused.emit(1, "100 invitations are open.")
    assert sheet.note.text() == "100 invitations are open."
    assert sheet.make_button.isEnabled()


def test_an_invitation_is_asked_about_and_then_accepted(page: PeopleView, bridge: FakeBridge) -> None:
    sheet = page.inviting.open_invitation(str(LINK))
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
    assert sheet.focusWidget() is sheet.accept_button  # and not Close, which Qt would go on to
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


def test_a_damaged_link_is_named_and_nothing_can_be_done_with_it(page: PeopleView, bridge: FakeBridge) -> None:
    sheet = page.inviting.open_invitation()
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


def invitations(*states: str) -> Invitations:
    rows = [
        InvitationRow(
            number, "Bert", ("photos",), state, NOW, NOW + 86_400, 1, ((ALICE, NOW),) if state == "accepted" else ()
        )
        for number, state in enumerate(states, 1)
    ]
    return Invitations(tuple(rows))


def test_the_list_says_how_each_stands_and_takes_one_back(page: PeopleView, bridge: FakeBridge) -> None:
    inviting = page.inviting
    bridge.show(
        replace(people_snapshot(), revision=50, invitations=invitations("open", "accepted", "expired", "withdrawn"))
    )
    assert inviting.list_button.text() == "Invi&tations (1)..."
    sheet = inviting.show_all()
    assert nameless(sheet) == []
    assert inviting.show_all() is sheet
    states = [sheet.model.index(row, InvitationColumn.STATE).data() for row in range(4)]
    assert states[:2] == ["Withdrawn", "Expired"]
    assert states[2].startswith("Accepted: Anna's greenhouse, 20")
    assert states[3] == "Not yet here"
    for row, on in ((0, False), (2, False), (3, True)):
        sheet.table.selectRow(row)
        assert sheet.withdraw_button.isEnabled() is on
    sheet.withdraw_button.click()
    assert bridge.inviting.calls == [("withdraw", 1)]
    bridge.show(replace(people_snapshot(), revision=51, invitations=invitations("withdrawn")))
    assert (inviting.list_button.text(), sheet.model.rowCount()) == ("Invi&tations...", 1)
    bridge.show(replace(people_snapshot(), revision=52, invitations=Invitations((), "the file is damaged")))
    assert sheet.words.text() == "the file is damaged"
    sheet.reject()
    assert inviting.show_all() is not sheet


def test_a_message_and_a_file_are_ready_to_be_sent(page: PeopleView, bridge: FakeBridge, tmp_path: Path) -> None:
    sheet = page.inviting.invite("fibonacci")
    assert sheet.boxes["fibonacci"].isChecked()
    assert not sheet.message_button.isEnabled()
    sheet.name.setText("Bert")
    sheet.make()
    bridge.inviting.invited.emit(1, str(LINK), 3)
    sheet.message_button.click()
    message = QGuiApplication.clipboard().text()
    assert message.startswith("I share fibonacci with you. Open this link with Grapevine")
    assert parse(message) == LINK
    file = tmp_path / "invitation.txt"
    sheet.save_to(str(file))
    assert parse(file.read_text()) == LINK
    assert file.stat().st_mode & 0o077 == 0
    sheet.save_to(str(tmp_path / "nowhere" / "x.txt"))
    assert sheet.note.text().startswith("It was not saved")


def picture(text: str) -> QImage:
    data = io.BytesIO()
    segno.make(text, error="m", micro=False).save(data, kind="png", scale=3)
    return QImage.fromData(data.getvalue())


def test_a_picture_of_the_code_is_dropped_or_pasted(
    page: PeopleView, bridge: FakeBridge, qtbot: QtBot, tmp_path: Path
) -> None:
    sheet = page.inviting.open_invitation()
    file = tmp_path / "code.png"
    assert picture(str(LINK).upper()).save(str(file))
    dropped = QMimeData()
    dropped.setUrls([QUrl.fromLocalFile(str(file))])
    sheet.take(dropped)
    qtbot.waitUntil(lambda: sheet.who.text() == str(LINK.peer_id))
    sheet.link.clear()
    QGuiApplication.clipboard().setImage(picture(str(LINK)))
    QTest.keyClick(sheet, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: sheet.who.text() == str(LINK.peer_id))
    for image, words in ((picture("https://a.b"), "This is no invitation"), (blank(), "There is no QR code")):
        pasted = QMimeData()
        pasted.setImageData(image)
        sheet.take(pasted)
        qtbot.waitUntil(partial(says, sheet, words))
        assert not sheet.ask_button.isEnabled()
    text = tmp_path / "invitation.txt"
    text.write_text(f"For you:\n{LINK}\n")
    sheet.read_file(str(text))
    qtbot.waitUntil(lambda: sheet.who.text() == str(LINK.peer_id))
    for name, data in (("noise", bytes(range(256)) * 9), ("gone", None)):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        sheet.read_file(str(tmp_path / name))
        qtbot.waitUntil(partial(says, sheet, "This file can be read neither"))
    assert bridge.inviting.calls == []  # nothing happens by itself


def says(sheet: OpenInvitation, words: str) -> bool:
    return sheet.story.text().startswith(words)


def blank() -> QImage:
    image = QImage(300, 300, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.white)
    return image


def test_without_the_package_a_picture_is_said_to_be_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zxingcpp", None)
    with pytest.raises(NotFound, match="zxing-cpp is not installed"):
        text_of(picture("x"))


def test_who_is_known_already_is_named_and_a_new_friend_is_a_click_from_what_they_share(
    people: MainWindow, bridge: FakeBridge
) -> None:
    sheet = people.people.inviting.open_invitation(str(Link(ALICE, bytes(16))))
    assert sheet.story.text().startswith("You know Anna's greenhouse already.")
    assert not sheet.use_button.isEnabled()
    wanted: list[PeerId] = []
    people.people.inviting.use_wanted.connect(wanted.append)
    sheet.ask()
    bridge.inviting.looked.emit(1, "Anna", ("photos",))
    sheet.accept_offer()
    bridge.inviting.joined.emit(2, "Anna's greenhouse")
    sheet.use_button.click()
    assert (wanted, sheet.isVisible()) == ([ALICE], False)
    show_shares_of(people, ALICE)
    assert (people.pages.current(), bridge.using.calls) == ("using", [("ask", ALICE)])


def test_ten_kilobytes_are_named_for_what_they_are(page: PeopleView) -> None:
    sheet = page.inviting.open_invitation()
    pasted = QMimeData()
    pasted.setText("x" * 10_240)
    sheet.take(pasted)
    assert "at most 150 characters" in sheet.story.text()


def test_a_friend_is_invited_to_the_share_that_is_selected(window: MainWindow, bridge: FakeBridge) -> None:
    add_to_window(window, bridge)
    shown = shares_snapshot()
    bridge.show(replace(shown, shares=shown.shares[:1]))
    window.sharing.invite_button.click()
    (sheet,) = window.findChildren(InviteSheet)
    name = shown.shares[0].name
    assert [each for each, box in sheet.boxes.items() if box.isChecked()] == [name]
    sheet.reject()


def test_a_name_that_is_somebody_elses_is_said_before_it_is_taken(page: PeopleView, bridge: FakeBridge) -> None:
    sheet = page.inviting.open_invitation(str(LINK))
    sheet.ask()
    bridge.inviting.looked.emit(1, "ANNA\u2019S greenhouse".replace("\u2019", "'"), ("photos",))
    assert sheet.story.text().startswith("Somebody else in your list is called")
    sheet.name.setText("Anna at work")
    assert sheet.story.text() == ""
