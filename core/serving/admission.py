"""Who may call the services here: asked before each request; stops those under way that no longer may.

Also the verbs with which people change it; all of them hold at once, for every connection there is.
"""

import contextlib
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import TypeAlias, TypeVar

from core.aio.tasks import TaskSet
from core.errors import LocalError
from core.news.events import PendingRequest, TrustChanged
from core.news.hub import Hub
from core.peer_id import PeerId
from core.services.service import AT_ONCE, Service
from core.serving.call import Call
from core.serving.watched import until_refused
from core.trust.audience import Audience
from core.trust.entries import EVERY, Pending
from core.trust.permissions import NOT_TRUSTED, SERVICE_OFF, NotAllowed, Permissions
from core.trust.store import Change, TrustStore
from core.tunnel.stream import ByteStream
from core.values import Caller, JsonValue, Outcome
from core.wire.stream_opening import Opening

T = TypeVar("T")
Serve = Callable[[ByteStream, Opening, Caller], Awaitable[None]]

HangUp: TypeAlias = Callable[[Callable[[PeerId], bool]], None]  # closes the connections of these peers


class Admission:
    """The permissions of one peer, its list of known peers, and the requests it has let in."""

    def __init__(
        self,
        hub: Hub,
        path: Path | None,
        audiences: Mapping[str, Audience],
        *,
        own: Callable[[], PeerId | None],
        serving: Callable[[], bool],
    ) -> None:
        """`own()` is our own ID. `serving()`: something is shared."""
        self._hub = hub
        self._hang_ups: list[HangUp] = []
        self._store = TrustStore(path, serving=serving)
        self._permissions = Permissions(self._store, audiences, own=own, on_pending=self._on_pending)
        self._own = own
        self._under_way: set[Call] = set()
        self._store.listen(self._on_change)
        self._tasks = TaskSet("admission")

    def close_connections_by(self, hang_up: HangUp) -> None:
        """Call `hang_up(blocked)` whenever the list has changed: who is blocked stays connected no longer."""
        self._hang_ups.append(hang_up)

    async def open(self) -> None:
        """Read the list of known peers; until then nobody is."""
        await self._store.open(self._hub.now())
        self._tasks.spawn(self._store.watch(self._hub.now), name="watch the list of known peers")

    async def aclose(self) -> None:
        """Write what is not written yet, such as when somebody was seen. A disk that refuses is logged by the watch."""
        await self._tasks.aclose()
        with contextlib.suppress(LocalError):
            await self._store.flush(self._hub.now())

    # -- requests -------------------------------------------------------------------------------------------------

    def admit(self, service: Service, call: Call, payload: JsonValue) -> Outcome:
        """Call a service for somebody who may. Raises NotAllowed, now or later, and what the service raises."""
        refusal = self._permissions.decide(service.name, call.caller, self._hub.now())
        if refusal is not None:
            raise refusal
        outcome = service.handle(payload, call.caller)
        if type(outcome) in AT_ONCE or not isinstance(outcome, Awaitable):
            return outcome
        return self._under_watch(outcome, call, service.name)

    def admit_stream(self, service: Service, call: Call, stream: ByteStream, opening: Opening) -> Awaitable[None]:
        """Let a service serve a byte stream for somebody who may. Raises NotAllowed, now or later, and LocalError."""
        refusal = self._permissions.decide(service.name, call.caller, self._hub.now())
        if refusal is not None:
            raise refusal
        serve: Serve | None = getattr(service, "serve", None)
        if serve is None:
            raise LocalError(f"{service.name} answers requests, and has no streams", name="ERR_NOT_A_STREAM")
        return self._under_watch(serve(stream, opening, call.caller), call, service.name)

    def allows(self, service: str, caller: Caller) -> bool:
        """Return whether somebody may call a service at this moment; asking leaves no trace."""
        return self._permissions.refusal(service, caller) is None

    def _under_watch(self, outcome: Awaitable[T], call: Call, service: str) -> Awaitable[T]:
        """Return what is awaited for an outcome, which is stopped when its caller may no longer have it."""
        if call.account is not None and not call.stream:
            call.counted = True
            call.account.under_way += 1  # from now on: many may be let in before the first of their tasks begins
        call.once = self._permissions.refusal(service, call.caller) is not None
        call.known = self._knows(call.caller)
        watched = until_refused(outcome, call, self._under_way)
        weakref.finalize(
            watched, _forgotten, outcome, call
        ).atexit = False  # its task may be cancelled before it begins
        return watched

    def _stop_who_may_not(self) -> None:
        for call in self._under_way:
            refusal = self._permissions.refusal(call.name, call.caller)
            removed = call.known and not self._knows(call.caller)  # a grant goes with the trust
            accepted = call.once and not removed and refusal is not None and refusal.name == NOT_TRUSTED
            if refusal is not None and not accepted and call.refusal is None and call.task is not None:
                call.refusal = refusal
                call.task.cancel()

    def _knows(self, caller: Caller) -> bool:
        return caller.peer_id is not None and self._store.find(caller.peer_id) is not None

    def stop(self, service: str) -> None:
        """End what is under way for a service that is no longer shared, and forget who might call it."""
        for call in self._under_way:
            if call.name == service and call.refusal is None and call.task is not None:
                call.refusal = NotAllowed(f"{service} is no longer shared", name=SERVICE_OFF)
                call.task.cancel()
        self._permissions.forget_audience(service)

    def trusts(self, peer_id: PeerId | None) -> bool:
        """Return whether the owner trusts this peer with something, or it is one of the owner's own."""
        if peer_id is None:
            return False
        known = self._store.find(peer_id)
        if known is not None:
            return bool(known.opened) and not known.blocked
        return peer_id == self._own()

    # -- what people read -----------------------------------------------------------------------------------------

    @property
    def store(self) -> TrustStore:
        """The known peers and pending requests."""
        return self._store

    def audience(self, service: str) -> Audience:
        """Return who may call a service."""
        return self._permissions.audience(service)

    # -- what people do: raises LocalError --------------------------------------------------------------------------

    def set_audience(self, service: str, audience: Audience) -> None:
        """Change who may call a service."""
        before = self._permissions.audience(service)
        self._permissions.set_audience(service, audience)
        if before is not self._permissions.audience(service):
            self._stop_who_may_not()
            self.say(f"{service}: {audience.sentence}")

    async def trust(self, peer_id: PeerId, name: str, services: frozenset[str]) -> None:
        """Let a peer call these services and no others; `EVERY` is all."""
        await self._store.trust(peer_id, name, services, self._hub.now())
        what = "every service" if services == EVERY else ", ".join(sorted(services)) or "no service"
        self.say(f"{self._called(peer_id)} may call {what}")

    async def untrust(self, peer_id: PeerId) -> None:
        """Remove a peer from the list."""
        called = self._called(peer_id)
        await self._store.untrust(peer_id, self._hub.now())
        self.say(f"{called} is no longer known")

    async def block(self, peer_id: PeerId) -> None:
        """Let a peer call nothing, ask nobody, and stay connected no longer."""
        await self._store.block(peer_id, self._hub.now())
        self.say(f"{self._called(peer_id)} is blocked")

    async def accept(self, peer_id: PeerId, service: str, *, once: bool) -> None:
        """Let a peer that asked call a service from now on, or `once` within ten minutes: it has to ask again."""
        accept = self._store.accept_once if once else self._store.accept_always
        await accept((peer_id, service), self._hub.now())
        self.say(f"{self._called(peer_id)} may call {service}{' once' if once else ''}")

    async def refuse(self, peer_id: PeerId, service: str) -> None:
        """Forget that a peer asked."""
        await self._store.refuse((peer_id, service), self._hub.now())
        self.say(f"{self._called(peer_id)} was refused {service}")

    async def confirm(self) -> None:
        """The owner has looked at a damaged list of known peers: what could be recovered holds from now on."""
        await self._store.confirm(self._hub.now())
        self.say("the list of known peers was confirmed")

    def now(self) -> float:
        """Return the time, Unix seconds."""
        return self._hub.now()

    # -- news -----------------------------------------------------------------------------------------------------

    def _on_change(self, change: Change) -> None:
        self._hub.touch()
        if change is Change.NOTED:
            return
        self._stop_who_may_not()
        for hang_up in self._hang_ups:
            hang_up(self._is_blocked)
        if change is Change.FOUND:
            self.say(self._store.problem or "the list of known peers was changed by another program")

    def _is_blocked(self, peer_id: PeerId) -> bool:
        known = self._store.find(peer_id)
        return known is not None and known.blocked

    def _on_pending(self, pending: Pending) -> None:
        known = self._store.find(pending.peer_id)
        name = known.name if known else ""
        self._hub.emit(
            PendingRequest(self._hub.now(), pending.peer_id, name, pending.service, pending.address, pending.times)
        )

    def _called(self, peer_id: PeerId) -> str:
        known = self._store.find(peer_id)
        return f"{known.name} ({peer_id.short})" if known and known.name else peer_id.short

    def say(self, message: str) -> None:
        """Tell of a change of the list."""
        known, pending = len(self._store.peers()), len(self._store.pending())
        self._hub.emit(TrustChanged(self._hub.now(), message, known, pending))


def _forgotten(outcome: Awaitable[object], call: Call) -> None:
    """End what nobody awaits any longer: else a coroutine "was never awaited", and its caller's account stays full."""
    if isinstance(outcome, Coroutine):
        outcome.close()
    call.left()
