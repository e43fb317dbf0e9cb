"""Memory is given back while nobody uses the peer, in virtual time."""

import asyncio
from dataclasses import replace

import pytest

from core.aio.tasks import TaskSet
from core.cli import tidying
from core.cli.tidying import EVERY, FIRST, QUIET_BYTES, tidy
from core.news.events import Traffic

pytestmark = pytest.mark.virtual_time


async def test_memory_is_given_back_soon_after_the_start_and_then_whenever_nobody_used_the_peer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times: list[float] = []
    clock = asyncio.get_running_loop().time
    monkeypatch.setattr(tidying, "give_back", lambda: times.append(clock()))
    traffic, began = Traffic(), clock()
    tasks = TaskSet("tidy")
    tasks.spawn(tidy(lambda: traffic), name="tidy")
    await asyncio.sleep(FIRST + EVERY + 1)
    assert times == [began + FIRST, began + FIRST + EVERY]
    traffic = replace(traffic, requests=1)
    await asyncio.sleep(EVERY)
    traffic = replace(traffic, received=QUIET_BYTES // 2, sent=QUIET_BYTES // 2)  # a byte stream, and no request
    await asyncio.sleep(EVERY)
    assert len(times) == 2
    traffic = replace(traffic, sent=traffic.sent + 10_000)  # what keeps a mapping open
    await asyncio.sleep(EVERY)
    assert len(times) == 3
    await tasks.aclose()
