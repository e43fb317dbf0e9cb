"""Work that nobody waits for, as keeping friends at hand who pass packets on: what it costs may wait, or be left.

It holds for what is begun within, in tasks of its own as well.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_UNASKED: ContextVar[bool] = ContextVar("unasked", default=False)


@contextmanager
def unasked() -> Iterator[None]:
    """Have what is begun within count as work that nobody waits for."""
    token = _UNASKED.set(True)
    try:
        yield
    finally:
        _UNASKED.reset(token)


def is_unasked() -> bool:
    """Return whether nobody waits for what is done now."""
    return _UNASKED.get()
