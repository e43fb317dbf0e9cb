"""Using brokers that are told what to answer: what leaves, who is met, and what nonsense does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from core.broker.client import (
    LATE,
    MAX_BROKERS,
    PAUSE,
    QUIET_AFTER,
    QUIET_WAIT,
    SEEK_EVERY,
    SEEK_SELDOM,
    TOLD_IN,
    BrokerClient,
)
from core.broker.in_use import Want
from core.errors import LookupEmpty, PeerError, RequestTimeout
from core.peer_id import PeerId
from core.values import Address, JsonValue
from core.wire.broker_message import LISTED_MAX
from tests.support.virtual_time import run

SERVICE = "fibonacci_worker"
BROKER, SECOND = Address("192.0.2.1", 4000), Address("192.0.2.2", 4000)
WORKER, OTHER = Address("198.51.100.7", 40000), Address("198.51.100.8", 40000)
US, AT_HOME = Address("203.0.113.5", 40000), Address("192.168.1.20", 40000)
WANT = Want(SERVICE, server=False)
OUR_KIND = PeerId(bytes(32))


@dataclass(frozen=True)
class Answer:
    data: JsonValue
    peer_id: PeerId | None = None


def listing(*addresses: Address, server: bool = True) -> dict[str, JsonValue]:
    entries: dict[str, JsonValue] = {
        str(address): {"service": SERVICE, "server": server, "address": address.host, "port": address.port}
        for address in addresses
    }
    return {SERVICE: entries}


@dataclass
class Scene:
    """A client, brokers that answer what `answers` says, and all that was told."""

    answers: dict[Address, Callable[[], Answer]]
    asked: list[tuple[Address, JsonValue]] = field(default_factory=list)
    found: list[tuple[list[Address], dict[Address, float]]] = field(default_factory=list)
    problems: list[tuple[Address | None, PeerError]] = field(default_factory=list)
    refused: set[Address] = field(default_factory=set)
    spoken: list[Address] = field(default_factory=list)
    rested: list[Address] = field(default_factory=list)
    moved: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, address: Address, payload: JsonValue, seconds: float) -> Answer:
        self.asked.append((address, payload))
        return self.answers[address]()

    async def find(self) -> Sequence[Address]:
        if not self.answers:
            raise LookupEmpty("nobody is announced")
        return list(self.answers)

    def on_found(self, want: Want, addresses: list[Address], told_in: Mapping[Address, float]) -> None:
        assert want == WANT
        self.found.append((addresses, dict(told_in)))
        self.changed.set()

    def on_moved(self) -> None:
        self.moved += 1

    def on_problem(self, broker: Address | None, error: PeerError) -> None:
        self.problems.append((broker, error))
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10.0):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


async def _resolve(text: str) -> Address:
    return Address.parse(text)


@asynccontextmanager
async def using(scene: Scene, *fixed: str) -> AsyncIterator[BrokerClient]:
    ask: Callable[[Address, JsonValue, float], Awaitable[Answer]] = scene.ask
    client = BrokerClient(
        ask, scene.find, _resolve,
        refuses=lambda target, broker: "no" if target in scene.refused else None,
        is_self=lambda address: address == AT_HOME,
        local=lambda: AT_HOME,
        on_found=scene.on_found,
        on_changed=scene.changed.set,
        on_problem=scene.on_problem,
        round_trip=lambda broker: 0.02,
        speak=scene.spoken.append,
        rest=scene.rested.append,
        on_moved=scene.on_moved,
    )  # fmt: skip
    client.want(WANT)
    await client.use(fixed)
    try:
        yield client
    finally:
        await client.aclose()


@pytest.mark.asyncio
async def test_a_plain_broker_hears_what_a_plain_peer_says_and_who_it_names_hears_of_us_later() -> None:
    scene = Scene({BROKER: lambda: Answer(listing(WORKER))})
    async with using(scene) as client:
        await scene.until(lambda: len(scene.found) >= 2)
        assert client.message() == f"Registered at {BROKER}."
    assert all(said == {"service": SERVICE, "server": False} for _, said in scene.asked)
    assert scene.found[:2] == [([WORKER], {WORKER: TOLD_IN}), ([WORKER], {})], "the second time it knows of us"


@pytest.mark.asyncio
async def test_a_broker_of_ours_is_told_where_we_are_at_home_and_asked_for_news() -> None:
    told: JsonValue = {**listing(WORKER), "": {"you": str(US), "seen": 3}}
    scene = Scene({BROKER: lambda: Answer(told, OUR_KIND)})
    async with using(scene) as client:
        await scene.until(lambda: len(scene.asked) >= 2)
        assert client.observed() == {US}
    first, second = (said for _, said in scene.asked[:2])
    assert first == {"service": SERVICE, "server": False}, "before it has proven to be one"
    assert second == {"service": SERVICE, "server": False, "wait": 2.0, "seen": 3, "local": str(AT_HOME), "mail": {},
                      "away": 0.02}  # fmt: skip
    assert scene.found[0] == ([WORKER], {}), "both hear of one another at the same moment"


@pytest.mark.asyncio
async def test_a_broker_of_ours_is_told_how_far_we_are_and_says_so_of_others() -> None:
    named = _entries(WORKER)
    for entry in named.values():
        assert isinstance(entry, dict)
        entry["away"] = 0.05
    told: JsonValue = {SERVICE: named, "": {"you": str(US), "seen": 3}}
    scene = Scene({BROKER: lambda: Answer(told, OUR_KIND)})
    async with using(scene) as client:
        await scene.until(lambda: len(scene.asked) >= 2)
        assert (client.away(WORKER), client.away(OTHER)) == (0.05, None)
    assert [said.get("away") for _, said in scene.asked[:2] if isinstance(said, dict)] == [None, 0.02]


@pytest.mark.asyncio
async def test_who_is_named_by_a_broker_of_ours_too_is_not_waited_for() -> None:
    ours: JsonValue = {**listing(WORKER), "": {"you": str(US), "seen": 3}}
    late = asyncio.Event()

    async def plain_answers_later(address: Address, payload: JsonValue, seconds: float) -> Answer:
        if address == SECOND:
            await late.wait()
            return Answer(listing(WORKER, OTHER))
        return Answer(ours, OUR_KIND)

    scene = Scene({BROKER: lambda: Answer(ours, OUR_KIND), SECOND: lambda: Answer(None)})
    scene.ask = plain_answers_later  # type: ignore[method-assign]
    async with using(scene):
        await scene.until(lambda: bool(scene.found))
        late.set()
        await scene.until(lambda: any(told_in for _, told_in in scene.found))
    assert next(told_in for _, told_in in scene.found if told_in) == {OTHER: TOLD_IN}


@pytest.mark.asyncio
async def test_two_brokers_that_disagree_are_both_used() -> None:
    scene = Scene({BROKER: lambda: Answer(listing(WORKER)), SECOND: lambda: Answer(listing(OTHER))})
    async with using(scene):
        await scene.until(lambda: any(set(addresses) == {WORKER, OTHER} for addresses, _ in scene.found))


@pytest.mark.asyncio
async def test_of_many_brokers_a_few_are_used() -> None:
    many = {Address("192.0.2.9", 4000 + number): lambda: Answer(listing()) for number in range(100)}
    scene = Scene(many)
    async with using(scene) as client:
        await scene.until(lambda: len(scene.found) >= MAX_BROKERS)
        assert len(client.statuses()) == MAX_BROKERS
    assert {address for address, _ in scene.asked} == set(list(many)[:MAX_BROKERS])


@pytest.mark.asyncio
@pytest.mark.parametrize("nonsense", [None, 7, "ERR_X", [], [listing(WORKER)], {SERVICE: [1, 2]}, {SERVICE: "x"}])
async def test_a_broker_that_answers_nonsense_is_told_of_once(nonsense: JsonValue) -> None:
    scene = Scene({BROKER: lambda: Answer(nonsense)})
    async with using(scene) as client:
        await scene.until(lambda: len(scene.asked) >= 2)
        assert "something that is no listing" in client.message()
    assert [broker for broker, _ in scene.problems] == [BROKER]
    assert all(addresses == [] for addresses, _ in scene.found)


@pytest.mark.asyncio
async def test_entries_that_make_no_sense_are_left_out() -> None:
    bad: dict[str, JsonValue] = {
        "a": 7, "b": {}, "c": {"server": True, "address": "198.51.100.9", "port": 0},
        "d": {"server": 1, "address": "198.51.100.9", "port": 9}, "e": {"server": True, "address": 5, "port": 9},
        "f": {"service": "another", "server": True, "address": "198.51.100.9", "port": 9},
    }  # fmt: skip
    entries = listing(WORKER)[SERVICE]
    assert isinstance(entries, dict)
    scene = Scene({BROKER: lambda: Answer({SERVICE: {**bad, **entries}})})
    async with using(scene):
        await scene.until(lambda: bool(scene.found))
    assert scene.found[0][0] == [WORKER]


@pytest.mark.asyncio
async def test_a_broker_that_names_us_or_those_of_our_own_role_finds_nobody() -> None:
    named: JsonValue = {SERVICE: {**_entries(AT_HOME), **_entries(OTHER, server=False)}}
    scene = Scene({BROKER: lambda: Answer(named)})
    async with using(scene):
        await scene.until(lambda: bool(scene.found))
    assert scene.found[0][0] == []


def _entries(address: Address, *, server: bool = True) -> dict[str, JsonValue]:
    entries = listing(address, server=server)[SERVICE]
    assert isinstance(entries, dict)
    return entries


@pytest.mark.asyncio
async def test_of_a_thousand_addresses_some_are_taken_and_the_refused_counted() -> None:
    crowd = [Address("198.51.100.7", 10_000 + number) for number in range(1000)]
    scene = Scene({BROKER: lambda: Answer(listing(*crowd))}, refused=set(crowd[:3]))
    async with using(scene) as client:
        await scene.until(lambda: bool(scene.found))
        assert client.refused == 3
    assert scene.found[0][0] == crowd[3:LISTED_MAX]


@pytest.mark.asyncio
async def test_a_broker_that_does_not_answer_is_told_of_once_and_asked_again() -> None:
    def silent() -> Answer:
        raise RequestTimeout(f"{BROKER} did not answer within 7 s")

    scene = Scene({BROKER: silent})
    async with using(scene) as client:
        await scene.until(lambda: len(scene.asked) >= 3)
        assert client.message() == f"{BROKER} does not take our registration: {BROKER} did not answer within 7 s"
    assert [(broker, error.name) for broker, error in scene.problems] == [(BROKER, "ERR_TIMEOUT")]


@pytest.mark.asyncio
async def test_without_a_broker_it_says_so() -> None:
    scene = Scene({})
    async with using(scene) as client:
        await scene.until(lambda: "No broker is announced" in client.message())


@pytest.mark.asyncio
async def test_the_broker_that_was_named_is_used_and_no_other() -> None:
    scene = Scene({BROKER: lambda: Answer(listing(WORKER)), SECOND: lambda: Answer(listing(OTHER))})
    async with using(scene, str(SECOND)):
        await scene.until(lambda: bool(scene.found))
    assert {address for address, _ in scene.asked} == {SECOND}


@pytest.mark.asyncio
async def test_what_is_wanted_again_and_again_is_registered_once_and_at_once() -> None:
    """As a request by name does it, each time: a registration that waited for its turn went on beside the new one."""
    scene = Scene({BROKER: lambda: Answer(listing(WORKER))})
    async with using(scene) as client:
        await scene.until(lambda: len(scene.found) >= 1)
        for _ in range(20):
            client.unwant(WANT)
            client.want(WANT)
        await scene.until(lambda: len(scene.asked) >= 2)
        (broker,) = client._brokers.values()
        assert len(broker.tasks) == 1
        assert len(scene.asked) <= 3


def test_a_late_answer_is_asked_after_and_a_quiet_client_asks_less_often() -> None:
    """In virtual time: the broker holds each answer back for as long as it may."""
    told: JsonValue = {**listing(WORKER), "": {"you": str(US), "seen": 3}}
    scene = Scene({BROKER: lambda: Answer(told, OUR_KIND)})
    waits: list[float] = []
    more = [0.0]

    async def holds(address: Address, payload: JsonValue, seconds: float) -> Answer:
        assert isinstance(payload, dict)
        wait = payload.get("wait", 0.0)
        assert isinstance(wait, float)
        waits.append(wait)
        await asyncio.sleep(wait + more[0])
        return Answer(told, OUR_KIND)

    scene.ask = holds  # type: ignore[method-assign]

    async def body() -> None:
        async with using(scene):
            await asyncio.sleep(QUIET_AFTER - 10.0)
            assert set(waits[1:]) == {PAUSE}
            assert scene.spoken == [], "it answers in time"
            await asyncio.sleep(30.0)
            assert waits[-1] == QUIET_WAIT
            assert scene.rested == [BROKER]
            more[0] = LATE + 0.5
            await asyncio.sleep(2 * QUIET_WAIT + LATE + 1.0)
            assert scene.spoken == [BROKER]

    run(body())


def test_brokers_are_looked_for_seldom_while_all_is_well_and_soon_when_one_fails() -> None:
    told: JsonValue = {**listing(WORKER), "": {"you": str(US), "seen": 3}}
    answers: list[Answer | PeerError] = [Answer(told, OUR_KIND)]

    def answer() -> Answer:
        if isinstance(answers[0], PeerError):
            raise answers[0]
        return answers[0]

    scene = Scene({BROKER: answer})
    looks: list[float] = []
    ask, find = scene.ask, scene.find

    async def holds(address: Address, payload: JsonValue, seconds: float) -> Answer:
        assert isinstance(payload, dict)
        wait = payload.get("wait", 0.0)
        assert isinstance(wait, float)
        await asyncio.sleep(wait)
        return await ask(address, payload, seconds)

    async def counts() -> Sequence[Address]:
        looks.append(asyncio.get_running_loop().time())
        return await find()

    scene.ask, scene.find = holds, counts  # type: ignore[method-assign]

    async def body() -> None:
        async with using(scene):
            await asyncio.sleep(QUIET_AFTER - 10.0)
            assert len(looks) >= 9, "somebody has just begun"
            await asyncio.sleep(30.0)
            before = len(looks)
            await asyncio.sleep(3 * SEEK_SELDOM)
            assert 2 <= len(looks) - before <= 4
            answers[0] = RequestTimeout("gone")
            await asyncio.sleep(QUIET_WAIT + 2 * SEEK_EVERY)
            before = len(looks)
            await asyncio.sleep(30.0)
            assert len(looks) - before >= 5

    run(body())


@pytest.mark.parametrize("late", [False, True])
def test_it_is_told_when_our_way_out_was_gone(late: bool) -> None:
    """A router that restarts gives us another port, or the same one: then an answer came late, or none did."""
    you = [US]
    scene = Scene({BROKER: lambda: Answer({**listing(WORKER), "": {"you": str(you[0]), "seen": 3}}, OUR_KIND)})
    more = [0.0]
    ask = scene.ask

    async def holds(address: Address, payload: JsonValue, seconds: float) -> Answer:
        assert isinstance(payload, dict)
        wait = payload.get("wait", 0.0)
        assert isinstance(wait, float)
        await asyncio.sleep(wait + more[0])
        return await ask(address, payload, seconds)

    scene.ask = holds  # type: ignore[method-assign]

    async def body() -> None:
        async with using(scene):
            await asyncio.sleep(20.0)
            assert scene.moved == 0
            if late:
                more[0] = LATE + 0.5
                await asyncio.sleep(2 * PAUSE + LATE)
                more[0] = 0.0
            else:
                you[0] = Address(US.host, US.port + 1)
            await asyncio.sleep(2 * (PAUSE + LATE))
            moved = scene.moved
            assert moved >= 1
            await asyncio.sleep(20.0)
            assert scene.moved == moved, "once for each time"

    run(body())


def test_those_that_know_us_are_spoken_to_when_a_meeting_failed() -> None:
    scene = Scene({BROKER: lambda: Answer(listing(WORKER))})

    async def body() -> None:
        async with using(scene) as client:
            await asyncio.sleep(1.0)
            client.look_whether_moved()
            assert scene.spoken == [BROKER]

    run(body())
