"""The program put together: start without a screen, peers that come and go, settings, two real peers."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from core.errors import LocalError
from core.news.events import GrapeChanged, GrapeState, PeerSnapshot
from core.profile.config import KeyPlace, PeerConfig
from core.profile.settings import Settings, SettingsStore, WindowState
from core.services.fibonacci import FibonacciService
from core.services.service import Registry
from core.trust.audience import Audience
from desktop import keeper as keeper_module
from desktop.__main__ import main
from desktop.app import KEYRING_PATIENCE, Start
from desktop.bridge import Bridge
from desktop.choices import Choices
from desktop.damaged import ask_about_settings
from desktop.display import HEADLESS_HINT, display_problem, qt_problem
from desktop.keeper import Keeper
from desktop.quitter import Quitter
from desktop.views.main_window import MainWindow
from desktop.views.sheets import Question
from tests.desktop.core_double import CONNECTED, FIBONACCI, STARTING, Opener
from tests.desktop.polling import await_true, until
from tests.desktop.xvfb import ROOT, app, environment, offscreen

# -- before any window -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "platform", "shows"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ""}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"QT_QPA_PLATFORM": "offscreen"}, "linux", True),
        ({"QT_QPA_PLATFORM": "minimal:enable_fonts"}, "linux", True),
        ({"QT_QPA_PLATFORM": "vnc"}, "freebsd14", True),
        ({"QT_QPA_PLATFORM": "xcb"}, "linux", False),
        ({"QT_QPA_PLATFORM": "wayland;xcb"}, "linux", False),
        ({"QT_QPA_PLATFORM": "xcb", "DISPLAY": ":1"}, "linux", True),
        ({}, "win32", True),
        ({}, "darwin", True),
    ],
)
def test_whether_a_window_can_be_shown(environment: dict[str, str], platform: str, shows: bool) -> None:
    problem = display_problem(environment, platform)
    assert (problem is None) is shows
    if problem is not None:
        assert "grapevine share fibonacci" in problem


def test_missing_libraries_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert qt_problem() is None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "PySide6" else object())
    problem = qt_problem()
    assert problem is not None
    assert "needs PySide6: pip install" in problem
    assert HEADLESS_HINT in problem


def test_the_command_line_can_ask_without_loading_qt() -> None:
    code = "import sys, desktop.display, desktop.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout.split()
    assert "desktop.display" in loaded
    assert not [name for name in loaded if name.startswith(("PySide6", "qasync", "aiohttp"))]


@pytest.mark.parametrize("profile", [None, "a/b"])
def test_main_without_a_display_or_with_a_bad_profile_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], profile: str | None
) -> None:
    if profile:
        monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    else:
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(sys, "platform", "linux")
    assert main(profile) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert len(errors.splitlines()) == 1
    assert ("grapevine share fibonacci" in errors) is (profile is None)


def test_a_display_that_is_not_there_ends_in_sentences(tmp_path: Path) -> None:
    env = environment(tmp_path, DISPLAY=":987", QT_QPA_PLATFORM="xcb")
    result = subprocess.run(
        [sys.executable, "-m", "desktop", "--profile", "t"],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert result.returncode == 2
    assert "Grapevine cannot open its window" in result.stderr
    assert "grapevine share fibonacci" in result.stderr
    assert "Traceback" not in result.stderr


def test_options_of_this_run_stand_in_for_the_settings() -> None:
    settings = Settings(grapes=("http://192.0.2.7:30001",), bootstrap=("192.0.2.7:20001",), udp_port=7)
    store, opened = SettingsStore("a"), Start("a").peer_config(settings)
    assert opened.identity == KeyPlace(store.path.parent, "a", patience=KEYRING_PATIENCE)
    files = {
        "trust_file": store.trust_file,
        "calls_file": store.calls_file,
        "invitations_file": store.invitations_file,
        "places_file": store.places_file,
        "mainline_file": store.mainline_file,
        "open_peers_file": store.open_peers_file,
    }
    assert replace(opened, identity=None) == PeerConfig.from_settings(settings, **files)
    run = Start("a", grapes=("http://192.0.2.8:30001",), bootstrap=()).peer_config(settings)
    assert (run.grapes, run.bootstrap, run.udp_port) == (("http://192.0.2.8:30001",), (), 7)


# -- peers behind the bridge -----------------------------------------------------------------------------------


class Kept:
    """A bridge and its keeper, with peers that do as they are told."""

    def __init__(self, opener: Opener) -> None:
        self.opener = opener
        self.bridge = Bridge()
        self.snapshots: list[PeerSnapshot] = []
        self.bridge.snapshot_changed.connect(self.snapshots.append)
        self.bridge.stand_in(STARTING, (FIBONACCI,))
        self.keeper = Keeper(self.bridge, PeerConfig(), Registry(FibonacciService()))

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Kept"]:
        async def load() -> Opener:
            return self.opener

        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.keeper.run(load))  # type: ignore[arg-type]
            yield self
            task.cancel()
        await self.bridge.aclose()

    @property
    def grape(self) -> GrapeState:
        return self.snapshots[-1].grape.state


@pytest.mark.asyncio
async def test_other_settings_mean_another_peer_with_the_shares_kept(qapp: QApplication) -> None:
    async with Kept(Opener()).running() as kept:
        kept.bridge.set_sharing("fibonacci", True)
        await until(lambda: kept.grape is GrapeState.CONNECTED and kept.snapshots[-1].services[0].sharing)
        kept.keeper.use(PeerConfig())  # the same
        del kept.snapshots[:]
        kept.keeper.use(PeerConfig(udp_port=7))
        await until(lambda: len(kept.opener.peers) == 2 and kept.opener.peers[1].state.services[0].sharing)
        await until(lambda: kept.grape is GrapeState.CONNECTED)
        first, second = kept.opener.peers
        assert first.closed
        assert second.config.udp_port == 7
        assert [each.grape.state for each in kept.snapshots[:2]] == [GrapeState.STARTING] * 2  # closing, starting
        assert all(each.services[0].sharing for each in kept.snapshots[:2])  # the switch never jumps
    assert second.closed


@pytest.mark.asyncio
async def test_another_audience_holds_at_once_and_for_the_next_peer(qapp: QApplication) -> None:
    async with Kept(Opener()).running() as kept:
        await until(lambda: kept.grape is GrapeState.CONNECTED)
        (peer,) = kept.opener.peers
        assert peer.audiences == {"fibonacci": Audience.ANYONE}
        kept.keeper.use(PeerConfig(audiences={"fibonacci": Audience.TRUSTED, "unknown": Audience.OFF}))
        assert peer.audiences == {"fibonacci": Audience.TRUSTED}
        kept.keeper.use(PeerConfig(audiences={"fibonacci": Audience.OFF}, udp_port=7))
        await until(lambda: len(kept.opener.peers) == 2 and kept.grape is GrapeState.CONNECTED)
        assert kept.opener.peers[1].audiences == {"fibonacci": Audience.OFF}
        assert peer.audiences == {"fibonacci": Audience.TRUSTED}, "closed, not changed"


@pytest.mark.asyncio
async def test_a_peer_that_cannot_be_opened_says_why_and_is_tried_again(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "RETRY_FIRST", 0.05)
    refusals = [LocalError("UDP port 7 is in use"), LocalError("UDP port 7 is in use")]
    async with Kept(Opener(*refusals)).running() as kept:
        kept.bridge.set_consuming("fibonacci", True)
        await until(lambda: kept.grape is GrapeState.UNREACHABLE)
        assert kept.snapshots[-1].grape.message == "UDP port 7 is in use"
        await until(lambda: kept.grape is GrapeState.CONNECTED and kept.snapshots[-1].services[0].consuming)


@pytest.mark.asyncio
async def test_after_a_failure_other_settings_are_tried_at_once(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "RETRY_FIRST", 3600.0)
    async with Kept(Opener(LocalError("UDP port 7 is in use"))).running() as kept:
        await until(lambda: kept.grape is GrapeState.UNREACHABLE)
        kept.keeper.use(PeerConfig(udp_port=8))
        await until(lambda: kept.grape is GrapeState.CONNECTED)


@pytest.mark.asyncio
async def test_a_defect_of_the_core_is_told_and_the_window_stays(qapp: QApplication) -> None:
    contexts: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: contexts.append(context))
    async with Kept(Opener(ZeroDivisionError("a defect"))).running() as kept:
        await until(lambda: kept.grape is GrapeState.UNREACHABLE)
        assert [type(context["exception"]) for context in contexts] == [ZeroDivisionError]
    asyncio.get_running_loop().set_exception_handler(None)


@pytest.mark.asyncio
async def test_what_a_peer_tells_while_it_opens_is_shown_once(qapp: QApplication) -> None:
    opener = Opener()
    opener.heard_early = (GrapeChanged(1.0, CONNECTED),)
    kept = Kept(opener)
    batches: list[tuple[object, ...]] = []
    kept.bridge.events_arrived.connect(batches.append)
    async with kept.running():
        await until(lambda: batches)
        opener.peers[0].emit(GrapeChanged(2.0, CONNECTED))
        await until(lambda: len(batches) == 2)
    assert [len(batch) for batch in batches] == [1, 1]


# -- settings --------------------------------------------------------------------------------------------------


class SlowStore(SettingsStore):
    """Writes only when it may, and counts."""

    def __init__(self, root: Path) -> None:
        super().__init__("test", root=root)
        self.may = threading.Event()
        self.threads: list[int] = []

    def save(self, settings: Settings, base: Settings | None = None) -> Settings:
        self.threads.append(threading.get_ident())
        self.may.wait(10.0)
        return super().save(settings, base)


@pytest.mark.asyncio
async def test_settings_are_written_behind_the_window_s_back(qapp: QApplication, tmp_path: Path) -> None:
    store = SlowStore(tmp_path)
    choices = Choices(store, Settings())
    told: list[Settings] = []
    choices.changed.connect(told.append)
    choices.replace()  # nothing
    for port in (1, 2, 3, 4):
        choices.replace(udp_port=port)
    assert [each.udp_port for each in told] == [1, 2, 3, 4]
    await until(lambda: store.threads)
    store.may.set()
    await until(lambda: store.path.exists() and store.load().udp_port == 4)
    assert len(store.threads) < 4  # of several changes the newest is written
    assert threading.get_ident() not in store.threads
    await choices.aclose(WindowState("geometry", "state"))
    assert store.load() == Settings(udp_port=4, window=WindowState("geometry", "state"))


@pytest.mark.asyncio
async def test_a_disk_that_refuses_is_a_sentence(
    qapp: QApplication, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    choices = Choices(SettingsStore("test", root=tmp_path / "file"), Settings())
    failures: list[str] = []
    choices.failed.connect(failures.append)
    choices.replace(udp_port=1)
    await until(lambda: failures)
    assert "could not be saved" in failures[0]
    await choices.aclose(WindowState())
    assert "could not be saved" in caplog.text


# -- whole -----------------------------------------------------------------------------------------------------


def test_settings_come_back_at_the_next_start(tmp_path: Path) -> None:
    env = offscreen(tmp_path)
    store = SettingsStore("a", root=tmp_path / "config" / "grapevine")
    store.save(Settings(sharing=("fibonacci",), udp_port=0))
    with app("--scripted", "a", env=env) as program:
        found = program.until(sharing=True, grape="connected")
        assert found["consuming"] is False
        program.ask("consume")
        program.until(consuming=True)
        assert program.end()[0] == 0
    saved = store.load()
    assert (saved.sharing, saved.consuming) == (("fibonacci",), ("fibonacci",))
    assert saved.window.geometry


def test_an_unreadable_settings_file_is_said_and_kept_when_the_window_saves(tmp_path: Path) -> None:
    path = tmp_path / "config" / "grapevine" / "a.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with app("--scripted", "a", env=offscreen(tmp_path)) as program:
        found = program.until(visible=True, questions=1)
        assert "nothing is shared and nobody may call" in found["message"]
        assert found["sharing"] is False
        assert program.end()[0] == 0
    assert path.with_name("a.json.damaged-1").read_text() == "{"
    assert "unconfirmed" in path.read_text(), "nobody has looked yet"


def problem_of(store: SettingsStore) -> str | None:
    return store.problem


@pytest.mark.asyncio
async def test_what_could_be_read_is_used_only_when_the_owner_says_so(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    store = SettingsStore("a", root=tmp_path)
    store.path.write_text('{"schema": 1, "sharing": ["fibonacci"], "audiences": {"fibonacci": "trusted"}, "udp_port": ')
    settings = store.load()
    assert settings.sharing == ()
    choices, bridge = Choices(store, settings), Bridge()
    ask_about_settings(window, store, choices, bridge)
    (asked,) = window.findChildren(Question, "damaged")
    assert "Until you decide, nothing is shared" in asked.findChildren(QLabel)[1].text()
    asked.reject()
    assert problem_of(store)
    assert choices.current == settings
    ask_about_settings(window, store, choices, bridge)
    asked = window.findChildren(Question, "damaged")[-1]
    asked.answer_button.click()
    assert not problem_of(store)
    assert choices.current == store.recovered
    await choices.aclose(WindowState())
    await bridge.aclose()


def test_two_real_peers_find_each_other_and_the_first_reply_arrives(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with app("a", env=offscreen(tmp_path / "a")) as worker, app("b", env=offscreen(tmp_path / "b")) as consumer:
        worker.until(visible=True)
        consumer.until(visible=True)
        worker.ask("share")
        consumer.ask("consume")
        await_true(lambda: "Last reply after" in consumer.state()["lines"][1])
        await_true(lambda: "Served" in worker.state()["lines"][0])
        assert worker.until(tray_state="active")["peers"] >= 1
        assert consumer.state()["events"] > 3
        for program in (worker, consumer):
            assert program.end() == (0, "")


def test_waiting_for_the_end_needs_a_loop() -> None:
    quitter = Quitter()
    with pytest.raises(RuntimeError, match="enter_loop"):
        asyncio.run(quitter.wait())
