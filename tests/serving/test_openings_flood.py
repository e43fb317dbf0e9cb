"""Byte streams that strangers open, thousands of them: refused at once, bounded by host, seldom told."""

import asyncio
from collections.abc import Iterator

import pytest

from core.errors import LocalError
from core.identity.identity import Identity
from core.kinds.base import Check
from core.limits import bounds
from core.news.events import PeerEvent, RequestServed
from core.news.hub import Hub
from core.news.roster import Roster
from core.services.service import Registry
from core.serving.admission import Admission
from core.serving.catalog import Catalog
from core.serving.handler import Handler
from core.serving.openings import Openings
from core.trust.audience import Audience
from core.tunnel.session import Session
from core.tunnel.stream import ByteStream
from core.values import Address, Caller, JsonValue
from core.wire.stream_frame import FrameParser, Kind, pack_frame, parse_reason
from core.wire.stream_opening import Opening, pack_opening
from tests.tunnel.wire import End, wire

pytestmark = pytest.mark.asyncio
MALLORY = Identity.from_secret(bytes(32)).peer_id


class Door:
    """A service with streams, that holds each until the test ends."""

    name, kind, description = "door", "tcp", ""
    example: JsonValue = None

    def __init__(self) -> None:
        self.serving = 0

    def handle(self, payload: JsonValue, caller: Caller) -> JsonValue:
        raise LocalError("this is for streams")

    async def check(self) -> Check:
        return Check(True, "")

    async def serve(self, stream: ByteStream, opening: Opening, caller: Caller) -> None:
        self.serving += 1
        stream.accept()
        try:
            await stream.wait_over()
        finally:
            self.serving -= 1


class Scene:
    def __init__(self, audience: Audience) -> None:
        self.hub, registry = Hub(), Registry()
        self.door = Door()
        registry.add(self.door)
        catalog = Catalog(registry)
        catalog.add("door")
        audiences = {"door": audience}
        self.admission = Admission(self.hub, None, audiences, own=lambda: None, serving=lambda: True)
        self.handler = Handler(self.hub, catalog, Roster(self.hub), self.admission, None)
        self.openings = Openings(self.handler)
        self.told: list[RequestServed] = []
        self.hub.subscribe(self._hear)

    def _hear(self, event: PeerEvent) -> None:
        if isinstance(event, RequestServed):
            self.told.append(event)

    def session(self, host: str = "203.0.113.7") -> tuple[Session, End]:
        near, far = wire(MALLORY)
        near.remote = Address(host, 5)
        session = Session(near, initiator=False, on_opening=self.openings.on_opening)
        session.start()
        return session, far


def opens(first: int, count: int, service: str = "door") -> Iterator[bytes]:
    payload = pack_opening(Opening(service, {}))
    return (pack_frame(Kind.OPEN, 2 * number + 1, payload) for number in range(first, first + count))


async def answers(far: End) -> list[str]:
    """Return what was said to each opening."""
    for _ in range(10):
        await asyncio.sleep(0)
    frames = FrameParser().feed(b"".join(far._arrived))
    kinds = (Kind.ACCEPT, Kind.REFUSE, Kind.RESET)
    said = ["ok" if kind is Kind.ACCEPT else parse_reason(payload).name for kind, _, payload in frames if kind in kinds]
    far._arrived.clear()
    return said


async def test_who_may_not_is_refused_without_a_task_and_told_a_few_times() -> None:
    scene = Scene(Audience.TRUSTED)
    session, far = scene.session()
    before = len(asyncio.all_tasks())
    for first in range(0, 2000, 100):
        for frame in opens(first, 100):
            session.received(frame)
        assert len(asyncio.all_tasks()) <= before + 1  # the one that writes
        said = await answers(far)
        assert len(said) == 100
        assert set(said) <= {"ERR_NOT_TRUSTED", "ERR_RATE_LIMITED"}
    assert 1 <= len(scene.told) <= bounds.REFUSALS_AT_ONCE + 5
    assert sum(count for _, count in scene.handler.refused()) == 2000
    assert scene.openings.budget()[1].used == 0
    session.abort()
    await scene.openings.aclose()


async def test_a_host_has_its_share_of_the_streams_whatever_ids_and_sessions_it_has() -> None:
    scene = Scene(Audience.IDENTIFIED)
    sessions = [scene.session() for _ in range(4)]
    for session, far in sessions:
        for first in range(0, 200, 50):
            for frame in opens(first, 50):
                session.received(frame)
            await answers(far)
    assert scene.door.serving == bounds.STREAMS_HOST
    other, far = scene.session("203.0.113.8")
    other.received(next(opens(0, 1)))
    assert await answers(far) == ["ok"]
    for session, _ in sessions:
        session.abort()
    for _ in range(5):
        await asyncio.sleep(0)
    assert scene.door.serving == 1
    assert scene.openings.budget()[1].used == 1
    other.abort()
    await asyncio.sleep(0)
    await scene.openings.aclose()


async def test_opened_and_reset_at_once_a_thousand_times_nothing_is_left() -> None:
    scene = Scene(Audience.IDENTIFIED)
    session, far = scene.session()
    for number, frame in enumerate(opens(0, 900)):
        session.received(frame + pack_frame(Kind.DATA, 2 * number + 1, bytes(100)))
        session.received(pack_frame(Kind.RESET, 2 * number + 1))
        if number % 50 == 0:
            await answers(far)
    for _ in range(5):
        await asyncio.sleep(0)
    assert (scene.door.serving, scene.openings.budget()[1].used, len(session)) == (0, 0, 0)
    assert scene.openings.open == {}
    session.abort()
    await scene.openings.aclose()


async def test_an_opening_that_cannot_be_read_is_refused() -> None:
    scene = Scene(Audience.IDENTIFIED)
    session, far = scene.session()
    payloads = (b"", b"[]", b"\xff", b'{"v":2,"s":"door"}', b'{"v":1,"s":5}', b'{"v":1,"s":"door","d":[]}', b"[" * 4000)
    for number, payload in enumerate(payloads):
        session.received(pack_frame(Kind.OPEN, 2 * number + 1, payload))
    assert len(await answers(far)) == len(payloads)
    session.received(pack_frame(Kind.OPEN, 101, b'{"v":1,"s":"\\ud800\\u0000<b>"}'))
    assert len(await answers(far)) == 1
    assert scene.openings.budget()[1].used == 0
    session.abort()
    await scene.openings.aclose()
