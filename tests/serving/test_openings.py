"""Places for byte streams: so many of a host of strangers, more of a trusted peer, and each comes back at its end."""

import asyncio
from typing import Any, cast

import pytest

from core.identity.identity import Identity
from core.limits import bounds
from core.rpc.memory import Owner, Standing
from core.serving.openings import Openings
from core.tunnel.stream import ByteStream
from core.values import Address, Caller
from core.wire.stream_frame import Reason
from core.wire.stream_opening import Opening, pack_opening

pytestmark = pytest.mark.asyncio

FRIEND = Identity.from_secret(bytes([7]) * 32).peer_id


class Stream:
    """What the openings need of a stream."""

    def __init__(self, host: str, *, trusted: bool) -> None:
        self.remote = Address(host, 4000)
        self.peer_id = FRIEND if trusted else None
        self.payload = pack_opening(Opening("ssh", {}))
        self.bytes_received = self.bytes_sent = 0
        self.refused: Reason | None = None

    def refuse(self, reason: Reason) -> None:
        self.refused = self.refused or reason

    def reset(self, reason: Reason | None = None) -> None:
        pass


class Call:
    name = "ssh"
    received = 0

    def ended(self, seconds: float, error: str | None, sent: int) -> None:
        pass


class Handler:
    """Serves every stream until `done`."""

    def __init__(self) -> None:
        self.done = asyncio.Event()

    def standing(self, caller: Caller) -> Standing:
        owner: Owner = caller.peer_id or caller.address.host
        return Standing(owner, caller.peer_id is not None, bounds.STRANGER_MESSAGE)

    def receive_stream(self, service: str, caller: Caller, size: int, transport: str = "utp") -> Call:
        return Call()

    async def open_stream(self, call: Call, stream: Stream, opening: Opening) -> None:
        await self.done.wait()


def opened(openings: Openings, host: str, number: int, *, trusted: bool = False) -> int:
    """Open streams; return how many of them were not refused."""
    streams = [Stream(host, trusted=trusted) for _ in range(number)]
    for stream in streams:
        openings.on_opening(cast(ByteStream, stream))
    refusals = {stream.refused.name for stream in streams if stream.refused}
    assert refusals <= {"ERR_RATE_LIMITED"}
    return sum(stream.refused is None for stream in streams)


async def test_each_host_has_its_places_strangers_leave_the_kept_ones_and_all_come_back() -> None:
    handler = Handler()
    openings = Openings(cast(Any, handler))
    assert opened(openings, "192.0.2.1", bounds.STREAMS_HOST + 1) == bounds.STREAMS_HOST
    strangers = (bounds.STREAMS - bounds.STREAMS_KEPT) // bounds.STREAMS_HOST
    taken = sum(opened(openings, f"192.0.2.{2 + n}", bounds.STREAMS_HOST) for n in range(strangers))
    assert taken == bounds.STREAMS - bounds.STREAMS_KEPT - bounds.STREAMS_HOST
    assert opened(openings, "198.51.100.1", bounds.STREAMS_TRUSTED + 1, trusted=True) == bounds.STREAMS_TRUSTED
    assert openings.budget()[1].refused == 1 + bounds.STREAMS_HOST + 1
    await asyncio.sleep(0)
    handler.done.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert openings.budget()[1].used == 0
    await openings.aclose()
