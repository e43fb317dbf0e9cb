"""The end of connections: who says goodbye is waited for, who does not is cut off."""

import asyncio

import pytest

from core.aio.goodbye import farewell

pytestmark = pytest.mark.asyncio


class Line:
    """A connection that was closed."""

    def __init__(self) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.cut_off = False

    def abort(self) -> None:
        self.cut_off = True
        asyncio.get_running_loop().call_soon(self.closed.set_result, None)


async def test_who_says_goodbye_is_not_cut_off() -> None:
    polite, over = Line(), Line()
    over.closed.set_result(None)
    asyncio.get_running_loop().call_soon(polite.closed.set_result, None)
    await farewell([polite, over], patience=5.0)
    assert (polite.closed.done(), polite.cut_off, over.cut_off) == (True, False, False)


async def test_who_does_not_is_and_is_gone_then() -> None:
    silent = [Line() for _ in range(3)]
    await farewell(silent, patience=0.0)
    assert [(each.cut_off, each.closed.done()) for each in silent] == [(True, True)] * 3


async def test_nobody_is_waited_for() -> None:
    await farewell([])
