"""Which reflectors the watch of our network asks, and when again: not all nodes of a DHT say where they see us."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from core.errors import LocalError
from core.nat.reflection import Reflected, Reflector
from core.nat.report import Filtering, Mapping
from core.news.hub import Hub
from core.rendezvous import nat_watch
from core.rendezvous.nat_watch import EVERY, REFLECTORS, NatWatch
from core.values import Address
from tests.support.virtual_time import run

OUTSIDE = Address("198.51.100.7", 41000)


class Socket:
    """The serving socket; of those that are asked only `telling` answer."""

    address = Address("0.0.0.0", 41000)

    def __init__(self, telling: set[str]) -> None:
        self.telling = telling
        self.asked: list[tuple[float, list[str]]] = []
        self.reflecting = self

    async def another(self) -> object:
        raise LocalError("none is free")

    async def ask(self, reflectors: Sequence[Reflector]) -> list[Reflected]:
        now = asyncio.get_running_loop().time()
        if reflectors:
            self.asked.append((now, [each.address.host for each in reflectors]))
        await asyncio.sleep(1.5)
        seen = [OUTSIDE if each.address.host in self.telling else None for each in reflectors]
        return [Reflected(each, where, now) for each, where in zip(reflectors, seen, strict=True)]


class Own:
    def hosts(self) -> tuple[str, ...]:
        return ("192.168.2.10",)


def watch(socket: Socket, nodes: Sequence[str]) -> NatWatch:
    def sources() -> list[Reflector]:
        return [Reflector(Address(each, 6881), dht=True) for each in nodes]

    return NatWatch(
        Hub(), cast(Any, socket), Own(), sources, lambda address, packets: True, lambda: 0, lambda: False
    )  # fmt: skip


NODES = [f"{21 + number}.0.0.1" for number in range(10)]


@pytest.mark.parametrize("telling", [{NODES[0], NODES[5], NODES[6]}, {NODES[5], NODES[6]}])
def test_where_too_few_answer_others_are_asked_soon(telling: set[str]) -> None:
    async def scene() -> None:
        socket = Socket(telling)
        watched = watch(socket, NODES)
        watched.start()
        await asyncio.sleep(30.0)
        assert watched.report.mapping is Mapping.ENDPOINT_INDEPENDENT
        assert socket.asked[0][1] == NODES[:REFLECTORS]
        assert len(socket.asked) <= 4
        await asyncio.sleep(EVERY)
        assert watched.report.mapping is Mapping.ENDPOINT_INDEPENDENT
        await watched.aclose()

    run(scene())


def test_where_hardly_anybody_tells_it_is_tried_ever_later() -> None:
    async def scene() -> None:
        socket = Socket({NODES[0]})
        watched = watch(socket, NODES)
        watched.start()
        await asyncio.sleep(3600.0)
        assert watched.report.mapping is Mapping.UNKNOWN
        assert len(socket.asked) <= 3600.0 / EVERY + 12
        await watched.aclose()

    run(scene())


class Fresh:
    """A fresh socket that two brokers tell where they see it: the first has nothing left to tell."""

    def __init__(self, udp: object) -> None:
        self.address = Address("0.0.0.0", 50000)

    async def ask(self, reflectors: Sequence[Reflector], *, other: bool = False) -> list[Reflected]:
        silent = other or reflectors[0].address.host == NODES[0]
        return [Reflected(each, None if silent else OUTSIDE, 0.0) for each in reflectors]

    def close(self) -> None:
        """Nothing is open."""


class Brokers(Socket):
    """The serving socket; all that are asked answer, and each has a second port."""

    async def another(self) -> object:
        return None

    async def ask(self, reflectors: Sequence[Reflector]) -> list[Reflected]:
        return [Reflected(each, OUTSIDE, 0.0, also=7000) for each in reflectors]


def test_what_our_router_lets_in_is_asked_of_another_when_the_first_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        monkeypatch.setattr(nat_watch, "FreshSocket", Fresh)
        watched = watch(Brokers(set()), NODES[:2])
        watched.start()
        await asyncio.sleep(5.0)
        assert watched.report.filtering is Filtering.STRICT
        await watched.aclose()

    run(scene())
