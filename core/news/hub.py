"""Where events leave: listeners, one revision counter, and the rule that a listener's fault is its own."""

import logging
import time
from collections.abc import Callable
from typing import Final

from core.frozen import mypyc_attr
from core.news.events import PeerEvent

log = logging.getLogger(__name__)

Listener = Callable[[PeerEvent], None]
Kinds = tuple[type[PeerEvent], ...]


@mypyc_attr(allow_interpreted_subclasses=True)  # tests have clocks of their own
class Hub:
    """Calls every listener with the events that it asked for, on the caller's turn of the loop."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.now: Final = clock  # the time events carry: Unix seconds
        self._listeners: list[tuple[Listener, Kinds]] = []
        self._hearing: dict[type[PeerEvent], tuple[Listener, ...]] = {}  # who hears of a kind, once it was asked
        self.revision = 0  # rises with every change that a snapshot shows

    def subscribe(self, listener: Listener, *kinds: type[PeerEvent]) -> Callable[[], None]:
        """Add a listener of events of these kinds, of every event without any. Returns the function that removes it."""
        subscription = (listener, kinds)
        self._listeners.append(subscription)
        self._hearing.clear()

        def unsubscribe() -> None:
            if subscription in self._listeners:
                self._listeners.remove(subscription)
                self._hearing.clear()

        return unsubscribe

    def emit(self, event: PeerEvent) -> None:
        """Tell everyone. A listener that raises is logged; the others still hear."""
        self.revision += 1
        hearing = self._hearing.get(type(event))
        for listener in self._hearers(type(event)) if hearing is None else hearing:
            try:
                listener(event)
            except Exception:
                log.exception("a listener failed on %s", event.kind)

    def wants(self, kind: type[PeerEvent]) -> bool:
        """Return whether anybody hears events of a kind; if nobody does, `touch` is all that `emit` would do."""
        hearing = self._hearing.get(kind)
        return bool(self._hearers(kind) if hearing is None else hearing)

    def _hearers(self, kind: type[PeerEvent]) -> tuple[Listener, ...]:
        found = self._hearing.get(kind)
        if found is None:
            found = tuple(each for each, kinds in self._listeners if not kinds or issubclass(kind, kinds))
            self._hearing[kind] = found
        return found

    def silence(self) -> None:
        """Remove all listeners."""
        self._listeners.clear()
        self._hearing.clear()

    def touch(self) -> None:
        """Note that a snapshot would now differ."""
        self.revision += 1
