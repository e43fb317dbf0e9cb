"""What the peer tells, on its way to the window: events in batches, snapshots whenever one differs.

A burst of events reaches the window as one batch at most `PER_SECOND` times a second; nothing is lost at its end, and
what does not fit into the backlog is counted and said. Not every change comes with an event (the key that is open now,
a broker that answered): so the peer's revision, one number, is looked at four times a second, and now and then the
whole snapshot, so that even a change that nobody counted is shown.

A snapshot is told in one turn of Qt's loop and the events that came with it in the next: each takes the window a
millisecond or two, and a key or a frame need not wait for both.
"""

import dataclasses
import math
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer

from core.news.events import ErrorRaised, GrapeChanged, GrapeSnapshot, PeerEvent, PeerSnapshot, ServiceSnapshot, Traffic
from desktop.turns import Turn, turn

if TYPE_CHECKING:
    from core.peer import Peer

PER_SECOND = 10  # batches; faster than the eye needs, slow enough that tables never cost a frame (issue 2, desktop)
BACKLOG = 5000  # events between two batches; the timeline keeps as many, so older ones would not be seen anyway
LOOK_MS = 250  # milliseconds between two looks at the revision: an attribute, and soon enough for a person
WHOLE_EVERY = 8  # looks, 2 s, between two comparisons of the whole snapshot; one of 1,000 peers takes 1 to 2 ms


class Feed:
    """Calls `on_snapshot` and `on_events`, first the snapshot, so that a row exists before an event speaks of it."""

    def __init__(
        self,
        owner: QObject,
        on_snapshot: Callable[[PeerSnapshot], None],
        on_events: Callable[[tuple[PeerEvent, ...]], None],
        as_wished: Callable[[ServiceSnapshot], ServiceSnapshot],
        qt: Turn | None = None,
    ) -> None:
        """`as_wished` returns a service as it will be once there is a peer."""
        self._qt = qt or turn()
        self._on_snapshot, self._on_events, self._as_wished = on_snapshot, on_events, as_wished
        self._peer: Peer | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self.snapshot: PeerSnapshot | None = None
        self.dropped_total = 0  # events that never reached the window
        self._offset = 0  # added to the peer's revisions, so that they rise across peers
        self._pending: deque[PeerEvent] = deque()
        self._dropped = 0
        self._batch: tuple[PeerEvent, ...] = ()  # of the snapshot that was told in this turn of Qt's loop
        self._flushed_at = 0.0  # seconds, monotone
        self._looks = 0
        self._timer = QTimer(owner)
        self._timer.setSingleShot(True)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._due)
        self._next_turn = QTimer(owner)
        self._next_turn.setSingleShot(True)
        self._next_turn.timeout.connect(self._tell_events)
        self._look_timer = QTimer(owner)
        self._look_timer.setInterval(LOOK_MS)
        self._look_timer.timeout.connect(self._look)

    def attach(self, peer: "Peer") -> None:
        """Follow this peer from now on."""
        self._peer = peer
        self._offset = self.snapshot.revision + 1 if self.snapshot is not None else 0
        self._unsubscribe = peer.subscribe(self.hear)
        self._looks = 0
        self._look_timer.start()
        self._arm()

    def detach(self) -> None:
        """Follow no peer. Idempotent."""
        self._look_timer.stop()
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self._peer = None

    def close(self) -> None:
        """Deliver what is pending, and stop."""
        self.detach()
        self._timer.stop()
        self._qt.awaited = False
        self.flush()
        self._next_turn.stop()
        self._tell_events()

    def waiting(self) -> bool:
        """Tell whether something is on its way to the window."""
        return self._timer.isActive() or self._next_turn.isActive()

    def stand_in(self, grape: GrapeSnapshot, services: tuple[ServiceSnapshot, ...] | None) -> None:
        """Show what the grape is doing while no peer is attached; `services` until the first peer tells its own."""
        before = self.snapshot or PeerSnapshot(0, None, None, grape, (), ())
        offered = tuple(self._as_wished(each) for each in (before.services if services is None else services))
        self._tell(PeerSnapshot(before.revision + 1, None, before.observed, grape, offered, ()))

    def hear(self, event: PeerEvent) -> None:
        """Take one event, on the loop."""
        if len(self._pending) >= BACKLOG:
            self._pending.popleft()
            self._dropped += 1
            self.dropped_total += 1
        self._pending.append(event)
        self._arm()

    def refresh(self, *, force: bool = False) -> None:
        """Tell the newest snapshot if it has another revision, or in any case."""
        self._refreshed(force)

    def _refreshed(self, force: bool = False) -> bool:
        """Do that, and return whether it was told."""
        if self._peer is None:
            told = [event.grape for event in self._pending if isinstance(event, GrapeChanged)]
            if told:
                self.stand_in(told[-1], None)
            return bool(told)
        news = force or self.snapshot is None or self._peer.revision + self._offset != self.snapshot.revision
        if news:
            self._tell(self._fresh(self._peer))
        return news

    def _due(self) -> None:
        """Flush, or do so in Qt's next turn, which is kept free for it, if this one has cost enough."""
        if self._qt.is_full() and not self._qt.awaited:
            self._qt.awaited = True
            self._timer.start(0)
        else:
            self._qt.awaited = False
            self.flush()

    def flush(self) -> None:
        """Tell what is pending: the snapshot now, and the events at once or in the next turn."""
        self._tell_events()
        self._flushed_at = time.monotonic()
        told = self._refreshed()
        self._batch = tuple(self._pending)
        self._pending.clear()
        if self._dropped:
            self._batch = (_overflow(self._batch[0].at, self._dropped), *self._batch)
            self._dropped = 0
        if told and self._batch:
            self._next_turn.start(0)
        else:
            self._tell_events()

    def _tell_events(self) -> None:
        """Tell the events of the newest flush, once."""
        batch, self._batch = self._batch, ()
        if batch:
            self._on_events(batch)

    def _look(self) -> None:
        """Look for a change that no event told."""
        peer, shown = self._peer, self.snapshot
        if peer is None or shown is None or self._timer.isActive():
            return
        self._looks += 1
        if peer.revision + self._offset != shown.revision:
            self._arm()
        elif self._looks % WHOLE_EVERY == 0:
            fresh = self._fresh(peer)
            if _without_traffic(fresh) != _without_traffic(shown):
                self._tell(fresh)

    def _fresh(self, peer: "Peer") -> PeerSnapshot:
        fresh = peer.snapshot()
        return dataclasses.replace(fresh, revision=fresh.revision + self._offset) if self._offset else fresh

    def _tell(self, snapshot: PeerSnapshot) -> None:
        self.snapshot = snapshot
        self._on_snapshot(snapshot)

    def _arm(self) -> None:
        if not self._timer.isActive():
            wait = self._flushed_at + 1 / PER_SECOND - time.monotonic()
            self._timer.start(max(0, math.ceil(wait * 1000)))


def _without_traffic(snapshot: PeerSnapshot) -> PeerSnapshot:
    """Return all but the counters, which move on with every packet; the traffic line looks at them by itself."""
    return dataclasses.replace(snapshot, traffic=Traffic())


def _overflow(at: float, count: int) -> ErrorRaised:
    message = f"{count} earlier events came faster than the window can show and were left out."
    return ErrorRaised(at, "ERR_BACKLOG", message)
