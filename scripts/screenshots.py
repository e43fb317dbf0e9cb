"""Draw the window in its typical states into PNG files, to be looked at.

    QT_QPA_PLATFORM=offscreen python scripts/screenshots.py [DIRECTORY]     (default: /tmp/shots)

Set QT_SCALE_FACTOR=2 for a display of 200 %. Nothing of the core runs: a fake bridge tells a lifelike scene.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PySide6.QtCore import QEventLoop, QSize, QTimer
from PySide6.QtWidgets import QApplication, QWidget

from core.news.events import Traffic
from core.profile.settings import Settings
from desktop.models.values import value_row
from desktop.theme import ThemeSource
from desktop.views.close_question import ask_close
from desktop.views.main_window import START_SIZE, MainWindow
from desktop.views.share_sheet import ShareSheet
from desktop.views.watch_sheet import WatchSheet
from tests.desktop import fake_peer as scene
from tests.desktop.connected import connected_snapshot

SETTLE_MS = 700  # milliseconds; switches slide for 120, background formatting takes a few


def settle(milliseconds: int = SETTLE_MS) -> None:
    """Let timers, animations and background jobs run."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def busy(window: MainWindow, bridge: scene.FakeBridge) -> None:
    """Fill the window with a lively scene."""
    now = time.time()
    bridge.show(scene.busy_snapshot(now))
    bridge.tell(*scene.busy_events(now))
    bridge.crossed = Traffic(received=6_460_000, sent=1_490_000, requests=433, punches=4, connections=17)
    window.send_demo_request()
    bridge.answer(list(scene.SEQUENCE), peer=scene.BEN)
    window.request.payload.set_text('{"length": "ten"}')
    window.request.set_target(scene.CLEO)
    window.request.send()
    bridge.fail("ERR_TIMEOUT: 203.0.113.91:33400 did not answer within 10 s", seconds=10)
    window.send_demo_request()
    bridge.answer(list(scene.SEQUENCE), peer=scene.BEN, seconds=0.0382)


def empty(window: MainWindow, bridge: scene.FakeBridge) -> None:
    """Show a peer that has just started alone."""
    bridge.show(scene.empty_snapshot())


def troubled(window: MainWindow, bridge: scene.FakeBridge) -> None:
    """Show what goes wrong: no grape, a wrong payload, a message."""
    bridge.show(scene.empty_snapshot(scene.UNREACHABLE))
    window.show_message("The settings file could not be used (it is not JSON). Defaults are in force.")
    window.request.payload.set_text('{"length": 10,\n "mode": }')


def waiting(window: MainWindow, bridge: scene.FakeBridge) -> None:
    """Show a request under way, a selected row and the keyboard in the timeline's filter."""
    busy(window, bridge)
    window.send_demo_request()
    window.peers.reveal(scene.BEN)


def people(window: MainWindow, bridge: scene.FakeBridge) -> None:
    """Show who waits and who is known."""
    busy(window, bridge)
    bridge.show(scene.people_snapshot(time.time()))
    window.pages.choose("people")
    window.people.table.selectRow(0)


def calls(window: MainWindow, bridge: scene.FakeBridge) -> None:
    """Show who called."""
    busy(window, bridge)
    bridge.show(scene.people_snapshot(time.time()))
    window.pages.choose("calls")
    bridge.tell_calls(*scene.call_records(time.time(), 30))


def broker(window: MainWindow, bridge: scene.FakeBridge) -> None:
    """Show a broker at work."""
    busy(window, bridge)
    bridge.show(scene.broker_snapshot(time.time()))
    window.pages.choose("broker")


def network(window: MainWindow, bridge: scene.FakeBridge) -> None:
    """Show the map: a peer that reaches others in every way."""
    bridge.show(connected_snapshot(time.time()))
    window.pages.choose("network")


def sharing(window: MainWindow, bridge: scene.FakeBridge) -> None:
    """Show what is shared."""
    bridge.show(scene.shares_snapshot(time.time()))
    window.pages.choose("sharing")
    window.sharing.table.selectRow(0)


def nothing_shared(window: MainWindow, bridge: scene.FakeBridge) -> None:
    """Show the page as it is at first."""
    bridge.show(scene.people_snapshot(time.time()))
    window.pages.choose("sharing")


def using(window: MainWindow, bridge: scene.FakeBridge) -> None:
    """Show what a friend offers, and what is open here."""
    bridge.using.kept.add((scene.ALICE, "printer"))
    bridge.show(scene.shares_snapshot(time.time()))
    window.pages.choose("using")
    window.using.friend.setCurrentIndex(0)
    window.using.ask()
    bridge.using.offered.emit(bridge.using.ticket, scene.OFFERS, "")
    window.using.table.selectRow(0)


SCENES: dict[str, Callable[[MainWindow, scene.FakeBridge], None]] = {
    "empty": empty,
    "busy": busy,
    "troubled": troubled,
    "waiting": waiting,
    "people": people,
    "calls": calls,
    "broker": broker,
    "network": network,
    "nothing-shared": nothing_shared,
    "sharing": sharing,
    "using": using,
}


def main(folder: Path) -> None:
    """Draw everything into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    app = QApplication([])
    theme = ThemeSource(app)
    for colours in ("light", "dark"):
        theme.force(colours)
        for name, play in SCENES.items():
            bridge = scene.FakeBridge()
            window = MainWindow(bridge, Settings(), theme, identity=scene.FakeIdentityActs())
            window.show()
            window.resize(START_SIZE)  # the offscreen platform's own screen is smaller
            play(window, bridge)
            settle()
            window.traffic.look()
            save(window, folder / f"{name}-{colours}.png")
            if name == "busy":
                window.resize(QSize(880, 700))
                settle()
                save(window, folder / f"small-{colours}.png")
                dialogs(window, folder, colours)
            if name in ("sharing", "using", "nothing-shared"):
                window.resize(QSize(1024, 600))
                settle()
                save(window, folder / f"{name}-1024-{colours}.png")
            if name == "sharing":
                share_sheets(window, bridge, folder, colours)
            if name == "people":
                window.resize(QSize(880, 700))
                settle()
                save(window, folder / f"people-small-{colours}.png")
                people_dialogs(window, folder, colours)
            window.shut()
            window.deleteLater()


def dialogs(window: MainWindow, folder: Path, colours: str) -> None:
    """Draw the dialogs of a window."""
    window.open_settings()
    settle()
    for child in window.findChildren(QWidget, "settings"):
        save(child, folder / f"settings-{colours}.png")
        child.close()
    question = ask_close(window, lambda action, remember: None)
    settle()
    save(question, folder / f"close-{colours}.png")
    question.reject()


def share_sheets(window: MainWindow, bridge: scene.FakeBridge, folder: Path, colours: str) -> None:
    """Draw the sheets that share, edit and watch."""
    window.sharing.share()
    settle()
    bridge.sharing.tell_found(*scene.FOUND)
    (sheet,) = window.findChildren(ShareSheet)
    sheet.found.setCurrentRow(0)
    save(sheet, folder / f"share-first-{colours}.png")
    sheet.kinds["folder"].click()
    sheet.text.setText(str(Path.home()))
    settle()
    bridge.sharing.tell_look(True, True, f"The folder {Path.home()} is there.", "This is your home folder.")
    settle(50)
    save(sheet, folder / f"share-second-{colours}.png")
    sheet.reject()
    watch = WatchSheet(bridge.using, scene.ALICE, "Anna's greenhouse", "temperature", window)
    watch.show()
    now = time.time() - 120
    rows = tuple(value_row(now + at, round(21 + 3 * math.sin(at / 9) + at % 5 / 10, 2)) for at in range(120))
    bridge.using.values.emit(bridge.using.ticket, rows)
    settle()
    save(watch, folder / f"watch-{colours}.png")
    watch.reject()


def people_dialogs(window: MainWindow, folder: Path, colours: str) -> None:
    """Draw the dialogs about peers and about ourselves."""
    for name, show in (("identity", window.open_identity), ("person", window.people.edit)):
        show()
        settle()
        for child in window.findChildren(QWidget, name):
            save(child, folder / f"{name}-{colours}.png")
            child.close()


def save(widget: QWidget, path: Path) -> None:
    """Write a widget as it looks."""
    if not widget.grab().save(str(path)):
        raise OSError(f"could not write {path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("directory", nargs="?", type=Path, default=Path("/tmp/shots"))
    main(parser.parse_args().directory)
