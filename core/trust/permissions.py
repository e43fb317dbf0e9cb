"""Who may call what: asked before every request, and again for those under way when something has changed."""

from collections.abc import Callable, Mapping
from typing import Final

from core.errors import LocalError
from core.peer_id import PeerId
from core.trust.audience import Audience, audience_of
from core.trust.entries import Pending
from core.trust.store import TrustStore
from core.values import Caller

ENCRYPTION_REQUIRED: Final = "ERR_ENCRYPTION_REQUIRED"
NOT_TRUSTED: Final = "ERR_NOT_TRUSTED"
BLOCKED: Final = "ERR_BLOCKED"
SERVICE_OFF: Final = "ERR_SERVICE_OFF"
REFUSALS: Final = frozenset({ENCRYPTION_REQUIRED, NOT_TRUSTED, BLOCKED, SERVICE_OFF})


class NotAllowed(LocalError):
    """This caller may not call this service; name and sentence are sent to it.

    A LocalError, as that of a service that is not shared: those travel with their sentence. A RefusedError may be
    another peer's words to us, which are not for a caller.
    """


class Permissions:
    """Decides by the audiences of the services and the list of known peers. `now` is Unix seconds, always passed in."""

    def __init__(
        self,
        store: TrustStore,
        audiences: Mapping[str, Audience] | None = None,
        *,
        own: Callable[[], PeerId | None] = lambda: None,
        on_pending: Callable[[Pending], None] = lambda pending: None,
    ) -> None:
        """`own()` has the services, and may call them. `on_pending` hears of requests that are new, or go on."""
        self._store = store
        self._audiences = dict(audiences or {})
        self._own = own
        self._on_pending = on_pending

    def audience(self, service: str) -> Audience:
        """Return who may call a service: nobody, while the owner has to look at a damaged list of known peers."""
        return Audience.OFF if self._store.closed else audience_of(service, self._audiences)

    def set_audience(self, service: str, audience: Audience) -> None:
        """Change who may call a service."""
        self._audiences[service] = audience

    def forget_audience(self, service: str) -> None:
        """Take back what was chosen for a service."""
        self._audiences.pop(service, None)

    def decide(self, service: str, caller: Caller, now: float) -> NotAllowed | None:
        """Return None when this request may pass, else what the caller is told. A stranger becomes a pending request.

        A request that was accepted once uses that up.
        """
        refusal = self.refusal(service, caller)
        if caller.peer_id is None:
            return refusal
        self._store.see(caller.peer_id, now)
        if refusal is None or refusal.name != NOT_TRUSTED:
            return refusal
        key = (caller.peer_id, service)
        if self._store.granted(key, now):
            return None
        if self._store.ask(key, caller.address, now):
            self._on_pending(self._store.pending()[-1])
        return refusal

    def refusal(self, service: str, caller: Caller) -> NotAllowed | None:
        """Return what `decide` would for a caller that nobody accepts once, and leave everything as it is."""
        known = self._store.find(caller.peer_id) if caller.peer_id is not None else None
        if known is not None and known.blocked:
            return NotAllowed("this peer does not answer you", name=BLOCKED)
        audience = self.audience(service)
        if audience is Audience.ANYONE:
            return None
        if audience is Audience.OFF:
            return NotAllowed(f"{service} is switched off at present", name=SERVICE_OFF)
        if caller.peer_id is None:
            return NotAllowed(
                f"{service} is for encrypted peers that have an ID: call it with Grapevine, by its owner's Peer ID",
                name=ENCRYPTION_REQUIRED,
            )
        trusted = caller.peer_id == self._own() or (known is not None and known.may_call(service))
        if audience is Audience.IDENTIFIED or trusted:
            return None
        return NotAllowed(f"the owner was asked whether you may call {service}: try again later", name=NOT_TRUSTED)
