"""The timer of meetings on each kind of loop: uvloop's handle of what is due at once has no time of its own."""

import asyncio

import pytest

from core.news.hub import Hub
from core.rendezvous.introductions import Introductions
from core.values import Address
from tests.support.virtual_time import run

BROKER = Address("11.9.9.9", 4000)


class Punches:
    """What leaves."""

    def __init__(self) -> None:
        self.sent: list[tuple[Address, int]] = []

    def may_meet(self, address: Address, broker: Address, packets: int) -> bool:
        return True

    def series(self, remote: Address, packets: int, openers: int) -> None:
        self.sent.append((remote, packets))

    def hasten(self, remote: Address, openers: int) -> None: ...

    def has_proved(self, remote: Address) -> bool:
        return False

    def failed(self, remote: Address) -> None: ...


def test_a_timer_that_is_due_at_once_may_be_a_handle_without_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        punches = Punches()
        meetings = Introductions(Hub(), punches, lambda: False)
        with monkeypatch.context() as patch:
            patch.setattr(loop, "call_at", lambda when, callback, *args: loop.call_soon(callback, *args))
            for number in (1, 2):
                there = Address(f"11.0.0.{number}", 5000)
                meetings.introduce([there], {}, lambda address: BROKER)
        await asyncio.sleep(1.0)
        assert [remote.host for remote, _ in punches.sent] == ["11.0.0.1", "11.0.0.2"]
        meetings.close()

    run(scene())
