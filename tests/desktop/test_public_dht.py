"""The question about the public DHT: asked once somebody is known, answered once, and in nobody's way."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from PySide6.QtWidgets import QWidget

from core.identity.identity import Identity
from core.news.events import IdentitySnapshot
from core.news.network import OpenPeersSnapshot
from core.profile.settings import Settings, SettingsStore
from core.trust.entries import KnownPeer
from desktop.bridge import Bridge
from desktop.choices import Choices
from desktop.friends import show_welcome
from desktop.models.map import spots
from desktop.models.table import Scene
from desktop.public_dht import Attention, ask_when_wanted
from desktop.views.main_window import MainWindow
from desktop.views.public_dht_question import PublicDhtQuestion
from desktop.views.settings_dialog import SettingsDialog
from tests.desktop.conftest import Alone
from tests.desktop.connected import connected_snapshot
from tests.desktop.core_double import ScriptedPeer
from tests.desktop.fake_peer import FakeBridge, busy_snapshot
from tests.desktop.test_widgets_lint import nameless


class Chosen(Choices):
    """Choices that are written nowhere."""

    def __init__(self, folder: Path, said: Literal["unset", "on", "off"]) -> None:
        super().__init__(SettingsStore(root=folder), Settings(mainline=said))
        self.fields: list[dict[str, Any]] = []

    def replace(self, **fields: Any) -> None:  # noqa: ANN401
        self.fields.append(fields)


ANNA = Identity.from_secret(b"a" * 32).peer_id
FRIENDS = replace(
    busy_snapshot(), identity=IdentitySnapshot(ANNA, "", True), known_peers=(KnownPeer(ANNA, "anna", 0.0),)
)


def shown(window: MainWindow) -> list[PublicDhtQuestion]:
    return [each for each in window.findChildren(PublicDhtQuestion) if not each.isHidden()]


@pytest.mark.parametrize("yes", [True, False])
def test_it_is_asked_once_and_the_answer_is_kept(
    window: MainWindow, bridge: FakeBridge, tmp_path: Path, yes: bool
) -> None:
    choices = Chosen(tmp_path, "unset")
    ask_when_wanted(window, bridge, choices)
    bridge.show(FRIENDS)
    (question,) = shown(window)
    assert nameless(question) == []
    assert not question.isWindow()
    (question.yes_button if yes else question.no_button).click()
    assert choices.fields == [{"mainline": "on" if yes else "off"}]
    bridge.show(replace(FRIENDS, revision=99))
    assert shown(window) == []


def test_to_close_it_is_no_answer(window: MainWindow, bridge: FakeBridge, tmp_path: Path) -> None:
    choices = Chosen(tmp_path, "unset")
    ask_when_wanted(window, bridge, choices)
    bridge.show(FRIENDS)
    shown(window)[0].close_button.click()
    assert choices.fields == []
    assert shown(window) == []


def test_it_is_not_asked_of_who_has_answered_or_knows_nobody_or_is_asked_something_else(
    window: MainWindow, bridge: FakeBridge, tmp_path: Path
) -> None:
    ask_when_wanted(window, bridge, Chosen(tmp_path, "off"))
    bridge.show(FRIENDS)
    assert shown(window) == []
    ask_when_wanted(window, bridge, Chosen(tmp_path, "unset"))
    bridge.show(replace(FRIENDS, known_peers=()))
    assert shown(window) == []
    show_welcome(window, bridge)
    ask_when_wanted(window, bridge, Chosen(tmp_path, "unset"))
    bridge.show(replace(FRIENDS, revision=98))
    assert shown(window) == []


@pytest.mark.parametrize(
    ("said", "checked", "expected"),
    [("unset", False, "unset"), ("unset", True, "on"), ("on", False, "off"), ("on", True, "on"), ("off", False, "off")],
)
def test_the_settings_have_one_switch(
    alone: Alone, said: Literal["unset", "on", "off"], checked: bool, expected: str
) -> None:
    dialog = SettingsDialog(Settings(mainline=said), (), alone(QWidget))
    dialog.public_dht.setChecked(checked)
    assert dialog.settings().mainline == expected
    dialog.reject()


def test_helping_strangers_is_off_at_first_and_can_be_chosen_where_the_public_dht_is_used(alone: Alone) -> None:
    dialog = SettingsDialog(Settings(), (), alone(QWidget))
    assert not dialog.open_peer.isChecked()
    assert not dialog.open_peer.isEnabled()
    dialog.public_dht.setChecked(True)
    assert dialog.open_peer.isEnabled()
    assert not dialog.settings().open_peer
    dialog.open_peer.setChecked(True)
    assert dialog.settings().open_peer
    assert "sealed letters" in dialog.open_peer.toolTip()
    dialog.reject()


def test_open_peers_are_on_the_map_once_there_are_some() -> None:
    before = connected_snapshot()
    open_peers = OpenPeersSnapshot(found=3, visited=2)
    after = replace(before, public_dht=replace(before.public_dht, open_peers=open_peers))
    assert "open peers" not in {each.key for each in spots(before, Scene(0.0))}
    spot = next(each for each in spots(after, Scene(0.0)) if each.key == "open peers")
    assert spot.name == "3 open peers"
    assert spot.text == "3 open peers found; friends can meet this peer at 2 of them."
    ours = OpenPeersSnapshot(helps=True, open=True, guests=1, letters=5, introduced=2)
    helping = replace(before, public_dht=replace(before.public_dht, open_peers=ours))
    text = next(each.text for each in spots(helping, Scene(0.0)) if each.key == "public DHT")
    assert text.endswith("It helps strangers meet: 1 waits here now, and 2 letters found somebody who waited.")


def test_friends_are_looked_for_often_while_the_window_can_be_seen(window: MainWindow, bridge: FakeBridge) -> None:
    window.hide()
    Attention(window, bridge)
    seen = []
    for change in (window.show, window.showMinimized, window.showNormal, window.hide):
        change()
        seen.append(bridge.attended[-1])
    assert seen == [True, False, True, False]


@pytest.mark.asyncio
async def test_a_peer_that_opens_later_hears_whether_the_window_can_be_seen(window: MainWindow) -> None:
    bridge, peer, second = Bridge(), ScriptedPeer(), ScriptedPeer()
    bridge.attend(True)
    bridge.attach(peer)  # type: ignore[arg-type]
    bridge.attend(False)
    assert peer.public_dht.attended == [True, False]
    await bridge.detach()
    bridge.attach(second)  # type: ignore[arg-type]
    assert second.public_dht.attended == [False]
    await bridge.aclose()
