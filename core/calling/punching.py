"""The opener that is always there: punch every candidate, as much as it may get."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from core.errors import PeerError
from core.services.names import RoleName
from core.values import Address

_log = logging.getLogger(__name__)


class Punching:
    """Punches candidates once; who answers is tried at once. `punch` raises PeerError for what gets none."""

    finds = False

    def __init__(self, punch: Callable[[Address], None]) -> None:
        self._punch = punch

    @contextmanager
    def opening(self, worker: RoleName | None, candidates: Sequence[Address]) -> Iterator[bool]:
        """Punch all of them; nothing is arranged with the other side."""
        self.punch(candidates)
        yield False

    def punch(self, candidates: Sequence[Address]) -> None:
        """Punch these. Skip addresses that cannot be punched, and those that may get nothing further."""
        for address in candidates:
            with contextlib.suppress(PeerError):
                self._punch(address)
