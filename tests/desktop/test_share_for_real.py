"""Two windows over two real peers: one shares a folder, the other opens it, and a browser's request gets the page."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from core.identity.identity import Identity
from core.peer import Peer, open_peer
from core.profile.config import PeerConfig
from core.profile.settings import Settings
from desktop.bridge import Bridge
from desktop.theme import ThemeSource
from desktop.views.main_window import MainWindow
from desktop.views.share_sheet import ShareSheet
from desktop.views.watch_sheet import WatchSheet
from tests.desktop.polling import until

pytestmark = pytest.mark.asyncio
OWNER, FRIEND = Identity.generate(), Identity.generate()


class Seat:
    """A window over a peer."""

    def __init__(self, window: MainWindow, bridge: Bridge, peer: Peer) -> None:
        self.window, self.bridge, self.peer = window, bridge, peer


async def open_seat(stack: AsyncExitStack, theme: ThemeSource, config: PeerConfig) -> Seat:
    """Open a window over a peer of its own."""
    bridge = Bridge()
    stack.push_async_callback(bridge.aclose)
    window = MainWindow(bridge, Settings(), theme)
    stack.callback(window.deleteLater)
    stack.callback(window.shut)
    peer = await stack.enter_async_context(open_peer(config))
    bridge.attach(peer)
    stack.push_async_callback(bridge.detach)
    window.show()
    return Seat(window, bridge, peer)


@asynccontextmanager
async def seats(theme: ThemeSource, tmp_path: Path) -> AsyncIterator[tuple[Seat, Seat]]:
    """Open an owner, who trusts the friend, and the friend, around the owner's grape."""
    async with AsyncExitStack() as stack:
        config = PeerConfig(
            bootstrap=(), dht_port=0, api_port=0, identity=OWNER, trust_file=tmp_path / "trust.json"
        )  # fmt: skip
        owner = await open_seat(stack, theme, config)
        url = owner.peer.snapshot().grape.url
        friend = await open_seat(stack, theme, replace(PeerConfig(), grapes=(url,), identity=FRIEND))
        await owner.peer.trust(FRIEND.peer_id, "Anna")
        yield owner, friend


async def share(seat: Seat, kind: str, text: str, name: str) -> None:
    """Share something, as its owner does."""
    seat.window.pages.choose("sharing")
    seat.window.sharing.share()
    (sheet,) = seat.window.findChildren(ShareSheet)
    sheet.kinds[kind].click()
    sheet.text.setText(text)
    sheet.name.setText(name)
    await until(sheet.share_button.isEnabled)
    sheet.share_button.click()
    await until(lambda: name in [share.name for share in seat.window.sharing.model.rows()])


async def offered(seat: Seat, *names: str) -> None:
    """Ask the owner what it offers until it can be found, and offers these."""

    def there() -> bool:
        using = seat.window.using
        if using.busy.isHidden() and {offer.name for offer in using.offers.rows()} != set(names):
            using.ask()
        return {offer.name for offer in using.offers.rows()} == set(names)

    seat.window.pages.choose("using")
    seat.window.using.friend.setEditText(str(OWNER.peer_id))
    await until(there)


async def get(where: str) -> tuple[int, str]:
    """Fetch a page as a browser does, which takes every name under .localhost for this machine."""
    parts = urlsplit(where)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{parts.port}{parts.path}", headers={"Host": parts.netloc}) as answer,
    ):
        return answer.status, await answer.text()


async def test_a_folder_shared_in_one_window_is_a_page_of_the_other(
    theme: ThemeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "holiday"
    folder.mkdir()
    (folder / "beach.txt").write_text("sand")
    shown: list[str] = []

    def show(where: str) -> bool:
        shown.append(where)
        return True

    monkeypatch.setattr("desktop.views.using.browse", show)
    async with seats(theme, tmp_path) as (owner, friend):
        await share(owner, "folder", str(folder), "holiday")
        selected = owner.window.sharing.selected()
        assert (selected.name if selected is not None else "") == "holiday"  # what was just shared
        await offered(friend, "holiday")
        friend.window.using.open_button.click()
        await until(lambda: shown)
        status, text = await get(shown[0])
        assert (status, "beach.txt" in text) == (200, True)
        assert await get(shown[0] + "beach.txt") == (200, "sand")
        await until(lambda: friend.window.using.model.rowCount() == 1)

        owner.window.sharing.table.selectRow(0)
        owner.window.sharing.pause_button.click()
        await until(lambda: not owner.window.sharing.model.row_at(0).on)
        assert (await get(shown[0]))[0] != 200
        owner.window.sharing.pause_button.click()
        await until(lambda: owner.window.sharing.model.row_at(0).on)
        assert (await get(shown[0]))[0] == 200

        friend.window.using.table.selectRow(0)
        friend.window.using.close_button.click()
        await until(lambda: friend.window.using.model.rowCount() == 0)


async def test_values_of_a_program_are_drawn_in_the_other_window(theme: ThemeSource, tmp_path: Path) -> None:
    program = tmp_path / "count.py"
    program.write_text(
        "import time\nfor number in range(10_000):\n    print(number, flush=True)\n    time.sleep(0.05)\n"
    )
    async with seats(theme, tmp_path) as (owner, friend):
        await share(owner, "values", f"{sys.executable} {program}", "counter")
        await offered(friend, "counter")
        friend.window.using.open_button.click()
        (sheet,) = friend.window.findChildren(WatchSheet)
        await until(lambda: len(sheet.plot.numbers()) > 5)
        numbers = sheet.plot.numbers()
        assert numbers == sorted(numbers)
        owner.bridge.sharing.remove("counter")
        await until(sheet.status.text)
        assert "no longer shared" in sheet.status.text()
        await until(lambda: owner.window.sharing.model.rowCount() == 0)
        sheet.reject()


async def test_shares_go_on_in_the_next_peer(theme: ThemeSource, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        config = PeerConfig(bootstrap=(), dht_port=0, api_port=0, identity=OWNER)
        seat = await open_seat(stack, theme, config)
        await share(seat, "folder", str(tmp_path), "things")
        await seat.bridge.detach()
        async with open_peer(replace(config, identity=OWNER)) as second:
            seat.bridge.attach(second)
            await until(lambda: [share.name for share in second.shares()] == ["things"])
            await seat.bridge.detach()
