"""Sharing and using with the program as a friend gets it: kinds are imported by name, and must be in the bundle."""

import http.client
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.bundle.conftest import Kind
from tests.desktop.xvfb import offscreen

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the bundle is built for Linux here")


@contextmanager
def going(tested: Kind, event: str, *arguments: str, env: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Run the program as long as the block lasts; what it told with this event."""
    program = tested.start(*arguments, "--json", env=env)
    watchdog = threading.Timer(60.0, program.kill)
    watchdog.start()
    try:
        assert program.stdout is not None
        for line in program.stdout:
            told: dict[str, Any] = json.loads(line)
            if told["event"] == event:
                watchdog.cancel()
                yield told
                break
        else:
            pytest.fail(f"{arguments} ended without {event}: {program.communicate()[1]}")
    finally:
        watchdog.cancel()
        program.kill()
        program.communicate()


class Quiet(SimpleHTTPRequestHandler):
    """A web server of this machine."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def web_page(folder: Path) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_share_open_and_fetch(tested: Kind, tmp_path: Path) -> None:
    data = os.urandom(2_000_000)
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.bin").write_bytes(data)
    homes = tmp_path / "anna", tmp_path / "bert"
    envs = []
    for home in homes:
        home.mkdir()
        envs.append(offscreen(home))
    anna, bert = envs
    ids = [tested.run("id", env=env).stdout.strip() for env in envs]
    assert tested.run("trust", "add", ids[1], "--name", "bert", env=anna).returncode == 0
    assert tested.run("trust", "add", ids[0], "--name", "anna", env=bert).returncode == 0
    with ExitStack() as stack:

        def run(event: str, *arguments: str, env: dict[str, str]) -> dict[str, Any]:
            return stack.enter_context(going(tested, event, *arguments, env=env))

        grape = run("listening", "grape", "--dp", "0", "--aph", "0", "--bn", "", "-b", "127.0.0.1", env=anna)["api"]
        port = stack.enter_context(web_page(folder))
        counting = "sh -c 'echo $LD_LIBRARY_PATH.; sleep 60'"
        shared = run("shared", "share", str(port), str(folder), "--watch", counting, "--grape", grape, env=anna)
        assert (shared["ok"], shared["name"]) == (True, f"page-{port}")
        fetched = tested.run("fetch", "anna/docs/a.bin", "-o", str(tmp_path / "a"), "--grape", grape, env=bert)
        assert (fetched.returncode, (tmp_path / "a").read_bytes() == data) == (0, True), fetched.stderr
        where = urlsplit(run("opened", "open", f"anna/page-{port}", "--grape", grape, env=bert)["where"])
        page = http.client.HTTPConnection("127.0.0.1", where.port or 0, timeout=30)
        page.request("GET", "/a.bin", headers={"Host": where.netloc})
        assert page.getresponse().read() == data
        page.close()
        value = tested.run("watch", "anna/sh", "--once", "--grape", grape, env=bert)
        own = anna.get("LD_LIBRARY_PATH", "")
        assert (value.returncode, value.stdout.strip()) == (0, f"{own}."), "programs get the machine's own libraries"
