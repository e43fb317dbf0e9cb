"""Being met by our Peer ID: for what is not listed, and for invitations, under one name that says nothing."""

from collections.abc import Callable

from core.news.events import TrustChanged
from core.news.hub import Hub
from core.peer_id import PeerId
from core.services.intents import Intent, Intents
from core.services.names import Role, RoleName
from core.services.personal import Personal, personal_name
from core.services.service import Registry
from core.serving.admission import Admission
from core.serving.shares import LISTED


class ById:
    """Plays the worker's role under our personal name while somebody who knows our ID may want something of us.

    `own()` is our Peer ID, None while there is none. `awaited()`: somebody has an invitation of ours.
    """

    def __init__(
        self,
        registry: Registry,
        intents: Intents,
        admission: Admission,
        own: Callable[[], PeerId | None],
        awaited: Callable[[], bool],
    ) -> None:
        self._registry = registry
        self._intents = intents
        self._admission = admission
        self._own = own
        self._awaited = awaited
        self._holding = False  # what is done here changes intents in turn

    def start(self, hub: Hub, *when: Callable[[Callable[[], None]], object]) -> None:
        """Look now, whenever intents or trust change, and whenever one of `when` says so."""
        self._intents.subscribe(lambda intent, on: self.look())
        hub.subscribe(lambda event: self.look(), TrustChanged)
        for subscribe in when:
            subscribe(self.look)
        self.look()

    def listed(self) -> list[str]:
        """Return what our public record names: what is for anyone, and for the rest the name that says nothing."""
        names = [name for name in self._intents.of(Role.WORKER) if self._admission.audience(name) in LISTED]
        own = self._own()
        if own is not None and self._wanted():
            names.append(personal_name(own))
        return names

    def look(self) -> None:
        """Begin to play the role, or stop."""
        peer_id, intents = self._own(), self._intents
        if peer_id is None or self._holding:
            return
        own = RoleName(personal_name(peer_id), Role.WORKER)
        wanted = self._wanted()
        if wanted == (own in intents) or intents.closed:
            return
        self._holding = True
        if wanted:
            if own.service not in self._registry:
                self._registry.add(Personal(peer_id))
            intents.declare(Intent(own.service, Role.WORKER))
        else:
            intents.withdraw(own)
        self._holding = False

    def _wanted(self) -> bool:
        unlisted = (self._admission.audience(name) not in LISTED for name in self._intents.of(Role.WORKER))
        return any(unlisted) or self._awaited()
