"""Requests that come in: where they go, what they cost their caller, and what is told, written down and counted."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from typing import Final

from core.aio.clock import clock_of
from core.ledger.ledger import Ledger
from core.ledger.record import OK, CallRecord
from core.limits import bounds
from core.limits.rate import HostRates, TokenBucket
from core.news.events import RequestServed
from core.news.hub import Hub
from core.news.roster import Roster
from core.peer_id import PeerId
from core.rpc.memory import Standing
from core.scope import Scope, network, scope
from core.services.service import Service
from core.serving.admission import Admission
from core.serving.call import MAX_SHOWN, Broker, Call
from core.serving.catalog import Catalog
from core.serving.quota import Quotas
from core.serving.refusals import RateLimited, UnknownService
from core.trust.audience import Audience
from core.trust.permissions import REFUSALS
from core.tunnel.stream import ByteStream
from core.values import Address, Caller, JsonValue, Outcome
from core.wire.rpc_message import MAX_BYTES
from core.wire.stream_opening import RESERVED, Opening

_text = lru_cache(maxsize=1000)(PeerId.__str__)  # of those who call most: check characters take 20 us
OTHERS = "others"  # under which error names beyond `bounds.ERROR_NAMES` are counted
REFUSED: Final = REFUSALS | {RateLimited.name}  # by us: the service was not asked, or its answer was for nobody
OPEN_TO: Final = {False: {Audience.ANYONE}, True: {Audience.ANYONE, Audience.IDENTIFIED}}  # without, with a Peer ID
_log = logging.getLogger(__name__)


class Handler:
    """What the peer's RPC server hands each request to, once when it comes and once when it has ended."""

    def __init__(
        self,
        hub: Hub,
        catalog: Catalog,
        roster: Roster,
        admission: Admission,
        calls: Ledger | None,
        broker: Broker | None = None,
        validated: Callable[[Address], None] = lambda address: None,
        desks: Iterable[Broker] = (),
    ) -> None:
        """`broker`: the one that we may be. `validated` hears who asked: nobody asks in another's name.

        `desks`: what else answers under keys of its own, and counts by itself.
        """
        self._desks = tuple(each for each in (broker, *desks) if each is not None)
        self._validated = validated
        self.quotas = Quotas()
        self._clock = clock_of(asyncio.get_running_loop())
        self._hub = hub
        self._catalog = catalog
        self._roster = roster
        self._admission = admission
        self._calls = calls
        self._told = HostRates(bounds.REFUSALS_TOLD, bounds.REFUSALS_AT_ONCE, bounds.CALLERS)  # refusals
        self._told_all = TokenBucket(bounds.REFUSALS_TOLD_ALL, 10 * bounds.REFUSALS_TOLD_ALL)
        self._refused: Counter[str] = Counter()  # requests, by the name of the error they were answered with

    def receive(self, key: str, payload: JsonValue, caller: Caller, size: int) -> Call:
        """Decide what a request of `size` bytes is. Everything later reads it from the call."""
        broker: Broker | None = None
        for each in self._desks:
            if each.serves(key, payload):
                broker = each
                break
        service = self._catalog.find_over_utp(key) if broker is None else None
        trusted = caller.peer_id is not None and self._admission.trusts(caller.peer_id)
        return Call(self, key, caller, service, broker, trusted, size)

    def receive_over(self, transport: str, key: str, service: Service | None, caller: Caller, size: int) -> Call:
        """Decide what a request over another transport is. `service`: what is open there under the key."""
        trusted = caller.peer_id is not None and self._admission.trusts(caller.peer_id)
        return Call(self, key, caller, service, None, trusted, size, transport=transport)

    def receive_stream(self, service: str, caller: Caller, size: int, transport: str = "utp") -> Call:
        """Decide what the opening of a byte stream is, of `size` bytes; "" asks which services there are."""
        trusted = caller.peer_id is not None and self._admission.trusts(caller.peer_id)
        found = self._catalog.find_name(service)
        if transport == "utp":
            found = self._catalog.over_utp(found)
        return Call(self, service, caller, found, None, trusted, size, stream=True, transport=transport)

    def open_stream(self, call: Call, stream: ByteStream, opening: Opening) -> Awaitable[None]:
        """Let a service serve a stream. Raises PeerError, now or later."""
        call.account = self.quotas.take(call.caller, call.trusted, self._clock())
        if call.service is None:
            raise UnknownService(f"nothing is shared here under {call.key[:MAX_SHOWN]!r}")
        return self._admission.admit_stream(call.service, call, stream, opening)

    def take(self, call: Call) -> None:
        """Count a call that no service answers. Raises RateLimited."""
        call.account = self.quotas.take(call.caller, call.trusted, self._clock())

    def offered_to(self, call: Call) -> list[Service]:
        """Return the services that a caller may use at this moment."""
        self.take(call)
        services = (self._catalog.over_utp(self._catalog.find_name(name)) for name in self._catalog.shared())
        return [each for each in services if each is not None and self._admission.allows(each.name, call.caller)]

    def standing(self, caller: Caller) -> Standing:
        """Return what a caller may hold of this peer, whatever it asks for."""
        host, peer_id = network(caller.address.host), caller.peer_id
        if scope(caller.address.host) is Scope.LOOPBACK:
            return Standing(host, True, MAX_BYTES)
        if peer_id is not None and self._admission.trusts(peer_id):
            return Standing(peer_id, True, MAX_BYTES)
        is_open = any(self._admission.audience(name) in OPEN_TO[peer_id is not None] for name in self._catalog.shared())
        return Standing(host, False, bounds.OPEN_MESSAGE if is_open else bounds.STRANGER_MESSAGE)

    def answer(self, call: Call, payload: JsonValue) -> Outcome:
        """Answer a request, at once or not. Raises PeerError."""
        if call.broker is not None:
            return call.broker.handle(payload, call.caller)  # which counts by itself
        call.account = self.quotas.take(call.caller, call.trusted, self._clock())
        if call.service is None:
            raise UnknownService(f"nothing is shared here under {call.key[:MAX_SHOWN]!r}")
        return self._admission.admit(call.service, call, payload)

    def ended(self, call: Call) -> None:
        """Tell, count and write down what became of a request."""
        if call.stream and call.key in RESERVED:
            return  # who asks what there is, or joins, has not used anything yet
        if call.broker is not None:
            return  # registrations come every two seconds, and are shown as what they are
        if call.account is not None and not call.stream:  # streams have back-pressure, and may be long
            call.account.charge(call.received + call.sent, self._clock())
        ended, caller, now = call.outcome, call.caller, self._hub.now()
        self._count(call, ended)
        if (ended in REFUSED or call.service is None) and not self._worth_telling(caller):
            return
        if call.transport == "utp":
            self._validated(caller.address)
        if self._hub.wants(RequestServed):
            error, transport = call.error, call.transport
            self._hub.emit(
                RequestServed(now, call.label, caller.address, call.seconds, error, caller.peer_id, transport)
            )
        else:
            self._hub.touch()
        if self._calls is not None:
            who = _text(caller.peer_id) if caller.peer_id else None
            address = str(caller.address)
            self._calls.add(CallRecord(now, who, address, call.name, call.received, call.sent, call.seconds, ended))
        if _log.isEnabledFor(logging.DEBUG):
            who = caller.peer_id.short if caller.peer_id else "a plain peer"
            _log.debug(
                "request for %r by %s at %s: %s after %.3f s, %d bytes in and %d out%s", call.name, who, caller.address,
                ended, call.seconds, call.received, call.sent, "" if call.error is None else f" ({call.error})",
            )  # fmt: skip

    def _worth_telling(self, caller: Caller) -> bool:
        """Return whether a refusal is shown and written down, or only counted: a flood of them is neither."""
        now = self._clock()
        if scope(caller.address.host) is Scope.LOOPBACK:
            return True
        return self._told.take(caller.address.host, now) and self._told_all.take(now)

    def _count(self, call: Call, ended: str) -> None:
        if call.service is not None:
            tally = self._catalog.tally(call.service.name)
            if ended == OK:
                tally.served += 1
                if call.transport != "utp":
                    return  # its port is that of one connection: nobody is there to be met
                self._roster.note_served(call.caller.address, call.wanted or call.name, call.caller.peer_id)
            elif ended in REFUSED:
                tally.refused += 1
            else:
                tally.failed += 1
        if ended != OK:
            self._refused[ended if ended in self._refused or len(self._refused) < bounds.ERROR_NAMES else OTHERS] += 1

    def refused(self) -> tuple[tuple[str, int], ...]:
        """Return how many requests were answered with which error, the most frequent first."""
        return tuple(self._refused.most_common())
