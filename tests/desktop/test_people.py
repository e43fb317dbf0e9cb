"""Who waits and who is known: models, strip, page and dialog; and who we are."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialogButtonBox
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from core.identity.identity import Identity
from core.news.events import IdentitySnapshot
from core.profile.config import KeyPlace
from core.trust.audience import Audience
from core.trust.entries import EVERY
from desktop.identity_acts import IdentityActs
from desktop.models import peers
from desktop.models.people import KnownColumn, KnownModel, PendingModel, PeopleFilter, called
from desktop.views.identity_dialog import IdentityDialog, PassphraseDialog
from desktop.views.main_window import MainWindow
from desktop.views.person_dialog import PersonDialog
from desktop.views.sheets import Question
from tests.desktop.fake_peer import (
    ALICE,
    BOB,
    EVE,
    NOW,
    OURS,
    FakeBridge,
    FakeIdentityActs,
    busy_snapshot,
    people_snapshot,
)
from tests.desktop.polling import until
from tests.desktop.test_widgets_lint import nameless


@pytest.fixture
def people(window: MainWindow, bridge: FakeBridge) -> MainWindow:
    bridge.show(people_snapshot())
    return window


def cells(model: KnownModel | PendingModel, row: int) -> list[str]:
    return [model.index(row, column).data() for column in range(model.columnCount())]


def test_models_keep_qt_s_rules_and_say_what_is(qtmodeltester: ModelTester) -> None:
    scene = people_snapshot()
    known, pending = KnownModel(clock=lambda: NOW), PendingModel(clock=lambda: NOW)
    for model in (known, pending):
        qtmodeltester.check(model)  # type: ignore[no-untyped-call]
    known.replace(scene.known_peers)
    pending.scene.name_of = lambda peer_id: called(peer_id, scene.known_peers)
    pending.replace(scene.pending)
    assert cells(known, 0)[:5] == ["Anna's greenhouse", ALICE.short, "Trusted", "fibonacci", "1 min ago"]
    assert cells(known, 1)[:5] == ["(no name)", BOB.short, "Trusted", "every service", "never"]
    assert cells(known, 2)[2:4] == ["Blocked", "nothing"]
    assert cells(pending, 0) == [EVE.short, "fibonacci", "203.0.113.91:33400", "5 min ago", "3"]
    assert cells(pending, 1)[0] == "Anna's greenhouse"
    said = known.index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert all(each.column.title in said for each in KnownColumn)


def test_the_filter_looks_at_everything_and_wants_all_words() -> None:
    model = KnownModel()
    model.replace(people_snapshot().known_peers)
    proxy = PeopleFilter(model)
    for text, rows in (("", 3), ("anna", 1), ("blocked", 1), (BOB.short.lower(), 1), ("trusted every", 1), ("x", 0)):
        proxy.set_text(text)
        assert proxy.rowCount() == rows, text


def test_who_waits_is_said_above_the_pages_and_counted_on_the_tab(people: MainWindow, bridge: FakeBridge) -> None:
    assert people.pending.text() == "Anna's greenhouse asks for camera, from 203.0.113.5:40817. 1 more request waits."
    assert people.pending.shown_id() == str(ALICE)
    assert people.pages.bar.tabText(3) == "People (2)"
    people.pages.choose("people")
    assert people.pending.text() == ""  # all of it is on the page
    people.pages.choose("live")
    assert people.pending.text()
    bridge.show(busy_snapshot())
    assert people.pending.text() == ""
    assert people.pages.bar.tabText(3) == "People"


def test_no_tab_moves_when_another_is_chosen_or_a_number_comes_or_goes(people: MainWindow, bridge: FakeBridge) -> None:
    bar = people.pages.bar
    bridge.show(people_snapshot())
    before = [bar.tabRect(number).x() for number in range(bar.count())]
    for page in people.pages.pages():
        people.pages.choose(page.key)
        for snapshot in (busy_snapshot(), people_snapshot()):
            bridge.show(snapshot)
            assert [bar.tabRect(number).x() for number in range(bar.count())] == before, page.key


@pytest.mark.parametrize(
    ("button", "call"),
    [
        ("once", ("accept", ALICE, "camera", True)),
        ("always", ("accept", ALICE, "camera", False)),
        ("refuse", ("refuse", ALICE, "camera")),
        ("block", ("block", ALICE)),
    ],
)
def test_each_answer_goes_to_the_peer_that_asked_last(
    people: MainWindow, bridge: FakeBridge, qtbot: QtBot, button: str, call: tuple[object, ...]
) -> None:
    qtbot.waitUntil(people.pending.answers.isEnabled)
    getattr(people.pending.answers, button).click()
    assert bridge.calls[-1] == call


def test_on_the_page_the_selected_request_is_answered(people: MainWindow, bridge: FakeBridge) -> None:
    people.reveal_pending()
    assert people.pages.current() == "people"
    people.people.waiting.selectRow(1)
    people.people.answers.once.click()
    assert bridge.calls[-1] == ("accept", EVE, "fibonacci", True)
    people.people.answers.always.click()
    (dialog,) = people.findChildren(PersonDialog)  # a stranger is named first
    assert str(EVE) == dialog.id.text()
    assert bridge.calls[-1] == ("accept", EVE, "fibonacci", True)  # nothing has happened yet
    dialog.name.setText("Eve\u202e")
    dialog.buttons.button(QDialogButtonBox.StandardButton.Save).click()
    assert bridge.calls[-2:] == [
        ("accept", EVE, "fibonacci", False),
        ("trust", EVE, "Eve", frozenset({"fibonacci"})),
    ]


def test_cancelling_the_name_after_always_cancels_all(people: MainWindow, bridge: FakeBridge) -> None:
    people.reveal_pending()
    people.people.waiting.selectRow(1)
    before = list(bridge.calls)
    people.people.answers.always.click()
    (dialog,) = people.findChildren(PersonDialog)
    QTest.keyClick(dialog.name, Qt.Key.Key_Return)  # an Enter too many opens nothing
    assert bridge.calls == before
    dialog.reject()
    assert bridge.calls == before


def test_a_selection_stays_with_its_peer(people: MainWindow, bridge: FakeBridge) -> None:
    people.people.table.selectRow(1)
    chosen = people.people.selected()
    assert chosen is not None
    scene = people_snapshot()
    bridge.show(replace(scene, known_peers=scene.known_peers[::-1]))
    again = people.people.selected()
    assert again is not None
    assert again.peer_id == chosen.peer_id


def test_edit_block_copy_and_remove(people: MainWindow, bridge: FakeBridge) -> None:
    view = people.people
    assert not view.edit_button.isEnabled()
    view.filter.setText("anna")
    view.table.selectRow(0)
    view.copy_button.click()
    assert QGuiApplication.clipboard().text() == str(ALICE)
    view.block_button.click()
    blocked: tuple[object, ...] = ("block", ALICE)
    assert bridge.calls[-1] == blocked
    view.edit_button.click()
    (dialog,) = people.findChildren(PersonDialog)
    assert nameless(dialog) == []
    assert dialog.some.isChecked()
    dialog.every.setChecked(True)
    dialog.name.setText("Anna")
    dialog.buttons.button(QDialogButtonBox.StandardButton.Save).click()
    renamed: tuple[object, ...] = ("trust", ALICE, "Anna", EVERY)
    assert bridge.calls[-1] == renamed
    view.remove_button.click()
    (box,) = people.findChildren(Question, "remove")
    QTest.keyClick(box, Qt.Key.Key_Return)  # Enter cancels
    assert ("untrust", ALICE) not in bridge.calls
    view.remove_button.click()
    box = people.findChildren(Question, "remove")[-1]
    before = list(bridge.calls)
    box.answer_button.click()
    assert bridge.calls == [*before, ("untrust", ALICE)]
    view.filter.setText("telephone")
    view.table.selectRow(0)
    assert view.block_button.accessibleName() == "Unblock"
    view.block_button.click()
    assert bridge.calls[-1][0] == "trust"
    assert bridge.calls[-1][3] == frozenset()


def test_a_mistyped_id_is_refused_while_it_is_typed(people: MainWindow, bridge: FakeBridge) -> None:
    people.people.add()
    (dialog,) = people.findChildren(PersonDialog)
    save = dialog.buttons.button(QDialogButtonBox.StandardButton.Save)
    right = str(OURS)
    assert not save.isEnabled()
    dialog.id.setText(right[:-1] + ("B" if right[-1] != "B" else "C"))
    assert "mistyped in" in dialog.problem()
    assert not save.isEnabled()
    dialog.id.setText(right[:20])
    assert dialog.problem() == ""  # not typed to its end yet
    dialog.id.setText(right.lower().replace("-", " "))
    assert save.isEnabled()
    save.click()
    assert bridge.calls[-1] == ("trust", OURS, "", frozenset())  # nothing, until it is chosen


def test_who_may_call_is_chosen_marked_and_remembered(people: MainWindow, qtbot: QtBot) -> None:
    box = people.services.audience_box("fibonacci")
    assert box.audience() is Audience.ANYONE
    assert box.property("open") is True
    assert "not encrypted" in box.accessibleDescription()
    with qtbot.waitSignal(people.settings_changed) as told:
        box.setFocus()
        QTest.keyClick(box, Qt.Key.Key_Home)
    assert told.args is not None
    assert told.args[0].audiences == {"fibonacci": Audience.TRUSTED}
    assert box.property("open") is False


def test_pages_by_key_and_kept_for_the_next_start(people: MainWindow, bridge: FakeBridge) -> None:
    people.menus.actions["page4"].trigger()
    assert people.pages.current() == "people"
    people.menus.actions["find"].trigger()
    state = people.save_state()
    people.menus.actions["pane3"].trigger()
    assert people.pages.current() == "live"
    people.restore_state(state)
    assert people.pages.current() == "people"


def test_the_header_says_who_we_are(people: MainWindow, bridge: FakeBridge) -> None:
    people.menus.actions["copy_id"].trigger()
    assert QGuiApplication.clipboard().text() == str(OURS)
    assert people.header.peer_id() == str(OURS)


def test_a_key_that_could_not_be_opened_is_tried_again_on_a_button(qtbot: QtBot) -> None:
    acts = FakeIdentityActs()
    dialog = IdentityDialog(acts)
    qtbot.addWidget(dialog)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    dialog.show_identity(people_snapshot().identity)
    assert dialog.retry_button.isHidden()
    dialog.show_identity(IdentitySnapshot(None, "The keyring is locked: unlock it and try again.", can_retry=True))
    assert not dialog.retry_button.isHidden()
    dialog.retry_button.click()
    assert acts.calls == [("retry",)]


def test_the_identity_dialog_asks_before_anything_changes(qtbot: QtBot) -> None:
    acts = FakeIdentityActs()
    dialog = IdentityDialog(acts)
    qtbot.addWidget(dialog)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    dialog.show_identity(people_snapshot().identity)
    assert nameless(dialog) == []
    assert dialog.id.text().replace("\n", "-") == str(OURS)
    dialog.copy()
    assert QGuiApplication.clipboard().text() == str(OURS)
    dialog.renew()
    (box,) = dialog.findChildren(Question, "confirm")
    assert not box.answer_button.isEnabled()
    QTest.keyClick(box, Qt.Key.Key_Return)
    assert acts.calls == []
    dialog.renew()
    box = next(each for each in dialog.findChildren(Question, "confirm") if each.isVisible())
    assert box.field is not None
    box.field.setText("AAAQEA")
    assert not box.answer_button.isEnabled()
    box.field.setText(OURS.short.lower())
    box.answer_button.click()
    assert acts.calls == [("renew",)]
    other = Identity.generate()
    acts.read.emit(other)
    box = next(each for each in dialog.findChildren(Question, "confirm") if each.isVisible())
    assert other.peer_id.short in box.answer_button.text()
    assert box.field is not None
    box.field.setText(OURS.short)
    box.answer_button.click()
    assert acts.calls[-1] == ("become", other)
    acts.failed.emit("The passphrase is wrong, or the file is damaged.")
    assert dialog.said.property("problem") is True


def test_a_new_passphrase_is_typed_twice_and_long_enough(qtbot: QtBot) -> None:
    dialog = PassphraseDialog(twice=True)
    qtbot.addWidget(dialog)
    assert dialog.second is not None
    ok = dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)
    for first, second, good in (("short", "short", False), ("long enough", "long enougH", False)):
        dialog.first.setText(first)
        dialog.second.setText(second)
        assert ok.isEnabled() is good
    dialog.second.setText("long enough")
    with qtbot.waitSignal(dialog.passphrase) as told:
        ok.click()
    assert told.args == ["long enough"]


@pytest.mark.asyncio
async def test_export_import_and_renew_for_real(tmp_path: Path, qapp: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    acts = IdentityActs(KeyPlace(tmp_path, "default"))
    said: list[str] = []
    wrong: list[str] = []
    found: list[Identity] = []
    replaced: list[bool] = []
    acts.done.connect(said.append)
    acts.failed.connect(wrong.append)
    acts.read.connect(found.append)
    acts.replaced.connect(lambda: replaced.append(True))
    file = tmp_path / "mine.pem"
    acts.export(str(file), "correct horse")
    await until(lambda: said)
    acts.load(str(file), "wrong horse")
    await until(lambda: wrong)
    assert "passphrase is wrong" in wrong[0]
    acts.load(str(file), "correct horse")
    await until(lambda: found)
    acts.renew()
    await until(lambda: len(replaced) == 1)
    assert found[0].peer_id.short not in said[-1]
    acts.become(found[0])
    await until(lambda: len(replaced) == 2)
    assert found[0].peer_id.short in said[-1]
    await acts.aclose()


def test_the_live_table_calls_known_peers_by_their_names(people: MainWindow) -> None:
    model = people.peers.model
    names = [model.index(row, peers.PeerColumn.WHO).data() for row in range(model.rowCount())]
    assert names == ["Anna's greenhouse", "plain", "\N{EN DASH}", "\N{EN DASH}", EVE.short]
