"""Connections for byte streams to a peer by its ID: found as for a request, its addresses dialled at once.

No kept connection vouches for an address: it may have died unseen, as when the other side was started again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from core.calling.client import PeerClient
from core.errors import RequestTimeout
from core.peer_id import PeerId
from core.rpc.stream import Stream
from core.secure.dial import Dialer
from core.values import Address

ATTEMPT: Final = 10.0  # seconds for one address, as for requests: what its SYNs may cost is counted beforehand


def dial_streams(client: PeerClient, dialer: Dialer) -> Callable[[PeerId, float], Awaitable[Stream]]:
    """Return what connects to a peer for byte streams within so many seconds; the first address that answers counts."""

    async def dial(peer_id: PeerId, seconds: float) -> Stream:
        made: dict[Address, Stream] = {}

        async def connect(address: Address, left: float) -> None:
            made[address] = await dialer.dial_streams(address, min(left, ATTEMPT), peer_id)

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

    return dial
