"""A screen nobody sees (Xvfb, openbox, trayer), a session bus, and the program on them, driven by xdotool."""

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.desktop.polling import await_true
from tests.support.process import NO_KEYRING

ROOT = Path(__file__).resolve().parents[2]
SIZE = "1280x800x24"
START_SECONDS = 90.0  # until a server or the program is up, on a machine that is busy
ANSWER_SECONDS = 60.0


@contextlib.contextmanager
def running(*command: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a helper program as long as the block lasts."""
    process = subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def xvfb() -> Iterator[str]:
    """Start an X server on a free display and yield its name, as in DISPLAY."""
    reading, writing = os.pipe()
    # -noreset: else the server starts again when its last client leaves, as wmctrl may before openbox has come
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", SIZE, "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(command, pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise RuntimeError("Xvfb did not start")
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(10)


@contextlib.contextmanager
def session_bus() -> Iterator[str]:
    """Start a session bus and yield its address."""
    command = ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address=1"]
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        if daemon.stdout is None:
            raise RuntimeError("no pipe")
        yield daemon.stdout.readline().strip()
    finally:
        daemon.terminate()
        daemon.communicate(timeout=10)


@functools.cache
def _runtime(home: Path) -> str:
    """Return a folder for the sockets of what runs under `home`: a test's own has a longer path than a socket may have.

    The program would put them where those of all tests meet. conftest removes it.
    """
    del home
    return tempfile.mkdtemp(dir=os.environ.get("XDG_RUNTIME_DIR"))


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment whose settings, logs and sockets are under `home`, in English, with no desktop around."""
    keep = {key: os.environ[key] for key in ("PATH", "HOME", "VIRTUAL_ENV", "QT_PLUGIN_PATH") if key in os.environ}
    own = {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "STATE", "CACHE")}
    return {**keep, **own, "XDG_RUNTIME_DIR": _runtime(home), "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT),
            "PYTHON_KEYRING_BACKEND": NO_KEYRING, "GRAPEVINE_LAN": "off",
            "PYTHONFAULTHANDLER": "1", **more}  # fmt: skip


def offscreen(home: Path) -> dict[str, str]:
    """Return an environment without a display and without a session bus."""
    return environment(home, QT_QPA_PLATFORM="offscreen", DBUS_SESSION_BUS_ADDRESS="disabled:")


class App:
    """The program in a process of its own."""

    def __init__(self, *arguments: str, env: dict[str, str]) -> None:
        self.profile = next(word for word in arguments if not word.startswith("-"))
        self.log_path = Path(env["XDG_STATE_HOME"], "grapevine", "log", f"{self.profile}.log")
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.desktop.driven", *arguments],
            env=env,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def ask(self, command: object) -> dict[str, Any]:
        """Send a command and return its answer."""
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("no pipes")
        watchdog = threading.Timer(START_SECONDS, self.process.send_signal, [signal.SIGABRT])  # shows where it hangs
        watchdog.start()
        line = ""
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            pass
        finally:
            watchdog.cancel()
        if not line:
            code = self.process.wait()
            raise AssertionError(f"the program ended at {command!r}, code {code}\n{self.errors()}\n{self.log()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def state(self) -> dict[str, Any]:
        """Return what the user sees."""
        return self.ask("state")

    def until(self, **wanted: object) -> dict[str, Any]:
        """Wait until the state has these values, and return it."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            found = self.state()
            if all(found[key] == value for key, value in wanted.items()):
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"wanted {wanted}, found {found}\n{self.log()}")
            time.sleep(0.02)

    def log(self) -> str:
        """Return the log file's text."""
        return self.log_path.read_text() if self.log_path.exists() else ""

    def await_log(self, words: str) -> None:
        """Wait until the log file says so."""
        await_true(lambda: words in self.log(), START_SECONDS, step=0.002)

    def errors(self) -> str:
        """Return what was printed on stderr."""
        self._errors.seek(0)
        return self._errors.read()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; return exit code and stderr."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """Wait for the end; return exit code and stderr."""
        return self.process.wait(START_SECONDS), self.errors()

    def close(self) -> None:
        """Leave nothing behind, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self._errors.close()


@contextlib.contextmanager
def app(*arguments: str, env: dict[str, str]) -> Iterator[App]:
    """Run the program as long as the block lasts."""
    running_app = App(*arguments, env=env)
    try:
        yield running_app
    finally:
        running_app.close()


class Screen:
    """Mouse, keyboard and camera of one display."""

    def __init__(self, display: str, shots: Path) -> None:
        self._env = {**os.environ, "DISPLAY": display}
        self._shots = shots

    def xdo(self, *words: object) -> str:
        """Run xdotool."""
        command = ["xdotool", *map(str, words)]
        return subprocess.run(command, env=self._env, check=True, capture_output=True, text=True, timeout=20).stdout

    def click(self, place: list[int], button: int = 1) -> None:
        """Click somewhere."""
        self.xdo("mousemove", *place, "click", button)

    def key(self, *keys: str) -> None:
        """Press keys, one after the other."""
        self.xdo("key", "--delay", 40, *keys)

    def close_window(self, title: str) -> None:
        """Press the close button of a window, as its window manager does."""
        subprocess.run(["wmctrl", "-c", title], env=self._env, check=True, timeout=20)

    def shot(self, name: str) -> Path:
        """Photograph the whole screen."""
        path = self._shots / f"{name}.png"
        subprocess.run(["import", "-window", "root", str(path)], env=self._env, check=True, timeout=30)
        return path
