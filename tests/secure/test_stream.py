"""Sessions on streams, in virtual time: whole messages in order, whatever is cancelled; RPC; which end is which."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.aio.tasks import TaskSet
from core.errors import PeerError, RemoteError, TransportClosed
from core.rpc.client import RpcClient
from core.rpc.server import RpcServer
from core.rpc.stream import Stream
from core.secure.contexts import Contexts
from core.secure.frames import ONCE_BYTES, RECORD_BYTES, SEAL_BYTES, SLICE_BYTES
from core.secure.handshake import shake
from core.secure.stream import OFFER_BYTES, SecureStream
from core.values import Address, Caller, JsonValue
from tests.rpc.streams import SERVER, MemoryStream, pair
from tests.secure.sides import ANNA, BERT
from tests.support.answers import answered_by
from tests.support.virtual_time import run, settle

pytestmark = pytest.mark.virtual_time

BIG = bytes(range(256)) * 4 * (SLICE_BYTES // 256) + b"the end"
FULL = b"f" * ONCE_BYTES  # sealed it fills a stream of SLICE_BYTES


class Ear:
    """Keeps what a stream brings."""

    def __init__(self, stream: SecureStream) -> None:
        self.data = b""
        self.pieces: list[bytes] = []
        self.end: list[PeerError | None] = []
        stream.listen(self)

    def received(self, chunk: bytes) -> None:
        self.pieces.append(chunk)
        self.data += chunk

    def ended(self, error: PeerError | None) -> None:
        self.end.append(error)


async def secured(near: MemoryStream, far: MemoryStream) -> tuple[SecureStream, SecureStream]:
    """Return both ends of a session: Anna's, who called, and Bert's."""
    client, server = Contexts(ANNA).client(SERVER), Contexts(BERT).server()
    first, second = await asyncio.gather(shake(near, client), shake(far, server))
    return SecureStream(near, client, first), SecureStream(far, server, second)


@asynccontextmanager
async def scene(**how: int) -> AsyncIterator[tuple[SecureStream, SecureStream]]:
    """Open a session and hold both ends."""
    near, far = pair(**how)
    ends = await secured(near, far)
    try:
        yield ends
    finally:
        for end in ends:
            end.abort()
        await settle()


@pytest.mark.parametrize("packet", [1, 1000, 1 << 20])
async def test_messages_of_all_sizes_arrive_whole_and_in_order(packet: int) -> None:
    sizes = [1, OFFER_BYTES, OFFER_BYTES + 1, 20_000] + ([SLICE_BYTES, SLICE_BYTES * 2 + 3] if packet > 1 else [])
    messages = [bytes([number + 1]) * size for number, size in enumerate(sizes)]

    async with scene(packet=packet) as (near, far):
        ear = Ear(far)
        for message in messages:
            if not near.offer(message):
                await near.write(message)
        await settle(300)
        assert ear.data == b"".join(messages)
        assert (near.peer_id, far.peer_id) == (BERT.peer_id, ANNA.peer_id)


async def test_what_is_written_one_after_the_other_is_sent_one_after_the_other() -> None:
    """Also when the next write begins just as the last one ends."""

    async with scene() as (near, far):
        ear = Ear(far)
        async with asyncio.timeout(60):
            for number in range(100):
                await near.write(bytes([number]) * 2000)
        await settle()
        assert ear.data == b"".join(bytes([number]) * 2000 for number in range(100))


async def test_what_is_put_leaves_at_once_in_full_records_or_not_at_all() -> None:
    async with scene(buffer=SLICE_BYTES) as (near, far):
        carrier = near._carrier
        assert isinstance(carrier, MemoryStream)
        before = len(carrier.written)
        assert not near.put(FULL + b"f", urgent=True), "more than is sealed in one step"
        assert near.offer(b"first", soon=True)
        assert near.put(FULL, urgent=True)
        assert [len(data) for data, _ in carrier.written[before + 1 :]] == [8 * (RECORD_BYTES + SEAL_BYTES)]
        assert not near.put(b"more", urgent=True), "the stream below is full"
        tasks = TaskSet("writers")
        waiting = tasks.spawn(near.write(b"waits"), name="waits")
        await settle(3)
        assert not near.put(b"overtakes", urgent=True)
        ear = Ear(far)
        await waiting
        assert near.put(b"last", urgent=True)
        await settle()
        assert ear.data == b"first" + FULL + b"waits" + b"last"
        await near.close()
        assert not near.put(b"late", urgent=True)


async def test_what_is_longer_than_the_room_once_it_is_sealed_is_sent_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when OpenSSL answers the other side's new keys in the same breath: what is sealed is never lost."""
    async with scene(buffer=SLICE_BYTES) as (near, far):
        assert near.put(FULL, urgent=True)
        monkeypatch.setattr(near._carrier, "room", lambda: 1 << 30)
        assert near.put(b"more", urgent=True)
        assert not near.put(b"overtakes", urgent=True)
        ear = Ear(far)
        await settle(300)
        assert near.put(b"last", urgent=True)
        await settle()
        assert ear.data == FULL + b"more" + b"last"


async def test_a_cancelled_write_sends_nothing_or_everything() -> None:
    async with scene(buffer=SLICE_BYTES) as (near, far):
        tasks = TaskSet("writers")
        begun = tasks.spawn(near.write(BIG), name="begun")
        waiting = tasks.spawn(near.write(b"never" * 1000), name="waiting")
        last = tasks.spawn(near.write(b"last" * 1000), name="last")
        await settle(3)
        begun.cancel()
        waiting.cancel()
        await settle()
        ear = Ear(far)  # only now does anybody read, so that there is room for more
        await last
        await settle()
        assert ear.data == BIG + b"last" * 1000
        assert (begun.cancelled(), waiting.cancelled()) == (True, True)


async def test_a_cancelled_only_write_goes_whole_and_in_order() -> None:
    """It is sealed: what comes later could not be read without it."""

    async with scene(buffer=SLICE_BYTES) as (near, far):
        tasks = TaskSet("writers")
        await near.write(FULL)
        begun = tasks.spawn(near.write(b"begun" * 1000), name="begun")
        await settle(3)
        begun.cancel()
        await settle(3)
        assert begun.cancelled()
        later = [tasks.spawn(near.write(word * 1000), name="later") for word in (b"one", b"two", b"three")]
        await settle(3)
        later[1].cancel()
        assert not near.offer(b"small"), "others wait"
        ear = Ear(far)
        await asyncio.gather(*later, return_exceptions=True)
        await settle()
        assert ear.data.startswith(FULL + b"begun" * 1000 + b"one" * 1000)
        assert ear.data.endswith(b"three" * 1000)
        assert ear.end == []


async def test_a_small_message_does_not_overtake_one_that_waits() -> None:
    async with scene(buffer=SLICE_BYTES) as (near, far):
        tasks = TaskSet("writers")
        tasks.spawn(near.write(BIG), name="big")
        await settle(3)
        assert not near.offer(b"small"), "somebody is writing"
        ear = Ear(far)
        await settle()
        assert near.offer(b"small")
        await settle()
        assert ear.data == BIG + b"small"


async def test_what_is_sealed_goes_in_order_though_the_stream_below_is_full() -> None:
    """`offer` seals before it knows whether there is room; what comes then waits behind it."""

    async with scene(buffer=4000) as (near, far):
        while near.offer(b"x" * 500):
            pass
        tasks = TaskSet("writers")
        write = tasks.spawn(near.write(b"y" * 2000), name="write")
        await settle()
        ear = Ear(far)
        await write
        await settle()
        assert ear.data.rstrip(b"y").strip(b"x") == b""
        assert ear.data.endswith(b"x" + b"y" * 2000)


async def test_a_big_message_leaves_turns_of_the_loop_to_others() -> None:
    async with scene(buffer=1 << 30) as (near, far):
        Ear(far)
        turns = 0
        writing = True

        async def count() -> None:
            nonlocal turns
            while writing:
                await asyncio.sleep(0)
                turns += 1

        tasks = TaskSet("others")
        counter = tasks.spawn(count(), name="count")
        await near.write(BIG)
        writing = False
        await counter
        assert turns >= len(BIG) // SLICE_BYTES


async def test_messages_of_one_turn_share_records() -> None:
    async with scene() as (near, far):
        ear, carrier = Ear(far), near._carrier
        assert isinstance(carrier, MemoryStream)
        before = len(carrier.written)
        messages = [b"%03d" % number * 30 for number in range(100)]  # 9,400 bytes with their lengths
        assert all(near.offer(message, soon=True) for message in messages)
        await settle()
        assert ear.data == b"".join(messages)
        assert len(carrier.written) - before == 10  # JOINED_BYTES each


async def test_a_full_packet_leaves_while_the_turn_goes_on() -> None:
    async with scene() as (near, far):
        ear, carrier = Ear(far), near._carrier
        assert isinstance(carrier, MemoryStream)
        carrier.soon.clear()
        for number in range(30):
            assert near.offer(b"%03d" % number * 30, soon=True)
        assert carrier.soon == [False, False]  # at once; the rest of the 2,820 bytes waits for the end of the turn
        await settle()
        assert carrier.soon == [False, False, False]
        assert len(ear.data) == 30 * 90


async def test_what_was_joined_waits_where_the_stream_below_is_full() -> None:
    async with scene(buffer=3000) as (near, far):
        far.pause()
        messages = [b"%03d" % number * 30 for number in range(40)]
        for message in messages:
            assert near.offer(message, soon=True)
        await settle()
        assert near.buffered()[0] > 0
        ear = Ear(far)
        far.resume()
        await settle()
        assert ear.data == b"".join(messages)


async def test_nothing_overtakes_what_was_joined() -> None:
    async with scene() as (near, far):
        ear = Ear(far)
        assert near.offer(b"1", soon=True)
        assert near.offer(b"2")
        assert near.offer(b"3", soon=True)
        await near.write(b"4" * 2000)
        assert near.offer(b"5", soon=True)
        await near.close()
        await settle()
        assert ear.data == b"123" + b"4" * 2000 + b"5"
        assert ear.end == [None]


async def test_nothing_is_handed_over_while_paused() -> None:
    async with scene() as (near, far):
        ear = Ear(far)
        far.pause()
        for word in (b"one", b"two", b"three"):
            assert near.offer(word)
        await settle()
        assert ear.pieces == []
        far.resume()
        await settle()
        assert ear.pieces == [b"one", b"two", b"three"]


# -- the end ------------------------------------------------------------------------------------------------------


async def test_a_goodbye_comes_after_what_was_written() -> None:
    async with scene() as (near, far):
        ear = Ear(far)
        tasks = TaskSet("writers")
        tasks.spawn(near.write(BIG), name="big")
        await settle(2)
        await near.close()
        await settle()
        assert ear.data == BIG
        assert ear.end == [None]
        with pytest.raises(TransportClosed):
            await near.write(b"late" * 1000)
        assert not near.offer(b"late")


async def test_a_goodbye_waits_for_room() -> None:
    async with scene(buffer=SLICE_BYTES) as (near, far):
        tasks = TaskSet("writers")
        await near.write(FULL)
        closing = tasks.spawn(near.close(), name="close")
        await settle(3)
        ear = Ear(far)
        await closing
        await settle()
        assert ear.data == FULL
        assert ear.end == [None]


async def test_an_end_without_a_goodbye_is_a_cut() -> None:
    """Anybody can forge the end of a uTP connection."""

    async with scene() as (near, far):
        ear = Ear(far)
        carrier = near._carrier
        assert isinstance(carrier, MemoryStream)
        await carrier.close()
        await settle()
        assert [type(error) for error in ear.end] == [TransportClosed]


async def test_what_was_altered_ends_the_stream_and_the_other_side_hears_why() -> None:
    async with scene() as (near, far):
        here, there = Ear(near), Ear(far)
        assert near.offer(b"good")
        await near._carrier.write(b"\x17\x03\x03\x00\x30" + bytes(48))
        await settle()
        assert there.pieces == [b"good"]
        assert [type(error) for error in there.end] == [RemoteError]
        assert [type(error) for error in here.end] == [RemoteError], "an alert came"
        assert not far.offer(b"more")


# -- RPC over it --------------------------------------------------------------------------------------------------


async def echo(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
    """Return what came, and the peer it came from."""
    return [payload, str(caller.peer_id)]


@pytest.mark.parametrize("packet", [1400, 1 << 20])
def test_rpc_of_all_sizes_and_many_at_once(packet: int) -> None:
    async def whole() -> None:
        servers = TaskSet("servers")

        async def connect(address: Address, seconds: float) -> Stream:
            near, far = pair(packet=packet)
            client, server = await secured(near, far)
            servers.spawn(RpcServer(answered_by(echo)).serve(server), name="serve")
            return client

        client = RpcClient(connect)
        sizes = [0, 10, 900, 1100, 70_000, 700_000]
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(client.request(SERVER, "k", "x" * size)) for size in sizes * 10]
        for size, task in zip(sizes * 10, asked, strict=True):
            reply = task.result()
            assert reply.data == ["x" * size, str(ANNA.peer_id)]
            assert reply.peer_id == BERT.peer_id
        await client.close()
        await servers.aclose()

    run(whole())
