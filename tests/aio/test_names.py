"""A resolver that never answers holds up neither a cancellation nor the end of the program."""

import asyncio
import itertools
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest

from core.aio import names
from core.aio.names import look_up
from core.errors import LocalError
from core.net.udp import destination, resolve
from core.values import Address
from tests.support.samples import some
from tests.support.tools import ROOT

STUCK = """
import asyncio, socket, threading, sys
socket.getaddrinfo = lambda *a, **k: threading.Event().wait()
from core.errors import PeerError
{prepare}

async def main():
    try:
        async with asyncio.timeout(0.05):
            {call}
    except (TimeoutError, PeerError):
        print("given up", flush=True)

{run}
print("over", flush=True)
"""
LOOPS = {
    "asyncio": "asyncio.run(main())",
    "uvloop": "import uvloop; uvloop.run(main())",
    "the window's": """
import os
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from PySide6.QtWidgets import QApplication
from desktop.loop import PreciseLoop
app = QApplication([])
with asyncio.Runner(loop_factory=lambda: PreciseLoop(app)) as runner:
    runner.run(main())
""",
}
CALLS = {
    "datagrams": ("from core.net.udp import destination; from core.values import Address",
                  "await destination(Address('a.name', 1))"),
    "a shared TCP port": (
        "from core.kinds.share import Share; from core.kinds.table import make",
        "await make(Share('x', 'tcp', {'target': 'a.name:80'})).check()"),
    "a shared UDP port": (
        "from core.kinds.share import Share; from core.kinds.table import make",
        "await make(Share('x', 'udp', {'target': 'a.name:80'})).serve(None, None, None)"),
    "a shared page": (
        "from core.kinds.share import Share; from core.kinds.table import make",
        "await make(Share('x', 'http', {'target': 'http://a.name:80'})).check()"),
    "a grape": ("from core.directory.link import Link", "await Link(['http://a.name:1']).lookup('svc')"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "loop"), some(itertools.product(CALLS, LOOPS), 4))
def test_the_program_ends_while_the_resolver_is_stuck(call: str, loop: str) -> None:
    """FAULTS.md F5: on each loop that we run on. A program that waits for it is killed after a minute."""
    for module in {"uvloop": ["uvloop"], "the window's": ["PySide6", "qasync"]}.get(loop, []):
        pytest.importorskip(module)
    prepare, act = CALLS[call]
    code = STUCK.format(prepare=prepare, call=act, run=LOOPS[loop])
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout.splitlines()) == (0, ["given up", "over"]), run.stderr


@pytest.mark.asyncio
async def test_lookups_that_are_stuck_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kinds: free.wait(60) and [])
    loop = asyncio.get_running_loop()
    waiting = [loop.create_task(resolve(Address(f"n{n}.test", 1))) for n in range(names.MOST_AT_ONCE)]
    await asyncio.sleep(0)
    with pytest.raises(LocalError, match="32 names are being looked up already"):
        await destination(Address("one.more", 1))
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    free.set()
    while names._under_way:  # noqa: ASYNC110 - threads end by themselves
        await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_a_resolver_that_does_not_answer_is_given_up_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kinds: free.wait(60) and [])
    monkeypatch.setattr(names, "PATIENCE", 0.01)
    with pytest.raises(LocalError, match="name server did not answer"):
        await resolve(Address("a.name", 1))
    free.set()


@pytest.mark.asyncio
async def test_what_the_resolver_says_is_returned() -> None:
    found = await look_up("127.0.0.1", 7, socket.AF_INET, socket.SOCK_DGRAM)
    assert found[0][4] == ("127.0.0.1", 7)


@pytest.mark.asyncio
async def test_an_address_takes_no_thread_and_a_name_that_many_want_takes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger who opened many streams to a shared port took all 32 threads, so that a friend's failed."""
    gate, asked = threading.Event(), []
    real = socket.getaddrinfo

    def slow(host: str, *more: Any, **options: Any) -> Any:  # noqa: ANN401
        asked.append((host, threading.current_thread() is threading.main_thread()))
        if host == "a.name":
            gate.wait(20.0)
            return real("127.0.0.9", *more, **options)
        return real(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    many = [asyncio.ensure_future(look_up("a.name", 80, socket.AF_INET, socket.SOCK_STREAM)) for _ in range(200)]  # noqa: TID251  gathered below
    await asyncio.sleep(0.05)
    for host in ("127.0.0.1", "::1"):
        assert (await look_up(host, 80, socket.AF_UNSPEC, socket.SOCK_DGRAM))[0][4][0] == host
    many[0].cancel()
    gate.set()
    found = await asyncio.gather(*many, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert all(each[0][4] == ("127.0.0.9", 80) for each in found[1:] if not isinstance(each, BaseException))
    assert asked == [("a.name", False), ("127.0.0.1", True), ("::1", True)]
