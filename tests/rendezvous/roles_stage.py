"""Roles between a fake grape and a fake socket, in virtual time."""

import asyncio
from contextlib import AbstractAsyncContextManager

from core.errors import RequestTimeout
from core.news.events import GrapeSnapshot, GrapeState, Role
from core.news.roster import Roster
from core.rendezvous.pacer import PunchPacer
from core.rendezvous.roles import Roles
from core.services.fibonacci import FibonacciService
from core.services.intents import Intent, Intents
from core.services.names import RoleName
from core.services.service import Registry
from core.values import Address, JsonValue
from tests.peer.fakes import FakeDirectory, FakeNamed, FakePlace, LoopHub, now, play

SERVICE = "fibonacci"
OFFERED, WANTED = RoleName(SERVICE, Role.WORKER), RoleName(SERVICE, Role.CONSUMER)
CONNECTED = GrapeSnapshot(GrapeState.CONNECTED, True, "http://127.0.0.1:1", 1, "")
UNREACHABLE = GrapeSnapshot(GrapeState.UNREACHABLE, False, "http://127.0.0.1:1", 0, "")


class Stage:
    """Roles over a fake grape; requests are only noted."""

    def __init__(self) -> None:
        self.hub = LoopHub()
        self.roster = Roster(self.hub)
        self.directory = FakeDirectory()
        registry = Registry(FibonacciService())
        self.intents = Intents(registry)
        self.punches: list[tuple[float, Address]] = []
        self.asked: list[tuple[float, Address, str, str, JsonValue]] = []
        self.ask_takes = 0.0
        self.ask_fails = False
        self.pacer = pacer = PunchPacer(lambda address: self.punches.append((round(now(), 2), address)))
        self.roles = Roles(
            self.hub, self.roster, FakePlace(), self.directory, self._ask, list, pacer,
            self.intents, registry, FakeNamed(),
        )  # fmt: skip

    def share(self) -> None:
        self.intents.declare(Intent(SERVICE, Role.WORKER))

    def consume(self, payload: JsonValue = None) -> None:
        self.intents.declare(Intent(SERVICE, Role.CONSUMER, payload))

    async def unshare(self) -> None:
        self.intents.withdraw(OFFERED)
        await self.roles.settled()

    async def stop_consuming(self) -> None:
        self.intents.withdraw(WANTED)
        await self.roles.settled()

    async def aclose(self) -> None:
        self.intents.close()
        await self.roles.aclose()

    async def _ask(self, address: Address, key: str, service: str, payload: JsonValue, timeout: float) -> None:
        self.asked.append((round(now(), 2), address, key, service, payload))
        await asyncio.sleep(self.ask_takes)
        if self.ask_fails:
            raise RequestTimeout("no answer")

    def lists(self, name: str, *addresses: Address) -> None:
        self.directory.listings[name] = list(addresses)

    def asked_whom(self) -> list[Address]:
        return [address for _, address, *_ in self.asked]

    def announced_names(self) -> list[str]:
        return [name for _, name, _ in self.directory.announces]


def stage() -> AbstractAsyncContextManager[Stage]:
    return play(Stage, Stage.aclose)
