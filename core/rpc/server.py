"""Answering requests that come over accepted streams.

Each connection is one task group: a reader, and a task per request, so that a slow handler holds up nobody. A handler
that is a plain function may answer at once: no task is needed then, and the reply leaves within the wake-up that
brought the request. Replies leave as they are ready, each in a packet of its own (PROTOCOL section 6). When the
connection breaks, or `serve` is cancelled, everything that runs for it is cancelled too.
"""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice

from core.aio.allocator import give_back
from core.errors import PeerError
from core.frozen import dataclass
from core.limits import bounds
from core.limits.budget import BudgetState
from core.limits.rate import HostRates
from core.peer_id import PeerId
from core.rpc.config import RpcConfig
from core.rpc.connections import Connections
from core.rpc.deadlines import Deadlines
from core.rpc.fair_places import FairPlaces
from core.rpc.incoming import Incoming
from core.rpc.memory import Memory, Owner, Standing
from core.rpc.received import Receive, Received
from core.rpc.slices import Slices
from core.rpc.stream import Lodger, Stream
from core.scope import Scope, network, scope
from core.values import Address, Caller

_SPELL = 0.004  # seconds in which half the time, at most, goes to answering at once: a window's loop must have its turn
# Seconds after much was held: at once, and when what goes by time-outs of 10 and 45 s has gone too.
_GIVE_BACK_AFTER = (0.0, 15.0, 50.0)
_LOOKS = 16  # connections looked at in one turn of the loop: 1 ms
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RpcServerStatistics:
    """`connections` and `in_flight` are now; the others count since the server was made.

    `budgets`: what is taken of how much, by name.
    """

    connections: int
    in_flight: int
    refused_connections: int  # over a limit, newcomers and those that made room
    served: int  # answered with a result
    failed: int  # answered with an error, or not deliverable
    malformed: int  # values that were no requests
    budgets: tuple[tuple[str, BudgetState], ...] = ()


class RpcServer:
    """Answers requests by the calls that `receive` returns. Limits are in `RpcConfig` and `core.limits.bounds`.

    Big messages are read and written in slices (`core.rpc.slices`); a handler must not change what it returned.

    The handler's PayloadError and LocalError go to the caller as "<NAME>: <sentence>", any other PeerError as its name,
    a handler over its time as ERR_TIMEOUT, a result that is no JSON or too large by the name of that error, one that
    finds no room in memory as ERR_RATE_LIMITED, and anything else as ERR_INTERNAL; that one is logged.
    """

    def __init__(
        self,
        receive: Receive,
        config: RpcConfig | None = None,
        *,
        standing: Callable[[Caller], Standing] | None = None,
        memory: Memory | None = None,
    ) -> None:
        """`standing` says what a caller may hold; without it everybody is a stranger who may send what it wants."""
        self.receive = receive
        self.config = config = config or RpcConfig()
        self.standing = standing or self._stranger
        self.count: Counter[str] = Counter()
        self.in_flight = 0  # requests
        self.places: FairPlaces[Owner] = FairPlaces(
            config.in_flight_total, min(config.in_flight_host, config.in_flight_total),
            kept=min(config.in_flight_kept, config.in_flight_total // 4), per_trusted=config.in_flight_trusted,
        )  # fmt: skip
        self.turns: FairPlaces[Owner] = FairPlaces(1)  # of strangers, one request after the other, when there are many
        self.memory = memory or Memory()
        self.connections: Connections[Incoming] = Connections(config)
        self.deadlines = Deadlines()  # of handlers
        self.slices = Slices(bounds.JOBS, bounds.JOBS_HOST, kept=bounds.JOBS_KEPT)
        self._spell_at = self._spell_spent = 0.0
        self._sweeper: asyncio.Handle | None = None
        self._newcomers = HostRates(bounds.NEWCOMERS_LOADED, bounds.NEWCOMERS_AT_ONCE, bounds.CALLERS)
        self._loaded_until = -math.inf  # seconds of the loop: until then strangers' unused connections end sooner
        self._most_used = 0  # bytes that requests held, since memory was last given back

    def welcomes(self, remote: Address) -> bool:
        """Return whether a new connection may try to find a place; ask once, before anything is made for it."""
        if scope(remote.host) is Scope.LOOPBACK or not self.connections.loaded(bounds.LOADED):
            return True
        if self._newcomers.take(remote.host, asyncio.get_running_loop().time()):
            return True
        self.connections.refused += 1
        return False

    async def serve(
        self,
        stream: Stream,
        admit: Callable[[], Awaitable[Stream]] | None = None,
        other: Callable[[Stream], Lodger | None] = lambda stream: None,
    ) -> None:
        """Answer the requests of one accepted stream until it ends; closes it. Raises nothing for what a peer does.

        `admit` returns what the stream turns out to carry, or raises PeerError: then it is not served. `other` returns
        what serves a stream that carries no requests; it keeps its place among the connections. Run this as a task of
        its own; cancelling resets the stream.
        """
        standing = self.standing(Caller(stream.remote, None))
        incoming = Incoming(self, stream, standing)
        if not self.connections.admit(incoming, standing):
            _log.debug("%s finds no place: too many connections", stream.remote)
            stream.abort()
            return
        self._sweep_later()
        try:
            admitted = stream if admit is None else await admit()
            lodger = other(admitted)
            await (incoming.run(admitted) if lodger is None else incoming.lend(admitted, lodger))
        except BaseException as failure:
            stream.abort()
            if not isinstance(failure, PeerError):
                raise
            _log.debug("%s was not let in: %s: %s", stream.remote, failure.name, failure)
        finally:
            self.connections.leave(incoming)
            incoming.let_go()

    def hang_up(self, on: Callable[[PeerId], bool]) -> None:
        """Reset the connections of those peers for whose ID `on` returns True."""
        for incoming in self.connections:
            peer_id = incoming.stream.peer_id
            if peer_id is not None and on(peer_id):
                incoming.stream.abort()

    def may_answer_at_once(self, now: float) -> bool:
        """Tell whether a handler may run within the socket's wake-up, not in a task of its own."""
        if now >= self._spell_at + _SPELL:
            self._spell_at, self._spell_spent = now, 0.0
        return self._spell_spent < _SPELL / 2

    def answered_at_once(self, seconds: float) -> None:
        """Note how long that took."""
        self._spell_spent += seconds

    def spent(self, seconds: float) -> None:
        """Note how long beginning a request took that is answered by a task."""
        self._spell_spent += seconds

    async def turn(self) -> None:
        """Let the loop do everything else once, if strangers' requests have had their time."""
        loop = asyncio.get_running_loop()
        if not self.may_answer_at_once(loop.time()):
            await asyncio.sleep(0)
            self._spell_at, self._spell_spent = loop.time(), 0.0

    def report(self, call: Received, seconds: float, error: str | None, sent: int) -> None:
        """Count an answered request and tell the service."""
        self.count["served" if error is None else "failed"] += 1
        try:
            call.ended(seconds, error, sent)
        except Exception as failure:  # a bug there must not cost the caller its connection
            _log.error("keeping a served request failed: %r", failure)

    def statistics(self) -> RpcServerStatistics:
        """Return the counts so far."""
        return RpcServerStatistics(
            connections=len(self.connections),
            in_flight=self.in_flight,
            refused_connections=self.connections.refused + self.connections.evicted,
            served=self.count["served"],
            failed=self.count["failed"],
            malformed=self.count["malformed"],
            budgets=(
                ("memory", self.memory.state()),
                ("unfinished", self.memory.state_of_input()),
                ("requests", self.places.state()),
                ("connections", self.connections.state()),
            ),
        )

    # -- looking after the connections ------------------------------------------------------------------------------

    def _stranger(self, caller: Caller) -> Standing:
        return Standing(network(caller.address.host), False, self.config.message_bytes)

    def _sweep_later(self) -> None:
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(bounds.SWEEP_EVERY, self._sweep)

    def _sweep(self) -> None:
        """Look at every connection once: what it holds, whether it moves, whether it may stay."""
        self._sweeper = None
        if not len(self.connections):
            self._give_back()
            return
        now = asyncio.get_running_loop().time()
        if self.connections.loaded(bounds.LOADED):
            self._loaded_until = now + bounds.LOADED_LINGERS
        self._look_on(iter(self.connections), now < self._loaded_until)

    def _look_on(self, left: Iterator[Incoming], loaded: bool) -> None:
        """Look at the next ones; the others follow in the loop's next turns: 1,024 at once take 60 ms."""
        loop = asyncio.get_running_loop()
        now, next_ones = loop.time(), list(islice(left, _LOOKS))
        for incoming in next_ones:
            if incoming in self.connections:  # else it went since
                incoming.look(now, loaded=loaded)
        if len(next_ones) == _LOOKS:
            self._sweeper = loop.call_soon(self._look_on, left, loaded)
            return
        if self.memory.crowded:
            self._shed()
        self._sweeper = None
        self._sweep_later()
        self._give_back()

    def _give_back(self) -> None:
        """Return memory to the system after much of it was held; in a thread, since that takes milliseconds."""
        used = self.memory.used()
        self._most_used = max(self._most_used, used)
        if self._most_used > bounds.MUCH and used < bounds.MUCH / 8:
            self._most_used = 0
            loop = asyncio.get_running_loop()
            for seconds in _GIVE_BACK_AFTER:
                loop.call_later(seconds, loop.run_in_executor, None, give_back)

    def _shed(self) -> None:
        """End the connections whose streams hold most, until what is held fits."""
        for incoming in sorted(self.connections, key=lambda each: each.buffered, reverse=True):
            if not incoming.buffered:
                return
            if self.memory.over(incoming.standing):
                self.connections.evict(incoming)
                incoming.let_go()
