"""Fail-over between grapes and the way back, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from core.aio.tasks import TaskSet
from core.directory.link.config import LinkConfig
from core.directory.link.grapes import Grapes, LinkState, check_urls
from core.errors import LocalError, LookupEmpty, PeerError, RefusedError, RemoteError, RequestTimeout, Unreachable
from tests.support import virtual_time

A, B, C = "http://a:1", "http://b:1", "http://c:1"


class World:
    """Grapes that are up or down; `asked` lists every request, `probed` every probe."""

    def __init__(self, *urls: str) -> None:
        self.down: set[str] = set()
        self.error: Exception = Unreachable("refused")
        self.asked: list[str] = []
        self.probed: list[tuple[float, str]] = []
        self.states: list[LinkState] = []
        self.tasks = TaskSet()
        self.grapes = Grapes(urls or (A, B), LinkConfig(), self.probe, self.tasks)
        self.grapes.on_state = self.states.append

    async def probe(self, url: str) -> bool:
        self.probed.append((virtual_time.now(), url))
        return url not in self.down

    async def ask(self, url: str) -> str:
        self.asked.append(url)
        if url in self.down:
            raise self.error
        return url

    async def run(self, tries: int = 3) -> str:
        return await self.grapes.run(self.ask, tries=tries)


def scene(*urls: str) -> Callable[[Callable[[World], Awaitable[None]]], Callable[[], None]]:
    """Run a test with a World, in virtual time."""

    def wrap(test: Callable[[World], Awaitable[None]]) -> Callable[[], None]:
        async def main() -> None:
            world = World(*urls)
            try:
                await test(world)
            finally:
                await world.tasks.aclose()

        def run() -> None:
            virtual_time.run(main())

        run.__name__ = test.__name__
        return run

    return wrap


@scene()
async def test_first_that_answers_is_used(world: World) -> None:
    assert world.grapes.state == LinkState(A, None, fallback=False)
    assert [await world.run(), await world.run()] == [A, A]
    assert world.states == [LinkState(A, True, fallback=False)]
    assert world.probed == []


@scene()
async def test_next_is_used_when_one_dies_and_the_first_again_when_it_is_back(world: World) -> None:
    world.down = {A}
    assert [await world.run(), await world.run()] == [B, B]
    assert world.asked == [A, B, B]
    await asyncio.sleep(10)
    assert world.probed == [(3.0, A), (6.0, A), (9.0, A)]
    world.down = set()
    await asyncio.sleep(10)
    assert await world.run() == A
    assert [(state.url, state.reachable, state.fallback) for state in world.states] == [
        (B, True, True),
        (A, True, False),
    ]
    assert len(world.tasks) == 0  # nothing to look after any more


@scene(A)
async def test_lone_grape_is_tried_three_times_with_pauses(world: World) -> None:
    world.down = {A}
    with pytest.raises(Unreachable, match="refused"):
        await world.run()
    assert world.asked == [A] * 3
    assert virtual_time.now() == pytest.approx(0.4)
    assert world.states == [LinkState(A, False, fallback=False, message="refused")]
    world.down = set()
    await asyncio.sleep(3)
    assert world.grapes.state.reachable


@scene(A, B, C)
async def test_put_is_sent_to_each_until_one_takes_it(world: World) -> None:
    world.down = {A, B}
    assert await world.run(tries=1) == C
    world.down = {A, B, C}
    world.asked.clear()
    with pytest.raises(Unreachable, match="none of the grapes http://a:1, http://b:1, http://c:1"):
        await world.run(tries=1)
    assert world.asked == [C, A, B]


@scene()
async def test_all_timing_out_is_a_time_out(world: World) -> None:
    world.down, world.error = {A, B}, RequestTimeout("late")
    with pytest.raises(RequestTimeout, match="none of the grapes") as caught:
        await world.run()
    assert caught.value.name == "ERR_TIMEOUT"


@scene()
async def test_nonsense_counts_as_a_dead_grape(world: World) -> None:
    world.down, world.error = {A}, RemoteError("garbage")
    assert await world.run() == B
    world.down = {A, B}
    with pytest.raises(RemoteError, match="garbage"):
        await world.run()


@pytest.mark.parametrize("answer", [RefusedError("no", name="ERR_X"), LookupEmpty("nobody")])
def test_refusal_is_an_answer_and_not_asked_again(answer: Exception) -> None:
    async def main() -> None:
        world = World()
        world.down, world.error = {A}, answer
        with pytest.raises(type(answer)):
            await world.run()
        assert world.asked == [A]
        assert world.grapes.state.reachable
        await world.tasks.aclose()

    virtual_time.run(main())


@scene()
async def test_second_best_is_left_for_a_better_one_only(world: World) -> None:
    world.down = {A, B}
    with pytest.raises(Unreachable):
        await world.run()
    world.down = {A}
    await asyncio.sleep(3.1)
    assert world.grapes.state.url == B
    world.down = set()
    await asyncio.sleep(3.1)
    assert world.grapes.state.url == A


@scene(A)
async def test_bug_of_a_listener_costs_nothing(world: World) -> None:
    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["message"]))

    def fail(_: LinkState) -> None:
        raise ZeroDivisionError

    world.grapes.on_state = fail
    assert await world.run() == A
    assert reported == ["on_state failed"]


def test_urls_are_cleaned() -> None:
    assert check_urls([f"{A}/", A, "https://[::1]:5"], 5) == (A, "https://[::1]:5")


@pytest.mark.parametrize("wrong", [[], ["nonsense"], ["ftp://a:1"], ["http://"], ["http://a:99999"], ["http://a:x"]])
def test_wrong_urls_are_refused_in_words(wrong: list[str]) -> None:
    with pytest.raises(LocalError, match="grape"):
        check_urls(wrong, 5)


def test_too_many_urls_are_refused() -> None:
    with pytest.raises(LocalError, match="6 grapes"):
        check_urls([f"http://a:{port}" for port in range(1, 7)], 5)


@scene(A)
async def test_a_grape_that_fails_one_kind_of_request_is_one_steady_state_with_the_reason(world: World) -> None:
    """FAULTS F11: "No grape answers" and "Connected" 80 times in 14 s, the reason never shown."""

    async def lookup(url: str) -> str:
        raise RemoteError(f"{url} answered HTTP 403: lookups are off")

    async def announce(url: str) -> str:
        return url

    for _ in range(40):
        with pytest.raises(RemoteError):
            await world.grapes.run(lookup, tries=3, kind="lookup")
        assert await world.grapes.run(announce, tries=3, kind="announce") == A
        await asyncio.sleep(2)
    assert len(world.states) <= 4  # the first lookup fails before anything has gone well
    assert world.grapes.state.reachable
    assert "lookups are off" in world.grapes.state.message
    assert await world.grapes.run(announce, tries=3, kind="lookup") == A
    assert world.grapes.state == LinkState(A, True, fallback=False)


@scene(A)
async def test_so_is_one_that_refuses_or_does_not_answer_them(world: World) -> None:
    errors: list[PeerError] = [RefusedError("lookups are off", name="ERR_GRAPE_GENERIC"), RequestTimeout("slow")]

    async def lookup(url: str) -> str:
        raise errors[0]

    for number in range(20):
        assert await world.run() == A
        with pytest.raises(type(errors[0])):
            await world.grapes.run(lookup, tries=1, kind="lookup")
        await asyncio.sleep(2)
        if number == 9:
            errors.pop(0)
    assert [(state.reachable, bool(state.message)) for state in world.states] == [(True, False), (True, True)]


@scene()
async def test_a_grape_that_does_only_a_part_comes_after_one_that_does_all_and_is_tried_again(world: World) -> None:
    broken = {A}

    async def lookup(url: str) -> str:
        if url in broken:
            raise RemoteError("lookups are off")
        return url

    assert await world.run() == A
    assert await world.grapes.run(lookup, tries=3, kind="lookup") == B
    assert world.grapes.state.url == B
    broken.clear()
    await asyncio.sleep(61)
    assert await world.grapes.run(lookup, tries=3, kind="lookup") == A
    assert world.grapes.state == LinkState(A, True, fallback=False)
