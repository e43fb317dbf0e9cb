"""From two fresh windows to the friend's first page: each click of both people is made with the mouse, and counted."""

import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication

from core.identity.identity import Identity
from core.profile.config import PeerConfig
from desktop.friends import add_to_window, show_invitation, show_welcome
from desktop.theme import ThemeSource
from desktop.views.invite_sheet import InviteSheet
from desktop.views.open_invitation import OpenInvitation
from desktop.views.share_sheet import ShareSheet
from tests.desktop.polling import until
from tests.desktop.test_share_for_real import Seat, get, open_seat
from tests.support.process import running

MOST_CLICKS = 12  # of both: issue 13
PAGES = (9090, 8888)  # ports where a web page is expected, so that the sheet proposes one


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(autouse=True)
def _goes_on(qapp: QApplication) -> Iterator[None]:
    """Have the program not end with its last window, as `desktop.app` has it."""
    qapp.setQuitOnLastWindowClosed(False)
    yield
    qapp.setQuitOnLastWindowClosed(True)


class Hands:
    """Counts what is clicked."""

    def __init__(self) -> None:
        self.clicks = 0

    async def click(self, button: Callable[[], QAbstractButton]) -> None:
        """Wait until a button can be clicked, and click it."""
        await until(lambda: button().isEnabled() and button().isVisible())
        self.clicks += 1
        QTest.mouseClick(button(), Qt.MouseButton.LeftButton)


async def shares_a_folder(owner: Seat, hands: Hands, folder: Path) -> None:
    """Share a folder by its path."""
    (sheet,) = owner.window.findChildren(ShareSheet)
    await hands.click(lambda: sheet.kinds["folder"])
    QTest.keyClicks(sheet.text, str(folder))
    await hands.click(lambda: sheet.share_button)


async def shares_what_listens(owner: Seat, hands: Hands, port: int) -> None:
    """Share a page out of the list of what listens here."""
    (sheet,) = owner.window.findChildren(ShareSheet)

    def rows() -> list[int]:
        return [row for row in range(sheet.found.count()) if str(port) in sheet.found.item(row).text()]

    await until(rows)
    item = sheet.found.item(rows()[0])
    sheet.found.scrollToItem(item)
    hands.clicks += 1
    place = sheet.found.visualItemRect(item).center()
    QTest.mouseClick(sheet.found.viewport(), Qt.MouseButton.LeftButton, pos=place)
    await hands.click(lambda: sheet.this_button)
    await hands.click(lambda: sheet.share_button)


@asynccontextmanager
async def page(folder: Path) -> AsyncIterator[int]:
    """Run a web server of another program over a folder; return its port."""
    port = next(each for each in PAGES if _is_free(each))
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    async with running("page", command):
        yield port


async def invites(owner: Seat, hands: Hands) -> str:
    """Make a link for a friend, and copy it with its message; return what was copied."""
    await hands.click(lambda: owner.window.sharing.invite_button)
    (sheet,) = owner.window.findChildren(InviteSheet)
    QTest.keyClicks(sheet.name, "Bert")
    await hands.click(lambda: sheet.make_button)
    await hands.click(lambda: sheet.message_button)
    return QGuiApplication.clipboard().text()


async def opens(friend: Seat, hands: Hands, message: str, shown: list[str]) -> str:
    """Open the link, accept, and open what is offered; return the address that the browser was given."""
    hands.clicks += 1  # on the link, in the messenger
    show_invitation(friend.window, message)
    (sheet,) = friend.window.findChildren(OpenInvitation)
    await hands.click(lambda: sheet.ask_button)
    await hands.click(lambda: sheet.accept_button)
    await hands.click(lambda: sheet.use_button)
    await hands.click(lambda: friend.window.using.open_button)
    await until(lambda: shown)
    return shown[0]


@pytest.mark.parametrize(("way", "clicks"), [("a folder", 11), ("what listens", 12)])
@pytest.mark.asyncio
async def test_a_friends_first_page_takes_twelve_clicks_at_most(
    theme: ThemeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, clicks: int
) -> None:
    folder, hands, shown = tmp_path / "holiday", Hands(), list[str]()
    folder.mkdir()
    (folder / "beach.txt").write_text("sand")

    def browse(where: str) -> bool:
        shown.append(where)
        return True

    monkeypatch.setattr("desktop.views.using.browse", browse)
    async with page(folder) as port, AsyncExitStack() as stack:
        config = PeerConfig(bootstrap=(), dht_port=0, api_port=0, identity=Identity.generate())
        owner = await open_seat(stack, theme, config)
        url = owner.peer.snapshot().grape.url
        friend = await open_seat(stack, theme, replace(PeerConfig(), grapes=(url,), identity=Identity.generate()))
        for seat in (owner, friend):
            add_to_window(seat.window, seat.bridge)
        welcome = show_welcome(owner.window, owner.bridge)
        await hands.click(lambda: welcome.share_button)
        if way == "a folder":
            await shares_a_folder(owner, hands, folder)
        else:
            await shares_what_listens(owner, hands, port)
        where = await opens(friend, hands, await invites(owner, hands), shown)
        status, text = await get(where)
        assert (status, "beach.txt" in text) == (200, True)
        assert hands.clicks == clicks <= MOST_CLICKS
