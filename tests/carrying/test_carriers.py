"""Datagrams over TCP: a connection of ours runs over a carrier, in clear and with TLS, and nothing of it is UDP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.aio.tasks import TaskSet
from core.carrying.carrier import Carrier
from core.carrying.config import LONGEST, QUEUED, CarrierPorts
from core.carrying.dial import Carriers
from core.carrying.host import CarrierHost
from core.carrying.listener import CarrierListener
from core.errors import LocalError, PeerError
from core.grenache.config import Tls
from core.net.endpoint import Endpoint
from core.net.stream import Stream
from core.scope import CARRIED
from core.values import Address, Burst
from tests.support.certificates import Authority
from tests.support.process import until

pytestmark = pytest.mark.asyncio
LOOPBACK = Address("127.0.0.1", 0)


class Served:
    """An endpoint that answers each stream with what it says, and takes carriers."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.listener = CarrierListener(endpoint, lambda address: False)
        self.seen: list[Address] = []
        self.tasks = TaskSet("echo")
        endpoint.on_stream = self._take

    def _take(self, stream: Stream) -> None:
        self.seen.append(stream.remote)
        self.tasks.spawn(self._echo(stream), name="echo")

    async def _echo(self, stream: Stream) -> None:
        while data := await stream.read():
            await stream.write(data)
        await stream.close()


@asynccontextmanager
async def both() -> AsyncIterator[tuple[Endpoint, Served]]:
    async with await Endpoint.open(LOOPBACK) as here, await Endpoint.open(LOOPBACK) as there:
        served = Served(there)
        try:
            yield here, served
        finally:
            served.listener.close()
            await served.tasks.aclose()


async def asked(here: Endpoint, served: Served, size: int = 300_000) -> bytes:
    """Send so many bytes over a new connection, and return what comes back."""
    stream = await here.connect(served.endpoint.address, timeout=10.0)
    data = bytes(range(256)) * (size // 256)
    got = bytearray()

    async def read() -> None:
        while len(got) < len(data):
            got.extend(await stream.read())

    async with asyncio.timeout(60.0), asyncio.TaskGroup() as group:
        group.create_task(stream.write(data))
        group.create_task(read())
    assert bytes(got) == data
    await stream.close()
    return bytes(got)


async def test_a_connection_runs_over_tcp_and_no_datagram_leaves() -> None:
    async with both() as (here, served):
        await served.listener.listen("127.0.0.1", served.endpoint.address.port)
        carriers = Carriers(here)
        assert await carriers.reach(served.endpoint.address)
        await asked(here, served)
        assert here.statistics().sent == served.endpoint.statistics().sent == 0
        assert served.seen[0].host.startswith(CARRIED)
        assert served.listener.statistics().carriers == 1
        assert here.detour.sockets.carried(served.endpoint.address)
        assert served.endpoint.detour.sockets.carried(served.seen[0])
        await carriers.aclose()
        assert not here.detour.sockets.carried(served.endpoint.address)


async def test_a_connection_runs_over_websocket_with_tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    signed = Authority(tmp_path / "authority").certificate("relay")
    async with both() as (here, served):
        at = await served.listener.listen("127.0.0.1", 0, Tls(signed.certificate, signed.key))
        monkeypatch.setattr("core.carrying.dial.WSS_PORT", at.port)
        carriers = Carriers(here)
        assert await carriers.reach(served.endpoint.address)
        await asked(here, served)
        assert here.statistics().sent == served.endpoint.statistics().sent == 0
        await carriers.aclose()


async def test_nobody_is_reached_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    async with both() as (here, served):
        monkeypatch.setattr("core.carrying.dial.WSS_PORT", served.endpoint.address.port)
        carriers = Carriers(here)
        assert not await carriers.reach(served.endpoint.address)
        assert served.endpoint.address not in carriers
        await carriers.aclose()


async def test_udp_is_used_again_when_a_carrier_has_gone() -> None:
    async with both() as (here, served):
        await served.listener.listen("127.0.0.1", served.endpoint.address.port)
        carriers = Carriers(here)
        assert await carriers.reach(served.endpoint.address)
        served.listener.close()

        async def gone() -> bool:
            return served.endpoint.address not in carriers

        await until(gone, "the carrier has gone")
        await asked(here, served, 10_240)
        assert here.statistics().sent > 0
        assert not served.seen[0].host.startswith(CARRIED)
        await carriers.aclose()


async def test_what_stands_for_a_carrier_that_has_gone_gets_nothing() -> None:
    async with both() as (here, _):
        here.detour.sockets.send(Burst(Address(f"{CARRIED}1.2.3", 2000), [b"x"]))
        assert here.statistics().sent == 0


async def test_a_named_port_that_is_taken_is_told(tmp_path: Path) -> None:
    async with both() as (here, served):
        taken = await served.listener.listen("127.0.0.1", 0)
        host = CarrierHost(
            here, CarrierPorts(taken.port), "127.0.0.1", here.address.port, lambda: True, lambda at: False
        )
        with pytest.raises(LocalError, match=f"TCP port {taken.port} cannot be opened"):
            await host.start()
        host.close()
    with pytest.raises(PeerError, match="name both files"):
        CarrierPorts(wss=443, certificate=tmp_path)


async def test_the_port_beside_udp_is_open_while_packets_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.carrying.host.SWEEP_EVERY", 0.02)
    passes = True
    async with both() as (here, served):
        host = CarrierHost(
            served.endpoint, CarrierPorts(), "127.0.0.1", served.endpoint.address.port, lambda: passes, lambda at: False
        )
        served.tasks.spawn(host.run(), name="follow")
        carriers = Carriers(here)

        async def listening() -> bool:
            return host.beside.listening is passes

        await until(listening, "it is open")
        assert await carriers.reach(served.endpoint.address)
        passes = False
        await until(listening, "it is closed")
        host.close()
        await carriers.aclose()


async def test_what_is_too_long_or_finds_no_room_is_dropped() -> None:
    written: list[bytes] = []
    waiting = 0
    carrier = Carrier(written.append, lambda: waiting, lambda: None)
    carrier.send(Burst(LOOPBACK, [b"a" * LONGEST, b"b" * (LONGEST + 1)]))
    waiting = QUEUED + 1
    carrier.send(Burst(LOOPBACK, [b"c"]))
    assert (written, carrier.dropped, carrier.sent) == ([b"a" * LONGEST], 2, 1)
