"""Runs one search over the network, then the writes that follow it, at most `concurrency` queries at a time."""

import enum
from collections.abc import Callable
from typing import Protocol, TypeAlias

from core.dht.family import FOUR, Family
from core.dht.lookup import Search, Target
from core.dht.responder import MAX_TOKEN_BYTES
from core.dht.transactions import Handler, Outcome
from core.errors import RemoteError
from core.frozen import dataclass
from core.scope import Scope, scope
from core.wire.compact import Contact
from core.wire.krpc import Fields, Reply, take_bytes, take_id

WriteTokens: TypeAlias = list[tuple[Contact, bytes]]  # the nodes to write to, the nearest first, with their tokens

MAX_NODES_TAKEN = 64  # of one reply; k = 20 are customary, more would let one node fill the search


@dataclass(frozen=True, slots=True)
class Write:
    """A query of the second phase: announce_peer or put."""

    to: Contact
    method: bytes
    arguments: Fields


class Task(Protocol):
    """What a walk is for. The walk calls `heard` per answer, then `writes` once, `wrote` per write, `finish` once.

    Made to be derived from: a task that only searches has neither `writes` nor `wrote`.
    """

    method: bytes

    def arguments(self) -> Fields:
        """Return the arguments of the search's query, without our id."""

    def heard(self, contact: Contact, values: Fields, now: float) -> bool:
        """Take an answer; return True if the search may stop. Raises RemoteError for nonsense."""
        return False

    def writes(self, tokens: WriteTokens) -> list[Write]:
        """Return what to write to the nearest nodes that gave tokens."""
        return []

    def wrote(self, by: Contact, outcome: Outcome) -> None:
        """Take what became of the write to one node."""
        return

    def finish(self, now: float) -> None:
        """Report the end."""


class Asked(enum.Enum):
    """What became of a wish to ask somebody."""

    SENT = "sent"
    LATER = "later"  # too many queries are in flight
    NEVER = "never"  # a stranger that must not be sent to at the word of the node that named it


# ask(to, method, arguments, handler, now): send a query
Ask = Callable[[Target, bytes, Fields, Handler, float], Asked]


class Walk:
    """One running search and its writes. `step` goes as far as it can; `finished` is True after `Task.finish`."""

    def __init__(
        self,
        task: Task,
        search: Search,
        ask: Ask,
        concurrency: int,
        on_starved: Callable[["Walk"], None],
        family: Family = FOUR,
    ) -> None:
        self.task = task
        self.search = search
        self.finished = False
        self._on_starved = on_starved  # somebody is left to ask, but too many queries are in flight: step again later
        self._ask = ask
        self._concurrency = concurrency
        self._family = family
        self._tokens: dict[Contact, bytes] = {}
        self._writes: list[Write] | None = None  # None: still searching
        self._writing = 0

    def step(self, now: float) -> None:
        """Send what may be sent now; end if nothing is left to do."""
        if self._writes is None:
            self._search(now)
            if self.search.done():
                self._start_writes()
        if self._writes is not None and not self.finished:
            self._write(now)
            if not self._writes and not self._writing:
                self._finish(now)

    def write(self, tokens: WriteTokens, now: float) -> None:
        """Begin with the writes: nobody needs to be searched for."""
        self._writes = self.task.writes(tokens)
        self.step(now)

    def _search(self, now: float) -> None:
        while (target := self.search.next()) is not None:
            asked = self._ask(target, self.task.method, self.task.arguments(), self._on_answer(target), now)
            if asked is Asked.NEVER:
                self.search.failed(target)
            elif asked is Asked.LATER:
                self.search.put_back(target)
                self._on_starved(self)
                return

    def _on_answer(self, target: Target) -> Handler:
        def handle(outcome: Outcome, now: float) -> None:
            if self.finished or self._writes is not None:
                return
            if self._take_answer(target, outcome, now):
                self._start_writes()
            self.step(now)

        return handle

    def _take_answer(self, target: Target, outcome: Outcome, now: float) -> bool:
        if not isinstance(outcome, Reply):
            self.search.failed(target)
            return False
        try:
            contact = Contact(take_id(outcome.values), target.address)
            nodes = self._family.unpack_nodes(outcome.values, target.address.host)
            enough = self.task.heard(contact, outcome.values, now)
        except RemoteError:
            self.search.failed(target)
            return False
        self.search.answered(target, contact)
        if scope(contact.address.host) is not Scope.LOOPBACK:  # another machine's 127.0.0.1 means nothing here
            nodes = [node for node in nodes if scope(node.address.host) is not Scope.LOOPBACK]
        self.search.add(nodes[:MAX_NODES_TAKEN], contact.address.host)
        if b"token" in outcome.values:
            self._keep_token(contact, outcome.values)
        return enough

    def _keep_token(self, contact: Contact, values: Fields) -> None:
        try:
            self._tokens[contact] = take_bytes(values, b"token", 1, MAX_TOKEN_BYTES)
        except RemoteError:
            return  # a node that we cannot write to; its answer is good all the same

    def _start_writes(self) -> None:
        tokens = [(contact, self._tokens[contact]) for contact in self.search.closest() if contact in self._tokens]
        self._writes = self.task.writes(tokens)

    def _write(self, now: float) -> None:
        while self._writes and self._writing < self._concurrency:
            write = self._writes[0]
            target = Target(write.to.id, write.to.address)
            if self._ask(target, write.method, write.arguments, self._on_written(write.to), now) is Asked.LATER:
                self._on_starved(self)
                return
            self._writes.pop(0)
            self._writing += 1

    def _on_written(self, by: Contact) -> Handler:
        def handle(outcome: Outcome, now: float) -> None:
            self._writing -= 1
            self.task.wrote(by, outcome)
            self.step(now)

        return handle

    def _finish(self, now: float) -> None:
        self.finished = True
        self.task.finish(now)
