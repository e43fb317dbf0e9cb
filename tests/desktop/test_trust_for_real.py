"""A stranger asks a restricted service of a real peer; its owner answers in the window, and that holds at once."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QDialogButtonBox

from core.errors import PeerError
from core.identity.identity import Identity
from core.peer import Peer, open_peer
from core.profile.config import PeerConfig
from core.profile.settings import Settings
from core.trust.audience import Audience
from desktop.bridge import Bridge
from desktop.theme import ThemeSource
from desktop.views.main_window import MainWindow
from desktop.views.person_dialog import PersonDialog
from tests.desktop.polling import until

pytestmark = pytest.mark.asyncio
SEQUENCE = [1, 1, 2, 3, 5]


class Scene:
    """A window over a peer that shares with peers it trusts, and a stranger."""

    def __init__(self, window: MainWindow, owner: Peer, stranger: Peer, whom: str) -> None:
        self.window = window
        self.owner = owner
        self.stranger = stranger
        self.target = whom

    async def ask(self) -> object:
        """Return the answer, or the name of the error."""
        try:
            reply = await self.stranger.request(self.target, {"length": 5}, timeout=5.0)
        except PeerError as error:
            return error.name
        return reply.data


@asynccontextmanager
async def opened(theme: ThemeSource, tmp_path: Path) -> AsyncIterator[Scene]:
    """Open everything within the test: between a fixture and its test no loop runs, though Qt's events go on."""
    async with AsyncExitStack() as stack:
        bridge = Bridge()
        stack.push_async_callback(bridge.aclose)
        window = MainWindow(bridge, Settings(), theme)
        stack.callback(window.deleteLater)
        stack.callback(window.shut)
        config = PeerConfig(
            bootstrap=(), dht_port=0, api_port=0, identity=Identity.generate(), trust_file=tmp_path / "trust.json",
            calls_file=tmp_path / "calls.sqlite3", audiences={"fibonacci": Audience.TRUSTED},
        )  # fmt: skip
        owner = await stack.enter_async_context(open_peer(config))
        bridge.attach(owner)
        stack.push_async_callback(bridge.detach)
        await owner.share("fibonacci")
        url = owner.snapshot().grape.url
        other = replace(PeerConfig(), grapes=(url,), identity=Identity.generate())
        stranger = await stack.enter_async_context(open_peer(other))
        window.show()
        await until(lambda: window.header.peer_id())
        yield Scene(window, owner, stranger, f"{window.header.peer_id()}/fibonacci")


async def test_a_stranger_waits_is_let_in_for_good_and_is_blocked(theme: ThemeSource, tmp_path: Path) -> None:
    async with opened(theme, tmp_path) as scene:
        window = scene.window
        assert await scene.ask() == "ERR_NOT_TRUSTED"
        await until(lambda: "asks for fibonacci" in window.pending.text())
        await until(window.pending.answers.isEnabled)
        window.pending.answers.always.click()
        await until(lambda: window.findChildren(PersonDialog))
        (dialog,) = window.findChildren(PersonDialog)
        dialog.buttons.button(QDialogButtonBox.StandardButton.Save).click()
        await until(lambda: window.people.model.rowCount() == 1)
        assert window.pending.text() == ""
        assert await scene.ask() == SEQUENCE

        window.pages.choose("calls")
        await until(lambda: window.calls.model.rowCount() == 2)
        outcomes = {window.calls.model.index(row, 7).data() for row in range(2)}
        assert outcomes == {"Answered", "Not trusted"}

        window.people.table.selectRow(0)
        window.people.block_button.click()
        await until(lambda: scene.owner.known_peers()[0].blocked)
        assert await scene.ask() in ("ERR_BLOCKED", "ERR_TRANSPORT_CLOSE", "ERR_CERTIFICATE")


async def test_accepted_once_is_once(theme: ThemeSource, tmp_path: Path) -> None:
    async with opened(theme, tmp_path) as scene:
        assert await scene.ask() == "ERR_NOT_TRUSTED"
        await until(lambda: scene.window.pending.text())
        await until(scene.window.pending.answers.isEnabled)
        scene.window.pending.answers.once.click()
        await until(lambda: not scene.window.pending.text())
        assert await scene.ask() == SEQUENCE
        assert await scene.ask() == "ERR_NOT_TRUSTED"


async def test_another_audience_holds_at_once(theme: ThemeSource, tmp_path: Path) -> None:
    async with opened(theme, tmp_path) as scene:
        assert await scene.ask() == "ERR_NOT_TRUSTED"
        scene.owner.set_audience("fibonacci", Audience.IDENTIFIED)
        assert await scene.ask() == SEQUENCE
        await until(lambda: scene.window.services.audience_box("fibonacci").audience() is Audience.IDENTIFIED)


async def test_a_group_lets_in_and_shuts_out_at_once(theme: ThemeSource, tmp_path: Path) -> None:
    async with opened(theme, tmp_path) as scene:
        window, who = scene.window, scene.stranger.snapshot().identity.peer_id
        assert who is not None
        await scene.owner.trust(who, "Anna", frozenset({"lamp"}))
        await scene.owner.groups.regroup("family", [who])
        await scene.owner.groups.open_to("family", ["fibonacci"])
        assert await scene.ask() == SEQUENCE
        # the row is there from the first of the three on: a snapshot may come in between
        await until(lambda: [group.name for row in window.people.model.rows() for group in row.groups] == ["family"])
        window.people.table.selectRow(0)
        window.people.edit()
        (dialog,) = window.findChildren(PersonDialog)
        dialog.groups.boxes["family"].setChecked(False)
        dialog.new_group.setText("work")
        dialog.buttons.button(QDialogButtonBox.StandardButton.Save).click()
        await until(lambda: [group.name for group in scene.owner.known_peers()[0].groups] == ["work"])
        assert await scene.ask() == "ERR_NOT_TRUSTED"
