"""Connections for byte streams to a peer by its ID: found and reached as for a request, or met again."""

import asyncio
from collections.abc import Awaitable, Callable

from core.calling.client import PeerClient
from core.errors import RequestTimeout
from core.peer_id import PeerId
from core.rpc.stream import Stream
from core.secure.dial import Dialer
from core.values import Address


def dial_streams(client: PeerClient, dialer: Dialer) -> Callable[[PeerId, float], Awaitable[Stream]]:
    """Return what connects to a peer for byte streams: it is found and reached as for a request."""

    async def dial(peer_id: PeerId, seconds: float) -> Stream:
        until = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout(seconds):
                address = await client.reach(peer_id, seconds)
        except TimeoutError:
            raise RequestTimeout(f"peer {peer_id.short}: not reached within {seconds:.3g} s") from None
        return await dialer.dial_streams(address, max(0.5, until - asyncio.get_running_loop().time()), peer_id)

    return dial


def meet_for_streams(client: PeerClient, dialer: Dialer) -> Callable[[PeerId, float], Awaitable[Stream]]:
    """Return what connects to a peer for byte streams by a way that is new: what is kept has fallen silent."""

    async def meet(peer_id: PeerId, seconds: float) -> Stream:
        made: dict[Address, Stream] = {}

        async def connect(address: Address, left: float) -> None:
            made[address] = await dialer.dial_streams(address, left, peer_id)

        chosen: Address | None = None
        try:
            async with asyncio.timeout(seconds):
                chosen = await client.reach(peer_id, seconds, connect)
        except TimeoutError:
            raise RequestTimeout(f"peer {peer_id.short}: not reached within {seconds:.3g} s") from None
        finally:
            for address, connection in made.items():
                if address != chosen:
                    connection.abort()
        return made[chosen]

    return meet
