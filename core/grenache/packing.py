"""Packing and unpacking large bodies (`grc-compress`) in few threads: hosts take turns, trusted callers go first."""

from functools import partial
from typing import Final

from core.aio.workers import Workers
from core.grenache.heads import unpack
from core.rpc.fair_places import FairPlaces
from core.rpc.memory import Owner, Standing

PACKERS: Final = 2  # at a time: as many as the processors that a small board has to spare


class Packing:
    """The threads of one server."""

    def __init__(self) -> None:
        self._workers = Workers("packing", PACKERS)
        self._places: FairPlaces[Owner] = FairPlaces(PACKERS)

    async def unpack(self, data: bytes, whose: Standing) -> bytes:
        """Do `core.grenache.heads.unpack`, for as many bytes as a message may have. Raises RemoteError for more."""
        async with self._places.place(whose.owner, trusted=whose.trusted):
            return await self._workers.run(partial(unpack, data, whose.message_bytes))

    async def pack(self, data: bytes, whose: Standing) -> bytes:
        """Return `data` in gzip (RFC 1952)."""
        async with self._places.place(whose.owner, trusted=whose.trusted):
            import gzip  # with the first that asks for it

            return await self._workers.run(partial(gzip.compress, data, 6))

    def close(self) -> None:
        """Let the threads end."""
        self._workers.close()
