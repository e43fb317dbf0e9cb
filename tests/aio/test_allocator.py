"""Memory is given back with the circles that hold it, where a collection is short."""

import gc
import weakref

from core.aio.allocator import give_back


class Circle:
    """Holds itself, as an error does whose traceback has the frame that has the error."""

    def __init__(self) -> None:
        self.itself = self


def test_circles_go_first_where_what_a_program_began_with_is_frozen() -> None:
    gc.disable()
    try:
        circle = weakref.ref(Circle())
        give_back()
        assert circle() is not None  # a window stands still in a long collection
        gc.freeze()
        later = weakref.ref(Circle())
        give_back()
        assert later() is None
    finally:
        gc.unfreeze()
        gc.enable()
