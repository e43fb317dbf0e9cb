"""Desktop tests draw on the offscreen platform; those that use Qt and are async run on the program's own loop."""

import asyncio
import os
from collections.abc import Callable, Iterator

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["QT_API"] = "pyside6"

import pytest
from PySide6.QtWidgets import QApplication

from core.settings import Settings
from desktop.loop import PreciseLoop
from desktop.theme import ThemeSource
from desktop.views.main_window import MainWindow
from tests.desktop.fake_peer import FakeBridge

QT_FIXTURES = {"qapp", "qtbot", "window", "theme", "bridge"}
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, LoopFactory]:
    """Give a test that uses Qt the program's loop, any other one asyncio's."""
    del config
    if QT_FIXTURES & set(getattr(item, "fixturenames", ())):
        return {"qt": _qt_loop}
    return {"asyncio": asyncio.SelectorEventLoop}


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
