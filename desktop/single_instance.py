"""One window per profile: a second start asks the first one to show itself, and ends.

A `QLockFile` decides who is first; it is stale as soon as its holder is dead, however it died. The holder of the lock
owns the socket beside it, so a socket left by SIGKILL is simply removed. (`QLocalServer.UserAccessOption` is not used:
on Unix it lets a second `listen` succeed while the first lives, QTBUG-48635. The directory is private instead.)

The wire: one line of JSON each way, `{"grapevine": 1, "verb": "show"}` and `{"grapevine": 1, "ok": true}`. A second
start by a click on a link adds `"link": "grapevine:..."`.
"""

import enum
import hashlib
import json
import logging
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import platformdirs
from PySide6.QtCore import QLockFile, QObject, QTimer, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

VERSION = 1
MAX_LINE_BYTES = 1024  # both messages are under 40 bytes, and a link has 600 characters at most
MAX_LINK = 600  # characters of a link that is handed on; an invitation has 150
MAX_CALLERS = 8  # at a time; a person starts one program at a time
CALLER_SECONDS = 2.0  # a caller that says nothing for so long is dropped
ANSWER_SECONDS = 3.0  # the first instance may be busy starting; its window is up within one second
RETRY_SECONDS = 0.05
SLICE_MS = 100  # of waiting inside Qt, where a signal from the terminal is not heard
MAX_SOCKET_PATH = 100  # bytes; sun_path holds 104 on macOS and 108 on Linux, the last one zero

log = logging.getLogger(__name__)


class Claim(enum.Enum):
    """What came of a claim."""

    FIRST = "first"  # we are the one instance of this profile
    SHOWN = "shown"  # another one is, and it shows its window now
    SILENT = "silent"  # another one holds the lock and does not answer


class SingleInstance(QObject):
    """The claim to one profile. Needs a QCoreApplication; the loop need not run while claiming."""

    show_requested = Signal()
    link_requested = Signal(str)  # after `show_requested`: the second start was to open this; it may be anything

    def __init__(
        self, profile: str, *, directory: Path | None = None, link: str = "", parent: QObject | None = None
    ) -> None:
        """`link`: what the first instance is to open, if we are not it."""
        super().__init__(parent)
        self._link = link[:MAX_LINK]
        base = directory if directory is not None else runtime_directory()
        digest = hashlib.sha256(profile.encode()).hexdigest()[:12]  # any name, a short path
        self._lock = QLockFile(str(base / f"{digest}.lock"))
        self._lock.setStaleLockTime(0)  # only a dead holder makes it stale, never its age
        self._address = f"grapevine-{_user()}-{digest}" if sys.platform == "win32" else str(base / f"{digest}.socket")
        self._server: QLocalServer | None = None
        self._callers: set[QLocalSocket] = set()
        self.refused = 0  # callers that sent something else, or nothing

    def claim(self, *, seconds: float = ANSWER_SECONDS, given_up: Callable[[], bool] = lambda: False) -> Claim:
        """Become the first instance, or have the first one show itself.

        Returns at once when first; else blocks until the other answers, at most `seconds`, or until `given_up()`.
        """
        deadline = time.monotonic() + seconds
        while True:
            if self._lock.tryLock(0):
                self._listen()
                return Claim.FIRST
            if self._lock.error() != QLockFile.LockError.LockFailedError:
                log.warning("no lock file in %s: a second start will open a second window", self._address)
                return Claim.FIRST
            if self._ask(deadline, given_up):
                return Claim.SHOWN
            if given_up() or time.monotonic() >= deadline:
                return Claim.SILENT
            time.sleep(RETRY_SECONDS)  # it is between its lock and its socket, or on its way out

    def close(self) -> None:
        """Give the profile free. Idempotent."""
        if self._server is not None:
            self._server.close()  # removes the socket file too
            self._server = None
        for caller in list(self._callers):
            self._drop(caller)
        self._lock.unlock()

    # -- the first instance --------------------------------------------------------------------------------------

    def _listen(self) -> None:
        QLocalServer.removeServer(self._address)  # ours by the lock: nobody alive listens there
        server = QLocalServer(self)
        server.setMaxPendingConnections(MAX_CALLERS)
        server.newConnection.connect(self._accept)
        if server.listen(self._address):
            self._server = server
        else:
            log.warning("cannot listen on %s: %s", self._address, server.errorString())

    def _accept(self) -> None:
        while self._server is not None and (caller := self._server.nextPendingConnection()) is not None:
            if len(self._callers) >= MAX_CALLERS:
                self.refused += 1
                caller.abort()
                caller.deleteLater()
                continue
            self._callers.add(caller)
            patience = QTimer(caller)
            patience.setSingleShot(True)
            patience.timeout.connect(lambda caller=caller: self._refuse(caller))
            patience.start(int(CALLER_SECONDS * 1000))
            caller.readyRead.connect(lambda caller=caller: self._read(caller))
            caller.disconnected.connect(lambda caller=caller: self._drop(caller))
            self._read(caller)

    def _read(self, caller: QLocalSocket) -> None:
        if caller not in self._callers:
            return
        line = bytes(caller.peek(MAX_LINE_BYTES).data())
        if b"\n" not in line:
            if len(line) >= MAX_LINE_BYTES:
                self._refuse(caller)
            return
        message = _message(line.partition(b"\n")[0])
        if message.get("verb") != "show":
            self._refuse(caller)
            return
        caller.write(json.dumps({"grapevine": VERSION, "ok": True}).encode() + b"\n")
        caller.flush()
        self._drop(caller)
        self.show_requested.emit()
        link = message.get("link")
        if isinstance(link, str) and link:
            self.link_requested.emit(link[:MAX_LINK])

    def _refuse(self, caller: QLocalSocket) -> None:
        if caller in self._callers:
            self.refused += 1
            self._drop(caller)

    def _drop(self, caller: QLocalSocket) -> None:
        if caller in self._callers:
            self._callers.discard(caller)
            caller.disconnectFromServer()
            caller.deleteLater()

    # -- the second start ----------------------------------------------------------------------------------------

    def _ask(self, deadline: float, given_up: Callable[[], bool]) -> bool:
        """Return whether the first instance said, before `deadline`, that it shows itself."""
        socket = QLocalSocket()
        socket.connectToServer(self._address)
        if not socket.waitForConnected(SLICE_MS):
            return False
        wanted = {"grapevine": VERSION, "verb": "show"} | ({"link": self._link} if self._link else {})
        socket.write(json.dumps(wanted).encode() + b"\n")
        socket.flush()
        while not socket.canReadLine():
            if socket.bytesAvailable() > MAX_LINE_BYTES or given_up() or time.monotonic() >= deadline:
                return False
            if not socket.waitForReadyRead(SLICE_MS) and socket.state() != QLocalSocket.LocalSocketState.ConnectedState:
                return False
        return _message(bytes(socket.readLine(MAX_LINE_BYTES).data())).get("ok") is True


def runtime_directory() -> Path:
    """Return a directory only this user can enter, with a path short enough for a socket; made when missing."""
    fallback = Path(tempfile.gettempdir(), f"grapevine-{_user()}")
    for directory in (_usual_directory(), fallback):
        if len(os.fsencode(directory)) <= MAX_SOCKET_PATH - len("/0123456789ab.socket") and _private(directory):
            return directory
    return Path(tempfile.mkdtemp(prefix="grapevine-"))  # works, but a second start does not find it


def _usual_directory() -> Path:
    if sys.platform in ("win32", "darwin"):
        return Path(platformdirs.user_runtime_dir("grapevine", appauthor=False))
    # not platformdirs: it warns about a runtime directory that others may enter, and ours inside is private anyway
    return Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{_user()}", "grapevine")


def _private(directory: Path) -> bool:
    """Make the directory, or check that it is ours alone: in /tmp somebody else may have been first."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sys.platform == "win32":
            return True
        status = directory.lstat()
        return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
    except OSError:
        return False


def _user() -> str:
    return os.environ.get("USERNAME", "user") if sys.platform == "win32" else str(os.getuid())


def _message(line: bytes) -> dict[str, object]:
    """Return the message of a line, or an empty one when it is not ours."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) and message.get("grapevine") == VERSION else {}
