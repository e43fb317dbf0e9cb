"""Our node in the public DHT: a Machine that asks, and answers only once it is told to (BEP 5, 42, 43 and 44).

It is another node than the grapes': with its own table, its own id, and bounds under what other nodes ban for. While it
is read-only it says so (`ro`), and nobody's question gets an answer.
"""

import math
from collections.abc import Sequence
from functools import partial
from random import Random

from core.dht.amplification import Proven, Replies
from core.dht.config import DhtConfig
from core.dht.events import OperationId
from core.dht.items import Item
from core.dht.lookup import Search, Target
from core.dht.operations import FindNodes
from core.dht.outbox import Outbox
from core.dht.responder import WRITES, Responder
from core.dht.routing import RoutingTable
from core.dht.statistics import Counters, DhtStatistics
from core.dht.strangers import Strangers
from core.dht.transactions import Handler, Outcome, Pending, Transactions
from core.dht.walk import Asked
from core.errors import LocalError, RemoteError
from core.mainline.config import BUCKET, CHECK, CHECKED, DHT, FILL, FILLS, GOOD, KEPT, POLLED, TRANSACTION
from core.mainline.events import Ended, MainlineEvent
from core.mainline.lateness import HELD_UP, LATE_FOR, Lateness
from core.mainline.node_id import node_id
from core.mainline.pace import Pace
from core.mainline.peek import Peek
from core.mainline.seen import Seen
from core.mainline.tasks import Announce, FindPeers, GetItem, Operation, PutItem
from core.mainline.thrift import HEADERS, Thrift, Use
from core.mainline.walks import Walks
from core.scope import is_six, no_local_address, usable
from core.values import Address, Buffer, Burst, MayAnswer, anybody
from core.wire.compact import ID_BYTES, Contact
from core.wire.krpc import Error, Fields, MalformedMessage, Query, QueryRefused, Reply, parse, take_id

AT_LEISURE = frozenset((Use.UPKEEP, Use.LISTS))  # what nobody waits for: it leaves room for what somebody does
UNHURRIED_USES = AT_LEISURE | {Use.DOOR}  # whose searches take few packets rather than little time


class MainlineNode:
    """A Machine[MainlineEvent]. Every OperationId ends with one `Ended`; what it finds is told as it comes.

    Times are the caller's monotone seconds. `random` makes ids and tokens: a SystemRandom outside of tests.
    """

    def __init__(
        self,
        random: Random,
        now: float,
        *,
        config: DhtConfig = DHT,
        pace: Pace | None = None,
        may_answer: MayAnswer = anybody,
    ) -> None:
        """`may_answer`: counts what a host that has not answered gets, for the whole peer."""
        self._config = config
        self._random = random
        self.pace = pace or Pace()
        self.thrift = Thrift()
        self.seen = Seen()
        self._counters = Counters()
        self._outbox = Outbox(config.max_outgoing, self._counters)
        self._proven = Proven()
        self._strangers = Strangers(self._has_answered, lambda host, now: may_answer(Address(host, 0), now))
        self._replies = Replies(self._strangers, self._outbox, self._counters)
        self._transactions = Transactions(
            random, config.max_transactions, config.query_timeout, config.resend_after, TRANSACTION
        )
        self._table = RoutingTable(random.randbytes(ID_BYTES), BUCKET, config.max_public_nodes_per_host)
        self._responder: Responder | None = None  # None: read-only
        self._walks = Walks(config, self._table)
        self._events: list[MainlineEvent] = []
        self._last = 0
        self._running = 0  # operations
        self._fills = 0
        self._lateness = Lateness(config.query_timeout)
        self._due = math.inf  # when our timer should fire
        self._check_at, self._refresh_at = now + CHECK, math.inf
        self.asked_at = -math.inf  # when somebody asked us something
        self.answered_at = -math.inf  # when somebody answered us

    @property
    def id(self) -> bytes:
        """Our 20-byte id."""
        return self._table.own_id

    # -- operations: each raises LocalError when too much is under way, or the bytes of its use are spent -------------

    def find_peers(self, key: bytes, now: float, *, use: Use = Use.AWAITED) -> OperationId:
        """Search for the peers of a 20-byte key: PeersHeard for each node that lists some."""
        return self._begin(FindPeers(self._new(use, now), key, self._emit), now, use)

    def peek(self, key: bytes, now: float, part: int = 0, *, use: Use = Use.AWAITED) -> OperationId:
        """As `find_peers`, of the nodes only where the last search ended.

        `part` 1 and more: of the nearest two of them (for Use.DOOR, the nearest) and of one other of POLLED, in turn.
        Where none is known it is a search, and when none of them answers the next one is.
        """
        return self._ask_again(FindPeers(self._new(use, now), key, self._emit), now, part, use)

    def _ask_again(self, task: Operation, now: float, part: int, use: Use) -> OperationId:
        nearest, always = self._walks.nearest(task.target, now), 1 if use is Use.DOOR else 2
        others = nearest[always:POLLED]
        turn = [others[part % len(others)]] if part and others else []
        chosen = [*nearest[:always], *turn] if part else list(nearest)
        if not chosen:
            return self._begin(task, now, use)
        task.on_end = self._ended
        Peek(task, chosen, self._walks.demote).start(partial(self._ask, use), now)
        return task.operation

    def announce(self, key: bytes, port: int, now: float, *, use: Use = Use.AWAITED) -> OperationId:
        """Be listed under a key where the nodes see us; `port` is for nodes that know no `implied_port`."""
        return self._begin(Announce(self._new(use, now), key, port, self._emit), now, use)

    def get(
        self, key: bytes, target: bytes, now: float, *, known: int = -1, part: int = 0, use: Use = Use.AWAITED
    ) -> OperationId:  # fmt: skip
        """Search for the mutable item of a public key with a sequence number above `known`: ItemHeard for newer.

        `part` 1 and more: as `peek`.
        """
        task = GetItem(self._new(use, now), key, target, known, self._emit)
        return self._ask_again(task, now, part, use) if part else self._begin(task, now, use)

    def put(self, item: Item, now: float, *, use: Use = Use.AWAITED) -> OperationId:
        """Store a mutable item at the nodes nearest to its target; at those that took the last one, without asking."""
        task = PutItem(self._new(use, now), item, self._emit)
        tokens = self._walks.tokens(task.target, now)
        if not tokens:
            return self._begin(task, now, use)
        task.on_end = self._ended
        self._walks.walk(task, task.target, now, partial(self._ask, use)).write(tokens, now)
        return task.operation

    # -- being a node -------------------------------------------------------------------------------------------------

    def join(self, seeds: Sequence[Address], now: float) -> None:
        """Ask these nodes for others, and by them meet those that are near to us."""
        ask = partial(self._ask, Use.UPKEEP)
        walk = self._walks.walk(FindNodes(self.id, lambda now: None), self.id, now, ask)
        walk.search.add_seeds(seeds)
        walk.step(now)
        self._fills, self._refresh_at = 0, now + FILL

    def serve(self, host: str | None, now: float) -> None:
        """Answer others from now on, under an id that fits our public `host` (BEP 42); None: be read-only."""
        if host is None:
            self._responder = None
            return
        known = self._table.closest(self.id, KEPT)
        own_id = node_id(host, self._random)
        self._table = RoutingTable(own_id, BUCKET, self._config.max_public_nodes_per_host)
        for contact in known:
            self._table.heard(contact, now)
        self._walks.use(self._table)
        self._responder = Responder(
            self._config, self._random, self._table, now, lambda peers, requester: list(peers), no_local_address
        )
        self.join((), now)  # those who are near to the new id hear of us

    @property
    def serving(self) -> bool:
        """Whether we answer others."""
        return self._responder is not None

    def answers(self, now: float) -> bool:
        """Return whether we answer others at the moment: we serve, and the bytes for that are not spent."""
        return self._responder is not None and self.thrift.may(Use.OTHERS, now)

    def nodes(self) -> int:
        """Return how many nodes are known that have answered."""
        return len(self._table)

    def good(self) -> list[Address]:
        """Return where up to KEPT of them are."""
        return [contact.address for contact in self._table.closest(self.id, KEPT)]

    def statistics(self) -> DhtStatistics:
        """Return counts since the node was made, and the present sizes."""
        return self._counters.snapshot(
            nodes=len(self._table),
            in_flight=len(self._transactions),
            operations=self._running,
            keys=len(self._responder.peers) if self._responder else 0,
            items=len(self._responder.items) if self._responder else 0,
        )

    # -- Machine ------------------------------------------------------------------------------------------------------

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        """See Machine. What is malformed, or no answer to a query of ours, is counted and dropped."""
        for datagram in datagrams:
            self._counters.received += 1
            try:
                message = parse(datagram)
            except MalformedMessage:
                self._counters.dropped_malformed += 1
                continue
            if not usable(source) or is_six(source.host):  # BEP 32's own network is another one
                self._counters.dropped_malformed += 1
            elif isinstance(message, Query):
                before = self._outbox.bytes
                self._answer(message, source, len(datagram), now)
                replied = self._outbox.bytes - before
                self.thrift.spend(Use.OTHERS, len(datagram) + HEADERS + (replied + HEADERS if replied else 0), now)
            else:
                self._take_answer(message, source, len(datagram), now)

    def tick(self, now: float) -> None:
        """See Machine."""
        if self._lateness.held_up(self._due, now):
            self._transactions.put_off(now + HELD_UP, LATE_FOR)
        self._due = math.inf
        for pending in self._transactions.expire(now):
            self._counters.timed_out += 1
            self._proven.drop(pending.to)
            if self._lateness.given_up(pending) and pending.expected_id is not None:
                self._table.remove(Contact(pending.expected_id, pending.to))
            pending.handler(None, now)
        self._walks.feed(now)
        if now >= self._check_at:
            self._check(now)
        if now >= self._refresh_at:
            self._refresh(now)

    def deadline(self) -> float | None:
        """See Machine."""
        due = (self._transactions.deadline(), self._walks.feed_at, self._check_at, self._refresh_at)
        self._due = min(moment for moment in due if moment is not None)
        return self._due

    def transmit(self, now: float) -> list[Burst]:
        """See Machine."""
        return self._outbox.take()

    def events(self) -> list[MainlineEvent]:
        """See Machine."""
        events, self._events = self._events, []
        return events

    # -- what others ask ----------------------------------------------------------------------------------------------

    def _answer(self, query: Query, source: Address, size: int, now: float) -> None:
        self._counters.queries += 1
        self.asked_at = now
        if self._responder is None or not self.answers(now):
            return  # BEP 43
        try:
            take_id(query.arguments)
            values = self._responder.answer(query, source, now)
        except QueryRefused as error:
            self._counters.refused += 1
            self._replies.refuse(Error(query.transaction, error.code, str(error), source), source, size, now)
            return
        except RemoteError:
            self._counters.dropped_malformed += 1
            return
        if query.method in WRITES:
            self._proven.add(source, now)
        self._replies.send(query, {b"id": self.id, **values}, source, size, now)

    # -- what we ask --------------------------------------------------------------------------------------------------

    def _ask(
        self, use: Use, to: Target, method: bytes, arguments: Fields, handler: Handler, now: float
    ) -> Asked:  # fmt: skip
        if self._transactions.full() or not self.pace.ready(to.address, now, urgent=use not in AT_LEISURE):
            return Asked.LATER
        pending = self._transactions.open(to.address, to.id, handler, now, timeout=self._lateness.timeout)
        pending.use = use
        fields = {b"id": self.id, **arguments}
        datagram = bytes(Query(pending.transaction, method, fields, read_only=not self.answers(now)))
        if to.named_by is not None and not self._strangers.may_ask(to.address, to.named_by, len(datagram), now):
            self._transactions.drop(pending)
            self._counters.withheld += 1
            return Asked.NEVER
        self.pace.count(to.address, now)
        self.thrift.spend(use, len(datagram) + HEADERS, now)
        self._counters.asked += 1
        self._outbox.add(to.address, datagram)
        return Asked.SENT

    def _has_answered(self, address: Address, now: float) -> bool:
        return (address, now) in self._proven or self._table.id_at(address) is not None

    def _take_answer(self, message: Reply | Error, source: Address, size: int, now: float) -> None:
        pending = self._transactions.take(message.transaction, source)
        late = self._lateness.late(message.transaction, source, now) if pending is None else None
        pending = pending or late
        if pending is None:
            self._counters.dropped_unexpected += 1
            self.thrift.spend(Use.OTHERS, size + HEADERS, now)
            return
        self.thrift.spend(Use(pending.use), size + HEADERS, now)
        self._strangers.sent_us(source.host, size)
        self._strangers.answered(source)
        self.answered_at = now
        self._lateness.answered(pending, now)
        self._settle(pending, message, now, handler=_nobody if late is not None else pending.handler)

    def _settle(self, pending: Pending, outcome: Reply | Error, now: float, handler: Handler) -> None:
        """Bring the table up to date with the answer to a query, then tell who asked."""
        expected = None if pending.expected_id is None else Contact(pending.expected_id, pending.to)
        answered = None
        told: Outcome = outcome
        if isinstance(outcome, Reply):
            try:
                answered = Contact(take_id(outcome.values), pending.to)
            except RemoteError:
                self._counters.dropped_malformed += 1
                told = None
        if expected is not None and answered != expected and not isinstance(told, Error):
            self._table.remove(expected)
        if answered is not None and isinstance(outcome, Reply):
            if answered.id == self.id:
                told = None  # we were named to ourselves
            else:
                self._table.heard(answered, now)
                self._proven.add(answered.address, now)
                if outcome.observed is not None:
                    self.seen.add(answered.address, outcome.observed, now)
        handler(told, now)
        self._walks.feed(now)

    def _new(self, use: Use, now: float) -> OperationId:
        if self._running >= self._config.max_operations:
            raise LocalError("too much is asked of the public DHT at the moment: try again later")
        if not self.thrift.may(use, now):
            raise LocalError("the public DHT has had its bytes of today for what nobody waits for: a little later")
        self._running += 1
        self._last += 1
        return OperationId(self._last)

    def _begin(self, task: Operation, now: float, use: Use) -> OperationId:
        task.on_end, task.began, task.use = self._ended, now, use
        self._search(task, now)
        return task.operation

    def _search(self, task: Operation, now: float, begun: Search | None = None) -> None:
        ask, unhurried = partial(self._ask, task.use), task.use in UNHURRIED_USES
        walk = self._walks.walk(task, task.target, now, ask, begun, unhurried=unhurried)
        task.search = walk.search
        walk.step(now)

    def _ended(self, task: Operation, now: float) -> None:
        if task.search is None:
            if max(task.answered, task.taken) < task.least:
                self._walks.forget(task.target)
        elif task.hurried:  # go on where it was, until all of the nearest have it
            task.began, task.on_end = math.inf, self._ended_at_last
            self._walks.keep_tokens(task.target, task.tokens, now)
            self._emit(Ended(task.operation, task.answered, task.taken))
            task.search.resume()
            self._search(task, now, task.search)
            return
        else:
            self._walks.ended(task.search, now, task.tokens)
        self._running -= 1
        self._emit(Ended(task.operation, task.answered, task.taken))

    def _ended_at_last(self, task: Operation, now: float) -> None:
        """Note the end of what was told to be over before."""
        self._running -= 1
        if task.search is not None:
            self._walks.ended(task.search, now, task.tokens)

    def _emit(self, event: MainlineEvent) -> None:
        self._events.append(event)

    # -- upkeep -------------------------------------------------------------------------------------------------------

    def _check(self, now: float) -> None:
        self._check_at = now + CHECK
        if self._responder is not None:
            self._responder.expire(now)
        if not self.thrift.may(Use.UPKEEP, now):
            return
        for contact in self._table.silent_since(now - self._config.node_liveness)[:CHECKED]:
            self._ask(Use.UPKEEP, Target(contact.id, contact.address), b"ping", {}, lambda outcome, now: None, now)

    def _refresh(self, now: float) -> None:
        """Meet nodes at random places, often while we know few; where no others are, that is tried once."""
        few = len(self._table) < GOOD
        filling = few and self._fills < FILLS
        self._fills = self._fills + 1 if filling else self._fills if few else 0
        self._refresh_at = now + (FILL if filling else self._config.refresh_interval)
        if self.thrift.may(Use.UPKEEP, now):
            target = self._random.randbytes(ID_BYTES)
            ask = partial(self._ask, Use.UPKEEP)
            self._walks.walk(FindNodes(target, lambda now: None), target, now, ask, unhurried=True).step(now)


def _nobody(outcome: Outcome, now: float) -> None:
    """Take an answer that nobody waits for any longer."""
