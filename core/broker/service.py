"""A broker at work: takes registrations, answers who else is there, and lets our peers wait for news."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from core.broker.registry import BrokerConfig, BrokerRegistry, Entry, shown_to
from core.errors import PayloadError
from core.scope import usable
from core.values import Address, Caller, JsonValue, Outcome
from core.wire.broker_message import LONG, Registration, listing_document, parse_registration

PLAIN_BYTES = 1300  # of JSON in an answer to a plain peer: it reads one packet of 1,402 bytes, uTP header and id off
RESTS = 1.0  # seconds after which somebody who waits for long is said little: its question is acknowledged by then
OUR_BYTES = 16_384  # to a peer of ours; 64 entries are about 10,000


class BrokerService:
    """Answers registrations. `seen(entry)` is told of everybody new; `changed()` when there is another picture."""

    def __init__(
        self,
        config: BrokerConfig | None = None,
        *,
        local: Callable[[Address], str | None],
        observed: Callable[[], str | None],
        seen: Callable[[Entry], None],
        changed: Callable[[], None],
        rest: Callable[[Address], None] = lambda caller: None,
    ) -> None:
        """`local(requester)`: this machine's address toward it; `observed()`: its host as others see it.

        `rest(caller)`: it waits for long, and meanwhile only what keeps its connection needs to be said.
        """
        self._rest = rest
        self._registry = BrokerRegistry(config)
        self._local = local
        self._observed = observed
        self._seen = seen
        self._changed = changed
        self._waiting: dict[str, dict[asyncio.Future[None], tuple[Registration, Address]]] = {}
        self._waiters = 0

    def handle(self, payload: JsonValue, caller: Caller) -> Outcome:
        """Register the caller and answer with the others there. Raises PayloadError, BrokerBusy, BrokerFull."""
        now = asyncio.get_running_loop().time()
        try:
            wanted = parse_registration(payload)
        except PayloadError as error:
            self._registry.refused[error.name] += 1
            self._changed()
            raise
        before = self._registry.news(wanted.service)
        try:
            new = self._registry.register(wanted, caller.address, caller.peer_id, now)
        finally:
            self._changed()
        if new:
            self._seen(self._registry.entries()[-1])
        if before != self._registry.news(wanted.service):
            self._wake(wanted.service)
        if self._may_wait(wanted):
            return self._later(wanted, caller)
        return self._answer(wanted, caller)

    def entries(self) -> tuple[Entry, ...]:
        """Return who is registered now."""
        self._registry.sweep(asyncio.get_running_loop().time())
        return self._registry.entries()

    def sweep(self) -> None:
        """Forget who did not come again, and who does not wait either; call it every few seconds."""
        now = asyncio.get_running_loop().time()
        for waiting in self._waiting.values():
            for wanted, source in waiting.values():
                self._registry.renew(wanted, source, now)
        if self._registry.sweep(asyncio.get_running_loop().time()):
            self._changed()

    def refused(self) -> Mapping[str, int]:
        """Return how many registrations were refused, by the error's name."""
        return Counter(self._registry.refused)

    def close(self) -> None:
        """Answer everybody who waits."""
        for service in list(self._waiting):
            self._wake(service)

    def _may_wait(self, wanted: Registration) -> bool:
        if not wanted.wait or wanted.seen != self._registry.news(wanted.service):
            return False
        return self._waiters < self._registry.config.waiting

    def _later(self, wanted: Registration, caller: Caller) -> Awaitable[JsonValue]:
        async def wait() -> JsonValue:
            news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiting = self._waiting.setdefault(wanted.service, {})
            waiting[news] = wanted, caller.address
            self._waiters += 1
            resting = asyncio.get_running_loop().call_later(RESTS, self._rest, caller.address)
            if not wanted.wait or wanted.wait <= LONG:
                resting.cancel()
            try:
                await asyncio.wait([news], timeout=wanted.wait)
            finally:
                resting.cancel()
                self._waiters -= 1
                waiting.pop(news, None)
                if not waiting and self._waiting.get(wanted.service) is waiting:
                    del self._waiting[wanted.service]
            return self._answer(wanted, caller)

        return wait()

    def _wake(self, service: str) -> None:
        for news, (wanted, source) in self._waiting.pop(service, {}).items():
            if not news.done():
                news.set_result(None)
                self._registry.told(wanted, source)

    def _answer(self, wanted: Registration, caller: Caller) -> JsonValue:
        requester = caller.address
        self._registry.told(wanted, requester)
        shown_as = shown_to(requester, self._local(requester), self._observed())
        found = self._registry.listing(wanted, requester, asyncio.get_running_loop().time(), shown_as)
        if wanted.wait is None:
            return listing_document(wanted.service, found, limit=PLAIN_BYTES)
        news = self._registry.news(wanted.service)
        you = requester if usable(requester) else None  # what comes over TCP has no address of its own here
        mail = self._registry.mail(wanted, caller.peer_id)
        return listing_document(wanted.service, found, limit=OUR_BYTES, you=you, seen=news, mail=mail)
