"""One instance per profile: the second start shows the first, garbage is refused, a killed holder leaves no trace."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from PySide6.QtWidgets import QApplication

from desktop import single_instance
from desktop.single_instance import Claim, SingleInstance, runtime_directory
from tests.desktop.polling import await_true, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="speaks to the socket by its path")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory with a path that a socket can have; pytest's own are too long."""
    with tempfile.TemporaryDirectory(prefix="gv-", dir="/tmp") as name:
        yield Path(name)


@pytest_asyncio.fixture
async def first(qapp: QApplication, directory: Path) -> AsyncIterator[SingleInstance]:
    instance = SingleInstance("home", directory=directory)
    assert instance.claim() is Claim.FIRST
    yield instance
    instance.close()


def address(directory: Path) -> str:
    return str(next(directory.glob("*.socket")))


HOLDER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from PySide6.QtCore import QCoreApplication
    from desktop.single_instance import SingleInstance
    app = QCoreApplication([])
    instance = SingleInstance("home", directory=Path(sys.argv[1]), link="".join(sys.argv[3:]))
    sys.stdout.write(instance.claim().value + "\\n")
    sys.stdout.flush()
    if len(sys.argv) > 2:
        sys.stdin.read()
    """
)


def second_start(directory: Path, *more: str) -> str:
    """Claim in another process and return what came of it."""
    result = subprocess.run(
        [sys.executable, "-c", HOLDER, str(directory), *more], capture_output=True, text=True, timeout=20, check=True
    )
    return result.stdout.strip()


@pytest.mark.asyncio
async def test_a_second_start_shows_the_first_and_ends(first: SingleInstance, directory: Path) -> None:
    shown: list[bool] = []
    first.show_requested.connect(lambda: shown.append(True))
    for count in (1, 2):
        assert await asyncio.to_thread(second_start, directory) == "shown"
        await until(lambda: len(shown) >= count)  # noqa: B023 - awaited right here
    assert len(shown) == 2
    assert first.refused == 0


@pytest.mark.asyncio
async def test_another_profile_is_another_instance(first: SingleInstance, directory: Path) -> None:
    other = SingleInstance("work", directory=directory)
    assert other.claim() is Claim.FIRST
    other.close()


@pytest.mark.asyncio
async def test_a_closed_instance_gives_the_profile_free(first: SingleInstance, directory: Path) -> None:
    first.close()
    first.close()
    assert not os.listdir(directory)
    assert await asyncio.to_thread(second_start, directory) == "first"


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"show\n",
        b'{"grapevine": 2, "verb": "show"}\n',
        b'{"grapevine": 1, "verb": "quit"}\n',
        b'{"verb": "show"}\n',
        b"[" * 200 + b"\n",
        b"\xff\xfe\x00\n",
        b"x" * 5000,
    ],
)
@pytest.mark.asyncio
async def test_garbage_is_refused(first: SingleInstance, directory: Path, line: bytes) -> None:
    shown: list[bool] = []
    first.show_requested.connect(lambda: shown.append(True))
    reader, writer = await asyncio.open_unix_connection(address(directory))
    writer.write(line)
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    assert first.refused == 1
    assert not shown
    reader, writer = await asyncio.open_unix_connection(address(directory))
    writer.write(b'{"grapevine": 1, "verb": "show"}\n')
    assert json.loads(await asyncio.wait_for(reader.readline(), 10)) == {"grapevine": 1, "ok": True}
    writer.close()
    assert shown == [True]


@pytest.mark.asyncio
async def test_a_message_in_pieces_is_understood(first: SingleInstance, directory: Path) -> None:
    shown: list[bool] = []
    first.show_requested.connect(lambda: shown.append(True))
    reader, writer = await asyncio.open_unix_connection(address(directory))
    for byte in b'{"grapevine": 1, "verb": "show"}\n':
        writer.write(bytes([byte]))
        await asyncio.sleep(0.001)
    answer = json.loads(await asyncio.wait_for(reader.readline(), 10))
    writer.close()
    assert answer == {"grapevine": 1, "ok": True}
    assert shown == [True]


@pytest.mark.asyncio
async def test_a_caller_that_says_nothing_is_dropped(
    first: SingleInstance, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_instance, "CALLER_SECONDS", 0.05)
    reader, writer = await asyncio.open_unix_connection(address(directory))
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    assert first.refused == 1


@pytest.mark.asyncio
async def test_callers_are_bounded(first: SingleInstance, directory: Path) -> None:
    connections = [await asyncio.open_unix_connection(address(directory)) for _ in range(12)]
    await until(lambda: first.refused == 12 - single_instance.MAX_CALLERS)
    for _, writer in connections:
        writer.close()
    await until(lambda: not first._callers)
    assert await asyncio.to_thread(second_start, directory) == "shown"


def test_a_killed_holder_leaves_no_trace(qapp: QApplication, directory: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory), "stay"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "first\n"
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=10)
    assert len(list(directory.iterdir())) == 2  # lock and socket were left behind
    instance = SingleInstance("home", directory=directory)
    assert instance.claim() is Claim.FIRST
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(address(directory))  # somebody listens again
    instance.close()


def test_a_holder_that_does_not_answer_is_waited_for_in_vain_but_not_for_long(
    qapp: QApplication, directory: Path
) -> None:
    frozen = subprocess.Popen(  # its loop never runs, so nobody reads the socket
        [sys.executable, "-c", HOLDER, str(directory), "stay"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert frozen.stdout is not None
    assert frozen.stdout.readline() == "first\n"
    instance = SingleInstance("home", directory=directory)
    assert instance.claim(seconds=0.4) is Claim.SILENT
    quit_asked = threading.Event()
    threading.Timer(0.1, quit_asked.set).start()
    assert instance.claim(seconds=3600.0, given_up=quit_asked.is_set) is Claim.SILENT
    frozen.communicate("", timeout=10)  # ends, and the next claim is the first
    await_true(lambda: instance.claim(seconds=0.0) is Claim.FIRST)
    instance.close()


def test_the_runtime_directory_is_ours_alone(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(directory / "run"))
    monkeypatch.setattr("tempfile.tempdir", str(directory))
    usual, fallback = directory / "run" / "grapevine", directory / f"grapevine-{os.getuid()}"
    assert runtime_directory() == usual
    assert usual.stat().st_mode & 0o777 == 0o700
    usual.chmod(0o777)  # somebody else's, for all we know
    assert runtime_directory() == fallback
    assert fallback.stat().st_mode & 0o777 == 0o700
    fallback.rmdir()
    fallback.symlink_to("/")
    assert runtime_directory() not in (fallback, usual)


def test_a_long_path_is_not_used_for_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("x" * 100)))
    assert len(os.fsencode(runtime_directory() / "0123456789ab.socket")) <= single_instance.MAX_SOCKET_PATH


def test_without_a_place_for_the_lock_the_window_opens_all_the_same(
    qapp: QApplication, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    instance = SingleInstance("home", directory=tmp_path / "missing")
    assert instance.claim() is Claim.FIRST
    assert "second window" in caplog.text
    instance.close()


@pytest.mark.asyncio
async def test_a_link_is_handed_to_the_first_and_cut_where_it_is_too_long(
    first: SingleInstance, directory: Path
) -> None:
    heard: list[str] = []
    first.link_requested.connect(heard.append)
    for link in ("grapevine:i/abc", "x" * 5000):
        assert await asyncio.to_thread(second_start, directory, "end", link) == "shown"
    await until(lambda: len(heard) == 2)
    assert heard == ["grapevine:i/abc", "x" * single_instance.MAX_LINK]
    assert first.refused == 0
