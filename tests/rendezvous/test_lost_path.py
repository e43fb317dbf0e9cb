"""A path that the ladder opened falls silent: both climb again, and meet, with all of a birthday simulated."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import cast

from core.net.endpoint import Endpoint
from core.net.pump import Received
from core.net.udp_socket import UdpSocket
from core.news.events import PunchEnded
from core.reach.probing import Probing
from core.rendezvous.ladder import AGAIN_AFTER, Ladder
from core.values import Address, Burst
from tests.rendezvous.test_ladder import ANNA, BERT, EASY, EASY_AT, HARD, HARD_AT, FakeEndpoint, Side, talk
from tests.support.virtual_time import run


class Line:
    """Carries bursts between an easy host and the many ports of a hard one; a burst with a TTL ends on the way."""

    def __init__(self) -> None:
        self.random = Random(1)
        self.takers: dict[Address, Callable[[bytes, Address], None]] = {}

    def carry(self, burst: Burst, source: Address) -> None:
        taker = self.takers.get(burst.to)
        if burst.ttl is None and taker is not None:
            for datagram in burst.datagrams:
                asyncio.get_running_loop().call_later(0.02, taker, bytes(datagram), source)


class Socket:
    """One of the hard side's, with an outside port of its own."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.outside = Address(HARD_AT.host, line.random.randrange(1024, 65536))

    def start(self, take: Callable[[Sequence[Received]], None]) -> None:
        self._line.takers[self.outside] = lambda datagram, source: take([(source, [datagram])])

    def send(self, burst: Burst) -> None:
        self._line.carry(burst, self.outside)

    def close(self) -> None:
        self._line.takers.pop(self.outside, None)


class JoinedEndpoint(FakeEndpoint):
    """An endpoint on the line."""

    def __init__(self, line: Line, at: Address) -> None:
        super().__init__()
        self._line, self._at = line, at
        self.adopted: list[Socket] = []
        line.takers[at] = lambda datagram, source: self._take(datagram, source)

    def _take(self, datagram: bytes, source: Address) -> None:
        self.probes.receive([datagram], source, asyncio.get_running_loop().time())

    async def another(self) -> UdpSocket:
        return cast(UdpSocket, Socket(self._line))

    def send_probe(self, burst: Burst) -> None:
        super().send_probe(burst)
        self._line.carry(burst, self._at)

    def adopt(self, udp: UdpSocket, remote: Address) -> None:
        self.adopted.append(cast(Socket, udp))


def joined(side: Side, line: Line, alive: Callable[[Address], bool]) -> JoinedEndpoint:
    """Put a side on the line."""
    endpoint = JoinedEndpoint(line, side.at)
    side.endpoint = endpoint
    side.ladder = Ladder(
        side.hub, cast(Endpoint, endpoint), lambda: side.identity, lambda: side.report, list, side._leave, Probing(),
        lambda event: None, lambda remote: None, alive,
    )  # fmt: skip
    return endpoint


def won(side: Side) -> list[PunchEnded]:
    return [each for each in side.ended if isinstance(each, PunchEnded) and each.open and each.how]


def test_a_path_that_fell_silent_is_climbed_for_again() -> None:
    async def scene() -> None:
        line, silent = Line(), False
        hard, easy = Side(ANNA, HARD_AT, HARD, True), Side(BERT, EASY_AT, EASY, False)
        ends = [joined(side, line, lambda remote: not silent) for side in (hard, easy)]
        await talk(hard, easy, 15.0)
        assert [len(won(side)) for side in (hard, easy)] == [1, 1]
        assert len(ends[0].adopted) == 1

        async def lost() -> None:
            for side, host in ((hard, EASY_AT.host), (easy, HARD_AT.host)):
                side.hub.emit(PunchEnded(side.hub.now(), Address(host, 1), False, None, 2.0, "no answer", "", None))
            await talk(hard, easy, 30.0)

        await talk(hard, easy, AGAIN_AFTER)
        await lost()
        assert [len(won(side)) for side in (hard, easy)] == [1, 1], "it is alive: something came from there"
        ends[0].adopted[0].close()
        silent = True
        await lost()
        assert [len(won(side)) for side in (hard, easy)] == [2, 2]
        assert ends[0].adopted[1].outside != ends[0].adopted[0].outside
        for side in (hard, easy):
            await side.ladder.aclose()

    run(scene())
