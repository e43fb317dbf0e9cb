"""Connections that died unseen: what is asked over them is answered from where the peer is now, and asked once."""

import asyncio
import gc

import pytest

from core.calling.client import FRESH, MET_BEFORE
from core.calling.streams import dial_streams
from core.calling.unless_silent import SILENT
from core.errors import RequestTimeout
from core.peer_id import PeerId
from core.rpc.stream import Stream
from core.services.service import Caller
from core.values import Address, JsonValue
from tests.calling.test_client_by_id import ASKED, THEM, FakeDialer, Stage, stage
from tests.peer.fakes import A, B, C, now

pytestmark = pytest.mark.virtual_time

AT_ONCE = 0.2  # seconds: two connections of the fake socket, and slack


class StreamDialer(FakeDialer):
    """Opens connections for byte streams as those for requests."""

    async def dial_streams(self, address: Address, seconds: float, expected: PeerId) -> Stream:
        return await self.dial(address, seconds, expected)


async def moved(it: Stage, to: Address) -> None:
    """Have them answer at A, then restart at another port without a word that reached us."""
    it.records(A)
    it.lives(THEM, A)
    await it.ask()
    it.socket.streams[-1].lose()
    if to != A:
        del it.socket.servers[A]
    it.lives(THEM, to)
    it.records(to)


@pytest.mark.parametrize("idle", [0.5, FRESH + 1, 60.0])
@pytest.mark.parametrize("to", [A, B])
async def test_who_restarted_is_asked_again_where_it_is_now(idle: float, to: Address) -> None:
    async with stage() as it:
        await moved(it, to)
        await asyncio.sleep(idle)
        began = now()
        assert (await it.ask()).peer == to
        assert SILENT <= now() - began < SILENT + AT_ONCE
        began = now()
        assert (await it.ask()).peer == to  # and it is known now
        assert now() - began < AT_ONCE


async def test_by_address_a_new_connection_is_made() -> None:
    async with stage() as it:
        it.lives(THEM, A)
        await it.client.request(str(A), ASKED, 5.0)
        it.socket.streams[-1].lose()
        began = now()
        await it.client.request(str(A), ASKED, 5.0)
        assert SILENT <= now() - began < SILENT + AT_ONCE


async def test_who_works_long_and_acknowledges_is_asked_once() -> None:
    asked: list[float] = []

    async def slow(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
        asked.append(now())
        await asyncio.sleep(6.0)
        return "done"

    async with stage() as it:
        it.records(A)
        it.lives(THEM, A)
        await it.ask()
        it.socket.streams[-1].abort()
        it.socket.servers[A] = slow
        await asyncio.sleep(1.0)
        assert (await it.ask()).data == "done"
        assert len(asked) == 1


async def test_who_acknowledges_while_it_is_looked_for_is_not_asked_twice() -> None:
    async def slow(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
        await asyncio.sleep(0.0 if payload is None else 4.0)
        return "done"

    async with stage() as it:
        it.records(A)
        it.dialer.who[A] = THEM.peer_id
        it.socket.servers[A] = slow
        await it.client.request(f"{THEM.peer_id}/fibonacci", None, 5.0)
        stream = it.socket.streams[-1]
        stream.heard_at = now()  # the acknowledgement is late
        it.directory.delay = 1.0  # so that the search takes as long

        async def acknowledge() -> None:
            await asyncio.sleep(SILENT + 0.5)
            stream.heard_at = now()

        async with asyncio.TaskGroup() as group:
            group.create_task(acknowledge())
            await it.ask()
        assert (it.directory.gets, len(it.sent())) == (2, 2)


async def test_nobody_anywhere_takes_as_long_as_was_allowed_and_no_longer() -> None:
    async with stage() as it:
        await moved(it, A)
        del it.socket.servers[A]
        began = now()
        with pytest.raises(RequestTimeout):
            await it.ask(timeout=5.0)
        assert now() - began <= 5.2


async def test_a_kept_connection_vouches_for_no_address_that_streams_are_opened_to() -> None:
    """The fault: it was called reached at once, the dial took all the time there was, and so again."""

    async with stage() as it:
        await moved(it, B)
        dialer = StreamDialer(it.socket)
        dialer.who = it.dialer.who
        began = now()
        stream = await dial_streams(it.client, dialer)(THEM.peer_id, 15.0)
        assert now() - began < AT_ONCE
        assert stream.remote == B
        stream.abort()


async def test_where_it_was_met_in_an_earlier_run_keeps_nobody_from_where_it_is() -> None:
    async with stage() as it:
        it.before = [C]
        it.records(B)
        it.lives(THEM, B)
        assert (await it.ask()).peer == B
        assert MET_BEFORE <= now() < MET_BEFORE + AT_ONCE


async def test_who_is_slow_nearby_is_reached_there_all_the_same() -> None:
    async with stage() as it:
        it.before = [A]
        it.records(B)
        it.lives(THEM, A)
        connect = it.socket.connect

        async def slow(remote: Address, *, timeout: float) -> object:
            await asyncio.sleep(2.0 if remote == A else 0.0)
            return await connect(remote, timeout=timeout)

        it.socket.connect = slow  # type: ignore[method-assign,assignment]
        assert (await it.ask()).peer == A
        assert now() < 2.0 + AT_ONCE


async def test_a_request_over_a_kept_connection_leaves_no_circles() -> None:
    async with stage() as it:
        it.records(A)
        it.lives(THEM, A)
        await it.ask()
        left = []
        gc.disable()
        try:
            for _ in range(3):
                gc.collect()
                for _ in range(20):
                    await it.ask()
                left.append(gc.collect())
        finally:
            gc.enable()
        assert min(left) < 20, "as many objects as requests would be one circle each"
