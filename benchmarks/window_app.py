"""The desktop program of the benchmark `window`, with instruments in its GUI thread; obeys as benchmarks/our_peer.py.

`python -m benchmarks.window_app PROFILE`. It is `desktop.app.start` as it is; around it a ticker, the Qt loop's turns,
every callback of the asyncio loop and every garbage collection are timed. Time that the thread did not run (the other
processes of the machine had the processor) is told apart by the thread's CPU clock.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from unittest.mock import patch

from PySide6.QtCore import QAbstractEventDispatcher, QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QLineEdit

import desktop.app
from benchmarks.our_peer import CHUNK, emit
from benchmarks.runner import percentile
from core.aio.tasks import TaskSet
from core.net.stream import Stream
from core.peer import Peer
from core.values import Address
from desktop.keeper import Opener, load_core
from desktop.quitter import Quitter
from desktop.views.main_window import MainWindow

TICK_MS = 5  # milliseconds
PAINT_MS = 16  # milliseconds: 60 a second
KEY_MS = 150  # milliseconds between two keys: who types fast
US = 1_000_000
PERCENTILES = {"p50": 50, "p99": 99, "worst": 100}

Options: TypeAlias = dict[str, Any]
noted: dict[str, Any] = {}


class NotedWindow(MainWindow):
    """The window, noted down."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **options)
        noted["window"] = self


class Instruments(QObject):
    """Measures this thread. All values in microseconds."""

    def __init__(self) -> None:
        super().__init__()
        self.clear()
        self._turn_began: float | None = None
        self._ticker = _timer(self, TICK_MS, self._tick)
        dispatcher = QAbstractEventDispatcher.instance()
        dispatcher.aboutToBlock.connect(self._turn_begins)
        dispatcher.awake.connect(self._turn_ends)
        gc.callbacks.append(self._on_gc)
        self._run = asyncio.Handle._run
        asyncio.Handle._run = self._timed()  # type: ignore[method-assign, assignment]

    def clear(self) -> None:
        """Begin again."""
        self.late: list[int] = []
        self.blocked: list[int] = []
        self.turns: list[int] = []
        self.collections: list[int] = []
        self.worst: tuple[int, str] = (0, "")
        self.callbacks = 0
        self._last, self._last_cpu = time.perf_counter(), time.thread_time()

    def report(self) -> Options:
        """Return what was measured since `clear`."""
        measured = {"late": self.late, "blocked": self.blocked, "turn": self.turns, "gc": self.collections}
        result: Options = {"callbacks": self.callbacks, "worst": self.worst}
        for name, values in measured.items():
            result |= {f"{name} {label}": percentile(values, percent) for label, percent in PERCENTILES.items()}
        return result

    def _tick(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        late = max(0, round((now - self._last) * US) - TICK_MS * 1000)
        self.late.append(late)
        self.blocked.append(min(late, round((cpu - self._last_cpu) * US)))
        self._last, self._last_cpu = now, cpu

    def _turn_begins(self) -> None:
        self._turn_began = time.thread_time()

    def _turn_ends(self) -> None:
        if self._turn_began is not None:
            self.turns.append(round((time.thread_time() - self._turn_began) * US))

    def _timed(self) -> Callable[[asyncio.Handle], None]:
        def run(handle: asyncio.Handle) -> None:
            what = handle._callback  # type: ignore[attr-defined]
            began = time.thread_time()
            self._run(handle)
            took = round((time.thread_time() - began) * US)
            self.callbacks += 1
            if took > self.worst[0]:
                self.worst = took, repr(getattr(what, "__self__", what))[:200]

        return run

    def _on_gc(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._collecting = time.thread_time()
        else:
            self.collections.append(round((time.thread_time() - self._collecting) * US))


def _timer(owner: QObject, milliseconds: int, act: Callable[[], None]) -> QTimer:
    timer = QTimer(owner)
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(act)
    timer.start(milliseconds)
    return timer


class Hand(QObject):
    """A user who types into the filter and the payload, and a screen that wants 60 frames a second."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__()
        self._window = window
        self._keys = 0
        self._painter = _timer(self, PAINT_MS, window.timeline.table.viewport().update)
        self._typist = _timer(self, KEY_MS, self._type)

    def _type(self) -> None:
        self._keys += 1
        target: QLineEdit = self._window.timeline.filter
        key, text = (Qt.Key.Key_1, "1") if self._keys % 4 == 1 else (Qt.Key.Key_Backspace, "\b")
        for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            QApplication.postEvent(target, QKeyEvent(kind, key, Qt.KeyboardModifier.NoModifier, text))


class Commands:
    """What the benchmark asks."""

    def __init__(self) -> None:
        self.window: MainWindow = noted["window"]
        self.bridge = self.window._bridge
        self.peer: Peer = self.bridge._session.peer
        self.endpoint = self.peer._parts.endpoint
        self._usual = self.endpoint.on_stream
        self.instruments = Instruments()
        self.hand = Hand(self.window)
        self._tasks = TaskSet("benchmark")
        self.bytes = 0

    async def share(self) -> Options:
        """Turn the switch; return where we are."""
        self.bridge.set_sharing("fibonacci", True)
        snapshot = self.peer.snapshot()
        return {"port": snapshot.address.port if snapshot.address else 0, "grape": snapshot.grape.url}

    async def begin(self) -> Options:
        """Measure from now on."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self.bytes = 0
        self.instruments.clear()
        return {}

    async def end(self) -> Options:
        """Return what was measured since `begin`."""
        result = self.instruments.report()
        seconds = time.perf_counter() - self._wall
        cpu = time.process_time() - self._cpu
        speed = self.bytes / seconds / 1e6
        lines = self.window.timeline.model.total()
        return {**result, "seconds": seconds, "cpu": cpu, "speed": speed, "lines": lines}

    async def sink(self) -> Options:
        """Take whatever streams bring, from now on, in place of answering requests."""
        self.endpoint.on_stream = lambda stream: _ignore(self._tasks.spawn(self._drain(stream), name="sink"))
        return {}

    async def serve(self) -> Options:
        """Answer requests again."""
        self.endpoint.on_stream = self._usual
        return {}

    async def _drain(self, stream: Stream) -> None:
        while chunk := await stream.read():
            self.bytes += len(chunk)
        await stream.close()

    async def pour(self, address: str, seconds: float) -> Options:
        """Send at full speed to `address` for some seconds, in the background."""
        self._tasks.spawn(self._pour(Address.parse(address), seconds), name="pour")
        return {}

    async def _pour(self, remote: Address, seconds: float) -> None:
        stream = await self.endpoint.connect(remote, timeout=10)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await stream.write(CHUNK, boundary=False)
            self.bytes += len(CHUNK)
        stream.abort()

    async def ask(self, address: str, length: int) -> Options:
        """Send a request as the window does; it will show the answer."""
        request = self.window.request
        request.set_target(Address.parse(address))
        request.payload.set_text(json.dumps({"length": length}))
        request.send()
        return {}


def _ignore(_: object) -> None:
    """Take what a callback must not return."""


def main(profile: str) -> int:
    """Run the program, and obey stdin once its peer is open."""
    quitter = Quitter()
    quitter.catch_signals()
    tasks = TaskSet("commands")

    async def load() -> Opener:
        opener = await load_core()
        tasks.spawn(obey(), name="commands")
        return opener

    with patch.object(desktop.app, "MainWindow", NotedWindow):
        return desktop.app.start(desktop.app.Start(profile, bootstrap=()), quitter, load=load)


async def obey() -> None:
    """Wait for the peer, then run the commands of stdin, one at a time."""
    while noted["window"]._bridge._session is None:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    commands = Commands()
    lines: asyncio.Queue[bytes] = asyncio.Queue()
    asyncio.get_running_loop().add_reader(sys.stdin, lambda: lines.put_nowait(sys.stdin.buffer.readline()))
    emit("ready")
    while line := await lines.get():
        order = json.loads(line)
        command: Callable[..., Awaitable[Options]] = getattr(commands, order["name"])
        try:
            emit("answer", id=order["id"], error=None, result=await command(**order["args"]))
        except Exception as error:
            emit("answer", id=order["id"], error=repr(error), result=None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
