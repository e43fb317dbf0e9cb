"""A climb's sockets, timer and packets, with sockets that keep what leaves; and how many a system lets us open."""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import pytest

from core.aio import descriptors
from core.errors import LocalError
from core.nat.reflection import Reflector
from core.net.climbing import LINGER, OPENED_AT_ONCE, SAMPLED_WITHIN, Climbing
from core.net.pump import Received
from core.net.udp_socket import UdpSocket
from core.punch.climb import Ask, Climb, Climbed, Open, Order, Say, Shot
from core.punch.rungs import Rung
from core.values import Address, Buffer, Burst
from core.wire.krpc import Query, Reply
from core.wire.krpc import parse as parse_krpc
from core.wire.reflect_packet import Answer, Question
from core.wire.reflect_packet import parse as parse_reflection
from tests.support.virtual_time import run, settle

THERE = Address("203.0.113.7", 50000)
REFLECTOR = Reflector(Address("192.0.2.1", 7000))
OURS = Address("198.51.100.1", 41000)
PROBE = b"\xc3\xbf\x11" + bytes(60)


class Socket:
    """One of them."""

    def __init__(self) -> None:
        self.sent: list[Burst] = []
        self.closed = False
        self.take: Callable[[Sequence[Received]], None] = lambda batch: None

    def start(self, take: Callable[[Sequence[Received]], None]) -> None:
        self.take = take

    def send(self, burst: Burst) -> None:
        self.sent.append(burst)

    def close(self) -> None:
        self.closed = True


class Base:
    """The endpoint; it gives `most` sockets."""

    def __init__(self, most: int = 10_000) -> None:
        self.most = most
        self.sockets: list[Socket] = []
        self.sent: list[Burst] = []
        self.adopted: list[tuple[Socket, Address]] = []

    async def another(self) -> UdpSocket:
        if len(self.sockets) >= self.most:
            raise LocalError("no further sockets")
        self.sockets.append(Socket())
        return cast(UdpSocket, self.sockets[-1])

    def send_probe(self, burst: Burst) -> None:
        self.sent.append(burst)

    def adopt(self, udp: UdpSocket, remote: Address) -> None:
        self.adopted.append((cast(Socket, udp), remote))


class Script:
    """A climb that wants what the test says."""

    def __init__(self) -> None:
        self.wanted: list[Order] = []
        self.ended: list[Climbed] = []
        self.ports: list[int | None] = []
        self.came: list[tuple[int, Address]] = []
        self.due: float | None = None
        self.ticks: list[float] = []
        self.closed = False

    def orders(self) -> list[Order]:
        wanted, self.wanted = self.wanted, []
        return wanted

    def outcomes(self) -> list[Climbed]:
        ended, self.ended = self.ended, []
        return ended

    def sampled(self, port: int | None, now: float) -> None:
        self.ports.append(port)

    def receive(self, via: int, datagram: Buffer, source: Address, now: float) -> None:
        self.came.append((via, source))

    def deadline(self) -> float | None:
        return self.due

    def tick(self, now: float) -> None:
        self.ticks.append(round(now, 3))
        self.due = None

    def close(self) -> None:
        self.closed = True


class Stage:
    """A climbing with its script."""

    def __init__(self, base: Base | None = None, reflector: Reflector | None = REFLECTOR) -> None:
        self.base, self.script = base or Base(), Script()
        self.said: list[bytes] = []
        self.outcomes: list[Climbed] = []
        self.climbing = Climbing(
            cast(Climb, self.script), self.base, lambda: reflector, self.said.append, self.outcomes.append
        )

    async def do(self, *orders: Order) -> None:
        self.script.wanted += orders
        self.climbing.act()
        await settle()


def test_sockets_are_opened_in_turns_and_shots_wait_for_theirs() -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.do(Open(100), Shot(0, THERE, b"a"), Shot(100, THERE, b"b", ttl=5), Say(b"word"))
        for _ in range(100 // OPENED_AT_ONCE + 2):
            await asyncio.sleep(0)
        assert len(stage.base.sockets) == 100
        assert stage.said == [b"word"]
        assert [burst.to for burst in stage.base.sent] == [THERE]
        assert [burst.ttl for burst in stage.base.sockets[99].sent] == [5]
        await stage.climbing.close()
        assert all(each.closed for each in stage.base.sockets)
        assert stage.script.closed

    run(scene())


def test_a_system_that_gives_few_sockets_is_used_as_far_as_it_goes() -> None:
    async def scene() -> None:
        stage = Stage(Base(most=3))
        await stage.do(Open(64), Shot(3, THERE, b"a"), Shot(4, THERE, b"b"))
        assert [len(each.sent) for each in stage.base.sockets] == [0, 0, 1]
        await stage.climbing.close()

    run(scene())


def test_a_new_round_closes_the_sockets_of_the_last() -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.do(Open(5))
        first = list(stage.base.sockets)
        await stage.do(Open(2))
        assert all(each.closed for each in first)
        await stage.do(Open(0))
        assert all(each.closed for each in stage.base.sockets)
        await stage.climbing.close()

    run(scene())


def test_the_socket_that_won_is_kept_and_the_others_answer_a_little_longer() -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.do(Open(3))
        stage.script.ended.append(Climbed(Rung.BIRTHDAY, 2, THERE, 10, 0.5, 0))
        await stage.do()
        won = stage.base.sockets[1]
        assert stage.base.adopted == [(won, THERE)]
        assert [each.remote for each in stage.outcomes] == [THERE]
        assert not any(each.closed for each in stage.base.sockets)
        await asyncio.sleep(LINGER + 0.1)
        assert [each.closed for each in stage.base.sockets] == [True, False, True]
        await stage.climbing.close()
        assert not won.closed

    run(scene())


@pytest.mark.parametrize("dht", [False, True])
def test_where_a_socket_is_seen_is_asked_of_a_peer_or_of_a_node_of_a_dht(dht: bool) -> None:
    async def scene() -> None:
        stage = Stage(reflector=Reflector(REFLECTOR.address, dht))
        await stage.do(Open(1), Ask())
        await asyncio.sleep(0.05)
        [question, *_] = [burst.datagrams[0] for burst in stage.base.sockets[0].sent]
        if dht:
            query = parse_krpc(question)
            assert isinstance(query, Query)
            answer = bytes(Reply(query.transaction, {b"id": bytes(20)}, OURS))
        else:
            asked = parse_reflection(question)
            assert isinstance(asked, Question)
            answer = bytes(Answer(asked.nonce, OURS))
        stage.base.sockets[0].take([(REFLECTOR.address, [answer])])
        assert stage.script.ports == [OURS.port]
        await stage.climbing.close()

    run(scene())


def test_without_a_reflector_that_is_told_at_once() -> None:
    async def scene() -> None:
        stage = Stage(reflector=None)
        await stage.do(Open(1))
        await stage.do(Ask())
        assert stage.script.ports == [None]
        await stage.climbing.close()

    run(scene())


def test_a_reflector_that_is_silent_is_told_in_the_end() -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.do(Open(1), Ask())
        await asyncio.sleep(SAMPLED_WITHIN + 0.2)
        assert stage.script.ports == [None]
        assert len(stage.base.sockets[0].sent) == 4
        await stage.climbing.close()

    run(scene())


def test_the_timer_follows_the_climb_and_nothing_happens_after_the_end() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.script.due = 5.0
        await stage.do()
        stage.script.due = 2.0
        await stage.do()
        await asyncio.sleep(10.0)
        assert stage.script.ticks == [2.0]
        stage.script.due = 20.0
        await stage.do()
        await stage.climbing.close()
        await stage.climbing.close()
        await stage.do(Shot(0, THERE, b"late"))
        await asyncio.sleep(20.0)
        assert (stage.script.ticks, stage.base.sent) == ([2.0], [])

    run(scene())


# -- descriptors ------------------------------------------------------------------------------------------------------


class Limits:
    """What the system says, and what it was set to."""

    RLIMIT_NOFILE = 7
    RLIM_INFINITY = -1

    def __init__(self, soft: int, hard: int, *, refuses: bool = False) -> None:
        self.soft, self.hard, self.refuses = soft, hard, refuses

    def getrlimit(self, what: int) -> tuple[int, int]:
        return self.soft, self.hard

    def setrlimit(self, what: int, limits: tuple[int, int]) -> None:
        if self.refuses:
            raise ValueError("not allowed")
        self.soft, self.hard = limits


@pytest.mark.parametrize(
    ("limits", "used", "given"),
    [
        (Limits(1024, 4096), 100, 768),  # raised
        (Limits(256, 256), 100, 28),  # macOS' own, which cannot be
        (Limits(256, 256), 200, 0),
        (Limits(256, 4096, refuses=True), 100, 28),
        (Limits(1024, 1024), 100, 768),
        (Limits(1024, 1024), 400, 496),
        (Limits(-1, -1), 100, 768),
        (Limits(256, -1), 100, 768),
    ],
)
def test_files_and_streams_keep_their_descriptors(
    monkeypatch: pytest.MonkeyPatch, limits: Limits, used: int, given: int
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "resource", limits)
    monkeypatch.setattr(descriptors, "_used", lambda: used)
    assert descriptors.room(768) == given


def test_where_there_is_no_such_limit_all_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "resource", None)
    assert descriptors.room(768) == 768


def test_what_is_open_is_counted() -> None:
    before = descriptors._used()
    with open(__file__):
        assert descriptors._used() == before + 1
