"""Memory is given back with the circles that hold it, where a collection is short."""

import gc
import weakref

import pytest

from core.aio.allocator import FULL_EVERY, give_back, settle


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
