"""Visitors at the door of a peer, who say anything in any pieces, stay silent, or leave: each ends in time, and once.
Only who speaks plainly, or proves a key, gets in; handshakes under way stay within their bound; nothing is left behind.
"""

import asyncio

from core.aio.tasks import TaskSet
from core.errors import PeerError
from core.limits.bounds import HANDSHAKES_HOST, SILENT_TIME
from core.secure.contexts import Contexts
from core.secure.frames import FIRST_BYTE
from core.secure.handshakes import Handshakes
from core.secure.stream import SecureStream
from core.values import Address
from tests.fuzz.inputs import Input
from tests.rpc.streams import MemoryStream, pair
from tests.secure.sides import ANNA, BERT
from tests.support.virtual_time import VirtualLoop

WATCHED = ["core.secure.handshakes", "core.secure.handshake", "core.secure.session"]
_LOOP = VirtualLoop()
_BERT = Contexts(BERT)
_HELLO = Contexts(ANNA).client(Address("192.0.2.1", 1)).outgoing()
SAID = (b"\x16", b"\x16\x03\x01", _HELLO, _HELLO[:40], _HELLO[40:], b'["1","fibonacci",1]', b"[", b"\x16\x03\x03\0\0")
SEEDS = [
    bytes([0, 0, 2, 0, 1, 3, 0, 0]),
    bytes([0, 0, 5, 0]),
    bytes([0, 1, 3, 1, 1, 4, 2, 4]) * 3,
    bytes([0, 0, 0, 0]) * 20,
]
MAX_INPUT = 200


def run(data: bytes) -> None:
    _LOOP.run_until_complete(_scene(Input(data)))
    if _LOOP.failures:
        raise AssertionError(f"unheard: {_LOOP.failures}")


async def _scene(source: Input) -> None:
    async def own() -> Contexts:
        return _BERT

    door, tasks = Handshakes(own), TaskSet("visitors")
    visitors: list[tuple[MemoryStream, asyncio.Task[object]]] = []
    for _ in range(60):
        if not source:
            break
        what = source.byte() % 8
        if what < 2 or not visitors:
            near, far = pair()
            far.remote = Address(f"192.0.2.{source.byte() % 2}", 1)
            visitors.append((near, tasks.spawn(_admitted(door, near, far), name="admit")))
        near, _ = source.choose(visitors)
        if what < 6:
            near.offer(source.choose(SAID) if source.byte() & 1 else source.block())
        elif what == 6:
            await near.close()
        else:
            near.abort()
        await asyncio.sleep(source.byte() % 4 * 2.0)
        if door.statistics().handshakes > 2 * HANDSHAKES_HOST:
            raise AssertionError("more handshakes than there may be")
    await asyncio.sleep(SILENT_TIME + 1)
    if not all(task.done() for _, task in visitors):
        raise AssertionError("somebody is still at the door")
    if door.statistics().handshakes or len(door._under_way):
        raise AssertionError("a handshake is left behind")
    await tasks.aclose()


async def _admitted(door: Handshakes, near: MemoryStream, far: MemoryStream) -> object:
    try:
        stream = await door.admit(far)
    except PeerError as error:
        return error
    first = next((data for data, _ in near.written if data), b"")
    if isinstance(stream, SecureStream):
        raise AssertionError("somebody was let in without a proof")
    if first[:1] == bytes((FIRST_BYTE,)):
        raise AssertionError("what began as TLS was taken for plain")
    return stream
