"""A shared UDP port from a local one: datagrams both ways, whole, one stream for each local program."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from core.errors import LocalError, PeerError, RequestTimeout
from core.kinds.share import Share
from core.kinds.table import make
from core.kinds.udp import BUFFER, put
from core.tunnel.stream import ByteStream
from core.using import udp as udp_module
from core.using.udp import UdpUse
from core.values import Address
from tests.kinds.streams import joined

pytestmark = pytest.mark.asyncio


class Echo(asyncio.DatagramProtocol):
    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)  # asyncio's is no subclass before 3.12

    def datagram_received(self, data: bytes, address: object) -> None:
        assert isinstance(address, tuple)
        self.transport.sendto(data[::-1], address)


class Program(asyncio.DatagramProtocol):
    """A local program; `heard` is what comes back."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, address: object) -> None:
        self.heard.put_nowait(data)


@asynccontextmanager
async def program(to: Address) -> AsyncIterator[tuple[asyncio.DatagramTransport, Program]]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Program, remote_addr=to)
    try:
        yield transport, protocol
    finally:
        transport.close()


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


async def test_datagrams_go_both_ways_whole_and_each_program_has_its_own_stream() -> None:
    async with echo() as port, joined(make(Share("dns", "udp", {"target": str(port)}))) as pair:
        opened = []

        async def open_stream() -> ByteStream:
            opened.append(await pair.open())
            return opened[-1]

        use = UdpUse(open_stream)
        await use.start()
        async with program(use.address) as (one, ears), program(use.address) as (two, others):
            one.sendto(b"abc")
            assert await ears.heard.get() == b"cba"
            two.sendto(b"x" * 1300 + b"y")
            assert await others.heard.get() == b"y" + b"x" * 1300
        assert len(opened) == 2
        await use.aclose()


async def test_a_program_too_many_makes_the_silent_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp_module, "PROGRAMS", 1)
    async with echo() as port, joined(make(Share("dns", "udp", {"target": str(port)}))) as pair:
        use = UdpUse(pair.open)
        await use.start()
        async with program(use.address) as (one, ears), program(use.address) as (two, others):
            one.sendto(b"1")
            assert await ears.heard.get() == b"1"
            two.sendto(b"2")
            assert await others.heard.get() == b"2"
            one.sendto(b"3")
            assert await ears.heard.get() == b"3"
        await use.aclose()


async def test_a_peer_that_is_away_is_said_and_tried_again_with_the_next_datagram() -> None:
    problems: list[PeerError | None] = []
    told = asyncio.Event()

    async def nobody() -> ByteStream:
        raise RequestTimeout("nobody answered")

    def hear(problem: PeerError | None) -> None:
        problems.append(problem)
        told.set()

    use = UdpUse(nobody, on_problem=hear)
    await use.start()
    async with program(use.address) as (one, _):
        for _ in range(2):
            one.sendto(b"x")
            await told.wait()
            told.clear()
    assert [problem.name for problem in problems if problem] == ["ERR_TIMEOUT", "ERR_TIMEOUT"]
    await use.aclose()


async def test_a_port_that_is_taken_and_a_target_that_cannot_be() -> None:
    use = UdpUse(lambda: asyncio.Future())
    await use.start()
    with pytest.raises(LocalError, match="cannot be used"):
        await UdpUse(lambda: asyncio.Future(), port=use.address.port).start()
    await use.aclose()
    with pytest.raises(LocalError):
        make(Share("dns", "udp", {"target": "x"}))


class Full:
    """A transport whose system takes nothing."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.kept))

    def sendto(self, data: bytes, to: object = None) -> None:
        self.kept.append(data)


async def test_what_the_system_does_not_take_is_dropped_beyond_a_bound() -> None:
    full = Full()
    for _ in range(10_000):
        put(cast(asyncio.DatagramTransport, full), bytes(1_000))
    assert BUFFER <= full.get_write_buffer_size() < BUFFER + 1_000


async def test_transports_tell_what_waits() -> None:
    async with program(Address("127.0.0.1", 9)) as (transport, _):
        put(transport, b"x")
