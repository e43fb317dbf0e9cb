"""A UDP share between whole peers: its datagrams leave one by one, and one that is lost holds up no other."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from core.kinds.share import Share
from core.net.endpoint import Endpoint
from core.net.pump import Route
from core.peer import Peer
from core.values import Address, Buffer, Burst
from core.wire.datagram_packet import is_datagram
from tests.kinds.test_udp import Program, echo, program
from tests.peer.ears import PATIENCE
from tests.peer.test_by_id import published
from tests.peer.test_shares import two
from tests.secure.sides import BERT
from tests.support.process import until

pytestmark = pytest.mark.asyncio

AT_ONCE = 32  # datagrams on their way


def endpoint(peer: Peer) -> Endpoint:
    return peer._parts.endpoint  # what the socket did is no news to anybody else


class Line:
    """What leaves a peer's socket: sealed datagrams can be counted, and the next ones be lost."""

    def __init__(self, peer: Peer) -> None:
        self.sealed = 0
        self.lose = 0
        self._send = endpoint(peer)._pump._send
        endpoint(peer)._pump._send = self._filter

    def _filter(self, burst: Burst) -> None:
        kept = []
        for datagram in burst.datagrams:
            sealed = is_datagram(datagram)
            self.sealed += sealed
            if sealed and self.lose and len(datagram) > 100:
                self.lose -= 1
            else:
                kept.append(datagram)
        if kept:
            self._send(replace(burst, datagrams=kept))


def deaf(peer: Peer) -> None:
    """Let no sealed datagram in."""
    pump = endpoint(peer)._pump
    classify = pump._classify

    def others(datagram: Buffer) -> Route[Any] | None:
        return None if is_datagram(datagram) else classify(datagram)

    pump._classify = others


class Asker:
    """A program that numbers what it sends, and knows what came back."""

    def __init__(self, transport: asyncio.DatagramTransport, ears: Program) -> None:
        self._transport, self._ears = transport, ears
        self.back: dict[int, bytes] = {}

    def ask(self, number: int, size: int = 200) -> None:
        self._transport.sendto(struct.pack(">I", number) + bytes(size - 4))

    async def hear(self, patience: float) -> bool:
        """Take one reply; False when none came in time."""
        try:
            async with asyncio.timeout(patience):
                reply = (await self._ears.heard.get())[::-1]
        except TimeoutError:
            return False
        number = struct.unpack(">I", reply[:4])[0]
        assert number not in self.back, "a reply came twice"
        self.back[number] = reply
        return True


@asynccontextmanager
async def asking() -> AsyncIterator[tuple[Peer, Peer, Asker]]:
    """Bert shares an echo, and a program of Anna's asks it. Its first datagrams may go in the stream."""
    async with echo() as port, two() as (bert, _, anna, url):
        await bert.add_share(Share("echo", "udp", {"target": str(port)}))
        await published(url, BERT)
        where = Address.parse(await anna.use(BERT.peer_id, "echo"))
        async with program(where) as (transport, ears):
            yield anna, bert, Asker(transport, ears)


async def beside(asker: Asker, line: Line) -> None:
    """Ask until the answers come beside the stream."""
    number = (1 << 30) + len(asker.back)

    async def sealed() -> bool:
        nonlocal number
        before, number = line.sealed, number + 1
        asker.ask(number, 150)
        return await asker.hear(5.0) and line.sealed == before + 1

    await until(sealed, "datagrams go beside the stream")


async def ask_all(asker: Asker, count: int, missing: int) -> None:
    """Ask so many, some at a time; all but `missing` are answered."""
    sent = back = 0
    async with asyncio.timeout(PATIENCE):
        while back < count - missing:
            while sent < count and sent - back < AT_ONCE:
                asker.ask(sent)
                sent += 1
            back += await asker.hear(5.0)


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_one_that_is_lost_holds_up_no_other(count: int) -> None:
    async with asking() as (anna, bert, asker):
        line = Line(anna)
        await beside(asker, line)
        asker.back.clear()
        before = line.sealed
        line.lose = 1
        await ask_all(asker, count, missing=1)
        lost = set(range(count)) - asker.back.keys()
        assert len(lost) == 1, "the others came"
        assert min(lost) < AT_ONCE, "it was one of the first: all that came came after it"
        assert not await asker.hear(0.3), "and nobody sends it again"
        assert line.sealed - before >= count
        for peer in (anna, bert):
            told = endpoint(peer).statistics().datagrams
            assert (told.paths, told.forged, told.replayed, told.malformed, told.overflowed) == (1, 0, 0, 0, 0)


async def test_sizes_up_to_the_longest_of_udp_come_back_whole() -> None:
    async with asking() as (anna, _, asker):
        await beside(asker, Line(anna))
        for number, size in enumerate((4, 1200, 1452, 4096, 20_000, 65_000)):
            asker.ask(number, size)
            assert await asker.hear(10.0)
            assert len(asker.back[number]) == size


@pytest.mark.parametrize("old", ["caller", "sharer"])
async def test_an_older_peer_has_them_in_the_stream(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "core.kinds.udp" if old == "sharer" else "core.using.udp"
    monkeypatch.setattr(f"{module}.carries_datagrams", lambda details: False)
    async with asking() as (anna, bert, asker):
        lines = [Line(anna), Line(bert)]
        for number in range(20):
            asker.ask(number)
            assert await asker.hear(10.0)
        assert len(asker.back) == 20
        # a sharer that is new asks, and hears nothing, as the caller never opens its side
        assert endpoint(bert).statistics().datagrams.received == 0
        assert lines[0].sealed == 0


async def test_a_path_that_takes_none_has_them_in_the_stream() -> None:
    async with asking() as (anna, bert, asker):
        for peer in (anna, bert):
            deaf(peer)
        for number in range(20):
            asker.ask(number)
            assert await asker.hear(10.0)
        assert len(asker.back) == 20
        assert endpoint(bert).statistics().datagrams.received == 0


async def test_what_finds_no_room_is_counted_in_the_row_and_the_traffic() -> None:
    async with asking() as (anna, bert, asker):
        await beside(asker, Line(anna))
        await beside(asker, Line(bert))
        (stream,) = bert._parts.openings.open
        for number in range(1000):  # in one turn of the loop, so that none can leave
            assert stream.send_datagram(number.to_bytes(4, "big"))
        (row,) = bert.snapshot().shares
        assert row.dropped == dict(bert.traffic().datagrams)["dropped"] == 1000 - 256
