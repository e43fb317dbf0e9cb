"""The door and the dialer, in virtual time: plain peers pass, slow ones are given up, a crowd displaces its oldest."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.aio.tasks import TaskSet
from core.errors import PeerError, RefusedError, RemoteError, RequestTimeout, TransportClosed
from core.limits.bounds import HANDSHAKE_TIME, HANDSHAKES, HANDSHAKES_HOST, SILENT_TIME
from core.secure.contexts import Contexts
from core.secure.dial import Dialer
from core.secure.handshake import shake
from core.secure.handshakes import Handshakes
from core.secure.session import TlsSession
from core.secure.stream import SecureStream
from core.values import Address
from core.wire.utp_marks import Marks
from tests.rpc.streams import CLIENT, SERVER, MemoryStream, pair
from tests.secure.sides import ANNA, BERT, MALLORY
from tests.support.interpreted import interpreted
from tests.support.virtual_time import run, settle

pytestmark = pytest.mark.virtual_time

Outcome = PeerError | object


class Scene:
    """Bert's door, and tasks that want in."""

    def __init__(self, contexts: Contexts | None) -> None:
        self.contexts = contexts
        self.door = Handshakes(self._own)
        self.tasks = TaskSet("visitors")

    async def _own(self) -> Contexts | None:
        return self.contexts

    def visit(self, host: str = CLIENT.host) -> tuple[MemoryStream, "asyncio.Task[Outcome]"]:
        """Return a visitor's end of a stream, and what becomes of it at the door."""
        near, far = pair()
        far.remote = Address(host, 1)
        return near, self.tasks.spawn(self._admit(far), name="admit")

    async def _admit(self, stream: MemoryStream) -> Outcome:
        try:
            return await self.door.admit(stream)
        except PeerError as error:
            return error


@asynccontextmanager
async def scene(contexts: Contexts | None = None) -> AsyncIterator[Scene]:
    """Stand at Bert's door, or at one of `contexts`."""
    made = Scene(contexts or Contexts(BERT))
    yield made
    await made.tasks.aclose()


def now() -> float:
    return asyncio.get_running_loop().time()


def hello() -> bytes:
    """Return the first words of an honest client."""
    return Contexts(ANNA).client(SERVER).outgoing()


async def test_a_plain_peer_passes_with_all_it_said() -> None:
    async with scene() as made:
        near, admitted = made.visit()
        await asyncio.sleep(SILENT_TIME - 1)  # it takes its time
        await near.write(b'["1","fibonacci",1]')
        stream = await admitted
        assert isinstance(stream, MemoryStream)
        assert await stream.read() == b'["1","fibonacci",1]'


async def test_a_tls_client_becomes_a_peer_with_a_name() -> None:
    async with scene() as made:
        near, admitted = made.visit()
        session = Contexts(ANNA).client(SERVER, BERT.peer_id)
        await shake(near, session)
        stream = await admitted
        assert isinstance(stream, SecureStream)
        assert stream.peer_id == ANNA.peer_id
        assert made.door.statistics().secured == 1


async def test_who_says_nothing_is_given_up() -> None:
    async with scene() as made:
        _, admitted = made.visit()
        assert isinstance(await admitted, TransportClosed)
        assert now() == SILENT_TIME


async def test_a_slow_handshake_is_given_up_however_it_trickles() -> None:
    async with scene() as made:
        near, admitted = made.visit()
        for byte in hello():
            if admitted.done():
                break
            await near.write(bytes([byte]))
            await asyncio.sleep(0.1)
        assert isinstance(await admitted, RequestTimeout)
        assert HANDSHAKE_TIME <= now() < HANDSHAKE_TIME + 1
        assert made.door.statistics().timed_out == 1
        assert made.door.statistics().handshakes == 0


@pytest.mark.parametrize(("hosts", "limit"), [(1, HANDSHAKES_HOST), (HANDSHAKES + 1, HANDSHAKES)])
async def test_the_oldest_of_a_crowd_makes_room(hosts: int, limit: int) -> None:
    async with scene() as made:
        crowd = [made.visit(f"host {number % hosts}") for number in range(limit + 1)]
        for near, _ in crowd:
            await near.write(b"\x16\x03")
        await settle()
        assert [admitted.done() for _, admitted in crowd] == [True] + [False] * limit
        error = await crowd[0][1]
        assert isinstance(error, RefusedError)
        assert error.name == "ERR_TOO_MANY_HANDSHAKES"
        statistics = made.door.statistics()
        assert (statistics.handshakes, statistics.displaced) == (limit, 1)


async def test_an_honest_client_gets_through_a_crowd() -> None:
    async with scene() as made:
        for number in range(HANDSHAKES * 2):
            near, _ = made.visit(f"host {number}")
            await near.write(b"\x16\x03")
        near, admitted = made.visit()
        await shake(near, Contexts(ANNA).client(SERVER))
        assert isinstance(await admitted, SecureStream)


def test_without_an_identity_nobody_is_let_in_encrypted() -> None:
    async def whole() -> None:
        made = Scene(None)
        near, admitted = made.visit()
        await near.write(hello())
        error = await admitted
        assert isinstance(error, RefusedError)
        assert error.name == "ERR_NO_IDENTITY"

    run(whole())


async def test_a_hundred_sessions_leave_nothing_behind() -> None:
    async with scene() as made:
        anna = Contexts(ANNA)
        for _ in range(100):
            near, admitted = made.visit()
            session = anna.client(SERVER)
            stream = SecureStream(near, session, await shake(near, session))
            other = await admitted
            assert isinstance(other, SecureStream)
            await stream.close()
            await other.close()
        statistics = made.door.statistics()
        assert (statistics.secured, statistics.handshakes, statistics.failed) == (100, 0, 0)
        assert not len(made.door._under_way)
        assert len(anna._tickets) <= 1
        assert len(made.tasks) == 0


# -- the dialer ---------------------------------------------------------------------------------------------------


class Line(MemoryStream):
    """A stream whose other side has marks."""

    marks = Marks.SECURE


async def dial(server: Contexts | None, *, marks: Marks = Marks.SECURE) -> Outcome:
    """Call Bert's address, expecting Bert; return what came of it. `server` answers, or nobody does."""
    tasks = TaskSet("server")

    async def connect(address: Address, seconds: float) -> Line:
        near, far = Line(address), MemoryStream(CLIENT)
        near.peer, far.peer, near.marks = far, near, marks
        if server is not None:
            tasks.spawn(answer(far), name="answer")
        return near

    async def answer(far: MemoryStream) -> None:
        if server is not None:
            try:
                await shake(far, server.server())
            except PeerError:
                far.abort()

    async def own() -> Contexts:
        return Contexts(ANNA)

    try:
        return await Dialer(connect, own).dial(SERVER, 5.0, BERT.peer_id)
    except PeerError as error:
        return error
    finally:
        await tasks.aclose()


def test_the_dialer_reaches_who_was_meant_or_says_why_not() -> None:
    async def whole() -> None:
        reached = await dial(Contexts(BERT))
        assert isinstance(reached, SecureStream)
        assert reached.peer_id == BERT.peer_id
        wrong = await dial(Contexts(MALLORY))
        assert isinstance(wrong, RemoteError)
        assert wrong.name == "ERR_WRONG_PEER"
        plain = await dial(Contexts(BERT), marks=Marks(0))
        assert isinstance(plain, RemoteError)
        assert plain.name == "ERR_PLAIN_PEER"
        began = now()
        assert isinstance(await dial(None), RequestTimeout)
        assert now() - began == 5.0

    run(whole())


@interpreted  # sessions are watched by weak references
async def test_a_handshake_that_failed_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """No circle of objects: in a flood of handshakes each would hold 50 KB until a collection of all garbage."""
    sessions: list[weakref.ref[TlsSession]] = []
    contexts = Contexts(BERT)
    make = contexts.server

    def noted() -> TlsSession:
        session = make()
        sessions.append(weakref.ref(session))
        return session

    monkeypatch.setattr(contexts, "server", noted)

    async def flood() -> None:
        async with scene(contexts) as made:
            for number in range(3 * HANDSHAKES_HOST):
                near, _task = made.visit()
                await near.write(bytes((0x16, 3, 1, 2, 0)) if number % 2 else b"\x16nonsense")
                await settle()

    gc.collect()
    gc.disable()
    try:
        await flood()
        assert len(sessions) == 3 * HANDSHAKES_HOST
        assert not [each for each in sessions if each() is not None]
    finally:
        gc.enable()
