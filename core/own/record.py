"""Our record on the grapes, as long as this peer is open and has an identity: what it shares, and where it is."""

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from core.aio.tasks import TaskSet
from core.errors import PeerError, RefusedError
from core.news.events import ErrorRaised, GrapeSnapshot
from core.news.hub import Hub
from core.own.identity import OwnIdentity
from core.services.intents import Intents
from core.values import Address

if TYPE_CHECKING:
    from core.directory.records.publisher import Publisher, Store


class OwnRecord:
    """Publishes `listed()` and `addresses()`; it looks again at once when the intents change, and now and then."""

    def __init__(
        self,
        hub: Hub,
        identity: OwnIdentity,
        store: "Store",
        intents: Intents,
        addresses: Callable[[], Iterable[Address]],
        listed: Callable[[], Iterable[str]],
        alone: Callable[[], bool] = lambda: True,
    ) -> None:
        self._hub = hub
        self._identity = identity
        self._store = store
        self._addresses = addresses
        self._listed = listed
        self._alone = alone
        self._publisher: Publisher | None = None
        self._most_grapes = 0  # known at a time since we were last alone
        self._told = False
        self._tasks = TaskSet("own record")
        intents.subscribe(lambda intent, on: self.publish())

    def start(self) -> None:
        """Begin, once the identity is open."""
        self._tasks.spawn(self._begin(), name="begin with our record")

    async def aclose(self) -> None:
        """Take the record back and end."""
        await self._tasks.aclose()
        if self._publisher is not None:
            await self._publisher.aclose()

    def publish(self) -> None:
        """Look again: something else is shared, or we moved."""
        if self._publisher is not None:
            self._publisher.changed()

    def begin_again(self) -> None:
        """Put the record again now, whatever failed before."""
        self._most_grapes = 0
        if self._publisher is not None:
            self._publisher.begin_again()

    def on_grape(self, grape: GrapeSnapshot) -> None:
        """Put the record again when there are more grapes than ever: the new ones do not hold it."""
        more = grape.nodes > self._most_grapes
        self._most_grapes = max(grape.nodes, self._most_grapes) if grape.nodes else 0
        if more and self._publisher is not None:
            self._publisher.changed(renew=True)

    async def _begin(self) -> None:
        identity = await self._identity.opened()  # until then it is found by name only
        from core.directory.records.publisher import Offer, Publisher  # who has no identity needs none of it

        self._publisher = Publisher(
            identity,
            self._store,
            lambda: Offer.of(self._listed(), self._addresses()),
            monotonic=asyncio.get_running_loop().time,
            on_problem=self._on_problem,
            alone=self._alone,
            on_other=self._on_other,
        )
        self._publisher.start()

    def _on_other(self) -> None:
        sentence = (
            "Another process shares with this profile, and so with the same Peer ID: by it, one of both is found. "
            "Give one of them a profile of its own with --profile."
        )
        self._hub.emit(ErrorRaised(self._hub.now(), "ERR_PROFILE_IN_USE", sentence))

    def _on_problem(self, error: PeerError | None) -> None:
        """Tell once of grapes that keep no records; of those that do not answer, others tell."""
        if isinstance(error, RefusedError) and not self._told:
            sentence = f"By its ID this peer is found only together with a service, as in PEER-ID/fibonacci: {error}"
            self._hub.emit(ErrorRaised(self._hub.now(), error.name, sentence))
        self._told = isinstance(error, RefusedError)
