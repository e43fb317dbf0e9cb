"""The UDP socket, read directly and through asyncio's transport, on asyncio's and Qt's loop."""

import asyncio
import errno
import gc
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from core.errors import LocalError
from core.net import reader_socket, transport_socket
from core.net import udp as udp_module
from core.net.intake import DRAIN_MAX
from core.net.udp import open_udp, resolve
from core.values import Address, Burst
from tests.net.boxes import Box, FakeSocket
from tests.support.interpreted import interpreted

pytestmark = pytest.mark.asyncio

LOCAL = Address("127.0.0.1", 0)
Open = Callable[[], Awaitable["Box"]]


@pytest.fixture(params=[True, False], ids=["reader", "transport"])
def use_reader(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest_asyncio.fixture
async def open_box(use_reader: bool) -> AsyncIterator[Open]:
    boxes: list[Box] = []
    gc.freeze()  # the look for what is left need not go through all that is there already

    async def make() -> Box:
        boxes.append(Box(await open_udp(LOCAL, use_reader=use_reader)))
        return boxes[-1]

    yield make
    for box in boxes:
        box.udp.close()
        await box.udp.wait_closed()
    gc.collect()  # a socket left open would warn here


async def test_a_burst_arrives_in_order_with_its_source(open_box: Open) -> None:
    a, b = await open_box(), await open_box()
    sent = [b"%d" % n for n in range(50)]
    a.udp.send(Burst(b.udp.address, sent))
    await b.until(50)
    assert b.datagrams() == sent
    assert {source for batch in b.batches for source, _ in batch} == {a.udp.address}
    assert isinstance(b.batches[0][0][0], Address)
    assert a.udp.statistics().sent == b.udp.statistics().received == 50
    assert a.udp.statistics().bytes_sent == b.udp.statistics().bytes_received == len(b"".join(sent))


async def test_one_wake_up_takes_a_bounded_batch_grouped_by_source() -> None:
    box = Box(await open_udp(LOCAL, use_reader=True))
    others = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    try:
        for n in range(DRAIN_MAX + 6):
            others[n // 60].sendto(b"%d" % n, box.udp.address)  # loopback: all are there when the loop wakes
        await box.until(DRAIN_MAX + 6)
        assert [[len(datagrams) for _, datagrams in batch] for batch in box.batches] == [[60, 4], [6]]
    finally:
        for other in others:
            other.close()
        box.udp.close()


async def test_nothing_is_read_before_start_or_after_close(use_reader: bool) -> None:
    udp = await open_udp(LOCAL, use_reader=use_reader)
    udp.close()
    await udp.wait_closed()
    udp.close()
    udp.send(Burst(Address("127.0.0.1", 9), [b"x"]))
    assert udp.statistics().sent == 0
    again = await open_udp(udp.address, use_reader=use_reader)  # the port is free again
    assert again.address == udp.address
    again.close()
    await again.wait_closed()


async def test_a_datagram_of_the_largest_size_arrives_whole(open_box: Open) -> None:
    a, b = await open_box(), await open_box()
    big = bytes(65507)
    a.udp.send(Burst(b.udp.address, [big, b"after"]))
    await b.until(2)
    assert b.datagrams() == [big, b"after"]


@pytest.mark.parametrize(
    ("to", "data"),
    [
        (Address("255.255.255.255", 9), b"broadcast is forbidden"),
        (Address("127.0.0.1", 9), bytes(65508)),
        (Address("127.0.0.1", 0), b"port 0"),
        (Address("127.0.0.1", 70000), b"no such port"),
        (Address("localhost", 9), b"a name would block the loop"),
        (Address("a\0b", 9), b"no host at all"),
    ],
)
async def test_a_refused_send_is_counted_and_the_socket_goes_on(open_box: Open, to: Address, data: bytes) -> None:
    a, b = await open_box(), await open_box()
    a.udp.send(Burst(to, [data]))
    a.udp.send(Burst(b.udp.address, [b"fine"]))
    await b.until(1)
    assert a.udp.statistics().send_errors == 1
    assert a.udp.statistics().sent == 1


async def test_a_closed_port_does_not_stop_the_socket(open_box: Open) -> None:
    a, b = await open_box(), await open_box()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(LOCAL)
        closed = Address(*gone.getsockname())
    for _ in range(20):
        a.udp.send(Burst(closed, [b"anybody?"]))
    a.udp.send(Burst(b.udp.address, [b"fine"]))
    b.udp.send(Burst(a.udp.address, [b"fine too"]))
    await b.until(1)
    await a.until(1)


@pytest_asyncio.fixture
async def faulty(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Box, FakeSocket]]:
    fakes: list[FakeSocket] = []
    bound = udp_module._bound_socket

    def make(bind: Address) -> Any:  # noqa: ANN401 - stands in for a socket
        fakes.append(FakeSocket(bound(bind)))
        return fakes[-1]

    monkeypatch.setattr(udp_module, "_bound_socket", make)
    box = Box(await open_udp(LOCAL, use_reader=True, batching=False))
    yield box, fakes[0]
    box.udp.close()


async def test_icmp_errors_are_counted_and_hide_no_datagram(faulty: tuple[Box, FakeSocket]) -> None:
    box, fake = faulty
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    fake.receive_fails = [refused]
    fake.send_fails = [refused]
    box.udp.send(Burst(box.udp.address, [b"one", b"two"]))
    await box.until(2)
    assert box.datagrams() == [b"one", b"two"]
    assert box.udp.statistics().icmp_errors == 2
    assert box.udp.statistics().sent == 2
    fake.send_fails = [refused, refused]
    box.udp.send(Burst(box.udp.address, [b"three"]))
    assert box.udp.statistics().send_errors == 1


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EPERM, errno.ENOBUFS])
async def test_other_errors_of_the_kernel_cost_one_datagram(faulty: tuple[Box, FakeSocket], number: int) -> None:
    box, fake = faulty
    fake.send_fails = [OSError(number, "no")]
    box.udp.send(Burst(box.udp.address, [b"lost", b"kept"]))
    await box.until(1)
    assert box.datagrams() == [b"kept"]
    assert box.udp.statistics().send_errors == 1


async def test_a_full_kernel_buffer_queues_in_order_and_drops_past_the_bound(
    faulty: tuple[Box, FakeSocket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_socket, "QUEUE_MAX", 3)
    box, fake = faulty
    fake.send_fails = [BlockingIOError()]  # once: what comes later must wait all the same
    to = box.udp.address
    box.udp.send(Burst(to, [b"0", b"1"]))
    box.udp.send(Burst(to, [b"2", b"3", b"4"]))
    assert box.udp.statistics().sent == 0
    await box.until(3)
    box.udp.send(Burst(to, [b"5"]))
    await box.until(4)
    assert box.datagrams() == [b"0", b"1", b"2", b"5"]
    assert box.udp.statistics().send_dropped == 2
    assert box.udp.statistics().sent == 4


async def test_the_transport_drops_while_its_queue_is_full() -> None:
    udp = await open_udp(LOCAL, use_reader=False)
    box = Box(udp)
    assert isinstance(udp, asyncio.DatagramProtocol)
    udp.pause_writing()
    udp.send(Burst(udp.address, [b"a", b"b"]))
    udp.resume_writing()
    udp.send(Burst(udp.address, [b"c"]))
    udp.error_received(ConnectionResetError(10054, "WinError 10054"))
    await box.until(1)
    assert box.datagrams() == [b"c"]
    assert udp.statistics().send_dropped == 2
    assert udp.statistics().icmp_errors == 1
    udp.close()
    await udp.wait_closed()


async def test_a_port_in_use_is_named(use_reader: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(LOCAL)
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=f"UDP port {port} is in use .* choose another port"):
            await open_udp(Address("0.0.0.0", port), use_reader=use_reader)
    gc.collect()


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EACCES, "UDP port 53 is forbidden here: choose a port from 1024"),
        (errno.EADDRNOTAVAIL, "no address 127.0.0.1 for UDP port 53: use 0.0.0.0"),
        (errno.EMFILE, "UDP port 53 on 127.0.0.1 cannot be opened"),
    ],
)
async def test_other_ways_not_to_get_a_port_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    class Refusing(socket.socket):
        def bind(self, address: object) -> None:
            raise OSError(number, "no")

    monkeypatch.setattr(socket, "socket", Refusing)
    with pytest.raises(LocalError, match=says):
        await open_udp(Address("127.0.0.1", 53), use_reader=True)


async def test_names_are_resolved_and_nonsense_is_refused() -> None:
    assert await resolve(Address("localhost", 7)) == ("127.0.0.1", 7)
    assert await resolve(Address("127.1", 7)) == ("127.0.0.1", 7)
    with pytest.raises(LocalError, match=r"'no\.such\.invalid' has no address"):
        await resolve(Address("no.such.invalid", 7))
    with pytest.raises(LocalError, match=r"'a\.\.b' has no address"):
        await resolve(Address("a..b", 7))
    with pytest.raises(LocalError, match="70000 is not a UDP port"):
        await open_udp(Address("127.0.0.1", 70000))


@interpreted
@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="what Linux says of 127.0.0.1 as a source")
async def test_what_the_system_says_of_a_destination_is_told(open_box: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (reader_socket, transport_socket):  # a socket of this machine only stands for one without a route
        monkeypatch.setattr(module, "NO_WAY", {errno.EINVAL})
    box, told = await open_box(), list[tuple[Address, int | None]]()
    box.udp.on_refused = lambda to, error: told.append((to, error.errno))
    box.udp.send(Burst(Address("192.0.2.1", 9), [b"x"]))
    box.udp.send(Burst(box.udp.address, [b"x"]))
    assert told == [(Address("192.0.2.1", 9), errno.EINVAL)]
    assert box.udp.statistics().send_errors == 1
