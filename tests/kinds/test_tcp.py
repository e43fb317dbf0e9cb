"""A shared port, from a local port of the other side: bytes, dead ports, bad options."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.errors import LocalError, PeerError, RefusedError, reason_of_os
from core.kinds.share import Share
from core.kinds.table import make
from core.kinds.tcp import TcpService, target_of
from core.tunnel.stream import ByteStream
from core.using.tcp import TcpUse
from core.values import Address
from tests.kinds.streams import joined

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def share(target: str) -> Share:
    return Share("ssh", "tcp", {"target": target})


async def test_a_local_port_leads_to_the_shared_one() -> None:
    async with echo() as port, joined(make(share(str(port)))) as pair:
        problems: list[PeerError | None] = []
        use = TcpUse(pair.open, on_problem=problems.append)
        await use.start()
        reader, writer = await asyncio.open_connection(*use.address)
        writer.write(b"hello" * 1000)
        writer.write_eof()
        assert await reader.read() == b"hello" * 1000
        writer.close()
        await writer.wait_closed()
        await use.aclose()
        assert problems == [None]


async def test_what_a_program_says_before_its_stream_is_open_is_not_lost() -> None:
    """uvloop reads on after a transport was paused in `connection_made`."""
    async with echo() as port, joined(make(share(str(port)))) as pair:
        go = asyncio.Event()

        async def late() -> ByteStream:
            await go.wait()
            return await pair.open()

        use = TcpUse(late)
        await use.start()
        for ends in (True, False):
            go.clear()
            reader, writer = await asyncio.open_connection(*use.address)
            writer.write(b"first words")
            if ends:
                writer.write_eof()
            await asyncio.sleep(0.05)
            go.set()
            assert await reader.readexactly(11) == b"first words"
            writer.close()
        await use.aclose()


async def test_a_dead_port_is_refused_by_its_number_and_the_local_connection_ends() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: nothing answers there, and nobody else takes it
        port = held.getsockname()[1]
        service = make(share(str(port)))
        async with joined(service) as pair:
            with pytest.raises(RefusedError, match=f"nothing answers on port {port} of this machine") as caught:
                await pair.open()
            assert caught.value.name == "ERR_PORT_CLOSED"
            problems: list[PeerError | None] = []
            use = TcpUse(pair.open, on_problem=problems.append)
            await use.start()
            reader, writer = await asyncio.open_connection(*use.address)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            await use.aclose()
            assert [problem.name for problem in problems if problem] == ["ERR_PORT_CLOSED"]
        assert not (await service.check()).ok


async def test_a_refusal_tells_no_address_of_the_home() -> None:
    aiohttp_s = OSError(111, "Multiple exceptions: [Errno 111] Connect call failed ('192.168.1.20', 80)")
    for error in (OSError(111, "Connect call failed ('192.168.1.20', 80)"), aiohttp_s):
        assert reason_of_os(error) == "Connection refused"
    assert "192.168" not in reason_of_os(OSError("Multiple exceptions: Connect call failed ('192.168.1.20', 80)"))
    assert reason_of_os(OSError(111, "Connection refused")) == "Connection refused"


async def test_a_live_port_is_checked_and_a_known_one_is_warned_about() -> None:
    async with echo() as port:
        check = await make(share(f"127.0.0.1:{port}")).check()
        assert check == (True, f"Something answers on 127.0.0.1:{port}.")
    assert "SSH" in make(share("22")).warnings()[0]
    assert make(share("8080")).warnings() == []


async def test_two_uses_cannot_have_one_port() -> None:
    async with echo() as port, joined(make(share(str(port)))) as pair:
        first = TcpUse(pair.open)
        await first.start()
        with pytest.raises(LocalError, match="cannot be used") as caught:
            await TcpUse(pair.open, port=first.address.port).start()
        assert caught.value.name == "ERR_PORT_TAKEN"
        await first.aclose()


@pytest.mark.parametrize("target", ["", "0", "70000", "host", "1.2.3.4:", ":22", "a:b:c"])
async def test_a_target_that_cannot_be_is_refused(target: str) -> None:
    with pytest.raises(LocalError) as caught:
        TcpService(share(target))
    assert caught.value.name == "ERR_SHARE"


@pytest.mark.parametrize(
    ("text", "address"),
    [("22", Address("127.0.0.1", 22)), ("nas.lan:445", Address("nas.lan", 445)), ("[::1]:80", Address("::1", 80))],
)
async def test_targets(text: str, address: Address) -> None:
    assert target_of(text) == address
