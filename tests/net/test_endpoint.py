"""Endpoints on loopback: what is whose, connecting, punching, and closing at any moment."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from core.errors import LocalError, RequestTimeout, TransportClosed
from core.net import endpoint as endpoint_module
from core.net.endpoint import Endpoint, EndpointConfig
from core.net.stream import Stream
from core.punch.events import PunchEvent, PunchFinished, PunchHeard, PunchSent
from core.utp.config import UtpConfig
from core.values import Address
from tests.net.waiting import eventually

pytestmark = pytest.mark.asyncio

OpenEndpoint = Callable[..., Awaitable[Endpoint]]


def collect(endpoint: Endpoint) -> list[Stream]:
    """Accept streams and keep them."""
    accepted: list[Stream] = []
    endpoint.on_stream = accepted.append
    return accepted


class Plain:
    """A UDP socket of the operating system: a stranger, or nobody at all."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = Address(*self.socket.getsockname())

    def __enter__(self) -> "Plain":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def closed_port() -> Address:
    with Plain() as plain:
        return plain.address


async def test_one_socket_carries_streams_both_ways_and_punches(
    open_endpoint: OpenEndpoint, config: EndpointConfig
) -> None:
    a, b = await open_endpoint(config=config), await open_endpoint(config=config)
    at_a, at_b = collect(a), collect(b)
    punches: list[PunchEvent] = []
    b.on_punch = punches.append
    one, two = await asyncio.gather(a.connect(b.address, timeout=5), b.connect(a.address, timeout=5))
    await one.write(b"from a")
    await two.write(b"from b")
    await eventually(lambda: bool(at_a and at_b))
    assert await at_b[0].read() == b"from a"
    assert await at_a[0].read() == b"from b"
    a.punch(b.address)
    await eventually(lambda: PunchHeard(a.address, first=True) in punches)
    assert at_b[0].remote == a.address
    assert a.statistics().streams == 2
    assert a.statistics().dropped_unknown == 0
    assert a.statistics().utp.connected == 1
    assert a.statistics().punch.punches_sent >= 1


async def test_an_endpoint_can_connect_to_itself(open_endpoint: OpenEndpoint) -> None:
    both = await open_endpoint(bind=Address("0.0.0.0", 0))
    accepted = collect(both)
    here = await both.connect(both.address, timeout=5)
    there = await both.connect(Address("localhost", both.address.port), timeout=5)
    for stream in (here, there):
        assert stream.remote == ("127.0.0.1", both.address.port)
        await stream.write(b"to myself")
    await eventually(lambda: len(accepted) == 2)
    for stream in accepted:
        await stream.write(await stream.read() + b"!")
    assert await here.read() == b"to myself!"
    assert await there.read() == b"to myself!"


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x00",
        b"\xc3",
        b"\xc3\xbf\x07",
        b"\xc3\xbf" + bytes(30),  # a punch is exactly two bytes
        b"\x41" + bytes(18),  # a uTP header is 20 bytes
        b"\x51" + bytes(19),  # type 5
        b"\x42" + bytes(19),  # version 2
        b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",  # a DHT query
        bytes(1400),
    ],
)
async def test_what_is_neither_utp_nor_a_punch_is_counted_and_dropped(
    open_endpoint: OpenEndpoint, datagram: bytes
) -> None:
    endpoint = await open_endpoint()
    with Plain() as stranger:
        stranger.socket.sendto(datagram, endpoint.address)
        stranger.socket.sendto(b"\xc3\xbf", endpoint.address)
        await eventually(lambda: endpoint.statistics().received == 2)
    statistics = endpoint.statistics()
    assert statistics.dropped_unknown == 1
    assert statistics.punch.punches_heard == 1
    assert statistics.utp.received == 0


async def test_malformed_utp_is_counted_and_serving_goes_on(open_endpoint: OpenEndpoint) -> None:
    a, b = await open_endpoint(), await open_endpoint()
    collect(b)
    with Plain() as stranger:
        stranger.socket.sendto(b"\x21\x01" + bytes(18) + b"\x01\xff", b.address)  # an extension longer than the packet
        await eventually(lambda: b.statistics().dropped_malformed == 1)
    assert (await a.connect(b.address, timeout=5)).remote == b.address


async def test_each_of_the_five_packet_types_reaches_the_utp_engine(open_endpoint: OpenEndpoint) -> None:
    endpoint = await open_endpoint()
    with Plain() as stranger:
        for kind in range(5):
            stranger.socket.sendto(bytes([kind << 4 | 1]) + bytes(19), endpoint.address)
        await eventually(lambda: endpoint.statistics().utp.received == 5)
    assert endpoint.statistics().dropped_unknown == 0


async def test_a_dead_peer_is_a_timeout_and_leaves_nothing(open_endpoint: OpenEndpoint) -> None:
    endpoint = await open_endpoint()
    with Plain() as silent, pytest.raises(RequestTimeout, match=f"{silent.address} did not answer within 0.05 s"):
        await endpoint.connect(silent.address, timeout=0.05)
    assert endpoint.statistics().streams == 0
    assert endpoint.statistics().utp.connections == 0


async def test_a_closed_port_is_a_timeout_and_harms_nobody_else(
    open_endpoint: OpenEndpoint, config: EndpointConfig
) -> None:
    a, b = await open_endpoint(config=config), await open_endpoint(config=config)
    accepted = collect(b)
    good = await a.connect(b.address, timeout=5)
    with pytest.raises(RequestTimeout):
        await a.connect(closed_port(), timeout=0.05)
    await good.write(b"still here")
    await eventually(lambda: bool(accepted))
    assert await accepted[0].read() == b"still here"


async def test_who_accepts_no_streams_resets_them(open_endpoint: OpenEndpoint) -> None:
    a, b = await open_endpoint(), await open_endpoint()
    stream = await a.connect(b.address, timeout=5)
    await stream.write(b"anybody?")
    with pytest.raises(TransportClosed):
        await asyncio.wait_for(stream.read(), 5)
    await eventually(lambda: b.statistics().streams == a.statistics().streams == 0)


async def test_who_still_opens_lets_its_callers_wait_instead_of_resetting_them(open_endpoint: OpenEndpoint) -> None:
    a = await open_endpoint(config=EndpointConfig(utp=UtpConfig(syn_timeout=0.05)))
    b = await open_endpoint(config=EndpointConfig(waits=True))
    async with asyncio.TaskGroup() as group:
        connecting = group.create_task(a.connect(b.address, timeout=5))
        await eventually(lambda: b.statistics().utp.refused > 0)
        assert not connecting.done()
        accepted: list[Stream] = []
        b.hear(accepted.append)
    stream = connecting.result()
    await stream.write(b"there you are")
    await eventually(lambda: bool(accepted))
    assert await accepted[0].read() == b"there you are"


async def test_connecting_raises_local_errors_for_what_we_cannot_do(open_endpoint: OpenEndpoint) -> None:
    endpoint = await open_endpoint(config=EndpointConfig(utp=UtpConfig(connections=1)))
    with pytest.raises(LocalError, match="no address"):
        await endpoint.connect(Address("no.such.invalid", 1), timeout=5)
    with Plain() as silent:
        first = asyncio.gather(endpoint.connect(silent.address, timeout=0.1), return_exceptions=True)
        await eventually(lambda: endpoint.statistics().streams == 1)
        with pytest.raises(LocalError, match="connections are open"):
            await endpoint.connect(silent.address, timeout=5)
        assert [type(each) for each in await first] == [RequestTimeout]


async def test_a_cancelled_connect_is_aborted(open_endpoint: OpenEndpoint) -> None:
    endpoint = await open_endpoint()
    with Plain() as silent:
        connecting = asyncio.gather(endpoint.connect(silent.address, timeout=30))
        await eventually(lambda: endpoint.statistics().streams == 1)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
    assert endpoint.statistics().streams == 0
    assert endpoint.statistics().utp.connections == 0


async def test_many_streams_at_once(open_endpoint: OpenEndpoint) -> None:
    a, b = await open_endpoint(), await open_endpoint()
    accepted = collect(b)
    streams = await asyncio.gather(*(a.connect(b.address, timeout=10) for _ in range(100)))
    await asyncio.gather(*(stream.write(b"%d" % n) for n, stream in enumerate(streams)))
    await eventually(lambda: len(accepted) == 100)

    async def echo(stream: Stream) -> None:
        await stream.write(await stream.read())

    await asyncio.gather(*(echo(stream) for stream in accepted))
    answers = await asyncio.gather(*(stream.read() for stream in streams))
    assert answers == [b"%d" % n for n in range(100)]


async def test_punch_events_are_handed_on(open_endpoint: OpenEndpoint) -> None:
    a, b = await open_endpoint(), await open_endpoint()
    at_a: list[PunchEvent] = []
    at_b: list[PunchEvent] = []
    a.on_punch, b.on_punch = at_a.append, at_b.append
    a.punch(b.address)
    assert at_a == [PunchSent(b.address)]
    await eventually(lambda: len(at_a) == 2)
    assert at_b == [PunchHeard(a.address, first=True)]
    assert at_a[1] == PunchFinished(b.address, heard=True, confirmed=True)


async def test_an_address_that_nobody_can_have_is_not_punched(open_endpoint: OpenEndpoint) -> None:
    endpoint = await open_endpoint()
    with pytest.raises(LocalError, match="cannot punch"):
        endpoint.punch(Address("224.0.0.1", 5))


async def test_a_plain_peers_punch_counts_as_heard(open_endpoint: OpenEndpoint) -> None:
    endpoint = await open_endpoint()
    events: list[PunchEvent] = []
    endpoint.on_punch = events.append
    with Plain() as node:
        endpoint.punch(node.address)
        node.socket.sendto(b"\xc3\xbf", endpoint.address)
        await eventually(lambda: PunchFinished(node.address, heard=True, confirmed=False) in events)
    assert PunchHeard(node.address, first=True) in events


async def test_a_utp_packet_confirms_a_punch(open_endpoint: OpenEndpoint) -> None:
    endpoint = await open_endpoint()
    events: list[PunchEvent] = []
    endpoint.on_punch = events.append
    with Plain() as node:
        endpoint.punch(node.address)
        node.socket.sendto(b"\x21\x01" + bytes(18), endpoint.address)
        await eventually(lambda: len(events) > 1)
    assert events[-1] == PunchFinished(node.address, heard=True, confirmed=True)


async def test_what_a_callback_raises_is_reported_and_costs_nothing_else(
    open_endpoint: OpenEndpoint, failures: list[dict[str, object]]
) -> None:
    a, b = await open_endpoint(), await open_endpoint()

    def broken(_: object) -> None:
        raise ValueError("bug")

    b.on_stream, b.on_punch = broken, broken
    a.punch(b.address)
    stream = await a.connect(b.address, timeout=5)
    await stream.write(b"x")
    await eventually(lambda: len(failures) == 2)
    assert {context["message"] for context in failures} == {
        "a callback failed on PunchHeard",
        "a callback failed on Incoming",
    }
    failures.clear()
    async with asyncio.timeout(5):
        assert await stream.read() == b""  # nobody kept it, so it was closed
    accepted = collect(b)
    await a.connect(b.address, timeout=5)
    await eventually(lambda: len(accepted) == 1)
    assert b.statistics().failures == 2


async def test_closing_while_everything_is_busy(open_endpoint: OpenEndpoint, config: EndpointConfig) -> None:
    a, b = await open_endpoint(config=config), await open_endpoint(config=config)
    accepted = collect(b)
    streams = [await a.connect(b.address, timeout=5) for _ in range(5)]
    await eventually(lambda: len(accepted) == 5)
    with Plain() as silent:
        busy = [
            asyncio.gather(work, return_exceptions=True)
            for work in (
                a.connect(silent.address, timeout=30),
                streams[0].read(),
                streams[1].write(bytes(5_000_000)),  # more than every buffer, and nobody reads
                streams[1].write(b"waits for its turn"),
                streams[2].close(),
            )
        ]
        await asyncio.sleep(0.01)
        async with asyncio.timeout(20):  # and not the 30 s of what is under way
            await asyncio.gather(a.close(), a.close())
        outcomes = [outcome for (outcome,) in [await each for each in busy]]
    assert [type(each) for each in outcomes] == [
        TransportClosed,
        bytes,
        TransportClosed,
        TransportClosed,
        type(None),
    ]
    assert a.statistics().streams == 0
    with pytest.raises(LocalError, match="is closed: open a new one"):
        await a.connect(b.address, timeout=1)
    with pytest.raises(LocalError, match="is closed"):
        a.punch(b.address)
    async with asyncio.timeout(5):
        assert await accepted[0].read() == b""  # told goodbye, not left to time out
    again = await Endpoint.open(a.address)
    await again.close()


async def test_what_was_written_before_closing_arrives(open_endpoint: OpenEndpoint) -> None:
    a, b = await open_endpoint(), await open_endpoint()
    accepted = collect(b)
    stream = await a.connect(b.address, timeout=5)
    await stream.write(b"last words")
    await a.close()
    await eventually(lambda: bool(accepted))
    assert await accepted[0].read() == b"last words"
    assert await accepted[0].read() == b""


async def test_a_cancelled_close_still_frees_the_port(
    open_endpoint: OpenEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_module, "FLUSH_TIMEOUT", 30.0)
    a, b = await open_endpoint(), await open_endpoint()
    accepted = collect(b)
    stream = await a.connect(b.address, timeout=5)
    closing = asyncio.gather(a.close())
    await asyncio.sleep(0.01)  # b has not closed its side: a waits
    assert not closing.done()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    again = await Endpoint.open(a.address)
    await again.close()
    assert stream.closed
    assert len(accepted) == 1


async def test_a_port_in_use_names_the_port(open_endpoint: OpenEndpoint) -> None:
    endpoint = await open_endpoint()
    with pytest.raises(LocalError, match=f"UDP port {endpoint.address.port} is in use"):
        await Endpoint.open(endpoint.address)


async def test_an_endpoint_is_a_context_manager() -> None:
    async with await Endpoint.open() as endpoint:
        assert endpoint.address.host == "0.0.0.0"
        assert endpoint.address.port > 0
    with pytest.raises(LocalError, match="is closed"):
        endpoint.punch(Address("127.0.0.1", 9))


async def test_connecting_where_nothing_can_be_sent_fails_at_once_with_what_the_system_says(
    open_endpoint: OpenEndpoint,
) -> None:
    endpoint = await open_endpoint()
    nowhere = Address("192.0.2.1", 9)
    connecting = asyncio.get_running_loop().create_task(endpoint.connect(nowhere, timeout=60))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    endpoint._refused(nowhere, OSError(101, "Network is unreachable"))
    with pytest.raises(TransportClosed, match="Network is unreachable"):
        await asyncio.wait_for(connecting, 5)
    assert endpoint.statistics().streams == 0
