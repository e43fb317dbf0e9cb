"""One port over IPv4 and IPv6: streams of both kinds on one endpoint, and machines that have only one of them."""

import errno
import socket
from collections.abc import Sequence
from random import Random

import pytest

from core.errors import LocalError
from core.net import dual_socket
from core.net.dual_socket import DualSocket, open_dual
from core.net.endpoint import Endpoint, EndpointConfig
from core.net.stream import Stream
from core.net.udp import open_udp, resolve, resolve_4
from core.net.udp_socket import Received, is_sendable, named, placed
from core.punch.events import PunchEvent, PunchFinished
from core.values import Address, Burst
from tests.net.conftest import OpenEndpoint
from tests.net.waiting import eventually

pytestmark = pytest.mark.asyncio

EVERYWHERE = Address("0.0.0.0", 0)


async def test_streams_and_punches_of_both_kinds_share_a_port(
    open_endpoint: OpenEndpoint, config: EndpointConfig
) -> None:
    a, b = [await open_endpoint(config=config, bind=EVERYWHERE) for _ in range(2)]
    assert a.six
    assert b.six
    accepted: list[Stream] = []
    punches: list[PunchEvent] = []
    a.on_stream = accepted.append
    b.on_punch = punches.append
    for host in ("127.0.0.1", "::1"):
        b.punch(Address(host, a.address.port))
        stream = await b.connect(Address(host, a.address.port), timeout=5)
        await stream.write(b"over " + host.encode())
        await eventually(lambda: bool(accepted))
        taken = accepted.pop()
        assert await taken.read() == b"over " + host.encode()
        assert taken.remote == Address(host, b.address.port)
        await taken.write(b"x" * 300_000)  # in batches, as far as the system has them
        got = 0
        while got < 300_000:
            got += len(await stream.read())
    await eventually(lambda: sum(isinstance(each, PunchFinished) and each.confirmed for each in punches) == 2)
    counted = b.statistics()
    assert counted.send_errors == 0
    assert counted.bytes_received > 600_000


async def test_of_an_endpoint_bound_to_one_address_nothing_goes_to_ipv6(open_endpoint: OpenEndpoint) -> None:
    it = await open_endpoint()
    assert not it.six
    with pytest.raises(LocalError, match="no IPv6") as caught:
        await it.connect(Address("2001:db8::7", 4000), timeout=5)
    assert caught.value.name == "ERR_NO_IPV6"
    with pytest.raises(LocalError, match="no IPv6"):
        it.punch(Address("2001:db8::7", 4000))


async def test_bound_to_an_ipv6_address_it_takes_that_alone(open_endpoint: OpenEndpoint) -> None:
    it, other = await open_endpoint(bind=Address("::1", 0)), await open_endpoint(bind=EVERYWHERE)
    assert it.six
    assert it.address.host == "::1"
    it.on_stream = lambda stream: None
    assert (await other.connect(it.address, timeout=5)).remote == it.address


async def test_without_ipv6_all_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_udp

    async def four_only(bind: Address, **options: bool | None) -> object:
        if bind.host == "::":
            raise LocalError("no IPv6") from OSError(errno.EAFNOSUPPORT, "not here")
        return await opened(bind, **options)

    monkeypatch.setattr(dual_socket, "open_udp", four_only)
    async with await Endpoint.open(EVERYWHERE, random=Random(1)) as it:
        assert not it.six
        it.on_stream = lambda stream: None
        assert (await it.connect(Address("127.0.0.1", it.address.port), timeout=5)).remote.port == it.address.port


async def test_a_port_that_only_ipv4_has_free_is_not_taken_unless_it_was_asked_for() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        other.bind(("::", 0))
        asked_for = await open_dual(Address("0.0.0.0", other.getsockname()[1]))
        assert not isinstance(asked_for, DualSocket)
        asked_for.close()
        await asked_for.wait_closed()
    free = await open_dual(EVERYWHERE)
    assert isinstance(free, DualSocket)
    free.close()
    await free.wait_closed()


async def test_bursts_leave_by_the_socket_of_their_kind_and_both_are_counted() -> None:
    it, plain = await open_dual(EVERYWHERE), await open_dual(EVERYWHERE)
    got: list[Address] = []

    def take(batch: Sequence[Received]) -> None:
        got.extend(source for source, datagrams in batch for _ in datagrams)

    plain.start(take)
    port = plain.address.port
    for host in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "no host", "ff::x"):
        it.send(Burst(Address(host, port), [b"x" * 100] * 3))
    await eventually(lambda: len(got) == 6)
    assert set(got) == {Address(host, it.address.port) for host in ("127.0.0.1", "::1")}
    counted = it.statistics()
    assert (counted.sent, counted.bytes_sent, counted.send_errors) == (6, 600, 9)
    for each in (it, plain):
        each.close()
        await each.wait_closed()


async def test_a_link_local_source_names_its_interface() -> None:
    lo = socket.if_nametoindex("lo")
    assert named(("fe80::1", 5, 0, lo)) == Address("fe80::1%lo", 5)
    assert named(("2001:db8::1", 5, 0, 0)) == Address("2001:db8::1", 5)
    assert await resolve(Address(f"fe80::1%{lo}", 5)) == Address("fe80::1%lo", 5)
    assert is_sendable(Address("fe80::1%lo", 5), socket.AF_INET6)
    assert not is_sendable(Address("2001:db8::1", 5))
    with pytest.raises(LocalError, match="not an IPv6 address"):
        await resolve(Address("2001:db8:::1", 5))
    with pytest.raises(LocalError, match="has no IPv4 address"):  # as grapes need one
        await resolve_4(Address("2001:db8::1", 5))
    assert await resolve_4(Address("localhost", 5)) == Address("127.0.0.1", 5)


async def test_a_link_local_destination_has_its_interface_as_a_number() -> None:
    lo = socket.if_nametoindex("lo")
    assert placed(Address("fe80::1%lo", 5)) == ("fe80::1", 5, 0, lo)
    assert placed(Address(f"fe80::1%{lo}", 5)) == ("fe80::1", 5, 0, lo)
    assert placed(Address("2001:db8::1", 5)) == ("2001:db8::1", 5)
    for use_reader in (True, False):
        it = await open_udp(Address("::", 0), use_reader=use_reader)
        it.start(lambda batch: None)
        it.send(Burst(Address("fe80::1%gone0", 5), [b"x"] * 3))
        await eventually(lambda it=it: it.statistics().send_errors == 3)  # type: ignore[misc]
        it.close()
        await it.wait_closed()
