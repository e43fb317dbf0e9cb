"""Programs as services: what they answer, and what hangs, babbles, forks or ends badly: bounded, named, ended."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Coroutine
from pathlib import Path
from typing import cast

import pytest

from core.errors import LocalError
from core.kinds import command as command_module
from core.kinds import program as program_module
from core.kinds import values as values_module
from core.kinds.command import CommandService
from core.kinds.share import Share
from core.kinds.table import make
from core.kinds.values import QUEUE, Broadcast, Value, parse_line, value_of
from core.kinds.watch import WatchService
from core.tunnel.stream import ByteStream
from core.values import Address, Caller, JsonValue
from core.wire.stream_frame import Reason
from tests.kinds.streams import CALLER, joined
from tests.net.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX's")]


def script(tmp_path: Path, body: str) -> str:
    path = tmp_path / "program"
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(0o755)
    return str(path)


def service(tmp_path: Path, body: str, **options: JsonValue) -> CommandService:
    made = make(Share("thermo", "json", {"command": script(tmp_path, body), **options}))
    assert isinstance(made, CommandService)
    return made


async def ask(service: CommandService, payload: JsonValue = None) -> JsonValue:
    outcome = service.handle(payload, CALLER)
    assert isinstance(outcome, Awaitable)
    return await outcome


async def refused(service: CommandService, payload: JsonValue = None) -> str:
    with pytest.raises(LocalError) as caught:
        await ask(service, payload)
    return f"{caught.value.name}: {caught.value}"


async def test_a_program_gets_the_payload_and_its_output_is_the_answer(tmp_path: Path) -> None:
    body = "import json, os, sys; print(json.dumps([json.load(sys.stdin), os.environ['GRAPEVINE_CALLER']]))"
    assert await ask(service(tmp_path, body), {"a": [1, "ü"]}) == [{"a": [1, "ü"]}, str(CALLER.peer_id)]


@pytest.mark.parametrize(
    ("printed", "answer"), [("21.5", 21.5), ("warm and dry", "warm and dry"), ("", ""), ("NaN", "NaN")]
)
async def test_what_is_not_json_is_text(tmp_path: Path, printed: str, answer: JsonValue) -> None:
    assert await ask(service(tmp_path, f"print({printed!r})")) == answer


async def test_a_program_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    body = f"""
import os, signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "1000"])
open({str(pids)!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
time.sleep(1000)"""
    slow = service(tmp_path, body, timeout=1.0)
    original, program_module.GRACE = program_module.GRACE, 0.1  # type: ignore[misc]
    try:
        assert (await refused(slow)).startswith("ERR_TIMEOUT: the program of thermo did not answer within 1 s")
    finally:
        program_module.GRACE = original  # type: ignore[misc]
    for pid in map(int, pids.read_text().split()):
        await gone(pid)


async def gone(pid: int) -> None:
    """Wait until the system has carried out the signal; the test's own time-out ends a wait in vain."""
    async with asyncio.timeout(10):
        while _alive(pid):  # noqa: ASYNC110 - the kernel tells nobody but the parent
            await asyncio.sleep(0.01)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def test_a_child_that_goes_on_does_not_hold_the_answer_up(tmp_path: Path) -> None:
    body = "import subprocess; subprocess.Popen(['sleep', '1000']); print(7)"
    assert await ask(service(tmp_path, body)) == 7


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("raise SystemExit(3)", "ERR_PROGRAM: the program of thermo failed: it ended with 3"),
        (
            "import sys; sys.stdout.buffer.write(b'\\xff\\xfe')",
            "ERR_PROGRAM: the program of thermo printed what is neither",
        ),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ERR_PROGRAM: the program of thermo failed"),
    ],
)
async def test_what_a_program_does_wrong_has_a_name_and_tells_no_paths(tmp_path: Path, body: str, error: str) -> None:
    told = await refused(service(tmp_path, body))
    assert told.startswith(error)
    assert str(tmp_path) not in told


async def test_a_program_that_prints_without_end_is_ended_at_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program_module, "ANSWER_MAX", 1024 * 1024)
    assert "printed more than 1 MB" in await refused(service(tmp_path, "while True: print('x' * 60000)"))


async def test_requests_beyond_the_bound_are_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_module, "WAITING", 0)
    busy = service(tmp_path, "print(1)")
    under_way = [asyncio.get_running_loop().create_task(ask(busy)) for _ in range(8)]
    await asyncio.sleep(0)
    assert (await refused(busy)).startswith("ERR_RATE_LIMITED: thermo is busy")
    assert await asyncio.gather(*under_way) == [1] * 8


async def test_a_host_with_many_requests_locks_no_other_out(tmp_path: Path) -> None:
    """A stranger's requests take their whole time, and a friend from elsewhere is answered meanwhile."""
    body = "import sys, time\nfor line in sys.stdin: time.sleep(60 if 'slow' in line else 0); print(1, flush=True)"
    busy = service(tmp_path, body)
    loop = asyncio.get_running_loop()
    stranger, friend = Caller(Address("203.0.113.1", 4000)), Caller(Address("192.0.2.9", 4000))
    crowd = []
    for _ in range(command_module.AT_ONCE + command_module.WAITING):
        crowd.append(loop.create_task(cast("Coroutine[None, None, JsonValue]", busy.handle("slow", stranger))))
        await asyncio.sleep(0)
    with pytest.raises(LocalError, match="busy"):
        busy.handle("slow", stranger)
    assert await asyncio.wait_for(cast("Awaitable[JsonValue]", busy.handle("quick", friend)), 20.0) == 1
    for task in crowd:
        task.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    await busy.aclose()


LINES = "import json, sys\nfor line in sys.stdin: print(json.dumps({'got': json.loads(line)}), flush=True)"


async def test_a_program_that_goes_on_answers_line_by_line_in_order(tmp_path: Path) -> None:
    lines = service(tmp_path, LINES, lines=True)
    answers = await asyncio.gather(*(ask(lines, number) for number in range(50)))
    assert answers == [{"got": number} for number in range(50)]
    await lines.aclose()


async def test_one_that_ends_fails_what_is_under_way_and_is_not_started_again_at_once(tmp_path: Path) -> None:
    lines = service(tmp_path, "import sys; sys.stdin.readline()", lines=True)
    assert "ended" in await refused(lines, 1)
    assert "started again" in await refused(lines, 2)
    await lines.aclose()


async def test_one_that_is_late_is_ended_since_its_next_line_would_answer_another(tmp_path: Path) -> None:
    body = "import sys, time\nfor line in sys.stdin: time.sleep('slow' in line and 1000); print(line, flush=True)"
    lines = service(tmp_path, body, lines=True, timeout=0.5)
    assert (await refused(lines, "slow")).startswith("ERR_TIMEOUT")
    assert await ask(lines, "quick") == "quick"
    await lines.aclose()


@pytest.mark.parametrize("command", ["", "   ", "'unbalanced", "/nowhere/at-all", "no-such-program-here"])
async def test_a_command_that_cannot_be_is_refused_when_it_is_shared(command: str) -> None:
    with pytest.raises(LocalError) as caught:
        CommandService(Share("x", "json", {"command": command}))
    assert caught.value.name == "ERR_SHARE"


WATCHED = "import sys, time\nfor n in range(3): print(n, flush=True)\ntime.sleep(1000)"


async def test_values_reach_watchers_and_the_newest_is_there_for_who_comes_late(tmp_path: Path) -> None:
    watched = make(Share("temp", "values", {"command": script(tmp_path, WATCHED)}))
    assert isinstance(watched, WatchService)
    async with joined(watched) as pair:
        early = await pair.open()
        got: list[JsonValue] = []
        rest = b""
        while len(got) < 1 or got[-1] != 2:
            *lines, rest = (rest + await early.read()).split(b"\n")
            got += [parse_line(line).value for line in lines]
        late = await pair.open()
        assert parse_line(await late.read()).value == 2
        assert watched.handle(None, CALLER) == 2
        assert (await watched.check()).ok
        early.reset()
        late.reset()


async def test_a_program_that_ends_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.kinds.watch.RESTART_LEAST", 0.01)
    count = tmp_path / "count"
    body = f"p = {str(count)!r}\nopen(p, 'a').write('x')\nprint(len(open(p).read()))"
    watched = make(Share("temp", "values", {"command": script(tmp_path, body)}))
    async with joined(watched) as pair:
        stream = await pair.open()
        said = b""
        while b",3]" not in said:
            said += await stream.read()


async def test_stopping_the_share_ends_its_program(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    body = (
        f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid())); print('on', flush=True)\ntime.sleep(1000)"
    )
    watched = make(Share("temp", "values", {"command": script(tmp_path, body)}))
    async with joined(watched) as pair:
        await (await pair.open()).read()
    await gone(int(pid.read_text()))


async def test_a_slow_watcher_loses_the_oldest_values() -> None:
    source = Broadcast(lambda: 1.5)
    with source._watching(a_stream("192.0.2.1")) as watcher:
        for number in range(QUEUE + 10):
            source.put(number)
        assert [parse_line(line).value for line in watcher.queue] == list(range(10, QUEUE + 10))
    assert len(source) == 0
    assert source.last == Value(1.5, QUEUE + 9)


class Watching:
    """A watcher's stream, as far as those who send values look at it."""

    def __init__(self, host: str) -> None:
        self.remote = Address(host, 4000)
        self.told: list[str] = []

    def reset(self, reason: Reason) -> None:
        self.told.append(reason.name)


def a_stream(host: str) -> ByteStream:
    return cast("ByteStream", Watching(host))


async def test_one_host_watches_so_often_and_no_other_is_refused_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values_module, "WATCHERS", 4)
    monkeypatch.setattr(values_module, "WATCHERS_HOST", 3)
    source = Broadcast(lambda: 1.5)
    crowd = [a_stream("192.0.2.1") for _ in range(3)]
    with contextlib.ExitStack() as stack:
        for each in crowd:
            stack.enter_context(source._watching(each))
        with pytest.raises(LocalError, match="watch this already") as caught, source._watching(crowd[0]):
            pass
        assert caught.value.name == "ERR_RATE_LIMITED"
        for host in ("192.0.2.2", "192.0.2.3"):
            stack.enter_context(source._watching(a_stream(host)))
        assert len(source) == 4
        assert [cast("Watching", each).told for each in crowd] == [["ERR_RATE_LIMITED"], [], []]
    assert len(source) == 0


@pytest.mark.parametrize("line", [b"{", b"[1]", b'["x",1]', b"[true,1]", b"\xff"])
async def test_a_line_that_is_none_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of json, of the codec, or ours
        parse_line(line)


async def test_a_line_that_is_no_text_has_no_value() -> None:
    with pytest.raises(UnicodeDecodeError):
        value_of(b"\xff\xfe")


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(3):
            os.close(number)
        open(sys.argv[0] + ".pid", "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
os.wait()
print(1)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="found by Linux' /proc")
async def test_a_daemon_that_a_program_left_is_ended_and_others_are_not(tmp_path: Path) -> None:
    bystander = await asyncio.create_subprocess_exec("sleep", "600")
    try:
        assert await ask(service(tmp_path, DAEMON)) == 1
        left = tmp_path / "program.pid"
        await eventually(lambda: left.exists() and left.read_text() != "")
        pid = int(left.read_text())
        await eventually(lambda: _is_over(pid), timeout=10.0)
        assert bystander.returncode is None
    finally:
        bystander.kill()
        await bystander.wait()


def _is_over(pid: int) -> bool:
    """Return whether a process is gone, or has ended and waits to be looked after (a zombie)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
