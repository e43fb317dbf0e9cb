"""Python functions as services: plain, async, generators; what raises, cannot be loaded, or is no JSON."""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Coroutine
from pathlib import Path
from typing import cast

import pytest

from core.aio.tasks import TaskSet
from core.errors import LocalError, PayloadError
from core.kinds import python
from core.kinds.python import AT_ONCE, WAITING
from core.kinds.share import Share
from core.kinds.table import make
from core.kinds.turns import LEFT
from core.kinds.values import parse_line
from core.values import JsonValue
from tests.kinds.streams import CALLER, joined
from tests.net.waiting import eventually
from tests.support.process import PATIENCE

pytestmark = pytest.mark.asyncio

GARDEN = '''
import asyncio, itertools
from core.errors import PayloadError

def handle(payload, caller):
    """Waters the garden."""
    return {"got": payload, "from": caller.peer_id.short}

def alone(payload):
    return (payload, 1)

async def later(payload, caller):
    await asyncio.sleep(0)
    return payload * 2

async def computes(payload):
    import time
    time.sleep(payload)
    return "done"

def fails(payload, caller):
    raise RuntimeError("/srv/anna/secret")

def refuses(payload, caller):
    raise PayloadError("expected a plant")

def odd(payload, caller):
    return {1: object()}

async def grows():
    for number in range(3):
        yield number
    await asyncio.sleep(1000)

def counts():
    yield from ("a", "b")

class Beds:
    @staticmethod
    def rose(payload):
        return "rose"

def nothing(): return 1
number = 7
'''


@pytest.fixture
def garden(tmp_path: Path) -> Path:
    path = tmp_path / "garden.py"
    path.write_text(GARDEN)
    return path


def share(target: str) -> Share:
    return Share("garden", "python", {"target": target})


async def ask(target: str, payload: JsonValue) -> JsonValue:
    outcome = make(share(target)).handle(payload, CALLER)
    assert isinstance(outcome, Awaitable)
    answer: JsonValue = await outcome
    return answer


async def test_functions_answer_plain_async_with_and_without_the_caller(garden: Path) -> None:
    assert CALLER.peer_id is not None
    assert await ask(f"{garden}:handle", 1) == {"got": 1, "from": CALLER.peer_id.short}
    assert await ask(f"{garden}:alone", 1) == [1, 1]
    assert await ask(f"{garden}:later", 21) == 42
    assert await ask(f"{garden}:Beds.rose", None) == "rose"
    assert make(share(f"{garden}:handle")).description == "Waters the garden."


async def test_what_a_function_raises_is_logged_and_not_told_but_for_a_refused_payload(
    garden: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(LocalError) as caught:
        await ask(f"{garden}:fails", 1)
    assert (caught.value.name, str(caught.value)) == ("ERR_HANDLER", "garden failed on this request")
    assert "/srv/anna/secret" in caplog.text
    with pytest.raises(PayloadError, match="expected a plant"):
        await ask(f"{garden}:refuses", 1)
    with pytest.raises(LocalError, match="JSON cannot carry"):
        await ask(f"{garden}:odd", 1)


@pytest.mark.parametrize("name", ["grows", "counts"])
async def test_generators_make_values_that_go_on(garden: Path, name: str) -> None:
    service = make(share(f"{garden}:{name}"))
    last: JsonValue = 2 if name == "grows" else "b"
    async with joined(service) as pair:
        stream, said = await pair.open(), b""
        while b"\n" not in said or parse_line(said.splitlines()[-1]).value != last:
            said += await stream.read()
        assert service.handle(None, CALLER) == last


@pytest.mark.parametrize(
    "target",
    ["{}:missing", "{}:number", "{}:nothing", "nowhere.py:handle", "no.such.module:x", "no-entry-point", ""],
)
async def test_what_cannot_be_loaded_says_so(garden: Path, target: str) -> None:
    with pytest.raises(LocalError) as caught:
        make(share(target.format(garden)))
    assert caught.value.name == "ERR_SHARE"


async def test_a_module_that_fails_while_it_is_loaded_says_so(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("1/0")
    with pytest.raises(LocalError, match="ZeroDivisionError"):
        make(share(f"{tmp_path}/bad.py:handle"))


BLOCKED = """
import sys, threading
go = threading.Event()

def waits(payload):
    go.wait(30)
    return payload

def leaves(payload):
    sys.exit(3)

def sleeps():
    go.wait(30)
    yield 1
"""


@pytest.fixture
def blocked(tmp_path: Path) -> Path:
    path = tmp_path / "blocked.py"
    path.write_text(BLOCKED)
    return path


def threads() -> int:
    return sum(thread.name == "grapevine aside" for thread in threading.enumerate())


async def test_functions_that_block_hold_up_nothing_else_and_are_bounded(blocked: Path) -> None:
    service = make(share(f"{blocked}:waits"))
    calls = [service.handle(number, CALLER) for number in range(AT_ONCE + WAITING)]
    assert all(isinstance(each, Awaitable) for each in calls)
    owner = TaskSet("requests")
    tasks = [owner.spawn(cast("Coroutine[None, None, JsonValue]", each), name="request") for each in calls]
    await eventually(lambda: threads() == AT_ONCE - LEFT)
    with pytest.raises(LocalError, match="busy"):
        await cast("Awaitable[JsonValue]", service.handle(0, CALLER))
    assert (
        await asyncio.wait_for(asyncio.to_thread(lambda: "free"), PATIENCE) == "free"
    )  # where keys and files are read
    for task in tasks[: AT_ONCE - LEFT]:
        task.cancel()  # as at the time-out of a request
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert threads() == AT_ONCE - LEFT  # their places are taken
    sys.modules["grapevine_share_blocked"].go.set()
    assert await asyncio.gather(*tasks[AT_ONCE - LEFT :]) == list(range(AT_ONCE - LEFT, AT_ONCE + WAITING))
    assert await cast("Awaitable[JsonValue]", service.handle(7, CALLER)) == 7


async def test_a_function_that_wants_to_end_the_program_ends_its_request(blocked: Path) -> None:
    with pytest.raises(LocalError, match="failed on this request"):
        await ask(f"{blocked}:leaves", 1)


async def test_generators_that_sleep_take_no_thread_that_others_need(blocked: Path) -> None:
    services = [make(share(f"{blocked}:sleeps")) for _ in range(40)]  # more than the loop's own executor has threads
    for service in services:
        await service.start()
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), PATIENCE) == "free"
    sys.modules["grapevine_share_blocked"].go.set()
    for service in services:
        await service.aclose()


async def test_an_async_function_that_holds_up_the_peer_is_named(
    garden: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]  # the clock of steps, which only the function's own sleep moves on
    monkeypatch.setattr("core.aio.watched.perf_counter", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda seconds: now.append(now.pop() + seconds))
    service = make(share(f"{garden}:computes"))

    async def call(seconds: float) -> JsonValue:
        outcome = service.handle(seconds, CALLER)
        assert isinstance(outcome, Awaitable)
        answer: JsonValue = await outcome
        return answer

    assert await call(python.HELD_UP / 2) == "done"
    assert caplog.text == ""
    assert [await call(0.3) for _ in range(3)] == ["done"] * 3
    assert caplog.text.count("garden held up the whole peer for 0.3 s") == 1  # once a minute
