"""The one place where the core meets Qt: events and snapshots become batched signals, the user's acts become tasks.

Everything runs on the loop of the window. A burst of events reaches the window as one batch at most `PER_SECOND` times
a second; nothing is lost at its end, and what does not fit into the backlog is counted and said.

What the user wants (share this, consume that) is kept here as wishes, so a switch works before the peer is open and
survives a peer that is closed and opened again with other settings.
"""

import asyncio
import dataclasses
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from core.aio.tasks import TaskSet
from core.errors import LocalError, PeerError, RefusedError
from core.news.events import ErrorRaised, GrapeChanged, GrapeSnapshot, PeerEvent, PeerSnapshot, ServiceSnapshot, Traffic
from core.peer_id import PeerId
from core.values import JsonValue
from desktop.views.contract import Ending

if TYPE_CHECKING:
    from core.ledger.record import CallRecord
    from core.peer import Peer, Reply  # imported after the first paint: it brings aiohttp along

PER_SECOND = 10  # batches; faster than the eye needs, slow enough that tables never cost a frame (issue 2, desktop)
BACKLOG = 5000  # events between two batches; the timeline keeps as many, so older ones would not be seen anyway
MAX_REQUESTS = 64  # in flight; a person sends one at a time, a stuck key sends thirty a second
CLOSED = "The peer was closed before the answer came."
CANCELLED = "You cancelled this request."
# errors by which the other side says that it does not serve us, or not now
REFUSALS = frozenset(
    ("ERR_NOT_TRUSTED", "ERR_BLOCKED", "ERR_ENCRYPTION_REQUIRED", "ERR_RATE_LIMITED", "ERR_SERVICE_OFF")
)
NOT_THE_PEER = ("ERR_GRAPE", "ERR_NO_IDENTITY")  # refusals by a grape, or by ourselves: no peer has answered
_SILENT: Ending = "silent"


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """How one request ended: exactly one of `reply` and `error` is set. `seconds` is the time waited here."""

    ticket: int
    target: str
    payload: JsonValue
    reply: "Reply | None"
    error: str | None
    seconds: float
    ending: Ending = "silent"


@dataclass(frozen=True, slots=True)
class Wish:
    """One switch: share (or else consume) a service."""

    service: str
    share: bool


class Bridge(QObject):
    """Turns one peer into signals. Signals carry `object`: Qt's own int has 32 bits."""

    snapshot_changed = Signal(object)  # PeerSnapshot
    events_arrived = Signal(object)  # tuple[PeerEvent, ...], oldest first
    request_finished = Signal(object)  # RequestOutcome
    failed = Signal(str)  # a sentence for the window
    calls_found = Signal(object, object)  # ticket, tuple[CallRecord, ...]: the newest first
    calls_said = Signal(str)  # a sentence for the page of calls
    calls_cleared = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._peer: Peer | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._snapshot: PeerSnapshot | None = None
        self._offset = 0  # added to the peer's revisions, so that they rise across peers
        self._wishes: dict[Wish, bool] = {}
        self._acts = TaskSet("bridge")
        self._in_order: deque[tuple[str, Callable[[Peer], Awaitable[None]]]] = deque()
        self._busy: set[Wish] = set()
        self._tickets = 0
        self._waiting: dict[int, tuple[str, JsonValue, float]] = {}
        self._requests: dict[int, asyncio.Task[None]] = {}
        self._pending: deque[PeerEvent] = deque()
        self._dropped = 0
        self.dropped_total = 0  # events that never reached the window
        self._flushed_at = 0.0  # seconds, monotone
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._flush)

    # -- the peer ------------------------------------------------------------------------------------------------

    def attach(self, peer: "Peer") -> None:
        """Show this peer from now on and carry out what was wished. Raises LocalError while another is attached."""
        if self._peer is not None:
            raise LocalError("the bridge has a peer: detach that one first")
        self._peer = peer
        self._offset = self._snapshot.revision + 1 if self._snapshot is not None else 0
        self._unsubscribe = peer.subscribe(self.hear)
        self._acts = TaskSet("bridge")
        for wish, on in self._wishes.items():
            if on:
                self._start(wish)
        self._arm()

    async def detach(self) -> None:
        """Let go of the peer before it is closed: requests under way end with an error, wishes stay. Idempotent."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self._peer = None
        await self._acts.aclose()
        self._busy.clear()  # a task cancelled before its first step never got to say that it ended
        for ticket in list(self._waiting):
            self._finish(ticket, None, CLOSED)

    def stand_in(self, grape: GrapeSnapshot, services: tuple[ServiceSnapshot, ...] | None = None) -> None:
        """Show what the grape is doing while no peer is attached; `services` until the first peer tells its own."""
        before = self._snapshot or PeerSnapshot(0, None, None, grape, (), ())
        offered = tuple(self._as_wished(each) for each in (before.services if services is None else services))
        self._snapshot = PeerSnapshot(before.revision + 1, None, before.observed, grape, offered, ())
        self.snapshot_changed.emit(self._snapshot)

    def snapshot(self) -> PeerSnapshot | None:
        """Return the newest snapshot the signal carried, or None before the first."""
        return self._snapshot

    def traffic(self) -> Traffic:
        """Return what crossed the peer's socket so far; nothing while no peer is attached."""
        return self._peer.traffic() if self._peer is not None else Traffic()

    # -- what the user does --------------------------------------------------------------------------------------

    def set_sharing(self, service: str, on: bool) -> None:
        """Share a service, or stop; a wish until a peer is attached. Failure: `failed`, and a fresh snapshot."""
        self._wish(Wish(service, share=True), on)

    def set_consuming(self, service: str, on: bool) -> None:
        """Consume a service, or stop; else as `set_sharing`."""
        self._wish(Wish(service, share=False), on)

    def trust(self, peer_id: PeerId, name: str, services: frozenset[str]) -> None:
        """Let a peer call these services and no others; `EVERY` is all."""
        self._act("trust", lambda peer: peer.trust(peer_id, name, services))

    def untrust(self, peer_id: PeerId) -> None:
        """Know a peer no more."""
        self._act("untrust", lambda peer: peer.untrust(peer_id))

    def block(self, peer_id: PeerId) -> None:
        """Let a peer call nothing, ask nobody, and stay connected no longer."""
        self._act("block", lambda peer: peer.block(peer_id))

    def accept(self, peer_id: PeerId, service: str, *, once: bool) -> None:
        """Answer a pending request: from now on, or once."""
        self._act("accept", lambda peer: peer.accept(peer_id, service, once=once))

    def refuse(self, peer_id: PeerId, service: str) -> None:
        """Forget a pending request; the peer may ask again."""
        self._act("refuse", lambda peer: peer.refuse(peer_id, service))

    def act_as_broker(self, on: bool) -> None:
        """Be a broker, or be none any more."""
        self._act("broker", lambda peer: peer.act_as_broker(on))

    def use_broker(self, on: bool, brokers: Sequence[str]) -> None:
        """Use these brokers, or with none those that are announced; or use none any more."""
        self._act("use broker", lambda peer: peer.use_broker(on, brokers))

    def ask_calls(self, text: str, outcome: str, before: int | None, limit: int) -> int:
        """Ask for calls of the record; they come as `calls_found` with the ticket returned, never before that."""
        self._tickets += 1
        ticket = self._tickets
        peer = self._peer
        if peer is None:
            QTimer.singleShot(0, self, lambda: self.calls_found.emit(ticket, ()))
            return ticket

        async def ask() -> None:
            found: tuple[CallRecord, ...] = ()
            try:
                found = tuple(await peer.calls(text=text, outcome=outcome, before=before, limit=limit))
            except PeerError as error:
                self.calls_said.emit(f"The record cannot be read: {error}.")
            self.calls_found.emit(ticket, found)

        self._acts.spawn(ask(), name="ask for calls")
        return ticket

    def export_calls(self, path: str, text: str, outcome: str) -> None:
        """Write the calls that fit to a CSV file, and say so."""

        async def export(peer: "Peer") -> None:
            rows = await peer.export_calls(Path(path), text=text, outcome=outcome)
            self.calls_said.emit(f"{rows:,} call{'s'[: rows != 1]} written to {path}.")

        self._act("export calls", export)

    def clear_calls(self) -> None:
        """Forget every call."""

        async def clear(peer: "Peer") -> None:
            await peer.clear_calls()
            self.calls_said.emit("Every call is forgotten.")
            self.calls_cleared.emit()

        self._act("clear calls", clear)

    def _act(self, name: str, act: "Callable[[Peer], Awaitable[None]]") -> None:
        """Have the peer do something, in the order of the calls; what goes wrong is told as `failed`."""
        if self._peer is None:
            self.failed.emit("The peer is not open yet. Try again in a moment.")
            return
        self._in_order.append((name, act))
        if len(self._in_order) == 1:
            self._acts.spawn(self._do_in_order(self._peer), name=name)

    async def _do_in_order(self, peer: "Peer") -> None:
        try:
            while self._in_order:
                try:
                    await self._in_order[0][1](peer)
                except PeerError as error:
                    sentence = str(error)
                    self.failed.emit(f"{sentence[:1].upper()}{sentence[1:]}.")
                self._in_order.popleft()
                self._emit_snapshot(force=True)
        finally:
            self._in_order.clear()

    def wanted(self) -> Mapping[Wish, bool]:
        """Return what the user asked for, done or not yet."""
        return dict(self._wishes)

    def send_request(self, target: str, payload: JsonValue, timeout: float) -> int:
        """Send a request; `timeout` in seconds. Its outcome comes as `request_finished`, never before this returns."""
        self._tickets += 1
        ticket = self._tickets
        self._waiting[ticket] = (target, payload, time.monotonic())
        if len(self._waiting) > MAX_REQUESTS:
            self._later(ticket, f"{MAX_REQUESTS} requests are under way already. Wait for one of them to end.")
        elif self._peer is None:
            self._later(ticket, "The peer is not open yet. Try again in a moment.")
        else:
            asking = self._request(self._peer, ticket, target, payload, timeout)
            self._requests[ticket] = self._acts.spawn(asking, name=f"request {ticket}")
        return ticket

    def cancel_request(self, ticket: int) -> None:
        """End a request that is under way; its outcome says so. One that has ended stays as it is."""
        task = self._requests.get(ticket)
        if task is not None:
            self._finish(ticket, None, CANCELLED, "cancelled")
            task.cancel()

    async def aclose(self) -> None:
        """Let go of the peer, end all tasks, deliver what is pending. Idempotent."""
        await self.detach()
        self._timer.stop()
        self._flush()

    # -- wishes --------------------------------------------------------------------------------------------------

    def _wish(self, wish: Wish, on: bool) -> None:
        self._wishes[wish] = on
        if self._peer is not None:
            self._start(wish)
        elif self._snapshot is not None:
            self.stand_in(self._snapshot.grape)

    def _start(self, wish: Wish) -> None:
        """Carry a wish out, unless its task is at it already: that one reads the newest wish when it is done."""
        if self._peer is not None and wish not in self._busy:
            self._busy.add(wish)
            verb = "share" if wish.share else "consume"
            self._acts.spawn(self._carry_out(self._peer, wish), name=f"{verb} {wish.service}")

    async def _carry_out(self, peer: "Peer", wish: Wish) -> None:
        done: bool | None = None
        failed = True  # also when cancelled, or by a defect that the loop's handler reports
        try:
            while (wanted := self._wishes[wish]) != done:
                if _does(peer, wish) != wanted:
                    await _act(peer, wish, wanted)
                done = wanted
            failed = False
        except PeerError as error:
            self.failed.emit(str(error))
            self._wishes[wish] = _does(peer, wish)
        finally:
            self._busy.discard(wish)
            self._emit_snapshot(force=failed)  # a switch that could not be turned must go back

    def _as_wished(self, service: ServiceSnapshot) -> ServiceSnapshot:
        """Return a service as it will be once there is a peer."""
        share = self._wishes.get(Wish(service.name, share=True), False)
        consume = self._wishes.get(Wish(service.name, share=False), False)
        return dataclasses.replace(service, sharing=share, consuming=consume, announced_nodes=0)

    # -- requests ------------------------------------------------------------------------------------------------

    async def _request(self, peer: "Peer", ticket: int, target: str, payload: JsonValue, timeout: float) -> None:
        error, ending = CLOSED, _SILENT  # when cancelled
        try:
            reply = await peer.request(target, payload, timeout=timeout)
        except PeerError as refused:
            error, ending = f"{refused.name}: {refused}", _ending(refused)
        except Exception as defect:  # told to whoever waits, then reported as every defect is
            error = f"{PeerError.name}: the request ended in a defect of this program ({type(defect).__name__})."
            raise
        else:
            self._finish(ticket, reply, None, "reply")
        finally:
            self._requests.pop(ticket, None)
            self._finish(ticket, None, error, ending)

    def _later(self, ticket: int, error: str) -> None:
        QTimer.singleShot(0, self, lambda: self._finish(ticket, None, error))

    def _finish(self, ticket: int, reply: "Reply | None", error: str | None, ending: Ending = "silent") -> None:
        """Tell the outcome, once."""
        if ticket not in self._waiting:
            return
        target, payload, since = self._waiting.pop(ticket)
        seconds = time.monotonic() - since
        self.request_finished.emit(RequestOutcome(ticket, target, payload, reply, error, seconds, ending))

    # -- batches -------------------------------------------------------------------------------------------------

    def hear(self, event: PeerEvent) -> None:
        """Take one event, on the loop. An attached peer's come by themselves; while one opens, hand them in here."""
        if len(self._pending) >= BACKLOG:
            self._pending.popleft()
            self._dropped += 1
            self.dropped_total += 1
        self._pending.append(event)
        self._arm()

    def _arm(self) -> None:
        if not self._timer.isActive():
            wait = self._flushed_at + 1 / PER_SECOND - time.monotonic()
            self._timer.start(max(0, math.ceil(wait * 1000)))

    def _flush(self) -> None:
        """Emit what is pending; first the snapshot, so that a row exists before an event speaks of it."""
        self._flushed_at = time.monotonic()
        self._emit_snapshot()
        if not self._pending:
            return
        batch = tuple(self._pending)
        self._pending.clear()
        if self._dropped:
            batch = (_overflow(batch[0].at, self._dropped), *batch)
            self._dropped = 0
        self.events_arrived.emit(batch)

    def _emit_snapshot(self, force: bool = False) -> None:
        if self._peer is None:
            told = [event.grape for event in self._pending if isinstance(event, GrapeChanged)]
            if told:
                self.stand_in(told[-1])
            return
        fresh = self._peer.snapshot()
        revision = fresh.revision + self._offset
        if force or self._snapshot is None or revision != self._snapshot.revision:
            self._snapshot = dataclasses.replace(fresh, revision=revision) if self._offset else fresh
            self.snapshot_changed.emit(self._snapshot)


def _ending(error: PeerError) -> Ending:
    """Return how a request ended that was answered with, or failed by, this error."""
    if isinstance(error, LocalError):
        return "unsent"
    if not isinstance(error, RefusedError) or error.name.startswith(NOT_THE_PEER):
        return _SILENT
    return "refused" if error.name in REFUSALS else "error"


def _does(peer: "Peer", wish: Wish) -> bool:
    """Return whether the peer does now what the wish is about."""
    for service in peer.snapshot().services:
        if service.name == wish.service:
            return service.sharing if wish.share else service.consuming
    return False


async def _act(peer: "Peer", wish: Wish, on: bool) -> None:
    if wish.share:
        await (peer.share(wish.service) if on else peer.unshare(wish.service))
    else:
        await (peer.consume(wish.service) if on else peer.stop_consuming(wish.service))


def _overflow(at: float, count: int) -> ErrorRaised:
    message = f"{count} earlier events came faster than the window can show and were left out."
    return ErrorRaised(at, "ERR_BACKLOG", message)
