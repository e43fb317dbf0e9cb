"""When our record goes to the grapes, and what is told of it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from core.errors import RefusedError, RequestTimeout
from core.identity.identity import Identity
from core.news.events import ErrorRaised, GrapeSnapshot, GrapeState
from core.news.hub import Hub
from core.own.identity import OwnIdentity
from core.own.record import OwnRecord
from core.services.fibonacci import FibonacciService
from core.services.intents import Intent, Intents
from core.services.names import Role
from core.services.service import Registry
from core.values import Address
from tests.directory.records.fakes import FakeStore
from tests.peer.fakes import A, LoopHub, play

pytestmark = pytest.mark.virtual_time

US = Identity.from_secret(b"\1" * 32)


class Stage:
    """Our record, between our identity and a fake grape, in virtual time."""

    def __init__(self, identity: Identity | None = US) -> None:
        self.hub = LoopHub()
        self.store = FakeStore(Hub().now)
        self.identity = OwnIdentity(identity, lambda error: None)
        echo = FibonacciService()
        echo.name = "echo"
        self.intents = Intents(Registry(FibonacciService(), echo))
        self.record = OwnRecord(
            self.hub, self.identity, self.store, self.intents, self.addresses, lambda: self.intents.of(Role.WORKER)
        )
        self.share("fibonacci")
        self.identity.start()
        self.record.start()

    def share(self, service: str) -> None:
        self.intents.declare(Intent(service, Role.WORKER))

    def addresses(self) -> list[Address]:
        return [A]

    def grapes(self, nodes: int) -> None:
        state = GrapeState.CONNECTED if nodes else GrapeState.ALONE
        self.record.on_grape(GrapeSnapshot(state, True, "", nodes, ""))

    async def puts(self) -> int:
        """Let everything happen that happens soon; return how many puts there were since."""
        before = len(self.store.puts)
        await asyncio.sleep(3)
        return len(self.store.puts) - before

    async def aclose(self) -> None:
        await self.record.aclose()
        await self.identity.aclose()


def stage(make: Callable[[], Stage] = Stage) -> AbstractAsyncContextManager[Stage]:
    return play(make, Stage.aclose)


async def test_it_is_put_again_when_more_grapes_are_known_than_ever_and_only_then() -> None:
    async with stage() as it:
        assert await it.puts() == 1
        for nodes, puts in [(1, 1), (1, 0), (3, 1), (2, 0), (3, 0), (4, 1), (0, 0), (1, 1), (0, 0)]:
            it.grapes(nodes)
            assert await it.puts() == puts


async def test_a_change_is_put_when_it_is_told() -> None:
    async with stage() as it:
        assert await it.puts() == 1
        it.share("echo")
        await asyncio.sleep(0.01)
        assert len(it.store.puts) == 2
        it.record.publish()
        assert await it.puts() == 0


async def test_without_an_identity_nothing_is_put() -> None:
    async with stage(lambda: Stage(None)) as it:
        it.record.publish()
        it.grapes(1)
        assert await it.puts() == 0
        assert it.store.gets == 0


async def test_grapes_that_keep_no_records_are_told_of_once() -> None:
    async with stage() as it:
        it.store.error = RefusedError("the grape refused: All queries failed", name="ERR_GRAPE_GENERIC")
        await asyncio.sleep(200)
        said = [event for event in it.hub.told if isinstance(event, ErrorRaised)]
        assert [(event.error, "PEER-ID/fibonacci" in event.message) for event in said] == [("ERR_GRAPE_GENERIC", True)]
        it.store.error = RequestTimeout("no grape answers")  # others tell of that
        await asyncio.sleep(200)
        assert len(it.hub.told) == 1


async def test_the_end_takes_it_back() -> None:
    async with stage() as it:
        await it.puts()
        await it.record.aclose()
        assert len(it.store.puts) == 2
