"""Requests that come in: to whom they go, what they cost their caller, and what is told, written down and counted."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Coroutine
from functools import lru_cache
from typing import Protocol

from core.ledger.ledger import Ledger
from core.ledger.record import CallRecord, outcome
from core.news.events import RequestServed
from core.news.hub import Hub
from core.news.roster import Roster
from core.peer_id import PeerId
from core.serving.admission import Guard
from core.serving.catalog import Sharing
from core.serving.quota import Quotas
from core.values import Caller, JsonValue, Outcome

_text = lru_cache(maxsize=1000)(PeerId.__str__)  # of those who call most: check characters take 20 us
MAX_NAMES = 64  # error names counted one by one; a service makes up its own, and what is beyond is counted as others
OTHERS = "others"


class Broker(Protocol):
    """The broker that we may be."""

    def serves(self, key: str, payload: JsonValue = None) -> bool:
        """Return whether a request is for it."""

    def handle(self, payload: JsonValue, caller: Caller) -> Outcome:
        """Answer it."""


class Serving:
    """The handler of the peer's RPC server, and what hears of every request that was answered."""

    def __init__(
        self,
        hub: Hub,
        sharing: Sharing,
        roster: Roster,
        guard: Guard,
        calls: Ledger | None,
        broker: Broker | None = None,
    ) -> None:
        self.broker = broker
        self.quotas = Quotas()
        self._hub = hub
        self._sharing = sharing
        self._roster = roster
        self._guard = guard
        self._calls = calls
        self._refused: Counter[str] = Counter()  # requests, by the name of the error they were answered with

    def handle(self, key: str, payload: JsonValue, caller: Caller) -> Outcome:
        """Answer one request, at once or not. Raises PeerError."""
        if self.broker is not None and self.broker.serves(key, payload):
            return self.broker.handle(payload, caller)  # which counts by itself
        trusted = self._guard.trusts(caller.peer_id)
        self.quotas.take(caller, trusted, asyncio.get_running_loop().time())
        answer = self._sharing.handle(key, payload, caller)
        return self._counted(answer, caller, trusted) if isinstance(answer, Coroutine) else answer

    async def _counted(self, answer: Awaitable[JsonValue], caller: Caller, trusted: bool) -> JsonValue:
        self.quotas.begin(caller, trusted, asyncio.get_running_loop().time())
        try:
            return await answer
        finally:
            self.quotas.end(caller, trusted)

    def on_served(
        self, key: str, caller: Caller, seconds: float, error: str | None, request_bytes: int, reply_bytes: int
    ) -> None:
        """Tell, count and write down what became of a request."""
        if self.broker is not None and self.broker.serves(key):
            return  # registrations come every two seconds, and are shown as what they are
        size = request_bytes + reply_bytes
        self.quotas.charge(caller, self._guard.trusts(caller.peer_id), size, asyncio.get_running_loop().time())
        service = self._sharing.label(key)
        self._sharing.note(key, error)
        wanted = self._sharing.wanted(key)
        if error is None and wanted is not None:
            self._roster.note_served(caller.address, wanted, caller.peer_id)
        ended = outcome(error)
        if error is not None:
            self._refused[ended if ended in self._refused or len(self._refused) < MAX_NAMES else OTHERS] += 1
        now = self._hub.now()
        self._hub.emit(RequestServed(now, service, caller.address, seconds, error, caller.peer_id))
        if self._calls is not None:
            who, name = _text(caller.peer_id) if caller.peer_id else None, self._sharing.name(key)
            sizes = request_bytes, reply_bytes
            self._calls.add(CallRecord(now, who, str(caller.address), name, *sizes, seconds, ended))

    def refused(self) -> tuple[tuple[str, int], ...]:
        """Return how many requests were answered with which error, the most frequent first."""
        return tuple(self._refused.most_common())
