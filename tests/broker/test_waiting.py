"""Those whose answer waits for news stay listed meanwhile, and are said little."""

import asyncio

import pytest

from core.broker.registry import BrokerConfig
from core.broker.service import RESTS, BrokerService
from core.peer_id import PeerId
from core.values import Address, Caller, JsonValue, Outcome
from core.wire.broker_message import LONG, WAIT_MAX

pytestmark = pytest.mark.virtual_time

NAME = "fibonacci_worker"
ANNA, BERT = (Caller(Address(f"198.51.100.{n}", 4000), PeerId(bytes([n]) * 32)) for n in (1, 2))
AGE = BrokerConfig().age


class Broker:
    """A broker, swept every second as the real one."""

    def __init__(self) -> None:
        self.rests: list[Address] = []
        self.service = BrokerService(
            local=lambda to: None, observed=lambda: None, seen=lambda entry: None, changed=lambda: None,
            rest=self.rests.append,
        )  # fmt: skip
        self.sweeping = asyncio.get_running_loop().create_task(self.sweep())

    async def sweep(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.service.sweep()

    def says(self, caller: Caller, server: bool, wait: float, seen: int | None = None) -> Outcome:
        document: dict[str, JsonValue] = {"service": NAME, "server": server, "wait": wait}
        return self.service.handle({**document, **({} if seen is None else {"seen": seen})}, caller)

    def waits(self, wait: float) -> "asyncio.Task[JsonValue]":
        """Have Anna register, and then wait for news."""
        told = self.says(ANNA, True, 0.0)
        assert isinstance(told, dict)
        about = told[""]
        assert isinstance(about, dict)
        seen = about["seen"]
        assert isinstance(seen, int)
        later = self.says(ANNA, True, wait, seen)
        assert not isinstance(later, dict)

        async def waiting() -> JsonValue:
            answer: JsonValue = await later  # type: ignore[misc]
            return answer

        return asyncio.get_running_loop().create_task(waiting())

    def listed(self) -> list[Address]:
        return [entry.address for entry in self.service.entries()]


async def test_who_waits_for_long_stays_listed_and_hears_of_a_newcomer_at_once() -> None:
    broker = Broker()
    waiting = broker.waits(WAIT_MAX)
    await asyncio.sleep(WAIT_MAX - 5.0)
    assert broker.listed() == [ANNA.address]
    assert broker.rests == [ANNA.address]
    broker.says(BERT, False, 0.0)
    assert NAME in str(await waiting)
    assert str(BERT.address.host) in str(await waiting)
    broker.sweeping.cancel()


async def test_who_leaves_while_it_waits_is_soon_forgotten() -> None:
    broker = Broker()
    waiting = broker.waits(WAIT_MAX)
    await asyncio.sleep(20.0)
    waiting.cancel()
    await asyncio.sleep(AGE - 2.0)
    assert broker.listed() == [ANNA.address]
    await asyncio.sleep(3.0)
    assert broker.listed() == []
    broker.sweeping.cancel()


async def test_who_waits_for_a_moment_is_spoken_to_as_ever() -> None:
    broker = Broker()
    await broker.waits(LONG)
    assert broker.rests == []
    assert RESTS < LONG
    broker.sweeping.cancel()
