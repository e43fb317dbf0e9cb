"""Closing the window asks once, keeps what was answered, and strands nobody where there is no tray."""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PySide6.QtWidgets import QApplication

from core.news.events import PeerSnapshot
from core.news.invitations import InvitationRow, Invitations
from core.news.network import BrokerSnapshot
from core.profile.settings import Settings, SettingsStore, WindowState
from desktop.bridge import Bridge
from desktop.choices import Choices
from desktop.closing import Closing, QuitQuestion, at_work, is_sharing
from desktop.theme import ThemeSource
from desktop.views.close_question import CloseQuestion
from desktop.views.main_window import MainWindow
from desktop.views.parts import PlainLabel
from desktop.views.sheets import Sheet
from tests.desktop.core_double import ADDRESS, CONNECTED, FIBONACCI
from tests.desktop.fake_peer import shares_snapshot

IDLE = PeerSnapshot(1, ADDRESS, None, CONNECTED, (FIBONACCI,), ())
INVITED = InvitationRow(1, "Bob", ("garden",), "open", 0.0, 1e9, 1)


class SwitchedTray:
    """A tray that is there, or not."""

    def __init__(self) -> None:
        self.there = True

    def available(self) -> bool:
        return self.there


class Scene:
    """A shown window, its closing, and what came of it."""

    def __init__(self, theme: ThemeSource, root: Path) -> None:
        self.bridge = Bridge()
        self.bridge.stand_in(CONNECTED, (FIBONACCI,))
        self.window = MainWindow(self.bridge, Settings(), theme)
        self.choices = Choices(SettingsStore("test", root=root), Settings())
        self.tray = SwitchedTray()
        self.quits = 0
        self.closing = Closing(self.window, self.tray, self.bridge, self.choices, self._quit)  # type: ignore[arg-type]
        self.window.close_requested.connect(self.closing.on_close)
        self.window.show()

    def _quit(self) -> None:
        self.quits += 1

    def question(self) -> Sheet:
        assert self.closing.question is not None
        return self.closing.question


@pytest_asyncio.fixture
async def scene(qapp: QApplication, theme: ThemeSource, tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(theme, tmp_path)
    yield scene
    await scene.choices.aclose(WindowState())
    await scene.bridge.aclose()
    scene.window.shut()
    scene.window.deleteLater()


@pytest.mark.asyncio
async def test_the_first_close_asks_once_and_the_answer_is_kept(scene: Scene) -> None:
    scene.window.close()
    scene.window.close()
    assert len(scene.window.findChildren(CloseQuestion)) == 1
    question = scene.question()
    assert isinstance(question, CloseQuestion)
    assert scene.window.isVisible()
    question.remember.setChecked(True)
    question.tray_button.click()
    assert not scene.window.isVisible()
    assert scene.choices.current.close_action == "tray"
    scene.window.reveal()
    scene.window.close()
    assert scene.closing.question is None
    assert not scene.window.isVisible()
    assert scene.quits == 0


@pytest.mark.asyncio
async def test_quit_can_be_chosen_and_escape_changes_nothing(scene: Scene) -> None:
    scene.window.close()
    scene.question().reject()
    assert scene.closing.question is None
    assert scene.window.isVisible()
    scene.window.close()
    question = scene.question()
    assert isinstance(question, CloseQuestion)
    question.remember.setChecked(False)
    question.quit_button.click()
    assert scene.quits == 1
    assert scene.choices.current.close_action == "ask"


@pytest.mark.asyncio
async def test_quit_is_remembered_unless_that_is_unticked(scene: Scene) -> None:
    scene.window.close()
    question = scene.question()
    assert isinstance(question, CloseQuestion)
    question.quit_button.click()
    assert scene.choices.current.close_action == "quit"
    scene.window.close()
    assert scene.quits == 2


@pytest.mark.parametrize("action", ["ask", "tray"])
@pytest.mark.asyncio
async def test_without_a_tray_the_window_never_hides(scene: Scene, action: str) -> None:
    scene.tray.there = False
    scene.choices.replace(close_action=action)
    scene.window.close()
    assert scene.quits == 1  # nothing at work: no question
    scene.bridge.set_sharing("fibonacci", True)
    scene.window.close()
    question = scene.question()
    assert isinstance(question, QuitQuestion)
    question.minimise_button.click()
    assert scene.window.isMinimized()
    assert scene.quits == 1
    scene.window.reveal()
    scene.window.close()
    question = scene.question()
    assert isinstance(question, QuitQuestion)
    question.quit_button.click()
    assert scene.quits == 2
    assert scene.window.isVisible()


@pytest.mark.asyncio
async def test_a_tray_that_goes_away_strands_nobody(scene: Scene) -> None:
    scene.window.close()
    question = scene.question()
    assert isinstance(question, CloseQuestion)
    scene.tray.there = False  # while the question stands there
    question.tray_button.click()
    assert scene.window.isMinimized()
    scene.window.hide()
    scene.closing.on_tray_vanished()
    assert scene.window.isVisible()


def test_a_share_a_use_a_broker_and_an_open_invitation_are_work_as_a_service_is() -> None:
    busy = shares_snapshot()
    shares, uses = busy.shares, busy.uses
    off = tuple(dataclasses.replace(share, on=False, problem="") for share in shares)
    waits = tuple(dataclasses.replace(share, problem="port 80 does not answer") for share in off)
    over = dataclasses.replace(INVITED, state="withdrawn")
    assert not at_work(None)
    assert not at_work(dataclasses.replace(IDLE, shares=off, invitations=Invitations((over,))))
    for changes in (
        {"shares": shares}, {"shares": waits}, {"uses": uses}, {"broker": BrokerSnapshot(acting=True)},
        {"invitations": Invitations((INVITED,))}, {"services": (dataclasses.replace(FIBONACCI, sharing=True),)},
        {"services": (dataclasses.replace(FIBONACCI, consuming=True),)},
    ):  # fmt: skip
        snapshot = dataclasses.replace(IDLE, **changes)
        assert at_work(snapshot), changes
        shared = "shares" in changes or any(service.sharing for service in snapshot.services)
        assert is_sharing(snapshot) == shared, changes


@pytest.mark.asyncio
async def test_the_question_claims_that_something_is_shared_only_when_it_is(scene: Scene) -> None:
    scene.window.close()
    question = scene.question()
    assert isinstance(question, CloseQuestion)
    assert question.tray_button.text() == "&Keep in the tray"
    question.reject()
    scene.bridge.set_consuming("fibonacci", True)
    scene.window.close()
    question = scene.question()
    assert isinstance(question, CloseQuestion)
    assert question.tray_button.text() == "&Keep in the tray"
    question.reject()
    scene.bridge.set_sharing("fibonacci", True)
    scene.window.close()
    question = scene.question()
    assert isinstance(question, CloseQuestion)
    assert question.tray_button.text() == "&Keep sharing"


@pytest.mark.asyncio
async def test_without_a_tray_who_only_consumes_is_not_asked_to_stop_sharing(scene: Scene) -> None:
    scene.tray.there = False
    for set_on, asked in (
        (scene.bridge.set_consuming, "Quit Grapevine?"),
        (scene.bridge.set_sharing, "Stop sharing and quit?"),
    ):
        set_on("fibonacci", True)
        scene.window.close()
        question = scene.question()
        heading = question.findChild(PlainLabel, "heading")
        assert heading is not None
        assert heading.text() == asked
        question.reject()
