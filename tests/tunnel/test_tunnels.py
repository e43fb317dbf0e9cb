"""Sessions by peer: one dial for many opens, kept, used from both sides, given up when idle, cut when told."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from core.errors import PeerError, RefusedError, RequestTimeout, TransportClosed
from core.identity.identity import Identity
from core.peer_id import PeerId
from core.rpc.stream import Stream
from core.tunnel import tunnels as tunnels_module
from core.tunnel.stream import ByteStream, StreamReset
from core.tunnel.tunnels import Tunnels
from core.wire.stream_frame import Reason
from tests.tunnel.wire import End, wire

pytestmark = pytest.mark.asyncio
ANNA, BERT, CARA = (Identity.from_secret(bytes([number]) * 32).peer_id for number in (1, 2, 3))


class Peers:
    """Anna, who dials Bert. `dials` counts; `failure` is what dialing raises."""

    def __init__(self) -> None:
        self.dials = 0
        self.failure: PeerError | None = None
        self.ends: list[End] = []
        self.serving: list[asyncio.Task[None]] = []
        self.anna = Tunnels(self.dial, self.take, limit=2)
        self.bert = Tunnels(self.dial, self.take)
        self.refusal: Reason | None = None
        self.taken: list[ByteStream] = []

    async def dial(self, peer_id: PeerId, seconds: float) -> Stream:
        self.dials += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        here, there = wire()
        here.peer_id, there.peer_id = peer_id, ANNA
        self.ends.append(here)
        self.serving.append(asyncio.get_running_loop().create_task(self.bert.serve(there)))
        return here

    def take(self, stream: ByteStream) -> None:
        if self.refusal is not None:
            stream.refuse(self.refusal)
            return
        stream.accept()
        self.taken.append(stream)


@pytest_asyncio.fixture
async def peers() -> AsyncIterator[Peers]:
    peers = Peers()
    peers.anna.start()
    peers.bert.start()
    yield peers
    await peers.anna.aclose()
    await peers.bert.aclose()
    await asyncio.gather(*peers.serving)


async def test_many_opens_at_once_dial_once_and_share_a_session(peers: Peers) -> None:
    streams = await asyncio.gather(*(peers.anna.open(BERT, b"x", 5.0) for _ in range(20)))
    assert peers.dials == 1
    assert peers.anna.count() == (1, 20)
    assert len({id(stream) for stream in streams}) == 20


async def test_a_session_is_used_from_both_sides(peers: Peers) -> None:
    await peers.anna.open(BERT, b"x", 5.0)
    await peers.bert.open(ANNA, b"y", 5.0)
    assert peers.dials == 1


async def test_a_dial_that_fails_is_told_to_all_who_wait_and_tried_again_next_time(peers: Peers) -> None:
    peers.failure = RequestTimeout("nobody there")
    outcomes = await asyncio.gather(*(peers.anna.open(BERT, b"x", 5.0) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [RequestTimeout] * 3
    peers.failure = None
    await peers.anna.open(BERT, b"x", 5.0)
    assert peers.dials == 2


async def test_a_kept_session_that_died_is_replaced(peers: Peers) -> None:
    await peers.anna.open(BERT, b"x", 5.0)
    peers.ends[0].end(TransportClosed("cut"))
    await peers.anna.open(BERT, b"x", 5.0)
    assert peers.dials == 2


async def test_a_refusal_is_not_tried_again(peers: Peers) -> None:
    peers.refusal = Reason("ERR_BLOCKED", "you are blocked")
    with pytest.raises(RefusedError, match="you are blocked"):
        await peers.anna.open(BERT, b"x", 5.0)
    assert peers.dials == 1


async def test_hanging_up_cuts_the_streams_of_those_peers(peers: Peers) -> None:
    stream = await peers.anna.open(BERT, b"x", 5.0)
    peers.bert.hang_up(lambda peer_id: peer_id == BERT)
    assert not stream.over
    peers.bert.hang_up(lambda peer_id: peer_id == ANNA)
    with pytest.raises(TransportClosed):
        await stream.read()
    assert peers.bert.count() == (0, 0)


async def test_an_idle_session_is_closed_and_a_busy_one_is_kept(peers: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = await peers.anna.open(BERT, b"x", 5.0)
    monkeypatch.setattr(tunnels_module, "KEEP", 0.0)
    peers.anna.look()
    assert peers.anna.count() == (1, 1)
    stream.reset()
    peers.anna.look()
    await asyncio.gather(*peers.serving)
    assert peers.anna.count() == (0, 0)


async def test_one_peer_too_many_makes_an_idle_one_go(peers: Peers) -> None:
    stream = await peers.anna.open(BERT, b"x", 5.0)
    await peers.anna.open(CARA, b"x", 5.0)
    with pytest.raises(PeerError, match="2 peers have streams open: close some first"):
        await peers.anna.open(ANNA, b"x", 5.0)
    stream.reset()
    await peers.anna.open(ANNA, b"x", 5.0)
    assert peers.anna.kept(BERT) is None


async def test_closing_tells_the_streams_of_the_other_side(peers: Peers) -> None:
    await peers.anna.open(BERT, b"x", 5.0)
    await peers.anna.aclose()
    with pytest.raises(StreamReset, match="closing"):
        await peers.taken[0].read()
    with pytest.raises(TransportClosed):
        await peers.anna.open(BERT, b"x", 5.0)
