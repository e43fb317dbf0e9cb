"""Flames are as wide as how often they were seen, and lie on what called them."""

import asyncio
import time
from collections import Counter
from xml.etree import ElementTree

from benchmarks.flames import Frame, Sampler, frames, picture

SEEN = Counter({("a", "b"): 50, ("a", "c", "d"): 25, ("a",): 20, ("e",): 5})


def test_what_was_called_by_the_same_is_joined_the_widest_first() -> None:
    assert frames(SEEN) == [
        Frame("a", 0, 0.0, 0.95), Frame("b", 1, 0.0, 0.5), Frame("c", 1, 0.5, 0.25), Frame("d", 2, 0.5, 0.25),
        Frame("e", 0, 0.95, 0.05),
    ]  # fmt: skip


def test_what_is_too_narrow_is_left_out() -> None:
    assert [each.name for each in frames(SEEN, least=0.3)] == ["a", "b"]


def test_the_picture_has_a_bar_for_each() -> None:
    bars = [Frame("x.y: <lambda>", 0, 0.0, 1.0), Frame("z: a&b", 1, 0.0, 0.5)]
    drawn = ElementTree.fromstring(picture(bars, "a <title>"))
    titles = [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert titles == ["x.y: <lambda>, 100.0%", "z: a&b, 50.0%"]


def busy() -> None:
    end = time.process_time() + 0.2
    while time.process_time() < end:
        sum(range(1000))


def test_what_a_turn_of_the_loop_computes_is_seen() -> None:
    async def turns() -> None:
        busy()

    with Sampler() as sampler:
        asyncio.run(turns())
    assert any(len(stack) > 1 and stack[1].endswith("busy") for stack in sampler.stacks)
