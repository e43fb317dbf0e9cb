"""A loop ends at once, with nothing open on it, beside TLS servers that never say goodbye: on each loop of ours."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import RemoteError
from core.grenache.client_tls import ClientTls
from core.grenache.config import Tls, WebConfig
from core.grenache.http_client import HttpClient
from core.grenache.ws_client import WsClient
from core.peer_id import PeerId
from core.values import Address
from core.wire.websocket_frame import accept_key
from tests.grenache.site import FakeSite, serving
from tests.support.certificates import Authority

PATIENCE = 10.0  # seconds for a thread to end


def _factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop] | None]:
    found: dict[str, Callable[[], asyncio.AbstractEventLoop] | None] = {"asyncio": None}
    with contextlib.suppress(ImportError):  # not on Windows
        import uvloop

        found["uvloop"] = uvloop.new_event_loop
    return found


LOOPS = pytest.mark.parametrize("factory", _factories().values(), ids=_factories())


@contextlib.contextmanager
def silent_server(folder: Path) -> Iterator[Address]:
    """Shake hands, agree to WebSocket where that is asked for, and then neither read nor say anything."""
    ours = Authority(folder / "silent").certificate("silent")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ours.certificate, ours.key)
    over = threading.Event()

    def serve(listener: socket.socket) -> None:
        kept = []
        while True:
            try:
                taken, _ = listener.accept()
            except OSError:
                break
            shaken = context.wrap_socket(taken, server_side=True)
            key = shaken.recv(4096).decode().partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
            shaken.sendall(
                f"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {accept_key(key)}\r\n\r\n".encode()
            )
            kept.append(shaken)
        over.wait(PATIENCE)
        for each in kept:
            each.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield Address(*listener.getsockname())
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)
    assert not thread.is_alive()


@LOOPS
def test_a_websocket_whose_server_says_no_goodbye_is_cut_off(
    tmp_path: Path, factory: Callable[[], asyncio.AbstractEventLoop] | None
) -> None:
    async def ask(place: Address) -> None:
        client = WsClient()
        socket = await client.open(place, ClientTls())
        assert socket.usable
        await client.aclose()
        assert socket.closed.done()

    with silent_server(tmp_path) as place, asyncio.Runner(loop_factory=factory) as runner:
        runner.run(ask(place))


@LOOPS
def test_a_connection_to_a_server_with_another_certificate_is_gone_before_the_loop_is(
    tmp_path: Path, factory: Callable[[], asyncio.AbstractEventLoop] | None
) -> None:
    authority = Authority(tmp_path / "ca")
    ours, other = authority.certificate("ours"), authority.certificate("other")

    async def ask() -> None:
        config = WebConfig(tls=Tls(ours.certificate, ours.key))
        async with serving(FakeSite(transports=("http", "ws")), config) as server:
            http, ws = HttpClient(), WsClient()
            connection = await http.open(server.address, ClientTls())
            for client in (http, ws):
                with pytest.raises(RemoteError, match="another certificate"):
                    await client.open(server.address, ClientTls(expected=PeerId.parse(other.fingerprint)))
            await http.aclose()
            await ws.aclose()
            assert connection.closed.done()
        assert server.statistics().connections == 0

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(ask())


@LOOPS
def test_a_server_counts_handshakes_and_ends_them(
    tmp_path: Path, factory: Callable[[], asyncio.AbstractEventLoop] | None
) -> None:
    """Who connects and says nothing held a place that nobody counted, for ten seconds, whatever the bound."""
    ours = Authority(tmp_path / "ca").certificate("ours")

    async def connect() -> None:
        site, config = FakeSite(), WebConfig(tls=Tls(ours.certificate, ours.key))
        async with serving(site, config, per_host=2) as server:
            lines = [await asyncio.open_connection(*server.address) for _ in range(3)]
            async with asyncio.timeout(PATIENCE):
                with contextlib.suppress(ConnectionError):
                    assert await lines[0][0].read() == b"", "the oldest made room"
            assert server.statistics().connections == 2
        assert server.statistics().connections == 0
        for _, writer in lines:
            writer.transport.abort()
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(connect())
