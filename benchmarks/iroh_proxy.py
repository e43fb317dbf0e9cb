"""A TCP port through iroh's Python binding, as `dumbpipe` does it: to compare with. No relay, no discovery.

The binding (1.2.0) copies what is written byte by byte in Python, which alone holds it at 10 MB/s. Here it copies whole
pieces, so that the figure is about iroh.

python -m benchmarks.iroh_proxy listen TARGET_PORT      prints the address, as JSON
python -m benchmarks.iroh_proxy connect ADDRESS         prints the local port
"""

import asyncio
import contextlib
import ctypes
import json
import sys
from typing import Any

import iroh  # type: ignore[import-not-found]  # not one of our dependencies: pip install iroh

from core.aio.tasks import TaskSet

ALPN = b"grapevine/bench"
PIECE = 256 * 1024  # bytes


def copy_whole_pieces() -> None:
    """Let the binding write as fast as it can."""

    def write(self: Any, value: bytes) -> None:  # noqa: ANN401
        with self._reserve(len(value)):
            start = ctypes.addressof(self.rbuf.data.contents) + self.rbuf.len
            ctypes.memmove(start, bytes(value), len(value))

    iroh.iroh_ffi._UniffiRustBufferBuilder.write = write


async def copy_in(reader: asyncio.StreamReader, send: Any) -> None:  # noqa: ANN401 - the binding has no types
    """From TCP to iroh."""
    with contextlib.suppress(ConnectionError, iroh.IrohError):
        while data := await reader.read(PIECE):
            await send.write_all(data)
        await send.finish()


async def copy_out(receive: Any, writer: asyncio.StreamWriter) -> None:  # noqa: ANN401
    """From iroh to TCP."""
    with contextlib.suppress(ConnectionError, iroh.IrohError):
        while data := await receive.read(PIECE):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: Any) -> None:  # noqa: ANN401
    """Both ways."""
    await asyncio.gather(copy_in(reader, stream.send()), copy_out(stream.recv(), writer))
    writer.close()


async def endpoint() -> Any:  # noqa: ANN401
    """Return an endpoint that asks nobody."""
    builder = iroh.EndpointBuilder()
    builder.apply_minimal()
    builder.relay_mode(iroh.RelayMode.disabled())
    builder.alpns([ALPN])
    return await builder.bind()


async def listen(port: int) -> None:
    """Accept connections, and streams of each."""
    opened = await endpoint()
    addresses = [each for each in opened.bound_sockets() if "[" not in each]
    local = [f"127.0.0.1:{each.rpartition(':')[2]}" for each in addresses]
    print(json.dumps({"id": str(opened.id()), "addresses": local}), flush=True)
    tasks = TaskSet("iroh")

    async def serve(stream: Any) -> None:  # noqa: ANN401
        await join(*await asyncio.open_connection("127.0.0.1", port), stream)

    while True:
        incoming = await opened.accept_next()
        connection = await (await incoming.accept()).connect()
        with contextlib.suppress(iroh.IrohError):
            while True:
                tasks.spawn(serve(await connection.accept_bi()), name="serve")


async def connect(text: str) -> None:
    """Listen on a port whose connections become streams."""
    said = json.loads(text)
    address = iroh.EndpointAddr(iroh.EndpointId.from_string(said["id"]), None, said["addresses"])
    own = await endpoint()  # kept: its connections end with it
    connection = await own.connect(address, ALPN)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await join(reader, writer, await connection.open_bi())

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    copy_whole_pieces()
    asyncio.run(listen(int(sys.argv[2])) if sys.argv[1] == "listen" else connect(sys.argv[2]))
