"""What the tray says and does: states as a pure function, the menu offscreen, the icon itself on a D-Bus panel."""

import dataclasses
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QSystemTrayIcon

from core.news.events import GrapeState, PeerSnapshot, Role, ServiceSnapshot
from desktop.bridge import Bridge
from desktop.icons import tray_icon
from desktop.tray import Tray
from desktop.tray_state import ACTIVE_SECONDS, Reading, Steady, TrayState, read
from tests.desktop.core_double import (
    ADDRESS,
    ALONE,
    CONNECTED,
    FIBONACCI,
    STARTING,
    UNREACHABLE,
    ScriptedPeer,
    row,
)
from tests.desktop.fake_peer import ALICE, shares_snapshot
from tests.desktop.polling import await_true, until
from tests.desktop.xvfb import App, app, environment, session_bus, xvfb

SHARED = dataclasses.replace(FIBONACCI, sharing=True, announced_nodes=3)
ANNOUNCING = dataclasses.replace(SHARED, announced_nodes=0)
CONSUMING = dataclasses.replace(FIBONACCI, consuming=True)
BASE = PeerSnapshot(1, ADDRESS, None, CONNECTED, (FIBONACCI,), ())
NOW = 1000.0
GARDEN = dataclasses.replace(shares_snapshot().shares[0], users=())
GARDEN_USED = dataclasses.replace(GARDEN, users=(ALICE,))
MANY = tuple(dataclasses.replace(GARDEN, name=str(number)) for number in range(20))


def snapshot(service: ServiceSnapshot = FIBONACCI, **fields: object) -> PeerSnapshot:
    return dataclasses.replace(BASE, services=(service,), **fields)  # type: ignore[arg-type]


# -- states ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "state", "words"),
    [
        (None, TrayState.OFF, "Not running yet"),
        (snapshot(grape=STARTING), TrayState.CONNECTING, "Starting"),
        (snapshot(SHARED, grape=STARTING), TrayState.CONNECTING, "Starting"),
        (snapshot(), TrayState.READY, "Ready, nothing is shared"),
        (snapshot(grape=ALONE), TrayState.READY, "Ready, nothing is shared"),
        (snapshot(CONSUMING), TrayState.READY, "Ready, nothing is shared. Consuming fibonacci"),
        (snapshot(ANNOUNCING), TrayState.CONNECTING, "Announcing fibonacci"),
        (snapshot(SHARED), TrayState.SHARING, "Sharing fibonacci, no peer is there now"),
        (snapshot(SHARED, peers=(row(1),)), TrayState.ACTIVE, "Sharing fibonacci with 1 peer"),
        (snapshot(SHARED, peers=(row(1), row(2))), TrayState.ACTIVE, "Sharing fibonacci with 2 peers"),
        (snapshot(SHARED, grape=UNREACHABLE, peers=(row(1),)), TrayState.PROBLEM, "The grape does not answer"),
        (
            snapshot(SHARED, grape=dataclasses.replace(ALONE, state=GrapeState.NO_NETWORK, message="No network")),
            TrayState.PROBLEM,
            "No network",
        ),
        (snapshot(shares=(GARDEN,)), TrayState.SHARING, "Sharing garden, no peer is there now"),
        (
            snapshot(SHARED, shares=(GARDEN_USED,), peers=(row(1),)),
            TrayState.ACTIVE,
            "Sharing fibonacci, garden with 2 peers",
        ),
        (snapshot(shares=(dataclasses.replace(GARDEN, on=False),)), TrayState.READY, "Ready, nothing is shared"),
        (snapshot(shares=MANY), TrayState.SHARING, "Sharing 0, 1, 2 and 17 more, no peer is there now"),
        # listed but never heard, heard too long ago, or somebody we use ourselves: nobody is there
        (snapshot(SHARED, peers=(row(1, punches=0),)), TrayState.SHARING, "Sharing fibonacci, no peer is there now"),
        (
            snapshot(SHARED, peers=(row(1, last_seen=NOW - ACTIVE_SECONDS),)),
            TrayState.SHARING,
            "Sharing fibonacci, no peer is there now",
        ),
        (
            snapshot(SHARED, peers=(row(1, role=Role.WORKER),)),
            TrayState.SHARING,
            "Sharing fibonacci, no peer is there now",
        ),
    ],
)
def test_the_worst_of_grape_link_and_share_is_shown(shown: PeerSnapshot | None, state: TrayState, words: str) -> None:
    assert read(shown, NOW) == Reading(state, words)


@pytest.mark.parametrize("grape", list(GrapeState))
@pytest.mark.parametrize("service", [FIBONACCI, CONSUMING, SHARED, ANNOUNCING])
def test_an_unusable_grape_is_never_hidden_behind_a_good_state(grape: GrapeState, service: ServiceSnapshot) -> None:
    told = dataclasses.replace(CONNECTED, state=grape, message="")
    reading = read(snapshot(service, grape=told, peers=(row(1),)), NOW)
    good = grape in (GrapeState.ALONE, GrapeState.CONNECTED)
    assert (reading.state in (TrayState.READY, TrayState.SHARING, TrayState.ACTIVE)) <= good
    assert reading.words


READY, SHARING = Reading(TrayState.READY, "r"), Reading(TrayState.SHARING, "s")
PROBLEM = Reading(TrayState.PROBLEM, "p")


def test_a_state_holds_two_seconds() -> None:
    steady = Steady()
    assert steady.offer(READY, 10.0) is READY
    assert steady.due() is None
    assert steady.offer(SHARING, 10.5) is READY
    assert steady.due() == 12.0
    assert steady.offer(READY, 11.0) is READY  # flicker: gone as if it had not been
    assert steady.due() is None
    assert steady.offer(SHARING, 11.9) is READY
    assert steady.offer(SHARING, 12.0) is SHARING
    assert steady.offer(READY, 20.0) is READY  # long enough on show: at once


def test_a_problem_shows_at_once_and_holds_too() -> None:
    steady = Steady()
    steady.offer(READY, 10.0)
    assert steady.offer(PROBLEM, 10.1) is PROBLEM
    assert steady.offer(READY, 10.2) is PROBLEM
    assert steady.due() == 12.1


def test_words_change_within_a_state_at_once() -> None:
    steady = Steady()
    steady.offer(READY, 10.0)
    other = Reading(TrayState.READY, "more")
    assert steady.offer(other, 10.1) is other
    assert steady.offer(SHARING, 12.0) is SHARING  # the hold counts from the state's beginning


def test_every_state_has_an_icon_of_its_own_shape(qapp: QApplication) -> None:
    pictures = {}
    for state in TrayState:
        icon = tray_icon(state.value)
        assert {16, 22, 24, 32, 48} <= {size.width() for size in icon.availableSizes()}
        image = icon.pixmap(32, 32).toImage().createAlphaMask()
        pictures[state] = bytes(image.bits())
    for one, other in itertools.combinations(TrayState, 2):
        assert pictures[one] != pictures[other], f"{one} and {other} differ in colour alone"


# -- the menu ----------------------------------------------------------------------------------------------------


@pytest.fixture
def tray(qapp: QApplication) -> Iterator[Tray]:
    bridge = Bridge()
    tray = Tray(bridge, ("fibonacci",), parent=bridge)
    tray.start()
    yield tray
    tray.hide()


def line(tray: Tray, text: str) -> QAction:
    return next(action for action in tray.menu().actions() if action.text() == text)


@pytest.mark.asyncio
async def test_the_menu_acts_and_follows(tray: Tray) -> None:
    bridge = tray._bridge
    before = tray.menu().actions()
    assert before[0].text() == "Not running yet"
    assert not before[0].isEnabled()
    peer = ScriptedPeer()
    bridge.attach(peer)  # type: ignore[arg-type]
    share, consume = line(tray, "Share fibonacci service"), line(tray, "Consume fibonacci")
    share.trigger()
    consume.trigger()
    await until(lambda: sorted(peer.calls) == ["consume fibonacci", "share fibonacci"])
    await until(lambda: share.isChecked() and consume.isChecked())
    bridge.set_sharing("fibonacci", False)  # from the window
    await until(lambda: not share.isChecked())
    assert peer.calls[-1] == "unshare fibonacci"  # and the menu's own tick acted on nothing
    assert len(peer.calls) == 3
    assert tray.menu().actions() == before  # built once
    await bridge.aclose()


@pytest.mark.asyncio
async def test_the_menu_says_open_send_and_quit(tray: Tray) -> None:
    asked: list[str] = []
    tray.open_requested.connect(lambda: asked.append("open"))
    tray.request_requested.connect(lambda: asked.append("send"))
    tray.quit_requested.connect(lambda: asked.append("quit"))
    for text in ("Send request", "Open Grapevine", "Quit"):
        line(tray, text).trigger()
    assert asked == ["send", "open", "quit"]


@pytest.mark.parametrize(("platform", "opens"), [("linux", True), ("win32", True), ("darwin", False)])
def test_a_left_click_opens_except_where_it_opens_the_menu(
    tray: Tray, monkeypatch: pytest.MonkeyPatch, platform: str, opens: bool
) -> None:
    asked: list[str] = []
    tray.open_requested.connect(lambda: asked.append("open"))
    monkeypatch.setattr("desktop.tray.sys.platform", platform)
    tray._on_activated(QSystemTrayIcon.ActivationReason.Trigger)
    assert bool(asked) is opens
    tray._on_activated(QSystemTrayIcon.ActivationReason.Context)
    assert len(asked) == opens


@pytest.mark.asyncio
async def test_a_problem_is_shown_at_once_and_calm_returns_after_the_hold(tray: Tray) -> None:
    bridge = tray._bridge
    bridge.stand_in(CONNECTED, (FIBONACCI,))
    bridge.stand_in(UNREACHABLE)
    state_line = tray.menu().actions()[0]
    assert state_line.text() == "The grape does not answer"
    bridge.stand_in(CONNECTED)
    assert state_line.text() == "The grape does not answer"
    await until(lambda: state_line.text() == "Ready, nothing is shared")


@pytest.mark.asyncio
async def test_without_a_tray_it_says_so_after_the_login_time(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop.tray.LOGIN_SECONDS", 0.2)
    monkeypatch.setattr("desktop.tray.LOOK_SECONDS", 0.05)
    monkeypatch.setattr(QSystemTrayIcon, "isSystemTrayAvailable", lambda: False)
    tray = Tray(Bridge(), ())
    settled: list[bool] = []
    tray.settled.connect(settled.append)
    tray.start()
    assert not settled
    await until(lambda: settled)
    assert settled == [False]
    assert not tray.available()
    assert not tray.show_message("a", "b", lambda: None)
    tray.hide()


@pytest.mark.qt_log_ignore("systemTrayWindowChanged")  # Qt's own complaint about the offscreen platform
@pytest.mark.asyncio
async def test_a_panel_that_comes_and_goes_is_noticed(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    there = [False]
    monkeypatch.setattr("desktop.tray.LOOK_SECONDS", 0.02)
    monkeypatch.setattr("desktop.tray.WATCH_SECONDS", 0.02)
    monkeypatch.setattr(QSystemTrayIcon, "isSystemTrayAvailable", lambda: there[0])
    tray = Tray(Bridge(), ())
    said: list[object] = []
    tray.settled.connect(said.append)
    tray.vanished.connect(lambda: said.append("vanished"))
    tray.start()
    assert not tray.available()
    there[0] = True
    await until(lambda: said == [True])
    assert tray.available()
    there[0] = False
    await until(lambda: said == [True, "vanished"])
    assert not tray.available()
    tray.hide()


# -- on a panel --------------------------------------------------------------------------------------------------

pytest_dbus = pytest.mark.skipif(sys.platform != "linux", reason="StatusNotifier is Linux's")


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with xvfb() as name:
        yield name


@pytest.fixture
def bus() -> Iterator[str]:
    with session_bus() as address:
        yield address


def start(home: Path, display: str, bus: str, *arguments: str) -> dict[str, str]:
    return environment(home, DISPLAY=display, QT_QPA_PLATFORM="xcb", DBUS_SESSION_BUS_ADDRESS=bus)


@pytest_dbus
@pytest.mark.xvfb
def test_icon_tooltip_and_menu_on_a_panel(tmp_path: Path, display: str, bus: str) -> None:
    from tests.desktop.fake_sni import Panel

    with Panel(bus) as panel, app("--scripted", "panel", env=start(tmp_path, display, bus)) as program:
        program.until(tray=True, tray_state="ready", visible=True)
        assert panel.properties()["Id"] == "grapevine"
        assert {16, 22, 24, 32, 48} <= panel.icon_sizes()
        await_true(lambda: panel.tooltip() == "Grapevine: Ready, nothing is shared")
        ready = panel.icon()
        labels = [item.label for item in panel.menu() if not item.separator]
        assert labels == [
            "Ready, nothing is shared",
            "Share fibonacci service",
            "Consume fibonacci",
            "Copy my Peer ID",
            "Send request",
            "Open Grapevine",
            "Quit",
        ]
        assert next(item.enabled for item in panel.menu()) is False
        assert [item.ticked for item in panel.menu() if item.ticked is not None] == [False, False]

        panel.click("Share fibonacci service")
        program.until(sharing=True, tray_state="sharing")
        await_true(lambda: panel.tooltip() == "Grapevine: Sharing fibonacci, no peer is there now")
        assert [item.ticked for item in panel.menu() if item.ticked is not None] == [True, False]
        assert panel.icon() != ready
        panel.click("Consume fibonacci")
        program.until(consuming=True)

        program.ask({"rows": [7000]})
        program.until(tray_state="active")
        await_true(lambda: "with 1 peer" in panel.tooltip())
        program.ask({"grape": "unreachable", "message": "The grape is gone"})
        program.until(tray_state="problem")
        await_true(lambda: panel.tooltip() == "Grapevine: The grape is gone")
        panel.click("Share fibonacci service")
        program.until(sharing=False)
        panel.click("Quit")
        assert program.ended() == (0, "")


@pytest_dbus
@pytest.mark.xvfb
def test_close_to_the_panel_and_back_and_a_panel_that_crashes(tmp_path: Path, display: str, bus: str) -> None:
    from tests.desktop.fake_sni import Panel

    with app("--scripted", "--hidden", "late", env=start(tmp_path, display, bus)) as program:
        program.until(visible=False, tray=False)  # hidden start, and the panel is late
        with Panel(bus) as panel:
            program.until(tray=True)
            assert program.state()["visible"] is False
            panel.activate()
            program.until(visible=True)
            _close_choosing_the_tray(program)
            program.until(visible=False)
            panel.click("Open Grapevine")
            program.until(visible=True)
            _close_choosing_the_tray(program, asked=False)
            program.until(visible=False)
            program.ask({"rows": [7001, 7000], "punches": [7000]})  # a new peer, while nobody looks
            await_true(lambda: panel.shown)
            assert "192.0.2.7:7000" in panel.shown[0].text
            panel.click_notification(panel.shown[0].number)
            program.until(visible=True, peers=2, selected=1)
            _close_choosing_the_tray(program, asked=False)
            program.until(visible=False)
        program.until(visible=True)  # the panel crashed: nobody is stranded
        assert program.end() == (0, "")


def _close_choosing_the_tray(program: App, *, asked: bool = True) -> None:
    """Close the window; the first time it asks, and remembers the answer."""
    assert program.ask("close to tray") == {"asked": asked}
