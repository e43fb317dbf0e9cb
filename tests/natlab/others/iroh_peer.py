"""An iroh peer for the lab, on iroh's Python binding (1.2.0), without relay or discovery; see `tests.natlab.beside`.

Without a relay nothing of iroh tells two peers of each other. So a *meeting* does what one would do by hand, and
better than a person could: it is an iroh endpoint on a public machine. Both peers connect to it from the very socket
that they use afterwards, and it tells each the other's key and address as it sees them, at the same moment. Then both
dial, again and again, and what either connection brings counts.
"""

import asyncio
import json
import sys
import time
from typing import Any

import iroh  # type: ignore[import-not-found]  # not one of our dependencies: pip install iroh

from core.aio.tasks import TaskSet

ALPN = b"grapevine/lab"
PORT = 4433
DIAL = 3.0  # seconds for one try
PAUSE = 0.2  # seconds between two


def emit(event: str, **values: object) -> None:
    """Print one JSON line."""
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


async def endpoint(where: str = "0.0.0.0:0") -> Any:  # noqa: ANN401 - the binding has no types that we could check
    """Return an endpoint that asks nobody."""
    builder = iroh.EndpointBuilder()
    builder.apply_minimal()
    builder.relay_mode(iroh.RelayMode.disabled())
    builder.alpns([ALPN])
    builder.bind_addr(where)
    return await builder.bind()


def address(said: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return where a peer is said to be."""
    return iroh.EndpointAddr(iroh.EndpointId.from_string(said["id"]), None, [said["address"]])


async def meeting(_: dict[str, Any]) -> None:
    """Tell the two peers of each room of each other."""
    opened = await endpoint(f"0.0.0.0:{PORT}")
    emit("ready", id=str(opened.id()))
    rooms: dict[str, list[tuple[Any, dict[str, str]]]] = {}
    kept: list[Any] = []
    tasks = TaskSet("iroh meeting")

    async def serve(incoming: Any) -> None:  # noqa: ANN401
        connection = await (await incoming.accept()).connect()
        stream = await connection.accept_bi()
        room = bytes(await stream.recv().read(100)).decode()
        seen = {"id": str(connection.remote_id()), "address": connection.paths()[0].remote_addr}
        kept.append(connection)
        both = rooms.setdefault(room, [])
        both.append((stream, seen))
        if len(both) == 2:
            for (stream, _), (_, other) in (both, both[::-1]):
                await stream.send().write_all(json.dumps(other).encode())

    while True:
        tasks.spawn(serve(await opened.accept_next()), name="serve")


class Peer:
    """One side. `asks`: it wants an echo; the other gives it."""

    def __init__(self, opened: Any, *, asks: bool) -> None:  # noqa: ANN401
        self.opened, self.asks = opened, asks
        self.answered = asyncio.Event()
        self.tasks = TaskSet("iroh peer")
        self.reason = "no answer"
        self._kept: list[Any] = []

    async def use(self, connection: Any) -> None:  # noqa: ANN401
        """Ask or answer on one connection."""
        self._kept.append(connection)
        if not self.asks:
            while True:
                stream = await connection.accept_bi()
                await stream.send().write_all(await stream.recv().read(100))
        stream = await connection.open_bi()
        await stream.send().write_all(b"echo")
        if bytes(await stream.recv().read(100)) == b"echo":
            self.answered.set()

    async def accept(self) -> None:
        """Take what the other side dials."""
        while True:
            self.tasks.spawn(self._taken(await self.opened.accept_next()), name="use what was dialled")

    async def _taken(self, incoming: Any) -> None:  # noqa: ANN401
        try:
            await self.use(await (await incoming.accept()).connect())
        except iroh.IrohError as error:
            self.reason = str(error)

    async def dial(self, there: Any) -> None:  # noqa: ANN401
        """Try until it works."""
        while True:
            try:
                connection = await asyncio.wait_for(self.opened.connect(there, ALPN), DIAL)
                await self.use(connection)
            except (TimeoutError, iroh.IrohError) as error:
                self.reason = str(error) or "no answer"
            await asyncio.sleep(PAUSE)


async def peer(options: dict[str, Any]) -> None:
    """Meet the other one."""
    peer = Peer(await endpoint(), asks=options["asks"])
    there = address({"id": options["meeting"], "address": f"{options['host']}:{PORT}"})
    known = await asyncio.wait_for(peer.opened.connect(there, ALPN), options["seconds"])
    stream = await known.open_bi()
    await stream.send().write_all(options["room"].encode())
    emit("ready")
    other = json.loads(bytes(await stream.recv().read(1000)))
    began = time.monotonic()
    peer.tasks.spawn(peer.accept(), name="accept")
    peer.tasks.spawn(peer.dial(address(other)), name="dial")
    try:
        await asyncio.wait_for(peer.answered.wait(), options["seconds"])
        emit("ended", seconds=time.monotonic() - began, reason="")
    except TimeoutError:
        emit("ended", seconds=None, reason=peer.reason)
    await peer.tasks.aclose()


if __name__ == "__main__":
    chosen = json.loads(sys.argv[1])
    asyncio.run({"meeting": meeting, "peer": peer}[chosen["role"]](chosen))
