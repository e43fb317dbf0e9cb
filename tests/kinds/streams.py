"""A caller and a service with two sessions between, as `core.serving` joins them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.errors import PeerError
from core.identity.identity import Identity
from core.kinds.base import Shared
from core.tunnel.session import Session
from core.tunnel.stream import ByteStream
from core.values import Address, Caller, JsonValue
from core.wire.stream_frame import Reason
from core.wire.stream_opening import Opening, pack_opening, parse_opening
from tests.tunnel.wire import wire

CALLER = Caller(Address("192.0.2.7", 4000), Identity.from_secret(bytes([7]) * 32).peer_id)


class Joined:
    """`open` is what a caller does."""

    def __init__(self, service: Shared) -> None:
        ends = wire(CALLER.peer_id)
        self.service = service
        self.caller = Session(ends[0], initiator=True, on_opening=lambda stream: None)
        self.server = Session(ends[1], initiator=False, on_opening=self._serve)
        self.tasks: set[asyncio.Task[None]] = set()

    async def open(self, **details: JsonValue) -> ByteStream:
        """Open a stream to the service. Raises RefusedError."""
        return await self.caller.open_accepted(pack_opening(Opening(self.service.name, details)), 5.0)

    def _serve(self, stream: ByteStream) -> None:
        self.tasks.add(asyncio.get_running_loop().create_task(self._run(stream)))

    async def _run(self, stream: ByteStream) -> None:
        try:
            await self.service.serve(stream, parse_opening(stream.payload), CALLER)
        except PeerError as error:
            reason = Reason(error.name, str(error))
            stream.refuse(reason)
        finally:
            stream.reset()


@asynccontextmanager
async def joined(service: Shared) -> AsyncIterator[Joined]:
    """Start the service and join a caller to it."""
    await service.start()
    pair = Joined(service)
    pair.caller.start()
    pair.server.start()
    try:
        yield pair
    finally:
        await pair.caller.close()
        await pair.server.close()
        await asyncio.gather(*pair.tasks, return_exceptions=True)
        await service.aclose()
