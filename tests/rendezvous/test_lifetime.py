"""For how long a mapping is kept, measured in virtual time with sockets behind a router that forgets."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import pytest

from core.nat.reflection import Reflected, Reflector
from core.net.reflecting import FreshSocket
from core.rendezvous.lifetime import CLIFFS, LEAST, measure
from core.values import Address
from tests.support.virtual_time import run

REFLECTOR = Reflector(Address("192.0.2.1", 7000))


class Router:
    """Keeps a mapping `seconds`. `knows`: the reflector knows the question. `sent` counts questions."""

    def __init__(self, seconds: float, *, knows: bool = True, answers: bool = True) -> None:
        self.seconds, self.knows, self.answers = seconds, knows, answers
        self.sent = 0
        self.open = 0
        self.ports = 40000

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[FreshSocket]:
        self.open += 1
        self.ports += 1
        try:
            yield cast(FreshSocket, Socket(self, self.ports))
        finally:
            self.open -= 1


class Socket:
    """A socket behind it."""

    def __init__(self, router: Router, port: int) -> None:
        self.router, self.port = router, port
        self.used_at = 0.0

    async def ask(self, reflectors: Sequence[Reflector]) -> list[Reflected]:
        self.router.sent += 1
        self.used_at = asyncio.get_running_loop().time()
        await asyncio.sleep(0.05)
        seen = Address("198.51.100.5", self.port) if self.router.answers else None
        return [Reflected(reflectors[0], seen, self.used_at)]

    async def hears(self, asker: "Socket", reflector: Reflector, port: int) -> bool:
        self.router.sent += 1
        assert asker is not self
        assert port == self.port
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(0.05)
        return self.router.knows and now - self.used_at < self.router.seconds


@pytest.mark.parametrize(("seconds", "told"), [(4.0, LEAST), (20.0, CLIFFS[0]), (45.0, CLIFFS[1]), (120.0, CLIFFS[2])])
def test_the_longest_silence_that_was_outlived_is_told(seconds: float, told: float) -> None:
    router = Router(seconds)
    assert run(measure(router.fresh, REFLECTOR)) == told
    assert router.sent <= 12
    assert router.open == 0


def test_a_reflector_that_does_not_know_the_question_or_is_silent_measures_nothing() -> None:
    assert run(measure(Router(120.0, knows=False).fresh, REFLECTOR)) is None
    assert run(measure(Router(120.0, answers=False).fresh, REFLECTOR)) is None
