"""Memory is given back with the circles that hold it, where a collection is short."""

import gc
import os
import platform
import subprocess
import sys
import weakref

import pytest

from core.aio.allocator import FULL_EVERY, give_back, settle
from tests.support.tools import ROOT

# As a bulk stream does: blocks over 128 KiB that live for a moment. Prints how often the system had to give a page.
BULK = """
import resource
from core.aio.allocator import keep_for_bulk
KEEP
def turn():
    return [bytearray(b"x") * size for size in (131_000, 131_100, 140_000, 131_248)]
for _ in range(10):
    turn()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    turn()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


class Circle:
    """Holds itself, as an error does whose traceback has the frame that has the error."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize(("frozen", "there"), [(0, True), (1, False)])
def test_circles_go_first_where_what_a_program_began_with_is_frozen(
    frozen: int, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gc, "get_freeze_count", lambda: frozen)  # 0: a window would stand still in a long collection
    gc.disable()
    try:
        circle = weakref.ref(Circle())
        give_back()
        assert (circle() is not None) == there
    finally:
        gc.enable()


def test_full_collections_are_few_and_spare_what_a_program_began_with() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    try:
        settle()
        assert gc.get_threshold() == (*before[:2], FULL_EVERY)
        assert gc.get_freeze_count() > frozen
        settle()  # another peer of the window
        assert gc.get_threshold() == (*before[:2], FULL_EVERY)
    finally:
        gc.set_threshold(*before)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have other rules")
def test_the_blocks_of_a_bulk_stream_are_kept_for_the_next_turn() -> None:
    """Each of the 400 has 32 pages, which the system would have to clear every time."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    pages = [
        int(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT, env=env).stdout)
        for program in (BULK.replace("KEEP", ""), BULK.replace("KEEP", "keep_for_bulk()"))
    ]
    assert pages[1] < 100
    assert pages[0] > 10 * pages[1], "it is needed"
