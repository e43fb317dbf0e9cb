"""The story of a search on the command line: nothing of a quick one, all of a slow one, each line once."""

import asyncio

import pytest

from core.cli.output import Output
from core.cli.story import AFTER, Story
from core.news.joins import SearchProgress
from tests.support.virtual_time import run
from tests.trust.people import BOB


class Notices(Output):
    """Keeps what would stand on stderr."""

    def __init__(self, *, as_json: bool = False) -> None:
        super().__init__(as_json=as_json)
        self.said: list[str] = []

    def notice(self, text: str) -> None:
        self.said.append(text)


def step(message: str, where: str = "record") -> SearchProgress:
    return SearchProgress(0.0, BOB, where, message)


def test_a_peer_that_looks_for_friends_by_itself_tells_programs_and_not_people(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for as_json, told in ((False, False), (True, True)):
        output = Output(as_json=as_json)
        output.event(step("the grapes: no record of it"))
        output.flush()
        assert ("no record of it" in capsys.readouterr().out) is told


def test_a_quick_search_is_not_told_and_a_slow_one_is_from_its_beginning() -> None:
    async def scene() -> None:
        quick, slow, output = Notices(), Notices(), Notices(as_json=True)
        story = Story(quick)
        story(step("the grapes: at home"))
        story.close()
        story = Story(slow)
        for message in ("this network: nobody", "the grapes: no record of it", "the grapes: no record of it"):
            story(step(message))
        assert slow.said == []
        await asyncio.sleep(AFTER + 0.1)
        assert slow.said == ["This network: nobody.", "The grapes: no record of it."]
        story(step("opening the routers", "routers"))
        assert slow.said[-1] == "Opening the routers."
        Story(output, at_once=True)(step("x"))
        at_once = Notices()
        Story(at_once, at_once=True)(step("this network: nobody"))
        assert (quick.said, output.said, at_once.said) == ([], [], ["This network: nobody."])

    run(scene())


def test_a_command_that_goes_on_after_a_quick_search_tells_only_the_slow_one_that_comes_later() -> None:
    """A fetch of a large file, and a router that restarts in it."""

    async def scene() -> None:
        output = Notices()
        story = Story(output)
        story(step("the grapes: at home"))
        story(step("connected directly, after 0.1 s", "way"))
        await asyncio.sleep(AFTER + 0.1)
        assert output.said == []
        story(step("the grapes: at home"))
        await asyncio.sleep(AFTER + 0.1)
        story(step("connected directly, after 1.1 s", "way"))
        assert output.said == ["The grapes: at home.", "Connected directly, after 1.1 s."]

    run(scene())
