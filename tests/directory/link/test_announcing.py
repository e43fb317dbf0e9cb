"""Keep announcing: at once, at random intervals, sooner after a failure or a recovery, until stopped."""

import asyncio
import random

from core.aio.tasks import TaskSet
from core.directory.link.announcing import Announcement
from core.errors import PeerError, Unreachable
from tests.directory.link import virtual_time


class Scene:
    """An announcement whose grape is up or down; `results` are what was told, `times` when it was tried."""

    def __init__(self, interval: float = 120.0, retry: float = 5.0) -> None:
        self.down = False
        self.times: list[float] = []
        self.results: list[int | PeerError] = []
        self.back = asyncio.Event()
        self.tasks = TaskSet()
        self.announcement = Announcement(
            "svc",
            1337,
            announce=self.announce,
            wait=self.wait,
            interval=interval,
            retry=retry,
            random=random.Random(1),
            on_result=self.results.append,
        )
        self.announcement.start(self.tasks)

    async def announce(self) -> int:
        self.times.append(virtual_time.now())
        if self.down:
            raise Unreachable("gone")
        return 2

    async def wait(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.back.wait()
                self.back.clear()
                return True
        except TimeoutError:
            return False

    def pauses(self) -> list[float]:
        return [later - sooner for sooner, later in zip(self.times, self.times[1:], strict=False)]


def test_at_once_and_then_at_random_around_the_interval() -> None:
    async def main() -> None:
        scene = Scene()
        await asyncio.sleep(0)
        assert scene.times == [0.0]
        await asyncio.sleep(3600)
        pauses = scene.pauses()
        assert 60 <= min(pauses) < 90
        assert 150 < max(pauses) <= 180
        assert set(scene.results) == {2}
        assert scene.announcement.result == 2
        await scene.announcement.stop()

    virtual_time.run(main())


def test_failure_is_told_and_tried_again_soon() -> None:
    async def main() -> None:
        scene = Scene()
        scene.down = True
        await asyncio.sleep(60)
        assert all(2.5 <= pause <= 7.5 for pause in scene.pauses())
        assert all(isinstance(result, Unreachable) for result in scene.results)
        scene.down = False
        scene.back.set()
        await asyncio.sleep(0.01)
        assert scene.announcement.result == 2
        await scene.announcement.stop()

    virtual_time.run(main())


def test_stopped_means_silent() -> None:
    async def main() -> None:
        scene = Scene()
        await asyncio.sleep(1)
        await scene.announcement.stop()
        await scene.announcement.stop()
        before = (list(scene.times), list(scene.results))
        await asyncio.sleep(3600)
        assert (scene.times, scene.results) == before == ([0.0], [2])
        assert len(scene.tasks) == 0

    virtual_time.run(main())


def test_bug_of_a_listener_does_not_end_the_announcing() -> None:
    async def main() -> None:
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["message"]))
        scene = Scene(interval=1.0)
        scene.announcement._on_result = lambda _: reported.append(1 / 0)
        await asyncio.sleep(10)
        assert len(scene.times) > 5
        assert set(reported) == {"on_result failed"}
        await scene.announcement.stop()

    virtual_time.run(main())
