"""A meeting that was lost with a router is repeated in seconds, while the broker keeps its next answer back."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest

from core.identity.identity import Identity
from core.news.hub import Hub
from core.peer_id import PeerId
from core.rendezvous.brokers import Brokers
from core.services.intents import Intents
from core.services.names import RoleName
from core.services.service import Registry
from core.values import Address, JsonValue
from core.wire.broker_message import Listed, listing_document, parse_registration

pytestmark = pytest.mark.virtual_time

BROKER, OURS, THERE = Address("11.9.9.9", 4000), Address("11.0.0.1", 5000), Address("11.0.0.2", 6000)
WORKER = RoleName.parse("fibonacci_worker")


class Reply(NamedTuple):
    data: JsonValue
    peer_id: PeerId = Identity.from_secret(bytes(32)).peer_id


class Way:
    """The way out: whether the other has proved where it is, and what has left."""

    def __init__(self, proved: bool) -> None:
        self.proved = proved
        self.begun: list[float] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: None

    def may_meet(self, remote: Address, broker: Address, packets: int) -> bool:
        self.begun.append(round(asyncio.get_running_loop().time(), 1))
        return True

    def has_proved(self, remote: Address) -> bool:
        return self.proved

    def told(self, addresses: list[Address], by: str | None = None) -> list[Address]:
        return addresses


class Patient:
    """A broker of ours: it answers when there is news, and there is none."""

    async def request(self, address: Address, key: str, payload: JsonValue, *, timeout: float, retry: int) -> Reply:
        await asyncio.sleep(parse_registration(payload).wait or 0.0)
        return Reply(listing_document(str(WORKER), [Listed(str(WORKER), True, THERE)], limit=1300, you=OURS, seen=1))


@pytest.mark.parametrize("proved", [True, False])
async def test_the_next_meeting_does_not_wait_for_the_broker(proved: bool) -> None:
    assert WORKER is not None
    way, place = Way(proved), SimpleNamespace(is_self=lambda address: False, address=lambda: OURS)
    directory = SimpleNamespace(lookup=lambda name, fresh: asyncio.sleep(0, [BROKER]))
    brokers = Brokers(
        Hub(), cast(Any, way), cast(Any, directory), cast(Any, Patient()), cast(Any, place), Intents(Registry())
    )
    await brokers.use(True)
    with brokers.opening(WORKER, []):
        await asyncio.sleep(300.0)
        first, second, *_ = way.begun
        assert second - first < 3.0 if proved else second - first > 60.0
        await brokers.aclose()
