"""Bursts that leave and arrive many datagrams per system call, and every way in which a kernel may refuse that."""

import asyncio
import errno
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random
from typing import Any

import pytest

from core.errors import LocalError
from core.net import reader_socket
from core.net import udp as udp_module
from core.net.endpoint import EndpointConfig
from core.net.segmentation import SOL_UDP, UDP_GRO, segment_size
from core.net.stream import Stream
from core.net.udp import open_udp
from core.values import Address, Burst
from tests.net.boxes import Box, FakeSocket
from tests.net.conftest import OpenEndpoint
from tests.net.waiting import eventually
from tests.support.interpreted import interpreted

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux moves many datagrams in one call"),
]

LOCAL = Address("127.0.0.1", 0)
REMEMBERED_HERE = [errno.EINVAL, errno.EIO, errno.EMSGSIZE]
REMEMBERED_ALWAYS = [errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.ENOSYS]
FORGOTTEN = [errno.ENOBUFS, errno.EPERM, errno.ENETUNREACH, errno.ENOMEM]
SIX = [b"aaa", b"bbb", b"ccc", b"d", b"eeeee", b"fffff"]  # two batches: 3 + 1 and 2


def batches(box: Box) -> tuple[int, int, int]:
    counts = box.udp.statistics()
    return counts.batches_sent, counts.batches_received, counts.batches_refused


@asynccontextmanager
async def open_box(*, batching: bool | None = None, use_reader: bool | None = None) -> AsyncIterator[Box]:
    box = Box(await open_udp(LOCAL, use_reader=use_reader, batching=batching))
    try:
        yield box
    finally:
        box.udp.close()
        await box.udp.wait_closed()


@asynccontextmanager
async def open_faulty(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Box, FakeSocket]]:
    """A box that sends to itself through a socket whose calls fail as told."""
    fakes: list[FakeSocket] = []
    bound = udp_module._bound_socket

    def make(bind: Address) -> Any:  # noqa: ANN401 - stands in for a socket
        fakes.append(FakeSocket(bound(bind)))
        return fakes[-1]

    with monkeypatch.context() as patch:
        patch.setattr(udp_module, "_bound_socket", make)
        opening: AbstractAsyncContextManager[Box] = open_box()
        box = await opening.__aenter__()
    try:
        yield box, fakes[0]
    finally:
        await opening.__aexit__(None, None, None)


def odd_burst(random: Random) -> list[bytes]:
    sizes = [random.choice((0, 1, 20, 700, 1402, 1402, 1402)) for _ in range(90)] + [1402] * 60 + [3, 40000, 40000]
    return [random.randbytes(size) for size in sizes]


@pytest.mark.parametrize("receiving", [True, False])
@pytest.mark.parametrize("sending", [True, False])
async def test_the_same_datagrams_arrive_whichever_side_batches(sending: bool, receiving: bool) -> None:
    sent = odd_burst(Random(7))
    async with open_box(batching=sending) as a, open_box(batching=receiving) as b:
        for start in range(0, len(sent), 30):  # less than the default buffer of 208 KiB at a time
            a.udp.send(Burst(b.udp.address, sent[start : start + 30]))
            await b.until(min(len(sent), start + 30))
        assert b.datagrams() == sent
        assert {source for batch in b.batches for source, _ in batch} == {a.udp.address}
        assert a.udp.statistics().sent == b.udp.statistics().received == len(sent)
        assert (batches(a)[0] > 0) == sending
        assert (batches(b)[1] > 0) == (sending and receiving)
        assert a.udp.statistics().send_errors == b.udp.statistics().receive_dropped == 0


async def test_a_burst_of_46_full_packets_is_one_call_each_way(monkeypatch: pytest.MonkeyPatch) -> None:
    burst = [bytes([n]) * 1402 for n in range(46)]
    async with open_faulty(monkeypatch) as (box, fake):
        box.udp.send(Burst(box.udp.address, burst))
        await box.until(46)
        assert box.datagrams() == burst
        assert fake.calls == [burst]
        assert batches(box) == (1, 1, 0)


@pytest.mark.parametrize("number", [*REMEMBERED_HERE, *REMEMBERED_ALWAYS, *FORGOTTEN])
async def test_what_the_kernel_refuses_to_cut_leaves_one_by_one_at_once(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    async with open_faulty(monkeypatch) as (box, fake):
        fake.batch_fails = [OSError(number, "no")]
        box.udp.send(Burst(box.udp.address, SIX))
        assert [each for call in fake.calls for each in call] == SIX
        assert fake.calls[:4] == [[each] for each in SIX[:4]]
        await box.until(6)
        assert box.datagrams() == SIX
        counts = box.udp.statistics()
        assert (counts.sent, counts.send_errors, counts.send_dropped, counts.batches_refused) == (6, 0, 0, 1)


@pytest.mark.parametrize(
    ("numbers", "here", "elsewhere"),
    [(REMEMBERED_HERE, False, True), (REMEMBERED_ALWAYS, False, False), (FORGOTTEN, True, True)],
    ids=["path", "socket", "passing"],
)
async def test_a_refusal_is_noticed_once(
    monkeypatch: pytest.MonkeyPatch, numbers: list[int], here: bool, elsewhere: bool
) -> None:
    for number in numbers:
        async with open_faulty(monkeypatch) as (box, fake), open_box() as other:
            burst = [bytes(9), bytes(9)]
            fake.batch_fails = [OSError(number, "no")]
            box.udp.send(Burst(box.udp.address, burst))
            fake.calls.clear()
            box.udp.send(Burst(box.udp.address, burst))
            assert (fake.calls == [burst]) == here
            fake.calls.clear()
            box.udp.send(Burst(other.udp.address, burst))
            assert (fake.calls == [burst]) == elsewhere
            await other.until(2)
            await box.until(4)
            assert box.udp.statistics().batches_refused == 1


async def test_an_icmp_error_told_at_a_batch_is_counted_and_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    async with open_faulty(monkeypatch) as (box, fake):
        fake.batch_fails = [refused]
        box.udp.send(Burst(box.udp.address, SIX[:3]))
        assert fake.calls == [SIX[:3]]
        fake.batch_fails = [refused, refused]  # two destinations may be told of at once
        box.udp.send(Burst(box.udp.address, SIX[:3]))
        await box.until(6)
        assert box.datagrams() == SIX[:3] * 2
        assert box.udp.statistics().icmp_errors == 2
        assert box.udp.statistics().send_errors == 0


async def test_a_full_kernel_buffer_queues_batches_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_faulty(monkeypatch) as (box, fake):
        fake.batch_fails = [BlockingIOError()]
        box.udp.send(Burst(box.udp.address, SIX))
        box.udp.send(Burst(box.udp.address, [b"last"]))
        assert fake.calls == []
        await box.until(7)
        assert box.datagrams() == [*SIX, b"last"]
        assert fake.calls == [SIX[:4], SIX[4:], [b"last"]]
        assert batches(box)[2] == 0  # a full buffer is no refusal


async def test_a_buffer_that_fills_amid_a_refused_batch_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_faulty(monkeypatch) as (box, fake):
        fake.batch_fails = [OSError(errno.EINVAL, "no")]
        fake.send_fails = [BlockingIOError()]
        box.udp.send(Burst(box.udp.address, SIX[:4]))
        await box.until(4)
        assert box.datagrams() == SIX[:4]


async def test_what_waits_is_bounded_in_bytes_and_leaves_a_bounded_part_per_wake_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader_socket, "QUEUE_BYTES", 15)
    monkeypatch.setattr(reader_socket, "FLUSH_MAX", 2)
    async with open_faulty(monkeypatch) as (box, fake):
        fake.batch_fails = [BlockingIOError()]
        box.udp.send(Burst(box.udp.address, [b"aaa", b"bbb", b"ccc", b"ddd", b"eee", b"fff"]))
        assert box.udp.statistics().send_dropped == 1
        await box.until(5)
        assert fake.calls == [[b"aaa", b"bbb"], [b"ccc", b"ddd"], [b"eee"]]
        fake.batch_fails = [BlockingIOError()]
        box.udp.send(Burst(box.udp.address, [b"gggggggg", b"hhhhhhh"]))  # 15 bytes: the room of before is back
        await box.until(7)
        assert box.udp.statistics().send_dropped == 1


async def test_a_wake_up_flushes_its_part_however_many_bursts_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_socket, "QUEUE_MAX", 5)
    monkeypatch.setattr(reader_socket, "FLUSH_MAX", 3)
    async with open_faulty(monkeypatch) as (box, fake):
        for turn in range(2):  # the second: the room of the first is back
            fake.send_fails = [BlockingIOError()]
            for n in range(5):
                box.udp.send(Burst(box.udp.address, [b"%d" % n]))
            assert fake.calls == []
            box.udp._flush_queue()  # type: ignore[attr-defined]
            assert fake.calls == [[b"0"], [b"1"], [b"2"]]
            await box.until(5 * turn + 5)
            fake.calls.clear()
        assert box.udp.statistics().send_dropped == 0


@interpreted
async def test_a_kernel_that_cannot_join_arrivals_still_delivers(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(reader_socket, "join_arrivals", lambda sock: False)
        opening = open_box()
        box = await opening.__aenter__()
    box.udp.send(Burst(box.udp.address, SIX))
    await box.until(6)
    assert box.datagrams() == SIX
    assert batches(box) == (2, 0, 0)
    await opening.__aexit__(None, None, None)


@interpreted
@pytest.mark.parametrize("lacking", ["join_arrivals", "can_segment"])
async def test_batching_that_is_demanded_and_missing_is_an_error(monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    monkeypatch.setattr(reader_socket, lacking, lambda sock: False)
    with pytest.raises(LocalError, match="leave `batching` at None"):
        await open_udp(LOCAL, batching=True)
    async with open_box(batching=None) as box:  # not demanded: no error
        assert box.udp.address.port


async def test_the_transport_way_cannot_batch() -> None:
    with pytest.raises(LocalError, match="leave `batching` at None"):
        await open_udp(LOCAL, use_reader=False, batching=True)


async def test_batching_can_be_switched_off() -> None:
    async with open_box(batching=False) as box:
        sock = box.udp._sock  # type: ignore[attr-defined]
        assert sock.getsockopt(SOL_UDP, UDP_GRO) == 0
        box.udp.send(Burst(box.udp.address, SIX))
        await box.until(6)
        assert batches(box) == (0, 0, 0)


# -- with the engines -------------------------------------------------------------------------------------------------


async def test_each_datagram_of_a_joined_arrival_is_classified_by_itself(open_endpoint: OpenEndpoint) -> None:
    endpoint = await open_endpoint()
    heard: list[object] = []
    endpoint.on_punch = heard.append
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(LOCAL)
        syn = bytes.fromhex("41 00 1234 00000001 00000000 00100000 0001 0000")
        strange = b"\xff" * 20
        sender.sendmsg([syn, strange, b"\x61" * 20, b"\xc3\xbf"], segment_size(20), 0, endpoint.address)
        await eventually(lambda: len(heard) == 1)
        counts = endpoint.statistics()
    assert (counts.received, counts.batches_received) == (4, 1)
    assert counts.utp.received == 1
    assert counts.dropped_unknown == 2
    assert counts.punch.punches_heard == 1


@pytest.mark.parametrize("receiving", [True, False])
@pytest.mark.parametrize("sending", [True, False])
async def test_a_stream_carries_the_same_bytes_whichever_side_batches(
    open_endpoint: OpenEndpoint, sending: bool, receiving: bool
) -> None:
    a = await open_endpoint(config=EndpointConfig(batching=sending))
    b = await open_endpoint(config=EndpointConfig(batching=receiving))
    accepted: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()
    b.on_stream = accepted.set_result
    stream = await a.connect(b.address, timeout=5)
    message = Random(3).randbytes(3_000_001)

    async def write() -> None:
        await stream.write(message)
        await stream.close()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(write())
        reader = await accepted
        got = bytearray()
        while chunk := await reader.read():
            got += chunk
        await reader.close()
    assert bytes(got) == message
    assert (a.statistics().batches_sent > 10) == sending
    assert (b.statistics().batches_received > 10) == (sending and receiving)
    assert a.statistics().batches_refused == 0
