"""The real program under a storm of requests: every reply is right, and a click still takes effect meanwhile."""

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import pytest

from core.net.endpoint import Endpoint
from core.net.stream import Stream
from core.rpc.client import RpcClient
from core.services.fibonacci import fibonacci
from core.values import Address
from tests.desktop.xvfb import App, app, offscreen

CONNECTIONS = 20
AT_A_TIME = 100  # requests, over all connections
MIXTURE = (1, 10, 90, 1000)  # lengths: some bytes up to a hundred kilobytes


@pytest.mark.asyncio
async def test_a_storm_is_answered_and_the_window_takes_a_click(tmp_path: Path) -> None:
    with app("stormed", env=offscreen(tmp_path)) as program:
        address = await asyncio.to_thread(_shared, program)
        async with await Endpoint.open(Address("127.0.0.1", 0)) as endpoint:

            async def connect(remote: Address, seconds: float) -> Stream:
                return await endpoint.connect(remote, timeout=seconds)

            clients = [RpcClient(connect) for _ in range(CONNECTIONS)]
            stop = asyncio.Event()
            right = 0

            async def ask(number: int) -> None:
                nonlocal right
                length = MIXTURE[number % len(MIXTURE)]
                while not stop.is_set():
                    client = clients[number % CONNECTIONS]
                    reply = await client.request(address, "fibonacci_worker", {"length": length}, timeout=30)
                    assert reply.data == fibonacci(length)
                    right += 1

            async def click() -> dict[str, Any]:
                before = right
                await asyncio.to_thread(program.ask, "consume")
                found = await asyncio.to_thread(lambda: program.until(consuming=True, tray_state="active"))
                while right < before + 5 * AT_A_TIME:  # noqa: ASYNC110  it goes on beside what is waited for
                    await asyncio.sleep(0.01)
                stop.set()
                return found

            async with asyncio.TaskGroup() as group:
                clicked = group.create_task(click())
                for number in range(AT_A_TIME):
                    group.create_task(ask(number))
            assert clicked.result()["sharing"] is True
            await asyncio.gather(*(client.close() for client in clients))
        shown = await asyncio.to_thread(_served, program, right)
        assert shown["events"] < right  # joined, not a line each
        assert "Traceback" not in program.log()
        code, errors = await asyncio.to_thread(program.end)
        assert (code, errors) == (0, "")


def _shared(program: App) -> Address:
    """Share, and return where the program listens."""
    program.until(visible=True)
    program.ask("share")
    found = program.until(sharing=True, grape="alone")
    return Address("127.0.0.1", found["address"][1])


def _served(program: App, number: int) -> dict[str, Any]:
    """Wait until the window says that so many requests were served, none failed."""
    for _ in range(100):  # 5 s; the window shows at most ten snapshots a second
        time.sleep(0.05)
        found = program.state()
        told = re.search(r"Served ([\d,]+) requests\.", found["lines"][0])
        if told is not None and int(told[1].replace(",", "")) >= number:
            return found
    raise AssertionError(f"{number} were served; the window says {found['lines']}")
