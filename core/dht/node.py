"""The DHT node (BEP 5, BEP 44, BEP 42's `ip`): a Machine that answers queries, keeps its table, runs operations."""

from collections.abc import Callable, Sequence
from random import Random

from core.dht.amplification import Proven, Replies
from core.dht.config import DhtConfig
from core.dht.events import DhtEvent, News
from core.dht.family import FOUR, SIX, WANT
from core.dht.lookup import Target
from core.dht.operations import FindNodes
from core.dht.outbox import Outbox
from core.dht.pings import Pings
from core.dht.responder import WRITES, Responder, show_peers
from core.dht.routing import RoutingTable
from core.dht.statistics import Counters, DhtStatistics
from core.dht.strangers import Share, Strangers, whole
from core.dht.transactions import TRANSACTION_BYTES, Handler, Outcome, Pending, Transactions
from core.dht.upkeep import Upkeep
from core.dht.verbs import Verbs
from core.dht.votes import OwnHosts
from core.dht.walk import MAX_NODES_TAKEN, Asked
from core.dht.walks import Walks
from core.dht.watches import Watched, Watchers
from core.errors import RemoteError
from core.scope import Scope, network, no_local_address, scope, usable
from core.values import Address, Buffer, Burst
from core.wire.compact import ID_BYTES, Contact
from core.wire.krpc import PROTOCOL_ERROR, Error, Fields, MalformedMessage, Query, QueryRefused, Reply, parse, take_id

NEWS = b"news"  # the query of `core.dht.watches`
HEARD_UNTIL = 8  # nodes known, below which those are asked that the other network names: BEP 5's k
HEARD_MOST = 4  # of them at one answer's word
MAX_BOOTSTRAP = 64  # addresses kept; further ones are ignored. A grape's command line names two or three


class Node(Verbs):
    """One node of a Grenache DHT; a Machine[DhtEvent]. Every OperationId ends with exactly one event.

    `local_address(requester)` is this machine's own host toward that requester, or None. It may be asked for often.
    `client`: it serves its own peer. Behind a NAT it then tells others not to ask it (BEP 43), and says little.
    `beside`: our node in the network of IPv4; this one then is in that of IPv6 (BEP 32), under the same id, with the
    same stores. Each names nodes of the other's network to those who want them.
    """

    def __init__(
        self,
        config: DhtConfig,
        random: Random,
        now: float,
        *,
        node_id: bytes | None = None,
        local_address: Callable[[Address], str | None] = no_local_address,
        share: Share = whole,
        client: bool = False,
        beside: "Node | None" = None,
    ) -> None:
        self._client = client
        self._family = FOUR if beside is None else SIX
        self._other = beside
        self.place: Callable[[Address], Address | None] = lambda requester: None
        """Our own address in this network, as our node in the other one may tell that requester."""
        if beside is not None:
            node_id, beside._other = beside.id, self
        self.id = random.randbytes(ID_BYTES) if node_id is None else node_id
        if len(self.id) != ID_BYTES:
            raise ValueError(f"a node id is {ID_BYTES} bytes")
        self._config = config
        self._random = random
        self._table = RoutingTable(self.id, config.bucket_size, config.max_public_nodes_per_host)
        self._watchers, self._watched = Watchers(), Watched(random)
        self._responder = Responder(
            config, random, self._table, now, self.listed, local_address, self._watchers, self._new_here,
            family=self._family, stores=None if beside is None else beside._responder.stores, elsewhere=self._elsewhere,
        )  # fmt: skip
        self._transactions = Transactions(random, config.max_transactions, config.query_timeout, config.resend_after)
        self._upkeep = Upkeep(config, now)
        self._own = OwnHosts(local_address)
        self._counters = Counters()
        self._outbox = Outbox(config.max_outgoing, self._counters)
        self._proven = Proven()
        self._strangers = Strangers(self._has_answered, share)
        self._replies = Replies(self._strangers, self._outbox, self._counters)
        self._events: list[DhtEvent] = []
        self._bootstrap: list[Address] = []
        self._own_addresses: set[Address] = set()  # of ours among the bootstrap nodes, and so as bounded
        self._pings = Pings(
            lambda to, handler, now, again: self._ask(to, b"ping", {}, handler, now, again=again), config.max_probes
        )
        emit, quiet = self._events.append, self._quiet
        self._walks = Walks(config, self.id, self._table, self._transactions, self._ask, emit, quiet, self._family)

    # -- operations ------------------------------------------------------------------------------------------------

    def bootstrap(self, nodes: Sequence[Address], now: float) -> None:
        """Join the network through `nodes`. They are kept, and tried again (with back-off while alone)."""
        for node in nodes:
            if (
                usable(node)
                and self._family.has(node)
                and node not in self._bootstrap
                and len(self._bootstrap) < MAX_BOOTSTRAP
            ):
                self._bootstrap.append(node)
        if self._bootstrap:
            if len(self._table):
                self._start_waiting(now)
            else:  # operations wait until the first attempt to join met somebody or gave up
                self._walks.hold()
                self._upkeep.patience_at = now + self._config.join_patience
            self._join(now)

    def begin_again(self, now: float) -> None:
        """Join now, and look who is still there: we slept, or are on another network."""
        self._upkeep.begin_again(now)

    def meet(self, address: Address, now: float) -> None:
        """Ask a node that somebody names, with one packet, and join by it if it answers. It is not kept otherwise."""
        if usable(address) and self._family.has(address) and not self.knows(address) and address not in self._pings:
            self._pings.send(Target(None, address), self._met, now, again=False)

    def hear_of(self, contacts: Sequence[Contact], by: str, now: float) -> None:
        """Take nodes of this network that a node at the host `by` named in the other one: few are asked."""
        if len(self._table) < HEARD_UNTIL:
            self._strangers.sent_us(by, len(contacts) * self._family.node_bytes)
            for address in [each.address for each in contacts if not self.knows(each.address)][:HEARD_MOST]:
                if usable(address) and address not in self._pings:
                    self._pings.send(Target(None, address, by), self._met, now, again=False)

    def _met(self, outcome: Outcome, now: float) -> None:
        if isinstance(outcome, Reply) and len(self._table) <= self._config.bucket_size:
            self._search_node(self.id, lambda now: None, now)

    def _search_node(self, target: bytes, on_end: Callable[[float], None], now: float, *seeds: Address) -> None:
        """Search for a node's id, to meet those on the way; where we are in both networks, of both (BEP 32)."""
        want: Fields = {} if self._other is None else {WANT: [FOUR.flag, SIX.flag]}
        walk = self._walks.walk(FindNodes(target, on_end, want), target)
        walk.search.add_seeds(seeds)
        self._walks.start(walk, now)

    def knows(self, address: Address) -> bool:
        """Return whether a live node of this address is known."""
        return self._table.id_at(address) is not None

    def nodes(self) -> int:
        """Return how many other nodes are known and live."""
        return len(self._table)

    def ids(self) -> set[bytes]:
        """Return their ids."""
        return self._table.ids()

    def neighbours(self, count: int) -> list[Address]:
        """Return live nodes, those nearest to us first."""
        return [contact.address for contact in self._table.closest(self.id, count)]

    def observed(self) -> Address | None:
        """Return our UDP address as the majority of other nodes sees it (BEP 42), once one said so."""
        return self._own.votes.winner()

    def listed(self, peers: Sequence[Address], requester: Address) -> list[Address]:
        """Return `peers` as `requester` may use them: loopback peers under an address of ours that it can reach."""
        return show_peers(peers, requester, self._own.local, self._own.observed())

    def statistics(self) -> DhtStatistics:
        """Return counts since the node was made, and the present sizes."""
        keys, items = len(self._responder.peers), len(self._responder.items)
        in_flight, operations = len(self._transactions), self._walks.operations
        return self._counters.snapshot(len(self._table), in_flight, operations, keys, items)

    # -- Machine ---------------------------------------------------------------------------------------------------

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        """See Machine. What is malformed, or no answer to a query of ours, is counted and dropped."""
        for datagram in datagrams:
            self._counters.received += 1
            if not usable(source) or not self._family.has(source):
                self._counters.dropped_malformed += 1
                continue
            try:
                message = parse(datagram)
            except MalformedMessage as error:
                self._counters.dropped_malformed += 1
                if error.transaction is not None:
                    refusal = Error(error.transaction, PROTOCOL_ERROR, "Malformed query", source)
                    self._replies.refuse(refusal, source, len(datagram), now)
                continue
            if isinstance(message, Query):
                self._answer(message, source, len(datagram), now)
            else:
                self._take_answer(message, source, len(datagram), now)

    def tick(self, now: float) -> None:
        """See Machine."""
        for watcher, cookie in self._watchers.take_due(now):
            news = Query(self._random.randbytes(TRANSACTION_BYTES), NEWS, {b"id": self.id, b"w": cookie})
            self._outbox.add(watcher, bytes(news))
        for pending in self._transactions.resend(now):
            self._counters.resent += 1
            self._outbox.add(pending.to, pending.datagram)
        for pending in self._transactions.expire(now):
            self._counters.timed_out += 1
            self._proven.drop(pending.to)
            self._settle(pending, None, now)
        if now >= self._upkeep.check_at:
            self._check(now)
        if now >= self._upkeep.refresh_at:
            self._refresh(now)
        if self._upkeep.join_at is not None and now >= self._upkeep.join_at:
            self._join(now)
        if self._upkeep.patience_at is not None and now >= self._upkeep.patience_at:
            self._start_waiting(now)

    def deadline(self) -> float:
        """See Machine."""
        earliest, transactions, news = self._upkeep.deadline(), self._transactions.deadline(), self._watchers.deadline()
        if transactions is not None and transactions < earliest:
            earliest = transactions
        return earliest if news is None else min(earliest, news)

    def transmit(self, now: float) -> list[Burst]:
        """See Machine."""
        return self._outbox.take()

    def events(self) -> list[DhtEvent]:
        """See Machine."""
        events = self._events.copy()
        self._events.clear()
        return events

    # -- what others ask -------------------------------------------------------------------------------------------

    def _answer(self, query: Query, source: Address, size: int, now: float) -> None:
        self._counters.queries += 1
        if query.method == NEWS:  # nobody answers it
            self._new_here(self._watched.heard(query.arguments.get(b"w")))
            return
        if self._quiet_toward(source):
            return  # else it goes on to be known, and everybody who joins asks it
        try:
            node_id = take_id(query.arguments)
            values = self._responder.answer(query, source, now)
        except RemoteError as error:
            refused = isinstance(error, QueryRefused)
            self._counters.refused += refused
            self._counters.dropped_malformed += not refused
            code = error.code if isinstance(error, QueryRefused) else PROTOCOL_ERROR
            self._replies.refuse(Error(query.transaction, code, str(error), source), source, size, now)
            return
        if query.method in WRITES:
            self._proven.add(source, now)  # the responder has checked it: it was sent to this host
            if query.read_only:  # we met it before it knew that nobody should ask it
                self._table.remove(Contact(node_id, source))
        was_cut = self._replies.send(query, {b"id": self.id, **values}, source, size, now)
        wanted = was_cut or self._strangers.scarce(source, now)
        if not query.read_only or wanted:
            self._probe(Contact(node_id, source), now, anyway=wanted)

    def _probe(self, contact: Contact, now: float, *, anyway: bool = False) -> None:
        """Ping a node that asked us something, if it could enter the table: only those who answer get in."""
        if self._table.id_at(contact.address) == contact.id or contact.address in self._pings:
            return
        wanted = self._pings.room() and (anyway or self._table.has_room(contact))
        if wanted and self._strangers.may_answer(contact.address, now):
            self._pings.probe(contact.address, now)

    def _new_here(self, key: bytes | None) -> None:
        if key is not None and key in self._watched:
            self._events.append(News(key))

    # -- what we ask -----------------------------------------------------------------------------------------------

    def _ask(
        self, to: Target, method: bytes, arguments: Fields, handler: Handler, now: float, *, again: bool = True
    ) -> Asked:
        if self._transactions.full():
            return Asked.LATER
        stranger = to.named_by is not None and not self._strangers.knows(to.address, now)
        pending = self._transactions.open(to.address, to.id, handler, now, again=again and not stranger)
        silent = self._quiet_toward(to.address)
        pending.datagram = bytes(Query(pending.transaction, method, {b"id": self.id, **arguments}, silent))
        size = len(pending.datagram)
        if to.named_by is not None and not self._strangers.may_ask(to.address, to.named_by, size, now):
            self._transactions.drop(pending)
            self._counters.withheld += 1
            return Asked.NEVER
        self._counters.asked += 1
        self._outbox.add(to.address, pending.datagram)
        return Asked.SENT

    def _has_answered(self, address: Address, now: float) -> bool:
        return (address, now) in self._proven or self._table.id_at(address) is not None

    def _take_answer(self, message: Reply | Error, source: Address, size: int, now: float) -> None:
        pending = self._transactions.take(message.transaction, source)
        if pending is None:
            self._counters.dropped_unexpected += 1
            return
        self._strangers.sent_us(source.host, size - self._pass_on(message, source, now))
        self._strangers.answered(source)
        self._settle(pending, message, now)

    def _pass_on(self, message: Reply | Error, source: Address, now: float) -> int:
        """Tell our node in the other network of those that an answer names there; return how many bytes they took."""
        other = self._other
        if other is None or not isinstance(message, Reply) or other._family.nodes not in message.values:
            return 0
        try:
            contacts = other._family.unpack_nodes(message.values, source.host)
        except RemoteError:
            return 0
        other.hear_of(contacts[:MAX_NODES_TAKEN], source.host, now)
        return len(contacts) * other._family.node_bytes

    def _elsewhere(self, target: bytes, requester: Address) -> Fields:
        """Return the nodes nearest to a target in the other network, ourselves first."""
        other = self._other
        if other is None:
            return {}
        place, name = other.place(requester), other._family.nodes
        ours = b"" if place is None else other._family.pack_nodes([Contact(self.id, place)], requester.host)
        found = other._responder.nodes(target, requester).get(name)
        return {name: ours + found if isinstance(found, bytes) else ours}

    def _settle(self, pending: Pending, outcome: Outcome, now: float) -> None:
        """Bring the table up to date with the outcome of a query, then tell the task that asked."""
        expected = None if pending.expected_id is None else Contact(pending.expected_id, pending.to)
        answered = None
        if isinstance(outcome, Reply):
            try:
                answered = Contact(take_id(outcome.values), pending.to)
            except RemoteError:
                self._counters.dropped_malformed += 1
                outcome = None
        if expected is not None and answered != expected and not isinstance(outcome, Error):
            self._table.remove(expected)  # silent, nonsensical, or another node by now
            if not len(self._table):
                self._upkeep.left_alone(now)
        if answered is not None and isinstance(outcome, Reply):
            outcome = self._meet(answered, outcome, now)
        pending.handler(outcome, now)
        self._walks.feed_starved(now)

    def _meet(self, contact: Contact, reply: Reply, now: float) -> Outcome:
        """Note that a node answered; an answer of our own (we were named as a bootstrap node) is none."""
        if contact.id == self.id:
            if contact.address in self._bootstrap:
                self._own_addresses.add(contact.address)
            return None
        self._table.heard(contact, now)
        self._proven.add(contact.address, now)
        if reply.observed is not None:
            self._own.votes.add(contact.address, reply.observed)
        self._start_waiting(now)
        return reply

    def _quiet(self) -> bool:
        """Return whether we are a client behind a NAT, or a firewall of IPv6: others would ask us in vain."""
        return self._client and (self._family.six or self._own.translated())

    def _quiet_toward(self, other: Address) -> bool:
        """Return whether that one would ask us in vain: it is on the Internet, not on a network of ours."""
        if scope(other.host) is not Scope.PUBLIC or not self._quiet():
            return False
        own = self._own.local(other) if self._family.six else None
        return own is None or network(own) != network(other.host)

    # -- upkeep ----------------------------------------------------------------------------------------------------

    def _join(self, now: float) -> None:
        """Search for our own id, asking bootstrap nodes that left the table; unless a full bucket has them all."""
        self._upkeep.join_at = None
        seeds = [
            node for node in self._bootstrap if self._table.id_at(node) is None and node not in self._own_addresses
        ]
        if not seeds and not 0 < len(self._table) < self._config.bucket_size:
            self._join_ended(now)
            return
        self._search_node(self.id, self._join_ended, now, *seeds)

    def _join_ended(self, now: float) -> None:
        self._upkeep.joined(alone=not len(self._table), now=now, quiet=self._quiet())
        self._start_waiting(now)

    def _start_waiting(self, now: float) -> None:
        self._upkeep.patience_at = None
        self._walks.release(now)

    def _check(self, now: float) -> None:
        self._upkeep.checked(now)
        self._responder.expire(now)
        for contact in self._table.silent_since(now - self._config.node_liveness):
            if contact.address not in self._pings:
                self._pings.send(Target(contact.id, contact.address), lambda outcome, now: None, now)

    def _refresh(self, now: float) -> None:
        self._upkeep.refreshed(now)
        for target in (self.id, self._random.randbytes(ID_BYTES)):
            self._search_node(target, lambda now: None, now)
