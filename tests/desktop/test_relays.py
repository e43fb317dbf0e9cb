"""The part about passing on: both switches, their words and bounds, and what passes now."""

from dataclasses import replace

import pytest
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from core.news.relays import PassingSnapshot, RelaysSnapshot
from desktop.models.relays import PassedModel
from desktop.views.main_window import MainWindow
from desktop.views.relays import EMPTY, OFF, passing_words, using_words
from tests.desktop.connected import connected_snapshot, relays
from tests.desktop.fake_peer import ALICE, BOB, NOW, FakeBridge


@pytest.fixture
def shown(window: MainWindow, bridge: FakeBridge) -> MainWindow:
    bridge.show(connected_snapshot())
    window.pages.choose("network")
    window.network.parts.choose("relays")
    return window


def test_the_model_keeps_qt_s_rules_and_says_what_passed(qtmodeltester: ModelTester) -> None:
    model = PassedModel(clock=lambda: NOW)
    qtmodeltester.check(model)  # type: ignore[no-untyped-call]
    pairs = relays().passing.pairs
    model.replace(pairs)
    model.replace(pairs[1:])
    model.replace(pairs)
    assert [model.index(0, column).data() for column in range(3)] == [ALICE.short, BOB.short, "318 MB"]


def test_words_for_both_switches(shown: MainWindow) -> None:
    view = shown.network.relays
    assert view.passing.switch.isChecked()
    assert view.passing.line.text() == (
        "For friends. 3 peers wait here. 1.2 GB of 20 GB today, at most 4.0 MB a second."
    )
    assert view.using.line.text() == ("1 peer is reached that way now. Bert and Anna's greenhouse can.")
    assert view.model.index(0, 0).data() == "Anna's greenhouse"


@pytest.mark.parametrize(
    ("passing", "begin"),
    [
        (PassingSnapshot(), "Off. Turn on to help friends reach each other."),
        (PassingSnapshot(chosen="auto"), "Nothing passes at the moment: others do not reach this computer directly."),
        (PassingSnapshot("everyone", 1, chosen="everyone"), "For anyone. 1 peer waits here."),
    ],
)
def test_words_for_each_state_of_passing(passing: PassingSnapshot, begin: str) -> None:
    assert passing_words(passing).startswith(begin)


@pytest.mark.parametrize(
    ("using", "words"),
    [
        (RelaysSnapshot(), "Off. Peers that cannot be reached directly are not reached."),
        (RelaysSnapshot(uses=True), "No friend who could is there at the moment."),
        (
            RelaysSnapshot(ready=("Bert",), uses=True),
            "Bert can.",
        ),
    ],
)
def test_words_for_each_state_of_using(using: RelaysSnapshot, words: str) -> None:
    assert using_words(using) == words


def test_both_are_asked_of_the_peer_and_remembered(shown: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    with qtbot.waitSignal(shown.settings_changed) as told:
        shown.network.relays.passing.switch.click()
    assert told.args is not None
    assert told.args[0].relay == "off"
    said: list[tuple[object, ...]] = [("pass on", "off")]
    assert bridge.calls[-1:] == said
    snapshot = connected_snapshot()
    bridge.show(replace(snapshot, relays=replace(snapshot.relays, passing=PassingSnapshot())))
    assert shown.network.relays.table.placeholder() == OFF
    with qtbot.waitSignal(shown.settings_changed) as told:
        shown.network.relays.passing.switch.click()
    assert told.args is not None
    assert told.args[0].relay == "auto"
    said = [("pass on", "auto")]
    assert bridge.calls[-1:] == said
    with qtbot.waitSignal(shown.settings_changed) as told:
        shown.network.relays.using.switch.click()
    assert told.args is not None
    assert told.args[0].use_relays is False
    said = [("use relays", False)]
    assert bridge.calls[-1:] == said
    bridge.show(replace(snapshot, relays=replace(snapshot.relays, passing=PassingSnapshot("friends", chosen="auto"))))
    assert shown.network.relays.table.placeholder() == EMPTY
