"""A damaged list of known peers: the window says so, offers what could be read, and lets nobody in by itself."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from core.news.events import PeerSnapshot
from core.profile.settings import Settings
from core.trust.entries import EVERY, KnownPeer
from desktop.theme import ThemeSource
from desktop.views.main_window import MainWindow
from desktop.views.sheets import Question
from desktop.views.trust_question import MOST_NAMED, words
from tests.desktop.fake_peer import ALICE, BOB, EVE, NOW, FakeBridge, people_snapshot

PROBLEM = "The list of known peers in trust.json cannot be used (it is empty): nobody is trusted."
FRIENDS = (
    KnownPeer(ALICE, "Anna", NOW, services=frozenset({"camera", "fibonacci"})),
    KnownPeer(BOB, "", NOW, services=EVERY),
    KnownPeer(EVE, "Eve", NOW, blocked=True),
)


def damaged(problem: str | None = PROBLEM) -> PeerSnapshot:
    found = FRIENDS if problem else ()
    return replace(people_snapshot(), known_peers=(), pending=(), trust_problem=problem, trust_recoverable=found)


def question(window: MainWindow) -> Question | None:
    found = [each for each in window.findChildren(Question) if each.objectName() == "damaged-list" and each.isVisible()]
    return found[0] if found else None


def shown(window: MainWindow) -> Question:
    found = question(window)
    assert found is not None
    return found


def test_it_is_said_and_asked_once_with_whole_ids(window: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(damaged())
    assert PROBLEM.rstrip(".") in window.banner.message()
    said = words(PROBLEM, FRIENDS)
    assert f"Anna ({ALICE}) may call camera, fibonacci." in said
    assert f"{BOB} may call everything that is shared." in said
    assert "1 peer stays blocked." in said
    shown(window).reject()
    bridge.show(damaged())
    assert question(window) is None
    assert bridge.calls == []


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Escape, Qt.Key.Key_Space])
def test_no_key_lets_anybody_in(window: MainWindow, bridge: FakeBridge, key: Qt.Key) -> None:
    bridge.show(damaged())
    asked = shown(window)
    QTest.keyClick(asked.focusWidget() or asked, key)
    assert bridge.calls == []
    assert question(window) is None


def test_the_owner_s_answer_puts_the_list_in_force(window: MainWindow, bridge: FakeBridge) -> None:
    bridge.show(damaged())
    shown(window).answer_button.click()
    assert bridge.calls == [("confirm trust",)]
    assert question(window) is None


def test_it_can_be_asked_for_later_and_only_then(window: MainWindow, bridge: FakeBridge) -> None:
    action = window.menus.actions["damaged_list"]
    bridge.show(people_snapshot())
    assert not action.isEnabled()
    bridge.show(damaged())
    shown(window).reject()
    assert action.isEnabled()
    action.trigger()
    assert question(window) is not None
    bridge.show(damaged(None))  # confirmed in a terminal meanwhile
    assert question(window) is None
    assert not action.isEnabled()


def test_a_window_that_starts_in_the_tray_asks_when_it_is_shown(theme: ThemeSource, bridge: FakeBridge) -> None:
    window = MainWindow(bridge, Settings(), theme)
    bridge.show(damaged())
    assert question(window) is None
    window.show()
    bridge.show(damaged())
    assert question(window) is not None
    window.shut()
    window.deleteLater()


def test_many_are_counted_and_none_is_said() -> None:
    many = tuple(replace(FRIENDS[0], name=f"Friend {number}") for number in range(MOST_NAMED + 3))
    assert "And 3 peers more." in words(PROBLEM, many)
    assert f"Friend {MOST_NAMED}" not in words(PROBLEM, many)
    assert "would be empty" in words(PROBLEM, FRIENDS[2:])
