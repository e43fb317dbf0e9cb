"""The tray's menus about shares: filled in place, toggled by the user alone, and with nothing of a peer as a key."""

from dataclasses import replace

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from desktop.tray_shares import MAX_SHOWN, TrayShares
from tests.desktop.fake_peer import empty_snapshot, shares_snapshot


class Scene:
    def __init__(self) -> None:
        self.menu = QMenu()
        self.calls: list[tuple[str, bool]] = []
        self.tray = TrayShares(self.menu, lambda name, on: self.calls.append((name, on)))


@pytest.fixture
def scene(qapp: QApplication) -> Scene:
    del qapp
    return Scene()


def test_every_permanent_share_is_a_toggle_that_says_what_is(scene: Scene, qtbot: QtBot) -> None:
    scene.tray.show_snapshot(shares_snapshot())
    actions = scene.tray.shares.actions()
    assert [(each.text(), each.isChecked()) for each in actions] == [
        ("garden", True), ("temperature", True), ("ssh", False), ("camera", False),
    ]  # fmt: skip
    snapshot = shares_snapshot()
    scene.tray.show_snapshot(replace(snapshot, shares=tuple(replace(share, on=False) for share in snapshot.shares)))
    assert scene.tray.shares.actions() == actions  # the same ones: nothing moves in an open menu
    assert scene.calls == []
    actions[2].trigger()
    qtbot.waitUntil(lambda: scene.calls == [("ssh", True)])


def test_without_shares_and_uses_there_are_no_menus(scene: Scene) -> None:
    for snapshot, there in ((empty_snapshot(), False), (shares_snapshot(), True), (empty_snapshot(), False)):
        scene.tray.show_snapshot(snapshot)
        assert scene.tray.shares.menuAction().isVisible() is there
        assert scene.tray.uses.menuAction().isVisible() is there


def test_a_page_is_shown_and_a_port_copied(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    browsed: list[QUrl] = []

    def open_url(url: QUrl) -> bool:
        browsed.append(url)
        return True

    monkeypatch.setattr(QDesktopServices, "openUrl", open_url)
    scene.tray.show_snapshot(shares_snapshot())
    page, port = scene.tray.uses.actions()
    assert (page.text(), port.text()[:19]) == ("printer of Anna's greenhouse", "Copy the address of")
    page.trigger()
    assert [url.port() for url in browsed] == [40917]
    port.trigger()
    assert QGuiApplication.clipboard().text() == "127.0.0.1:40222"


def test_names_of_others_are_no_keys_and_the_menu_is_bounded(scene: Scene) -> None:
    use = replace(shares_snapshot().uses[0], service="a&b\u202e", peer="<b>")
    share = shares_snapshot().shares[0]
    many = tuple(replace(share, name=str(number)) for number in range(64))
    scene.tray.show_snapshot(replace(shares_snapshot(), uses=(use,), shares=many))
    assert scene.tray.uses.actions()[0].text() == "a&&b\\u202e of <b>"
    assert len(scene.tray.shares.actions()) == MAX_SHOWN
