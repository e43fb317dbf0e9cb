"""Being met by our Peer ID: what is shared without being listed by its own name is met under our personal one."""

from collections.abc import Callable
from typing import Protocol

from core.news.events import TrustChanged
from core.news.hub import Hub
from core.peer_id import PeerId
from core.services.intents import Intent, Intents
from core.services.names import Role, RoleName
from core.services.personal import Personal, personal_name
from core.services.service import Registry
from core.serving.admission import Admission
from core.serving.shares import LISTED


class Identity(Protocol):
    """What is needed of who we are."""

    @property
    def peer_id(self) -> PeerId | None:
        """Our Peer ID; None while there is none."""

    def when_open(self, then: Callable[[], None]) -> None:
        """Call `then` once there is one."""


def listed(intents: Intents, admission: Admission, identity: Identity) -> Callable[[], list[str]]:
    """Return what says what our public record names: what is for anyone, and for the rest our personal name."""

    def names() -> list[str]:
        shown = [name for name in intents.of(Role.WORKER) if admission.audience(name) in LISTED]
        if identity.peer_id is not None and _unlisted(intents, admission):
            shown.append(personal_name(identity.peer_id))
        return shown

    return names


def follow(registry: Registry, intents: Intents, admission: Admission, identity: Identity, hub: Hub) -> None:
    """Play the worker's role under our personal name as long as something is shared that is not listed by its own."""
    holding = False  # what is done here changes intents in turn

    def look() -> None:
        nonlocal holding
        if identity.peer_id is None or holding:
            return
        own = RoleName(personal_name(identity.peer_id), Role.WORKER)
        wanted = _unlisted(intents, admission)
        if wanted == (own in intents) or intents.closed:
            return
        holding = True
        if wanted:
            if own.service not in registry:
                registry.add(Personal(identity.peer_id))
            intents.declare(Intent(own.service, Role.WORKER))
        else:
            intents.withdraw(own)
        holding = False

    intents.subscribe(lambda intent, on: look())
    hub.subscribe(lambda event: look(), TrustChanged)
    identity.when_open(look)
    look()


def _unlisted(intents: Intents, admission: Admission) -> bool:
    return any(admission.audience(name) not in LISTED for name in intents.of(Role.WORKER))
