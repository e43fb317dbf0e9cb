"""The real program with a voice for tests: `python -m tests.desktop.driven [--scripted] PROFILE [--hidden]`.

It is `desktop.app.start` as it is, with window and tray noted down. Each line on stdin is a JSON command, answered by
one JSON line on stdout. With --scripted the peers are those of `core_double`, and commands make them speak.
"""

import asyncio
import dataclasses
import json
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from PySide6.QtCore import QPoint, QRect, QTimer
from PySide6.QtWidgets import QApplication, QDialog, QSystemTrayIcon, QWidget

import desktop.app
import desktop.tray
from core.news.events import GrapeState, PunchReceived
from core.values import Address
from desktop.keeper import Opener as RealOpener
from desktop.keeper import load_core
from desktop.quitter import Quitter
from desktop.tray import Tray
from desktop.views.close_question import CloseQuestion
from desktop.views.main_window import MainWindow
from tests.desktop.core_double import Opener, row

HANG_SECONDS = 8.0  # well over the 3 s that quitting may take

noted: dict[str, Any] = {}


class NotedWindow(MainWindow):
    """The window, noted down."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **named)
        noted["window"] = self


class NotedTray(Tray):
    """The tray, noted down."""

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments)
        noted["tray"] = self


def _centre(widget: QWidget) -> list[int]:
    place: QPoint = widget.mapToGlobal(widget.rect().center())
    return [place.x(), place.y()]


def state() -> dict[str, Any]:
    """Return what the user sees, and where to click."""
    window: MainWindow = noted["window"]
    tray: NotedTray = noted["tray"]
    share, consume = window.services.share_switch("fibonacci"), window.services.consume_switch("fibonacci")
    icon = tray._icon
    box = icon.geometry() if icon is not None else QRect()
    reading = tray.reading()
    snapshot = tray._bridge.snapshot()
    return {
        "visible": window.isVisible(),
        "minimised": window.isMinimized(),
        "active": window.isActiveWindow(),
        "sharing": share.isChecked(),
        "consuming": consume.isChecked(),
        "share_at": _centre(share),
        "consume_at": _centre(consume),
        "peers": window.peers.table.model().rowCount(),
        "selected": len(window.peers.table.selectionModel().selectedRows()),
        "events": window.timeline.table.model().rowCount(),
        "lines": list(window.services.lines("fibonacci")),
        "tray": tray.available(),
        "tray_state": reading.state.value if reading else None,
        "tray_at": [box.center().x(), box.center().y()],
        "any_tray": QSystemTrayIcon.isSystemTrayAvailable(),
        "questions": _questions(window),
        "menu_open": tray.menu().isVisible(),
        "message": window.banner.message(),
        "shares": {share.name: share.on for share in window.sharing.model.rows()},
        "address": snapshot.address if snapshot else None,
        "grape": snapshot.grape.state.value if snapshot else None,
    }


def _questions(window: MainWindow) -> int:
    return sum(box.isVisible() for box in window.findChildren(QDialog))


def click(switch: str) -> dict[str, Any]:
    """Turn a switch, as the user does."""
    services = noted["window"].services
    (services.share_switch if switch == "share" else services.consume_switch)("fibonacci").click()
    return {}


def turn_first_share() -> dict[str, Any]:
    """Turn the first share on or off, as Space does."""
    noted["window"].sharing.model.toggle(0)
    return {}


def send() -> dict[str, Any]:
    """Send the demo request."""
    noted["window"].send_demo_request()
    return {}


def quit_application() -> dict[str, Any]:
    """End as the session's end does: by QApplication.quit."""
    QApplication.quit()
    return {}


def hang_thread() -> dict[str, Any]:
    """Keep a thread of the loop's executor busy for longer than quitting may take."""
    asyncio.get_running_loop().run_in_executor(None, time.sleep, HANG_SECONDS)
    return {}


def hang_loop() -> dict[str, Any]:
    """Let the loop hang from the moment quitting is asked for."""
    noted["window"].hideEvent = lambda _: time.sleep(HANG_SECONDS)
    return {}


def fail() -> dict[str, Any]:
    """Raise what nobody expects: in a slot, in a callback, in a task and in a thread."""
    QTimer.singleShot(0, lambda: 1 // 0)
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: 1 // 0)
    threading.Thread(target=lambda: 1 // 0).start()
    warnings.warn("a warning for nobody", stacklevel=1)
    logging.getLogger("elsewhere").error("an error for the log")
    return {}


def close_window(answer: str) -> dict[str, Any]:
    """Close the window and answer the question, if there is one."""
    window: MainWindow = noted["window"]
    window.close()
    box = next((box for box in window.findChildren(CloseQuestion) if box.isVisible()), None)
    if box is not None:
        QTimer.singleShot(0, {"tray": box.tray_button, "quit": box.quit_button}[answer].click)
    return {"asked": box is not None}


def act(opener: Opener, command: dict[str, Any]) -> dict[str, Any]:
    """Make the scripted peer do something."""
    peer = opener.peers[-1]
    if "grape" in command:
        grape = dataclasses.replace(peer.state.grape, state=GrapeState(command["grape"]), message=command["message"])
        peer.become(grape=grape)
    for port in command.get("rows", ()):
        peer.become(peers=(*peer.state.peers, row(port, last_seen=time.time())))
    for port in command.get("punches", ()):
        peer.emit(PunchReceived(time.time(), Address("192.0.2.7", port), first=True))
    if not command.get("punches"):
        peer.emit(PunchReceived(time.time(), Address("192.0.2.7", 1), first=False))  # a change is told by an event
    return {"calls": peer.calls}


OWN: dict[str, Callable[[], dict[str, Any]]] = {
    "state": state,
    "share": lambda: click("share"),
    "consume": lambda: click("consume"),
    "turn first share": turn_first_share,
    "send": send,
    "close to tray": lambda: close_window("tray"),
    "close and quit": lambda: close_window("quit"),
    "quit": quit_application,
    "hang thread": hang_thread,
    "hang loop": hang_loop,
    "fail": fail,
}


def main(arguments: list[str]) -> int:
    """Run the program, and answer stdin from the moment the core may be imported."""
    scripted, hidden = "--scripted" in arguments, "--hidden" in arguments
    profile = next(word for word in arguments if not word.startswith("--"))
    opener = Opener()

    def answer() -> None:
        line = sys.stdin.readline()
        if not line:
            asyncio.get_running_loop().remove_reader(sys.stdin)
            return
        command = json.loads(line)
        result = OWN[command]() if isinstance(command, str) else act(opener, command)
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()

    async def load() -> RealOpener:
        asyncio.get_running_loop().add_reader(sys.stdin, answer)
        return opener if scripted else await load_core()  # type: ignore[return-value]

    quitter = Quitter()
    quitter.catch_signals()
    with (
        patch.object(desktop.app, "MainWindow", NotedWindow),
        patch.object(desktop.app, "Tray", NotedTray),
        patch.object(desktop.tray, "WATCH_SECONDS", 0.5),  # a test shall not wait 5 s for a panel's crash to be seen
    ):
        return desktop.app.start(desktop.app.Start(profile, hidden), quitter, load=load)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
