"""A session that falls silent: its peer is met again, once at a time, and streams go on or end with a reason."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from core.errors import RequestTimeout, TransportClosed
from core.identity.identity import Identity
from core.peer_id import PeerId
from core.rpc.stream import Stream
from core.streams.config import FIRST_WINDOW, StreamConfig
from core.tunnel.liveness import HURRIED, QUIET
from core.tunnel.stream import ByteStream
from core.tunnel.tunnels import LOOK_EVERY, MEETING, REVIVED, Tunnels
from core.values import Address
from tests.support.virtual_time import run
from tests.tunnel.wire import End, wire

ANNA, BERT = (Identity.from_secret(bytes([number]) * 32).peer_id for number in (1, 2))
UNREAD = 4 * FIRST_WINDOW
NOTICED = 2 * QUIET + 2 * LOOK_EVERY  # seconds until silence is acted on, at most


class Path:
    """Anna, who dials Bert. `deaf` ends take nothing that comes, as behind a router that forgot."""

    def __init__(self) -> None:
        self.dials = self.meetings = 0
        self.failing = False
        self.at: Address | None = None
        self.met: list[PeerId] = []
        self.ends: list[tuple[End, End]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.taken: list[ByteStream] = []
        self.anna = Tunnels(self.dial, self.take, meet=self.meet, config=StreamConfig(unread=UNREAD))
        self.bert = Tunnels(self.dial, self.take, meet=self.meet)
        self.anna.start()
        self.bert.start()

    async def dial(self, peer_id: PeerId, seconds: float) -> Stream:
        self.dials += 1
        return self.connection()

    async def meet(self, peer_id: PeerId, seconds: float) -> Stream:
        self.meetings += 1
        self.met.append(peer_id)
        assert seconds == MEETING
        if self.failing or peer_id != BERT:
            raise RequestTimeout("nobody there")
        return self.connection()

    def anna_meets_at(self, address: Address) -> Address:
        """Have Bert be at another address from now on."""
        self.at = address
        return address

    def connection(self) -> Stream:
        here, there = wire()
        here.remote = self.at or here.remote
        here.peer_id, there.peer_id = BERT, ANNA
        self.ends.append((here, there))
        self.tasks.append(asyncio.get_running_loop().create_task(self.bert.serve(there)))
        return here

    def take(self, stream: ByteStream) -> None:
        stream.accept()
        self.taken.append(stream)

    def cut(self, number: int = 0) -> None:
        """Have the first connection, or another one, carry nothing, either way."""
        for end in self.ends[number]:
            end.paused = True

    def mend(self, number: int = 0) -> None:
        """Have it carry again, what waited first."""
        for end in self.ends[number]:
            end.resume()

    async def close(self) -> None:
        self.mend()
        await self.anna.aclose()
        await self.bert.aclose()
        await asyncio.gather(*self.tasks)


def played(scene: Callable[[Path], Awaitable[None]]) -> None:
    async def whole() -> None:
        path = Path()
        try:
            await scene(path)
        finally:
            await path.close()

    run(whole())


def test_who_answers_is_left_alone_however_little_is_said() -> None:
    async def scene(path: Path) -> None:
        await path.anna.open(BERT, b"x", 5.0)
        await asyncio.sleep(600)
        assert (path.dials, path.meetings) == (1, 0)

    played(scene)


def test_an_idle_session_is_not_asked() -> None:
    async def scene(path: Path) -> None:
        (await path.anna.open(BERT, b"x", 5.0)).reset()
        path.cut()
        await asyncio.sleep(60)
        assert path.meetings == 0

    played(scene)


def test_a_stream_goes_on_over_the_old_session_once_the_way_is_open() -> None:
    async def scene(path: Path) -> None:
        stream = await path.anna.open(BERT, b"x", 5.0)
        path.cut()
        await stream.write(b"on the way")
        await asyncio.sleep(NOTICED)
        assert path.meetings == 1
        path.mend()
        assert await path.taken[0].read() == b"on the way"
        await asyncio.sleep(60)
        assert (path.meetings, stream.over) == (1, False)

    played(scene)


@pytest.mark.parametrize("pause", [2.0, 12.0, 40.0])
def test_a_second_change_of_address_within_a_minute_is_met_as_the_first_was(pause: float) -> None:
    """By then the old session carries one stream and the new one another: both go on."""

    async def scene(path: Path) -> None:
        old = await path.anna.open(BERT, b"x", 5.0)
        path.cut()
        await asyncio.sleep(NOTICED)
        path.mend()
        new = await path.anna.open(BERT, b"y", 5.0)
        await asyncio.sleep(pause)
        path.cut(0)
        path.cut(1)
        await old.write(b"one")
        await new.write(b"two")
        async with asyncio.timeout(NOTICED + LOOK_EVERY):
            while path.meetings < 2:  # noqa: ASYNC110 - virtual time, and the path tells nothing
                await asyncio.sleep(0.1)
        path.mend(0)
        path.mend(1)
        assert await path.taken[0].read() == b"one"
        assert await path.taken[1].read() == b"two"
        await asyncio.sleep(120)
        assert (path.meetings, old.over, new.over) == (2, False, False)

    played(scene)


def test_what_stays_silent_ends_with_its_reason_and_new_streams_do_not_wait_for_that() -> None:
    async def scene(path: Path) -> None:
        stream = await path.anna.open(BERT, b"x", 5.0)
        path.cut()
        await asyncio.sleep(NOTICED)
        other = await path.anna.open(BERT, b"y", 1.0)
        assert not stream.over
        with pytest.raises(TransportClosed, match="reached another way"):
            async with asyncio.timeout(REVIVED + LOOK_EVERY):
                await stream.read()
        assert not other.over
        assert (path.dials, path.meetings) == (1, 1)

    played(scene)


def test_an_open_on_a_session_that_lost_its_way_while_idle_makes_one() -> None:
    async def scene(path: Path) -> None:
        (await path.anna.open(BERT, b"x", 5.0)).reset()
        await asyncio.sleep(30)
        path.cut()
        async with asyncio.timeout(NOTICED):
            late = await path.anna.open(BERT, b"y", 10.0)
        assert (path.dials, path.meetings) == (1, 1)
        path.mend()
        await late.write(b"once")
        first, now, given_up = path.taken
        assert await now.read() == b"once"
        assert (first.over, given_up.over) == (True, True), "the other side hears that it is not wanted any longer"

    played(scene)


def test_an_open_after_a_silence_waits_a_second_for_a_sign_of_life() -> None:
    async def scene(path: Path) -> None:
        (await path.anna.open(BERT, b"x", 5.0)).reset()
        await asyncio.sleep(30.5)
        path.cut()
        async with asyncio.timeout(HURRIED + 0.1):
            await path.anna.open(BERT, b"y", 10.0)
        assert (path.dials, path.meetings) == (1, 1)

    played(scene)


def test_data_that_stops_in_the_middle_is_asked_after_at_once() -> None:
    async def scene(path: Path) -> None:
        stream = await path.anna.open(BERT, b"x", 5.0)
        for _ in range(20):
            await path.taken[0].write(b"data")
            await stream.read()
            await asyncio.sleep(0.1)
        path.cut()
        await asyncio.sleep(2 * HURRIED + LOOK_EVERY + 0.1)
        assert path.meetings == 1, "three seconds, not six"

    played(scene)


def test_who_was_connected_to_meets_again_where_it_opened_a_stream() -> None:
    async def scene(path: Path) -> None:
        (await path.anna.open(BERT, b"x", 5.0)).reset()
        await asyncio.sleep(30)
        path.cut()
        opening = asyncio.get_running_loop().create_task(path.bert.open(ANNA, b"y", 10.0))
        await asyncio.sleep(HURRIED + 0.1)
        assert path.met == [ANNA]
        path.mend()
        await opening

    played(scene)


def test_who_is_away_is_not_met_more_often_than_that() -> None:
    async def scene(path: Path) -> None:
        path.failing = True
        await path.anna.open(BERT, b"x", 5.0)
        path.cut()
        await asyncio.sleep(10 * MEETING)
        assert 5 <= path.meetings <= 10

    played(scene)


def test_readers_that_do_not_read_are_no_silence() -> None:
    """The connection is paused for them, so nothing is heard."""

    async def scene(path: Path) -> None:
        streams = [await path.anna.open(BERT, b"x", 5.0) for _ in range(UNREAD // FIRST_WINDOW + 1)]
        sending = [asyncio.get_running_loop().create_task(each.write(bytes(FIRST_WINDOW))) for each in path.taken]
        await asyncio.sleep(300)
        assert path.ends[0][0].paused, "so much waits here"
        assert path.meetings == 0
        for stream in streams:
            left = FIRST_WINDOW
            while left:
                left -= len(await stream.read())
        await asyncio.gather(*sending)
        await asyncio.sleep(60)
        assert path.meetings == 0

    played(scene)


def test_an_old_session_is_told_where_its_peer_was_met() -> None:
    """Both may have moved: then neither hears from the other at its old address."""

    async def scene(path: Path) -> None:
        stream = await path.anna.open(BERT, b"x", 5.0)
        path.cut()
        told: list[Address] = []

        def follow(remote: Address) -> bool:
            told.append(remote)
            path.mend(0)
            return True

        path.ends[0][0].follow = follow  # type: ignore[attr-defined]
        elsewhere = path.anna_meets_at(Address("198.51.100.7", 7))
        await stream.write(b"on the way")
        await asyncio.sleep(NOTICED)
        assert told == [elsewhere]
        assert await path.taken[0].read() == b"on the way"
        await asyncio.sleep(2 * REVIVED)
        assert not stream.over

    played(scene)


def test_all_sessions_that_fell_silent_together_go_on_after_one_meeting() -> None:
    """Both routers restart again and again, and each time a stream is left in the session of before."""

    async def scene(path: Path) -> None:
        def follows(number: int) -> Callable[[Address], bool]:
            def follow(remote: Address) -> bool:
                path.mend(number)
                return True

            return follow

        streams = []
        for restarts in range(4):
            streams.append(await path.anna.open(BERT, b"x", 5.0))
            for number, (end, _) in enumerate(path.ends):
                path.cut(number)
                end.follow = follows(number)  # type: ignore[attr-defined]
            path.anna_meets_at(Address("198.51.100.7", 7 + restarts))
            await asyncio.sleep(NOTICED + 2 * LOOK_EVERY)
            assert not any(end.paused for end, _ in path.ends)
            assert path.meetings == restarts + 1
        assert not any(stream.over for stream in streams)

    played(scene)


def test_a_session_that_fell_silent_later_has_as_long_to_go_on() -> None:
    async def scene(path: Path) -> None:
        loop = asyncio.get_running_loop()

        def follows(number: int) -> Callable[[Address], bool]:
            def follow(remote: Address) -> bool:
                loop.call_later(REVIVED - LOOK_EVERY, path.mend, number)
                return True

            return follow

        old = await path.anna.open(BERT, b"x", 5.0)
        path.cut()
        await asyncio.sleep(NOTICED)
        path.mend()
        await asyncio.sleep(NOTICED)
        new = await path.anna.open(BERT, b"y", 5.0)
        path.anna_meets_at(Address("198.51.100.7", 7))
        for number in (0, 1):
            path.ends[number][0].follow = follows(number)  # type: ignore[attr-defined]
            path.cut(number)
            await asyncio.sleep(2 * LOOK_EVERY)
        await asyncio.sleep(3 * REVIVED)
        assert path.meetings == 2
        assert (old.over, new.over) == (False, False)

    played(scene)
