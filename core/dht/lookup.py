"""One iterative search (BEP 5, Kademlia): ask ever nearer nodes until the k nearest that live have answered.

Pure bookkeeping: it says which node to ask next and takes the outcome; it sends nothing itself.
"""

import enum
from collections import Counter
from collections.abc import Iterable
from itertools import islice

from core.dht.routing import distance
from core.frozen import dataclass
from core.scope import usable
from core.values import Address
from core.wire.compact import Contact

MAX_SEEDS = 64  # addresses without a known id, the bootstrap nodes; more are not asked


class _State(enum.Enum):
    FRESH = "fresh"
    ASKED = "asked"
    ANSWERED = "answered"
    FAILED = "failed"


@dataclass(slots=True)
class _Candidate:
    contact: Contact
    distance: int
    named_by: str | None = None  # the host of the node that named it
    state: _State = _State.FRESH


@dataclass(frozen=True, slots=True)
class Target:
    """A node to ask: `id` is None for a seed. `named_by`: the host of the node that named it, None: we know it."""

    id: bytes | None
    address: Address
    named_by: str | None = None


class Search:
    """The state of one search.

    Ends when the `k` nearest candidates that did not fail have answered, or after `max_queries`. Candidates are
    bounded by 8 k, the farthest make room. `distrust`: what a host has named is passed over once so many of it failed
    and none answered; 0: never.
    """

    def __init__(
        self, target: bytes, own_id: bytes, k: int, concurrency: int, max_queries: int, *, distrust: int = 0
    ) -> None:
        self.target = target
        self._distrust = distrust
        self._answers: set[str] = set()  # hosts of whose named nodes one answered; bounded by the queries
        self._failures: Counter[str] = Counter()  # likewise
        self._own_id = own_id
        self._k = k
        self._concurrency = concurrency
        self._queries_left = max_queries
        self._in_flight = 0
        self._seeds: list[Address] = []
        self._known: set[Address] = set()  # each address is asked at most once; bounded by queries and candidates
        self._candidates: list[_Candidate] = []  # nearest first

    def add_seeds(self, addresses: Iterable[Address]) -> None:
        """Ask these first, whatever their ids are."""
        for address in addresses:
            if usable(address) and address not in self._known and len(self._seeds) < MAX_SEEDS:
                self._known.add(address)
                self._seeds.append(address)

    def add(self, contacts: Iterable[Contact], named_by: str | None = None) -> None:
        """Take nodes that were heard of; unusable addresses, ourselves and those known already are skipped."""
        added = False
        for contact in contacts:
            if contact.id == self._own_id or contact.address in self._known or not usable(contact.address):
                continue
            self._known.add(contact.address)
            self._candidates.append(_Candidate(contact, distance(contact.id, self.target), named_by))
            added = True
        if added:
            self._sort()

    def next(self) -> Target | None:
        """Return the node to ask now, and count it as asked; None while enough are asked, or when none is left."""
        if self._in_flight >= self._concurrency or self._queries_left <= 0:
            return None
        if self._seeds:
            self._count_query()
            return Target(None, self._seeds.pop(0))
        for candidate in self._nearest():
            if candidate.state is _State.FRESH:
                candidate.state = _State.ASKED
                self._count_query()
                return Target(candidate.contact.id, candidate.contact.address, candidate.named_by)
        return None

    def put_back(self, asked: Target) -> None:
        """Undo `next`: the query could not be sent."""
        self._in_flight -= 1
        self._queries_left += 1
        candidate = self._find(asked)
        if candidate is not None:
            candidate.state = _State.FRESH
        else:
            self._seeds.insert(0, asked.address)

    def answered(self, asked: Target, contact: Contact) -> None:
        """Take an answer; `contact.id` may differ from the id that was asked for."""
        self._in_flight -= 1
        candidate = self._find(asked)
        if candidate is not None and candidate.contact.id != contact.id:
            candidate.state = _State.FAILED
            candidate = None
        if candidate is not None:
            candidate.state = _State.ANSWERED
            if candidate.named_by is not None:
                self._answers.add(candidate.named_by)
        elif contact.id != self._own_id:
            self._candidates.append(_Candidate(contact, distance(contact.id, self.target), state=_State.ANSWERED))
            self._sort()

    def failed(self, asked: Target) -> None:
        """Take a time-out, an error, nonsense, or that it may not be asked."""
        self._in_flight -= 1
        candidate = self._find(asked)
        if candidate is not None:
            candidate.state = _State.FAILED
            if candidate.named_by is not None and self._distrust:
                self._distrust_host(candidate.named_by)

    def _distrust_host(self, host: str) -> None:
        """Count a failure of what a host named, and pass over the rest if it is only such."""
        self._failures[host] += 1
        if self._failures[host] < self._distrust or host in self._answers:
            return
        for candidate in self._candidates:
            if candidate.named_by == host and candidate.state is _State.FRESH:
                candidate.state = _State.FAILED

    def resume(self) -> None:
        """Go on after an end that came early: who was asked and has not answered is asked once more."""
        self._in_flight = 0
        for candidate in self._candidates:
            if candidate.state is _State.ASKED:
                candidate.state = _State.FRESH

    def done(self) -> bool:
        """Say whether nothing is in flight and nobody is left to ask."""
        if self._in_flight:
            return False
        if self._queries_left <= 0:
            return True
        return not self._seeds and all(candidate.state is not _State.FRESH for candidate in self._nearest())

    def settled(self) -> int:
        """Return how many of the k nearest candidates that did not fail have answered: few while it gets nearer."""
        return sum(candidate.state is _State.ANSWERED for candidate in self._nearest())

    def closest(self) -> list[Contact]:
        """Return the up to k nearest nodes that answered, the nearest first."""
        answered = [candidate.contact for candidate in self._candidates if candidate.state is _State.ANSWERED]
        return answered[: self._k]

    def _nearest(self) -> list[_Candidate]:
        alive = (candidate for candidate in self._candidates if candidate.state is not _State.FAILED)
        return list(islice(alive, self._k))

    def _find(self, asked: Target) -> _Candidate | None:
        for candidate in self._candidates:
            if candidate.contact.address == asked.address and candidate.contact.id == asked.id:
                return candidate
        return None

    def _count_query(self) -> None:
        self._in_flight += 1
        self._queries_left -= 1

    def _sort(self) -> None:
        self._candidates.sort(key=lambda candidate: candidate.distance)
        far = self._candidates[8 * self._k :]
        if far:
            del self._candidates[8 * self._k :]
            self._candidates += [other for other in far if other.state in (_State.ASKED, _State.ANSWERED)]
