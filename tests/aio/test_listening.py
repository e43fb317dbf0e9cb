"""A TCP port is bound without looking a name up, and a port that is taken is told at once."""

import asyncio
import socket
import subprocess
import sys

import pytest

from core.aio.listening import listening


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_it_listens_at_this_address_only(host: str) -> None:
    with listening(host, 0) as sock, socket.socket(sock.family) as caller:
        assert sock.getsockname()[0] == host
        assert not sock.getblocking()
        caller.settimeout(10)
        caller.connect(sock.getsockname()[:2])


def test_all_addresses_are_those_of_ipv4_as_well() -> None:
    with listening("::", 0) as sock, socket.create_connection(("127.0.0.1", sock.getsockname()[1]), timeout=10):
        pass


def test_a_port_that_is_taken_is_told_at_once() -> None:
    with listening("127.0.0.1", 0) as sock, pytest.raises(OSError, match="in use"):
        listening("127.0.0.1", sock.getsockname()[1])


def test_a_port_that_is_none_leaves_no_socket() -> None:
    with pytest.raises(OverflowError):
        listening("127.0.0.1", 65536)


@pytest.mark.asyncio
async def test_a_loop_takes_it() -> None:
    heard = asyncio.Event()
    sock = listening("127.0.0.1", 0)
    server = await asyncio.get_running_loop().create_server(lambda: _Hears(heard), sock=sock)
    async with server, asyncio.timeout(10):
        _, writer = await asyncio.open_connection(*sock.getsockname()[:2])
        await heard.wait()
        writer.close()


class _Hears(asyncio.Protocol):
    def __init__(self, heard: asyncio.Event) -> None:
        self._heard = heard

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._heard.set()
        transport.close()


def test_nothing_is_loaded_for_names_with_other_letters() -> None:
    code = "import sys; from core.aio.listening import *; listening('127.0.0.1', 0); print('stringprep' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"
