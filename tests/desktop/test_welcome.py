"""The first start: one question, a self-test in three lines, and nothing that stands in the way afterwards."""

from dataclasses import replace

import pytest
from pytestqt.qtbot import QtBot

from core.nat.report import Filtering, Mapping, NatReport
from core.news.events import NOT_LOOKED_FOR, NatSnapshot
from core.values import Address
from desktop.friends import add_to_window, show_welcome
from desktop.models.self_test import Verdict, self_test
from desktop.views.header import HeaderView
from desktop.views.main_window import MainWindow
from desktop.views.open_invitation import OpenInvitation
from desktop.views.share_sheet import ShareSheet
from tests.desktop import fake_peer as scene
from tests.desktop.fake_peer import FakeBridge, busy_snapshot, empty_snapshot
from tests.desktop.test_widgets_lint import nameless

HOME = Address("192.168.1.2", 41000)
SEEN = Address("203.0.113.9", 41000)
FREE = NatReport(mapping=Mapping.NONE, filtering=Filtering.LOOSE, observed=(SEEN,))
BEHIND = NatReport(mapping=Mapping.ENDPOINT_INDEPENDENT, observed=(SEEN,))


def test_it_asks_one_thing_and_does_it(window: MainWindow, bridge: FakeBridge) -> None:
    sheet = show_welcome(window, bridge)
    assert nameless(sheet) == []
    assert not sheet.isWindow()  # it takes neither the keyboard nor the room of the window
    sheet.open_button.click()
    assert window.pages.current() == "people"
    assert not sheet.isVisibleTo(window)
    (opened,) = window.findChildren(OpenInvitation)
    opened.reject()
    show_welcome(window, bridge).share_button.click()
    assert window.pages.current() == "sharing"
    (sharing,) = window.findChildren(ShareSheet)
    sharing.reject()
    assert bridge.calls == []
    show_welcome(window, bridge).demo_button.click()
    assert window.pages.current() == "live"
    assert len(bridge.calls) == 2  # both switches


def test_the_test_follows_what_is_known(window: MainWindow, bridge: FakeBridge, qtbot: QtBot) -> None:
    sheet = show_welcome(window, bridge)
    bridge.show(replace(empty_snapshot(scene.ALONE), address=HOME))
    places = [each.geometry() for each in sheet.results]
    assert [each.text()[:12] for each in sheet.results] == ["UDP: nobody ", "Router: what", "Friends can "]
    bridge.show(replace(busy_snapshot(), grape=scene.CONNECTED, address=HOME, observed=SEEN))
    assert sheet.results[0].text() == "UDP gets out, and answers come back."
    assert "through 7 grapes" in sheet.results[2].text()
    assert [each.geometry() for each in sheet.results] == places  # nothing moves


@pytest.mark.parametrize(
    ("nat", "title", "router"),
    [
        (NatSnapshot(), "Connected to 7 grapes", "Router: others see you at 203.0.113.9:41000."),
        (NatSnapshot(FREE, True, "No router.", "Others can."), "Ready. Friends can reach you directly", "No router."),
        (NatSnapshot(BEHIND, True, "A router.", "They can."), "Ready, behind a router", "A router. They can."),
        (
            NatSnapshot(replace(BEHIND, observed=(HOME,)), False, "A router.", "On this network."),
            "Ready, on this network",
            "A router. On this network.",
        ),
    ],
)
def test_the_top_line_is_in_words(
    header: HeaderView, bridge: FakeBridge, nat: NatSnapshot, title: str, router: str
) -> None:
    shown = replace(busy_snapshot(), grape=scene.CONNECTED, address=HOME, observed=SEEN, nat=nat)
    bridge.show(shown)
    assert header.words().startswith(f"{title}.")
    assert self_test(shown)[1].words.startswith(router)


def test_what_is_in_the_way_is_said() -> None:
    home = replace(empty_snapshot(scene.ALONE), address=HOME)
    blocked = replace(home, nat=NatSnapshot(NatReport(blocked=True)))
    assert self_test(blocked)[0].verdict is Verdict.BAD
    nowhere = replace(home, address=Address("127.0.0.1", 4000))
    assert [each.verdict for each in self_test(nowhere)] == [Verdict.BAD, Verdict.UNKNOWN, Verdict.BAD]
    assert "connect this computer to a network" in self_test(nowhere)[2].words
    unsought = replace(home, grape=replace(home.grape, nearby=NOT_LOOKED_FOR))
    assert self_test(unsought)[2].verdict is Verdict.BAD
    assert "not looked for" in self_test(unsought)[2].words, "it has a network, and does not look around there"
    public = replace(home, address=SEEN)
    assert "no other Grapevine is known" in self_test(public)[2].words
    wall = replace(home.grape, nearby="1 other Grapevine does not answer. A firewall may be in the way (sudo ufw ...).")
    assert "sudo ufw" in self_test(replace(home, grape=wall))[2].words
    assert [each.verdict for each in self_test(None)] == [Verdict.UNKNOWN] * 3


def test_closing_it_is_an_answer_and_there_is_one_at_a_time(window: MainWindow, bridge: FakeBridge) -> None:
    first, second = show_welcome(window, bridge), show_welcome(window, bridge)
    assert (first.isVisibleTo(window), second.isVisibleTo(window)) == (False, True)
    second.close_button.click()
    assert (second.isVisibleTo(window), bridge.calls) == (False, [])


def test_the_menus_lead_to_it(window: MainWindow, bridge: FakeBridge) -> None:
    add_to_window(window, bridge)
    for name in ("invite", "open_link", "welcome"):
        window.menus.actions[name].trigger()
    assert len(window.findChildren(OpenInvitation)) == 1
    keys = [each.shortcut().toString() for each in window.menus.actions.values() if each.shortcut().toString()]
    assert len(keys) == len(set(keys))
