"""Desktop tests draw on the offscreen platform; those that use Qt and are async run on the program's own loop."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["QT_API"] = "pyside6"

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication, QWidget

from core.news.events import PeerSnapshot
from core.profile.settings import Settings
from desktop.loop import PreciseLoop
from desktop.theme import ThemeSource
from desktop.views.header import HeaderView
from desktop.views.main_window import REQUEST_WIDTH, MainWindow
from desktop.views.pages import PageView
from desktop.views.request import RequestView
from tests.desktop.fake_peer import FakeBridge

QT_FIXTURES = {"qapp", "qtbot", "window", "theme", "bridge"}
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, LoopFactory]:
    """Give a test that uses Qt the program's loop, any other one asyncio's."""
    del config
    if QT_FIXTURES & set(getattr(item, "fixturenames", ())):
        return {"qt": _qt_loop}
    return {"asyncio": asyncio.SelectorEventLoop}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let pass what the offscreen platform says about things only a real screen can do."""
    item.add_marker(pytest.mark.qt_log_ignore("^This plugin does not support (raise|propagateSizeHints)"))


def _qt_loop() -> asyncio.AbstractEventLoop:
    app = QApplication.instance()
    loop: asyncio.AbstractEventLoop = PreciseLoop(app if isinstance(app, QApplication) else QApplication(["tests"]))
    return loop


@pytest.fixture
def theme(qapp: QApplication) -> Iterator[ThemeSource]:
    """Return the light theme, in force."""
    source = ThemeSource(qapp, "light")
    yield source
    source.deleteLater()
    bury()


@pytest.fixture
def bridge(qapp: QApplication) -> FakeBridge:
    """Return a bridge that a test drives."""
    del qapp
    return FakeBridge()


@pytest.fixture
def window(theme: ThemeSource, bridge: FakeBridge) -> Iterator[MainWindow]:
    """Return the main window, shown, with default settings and no snapshot yet."""
    made = MainWindow(bridge, Settings(), theme)
    made.show()
    yield made
    made.shut()
    made.deleteLater()
    bury()


def hears(bridge: FakeBridge, show: Callable[[PeerSnapshot], None]) -> None:
    """Have a part hear of snapshots, as it would from the window."""
    bridge.snapshot_changed.connect(show)
    snapshot = bridge.snapshot()
    if snapshot is not None:
        show(snapshot)


W = TypeVar("W", bound=QWidget)


class Alone(Protocol):
    """Shows one page of the window by itself, of this size in pixels, until the test ends; it hears of snapshots."""

    def __call__(self, make: Callable[[], W], width: int = 1180, height: int = 600) -> W: ...


@pytest.fixture
def alone(theme: ThemeSource, bridge: FakeBridge) -> Iterator[Alone]:
    """Return what shows a page without the window around it: that takes a fifth to a tenth of the window's time."""
    made: list[QWidget] = []

    def show(make: Callable[[], W], width: int = 1180, height: int = 600) -> W:
        with theme.laid_later():
            page = make()
        made.append(page)
        if isinstance(page, PageView | RequestView):
            hears(bridge, page.show_snapshot)
        page.resize(width, height)
        page.show()
        return page

    yield show
    for page in made:
        page.close()
        page.deleteLater()
    bury()


def bury() -> None:
    """Delete what asked for it: between tests no event loop runs, and each style sheet would be laid on all of them."""
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def best_time() -> Callable[[Callable[[], None]], float]:
    """Return what runs an act three times and returns the best processor time of this thread, in seconds."""

    def measure(act: Callable[[], None]) -> float:
        times = []
        for _ in range(3):
            started = time.thread_time()
            act()
            times.append(time.thread_time() - started)
        return min(times)

    return measure


@pytest.fixture
def header(alone: Alone, bridge: FakeBridge, theme: ThemeSource) -> HeaderView:
    """The top of the window, by itself."""
    made = alone(lambda: HeaderView(theme))
    hears(bridge, made.show_snapshot)
    return made


@pytest.fixture
def panel(alone: Alone, bridge: FakeBridge, theme: ThemeSource) -> RequestView:
    """The part of the window that sends requests, by itself."""
    return alone(lambda: RequestView(bridge, theme), REQUEST_WIDTH)
