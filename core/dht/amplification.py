"""Nobody is sent more than three times what it asked with, before it has shown that it receives what we send.

A query's source can be forged, and a reply with nodes or an item is up to twenty times as long. So the first answer to
somebody new is cut to fit; a ping goes with it. A node that answers it, or writes with a token of ours, gets whole
answers from then on. Names of Grenache networks have few nodes: 7 fit the first answer, and it is seldom cut at all.
"""

from typing import Final

from core.dht.outbox import Outbox
from core.dht.statistics import Counters
from core.dht.strangers import Strangers
from core.limits.fair import FairTable
from core.scope import network
from core.values import Address
from core.wire.bencoding import encode
from core.wire.compact import NODE_BYTES
from core.wire.compact_6 import NODE_6_BYTES
from core.wire.krpc import Error, Fields, Query, Reply

PING_BYTES: Final = 58  # of a ping, which goes with the first answer: d1:ad2:id20:...e1:q4:ping1:t2:..1:y1:qe
FACTOR: Final = 3  # RFC 9000 section 8, "Address Validation": three times what was received
PROVEN_MAX: Final = 4096  # addresses remembered; full: of the host with most, the one that proved itself longest ago
PROVEN_PER_HOST: Final = 256  # ports of one host; a carrier's NAT has many peers behind one
PROVEN_FOR: Final = 600.0  # seconds; as long as a token of BEP 5 holds at most
_FIELDS: Final = ((b"nodes6", NODE_6_BYTES), (b"nodes", NODE_BYTES))  # and the length of a contact there
_ITEM: Final = (b"v", b"k", b"sig", b"seq")  # of BEP 44


def allowance(query_bytes: int) -> int:
    """Return how long the answer to a query may be whose source has proven nothing."""
    return FACTOR * query_bytes - PING_BYTES


class Proven:
    """Addresses that receive what we send. Times are the caller's seconds."""

    def __init__(self) -> None:
        self._until: FairTable[Address, float, str] = FairTable(PROVEN_MAX, PROVEN_PER_HOST)

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._until)

    def add(self, address: Address, now: float) -> None:
        """Note that an address answered something that only it can know."""
        self._until.put(address, now + PROVEN_FOR, network(address.host))

    def drop(self, address: Address) -> None:
        """Note that an address does not answer any longer."""
        self._until.pop(address)

    def __contains__(self, asked: tuple[Address, float]) -> bool:
        """Return whether an address is proven at a time: `(address, now) in proven`."""
        address, now = asked
        until = self._until.get(address)
        if until is not None and until <= now:
            self._until.pop(address)
            until = None
        return until is not None


class Replies:
    """Sends answers: whole ones to those who have proven themselves or are on this machine; else few and cut ones."""

    def __init__(self, strangers: Strangers, outbox: Outbox, counters: Counters) -> None:
        self._strangers = strangers
        self._outbox = outbox
        self._counters = counters

    def send(self, query: Query, values: Fields, source: Address, query_bytes: int, now: float) -> bool:
        """Answer a query; return whether something was left out, or all of it."""
        reply = bytes(Reply(query.transaction, values, source))
        excess = len(reply) - allowance(query_bytes)
        if not self._strangers.may_answer(source, now):
            self._counters.withheld += 1
            return True
        if excess <= 0 or self._strangers.knows(source, now):
            self._outbox.add(source, reply)
            return False
        self._counters.cut += 1
        self._outbox.add(source, bytes(Reply(query.transaction, cut(values, excess), source)))
        return True

    def refuse(self, error: Error, source: Address, query_bytes: int, now: float) -> None:
        """Answer a query with an error, unless its source has had its share."""
        if self._strangers.may_answer(source, now):
            self._outbox.refuse(source, error, query_bytes)
        else:
            self._counters.withheld += 1


def cut(values: Fields, excess: int) -> Fields:
    """Return a reply's values, shorter by `excess` bytes at least as far as lists and an item can make it so.

    Nodes and peers go from the end; an item goes whole: half of it is none.
    """
    shorter = dict(values)
    peers = shorter.get(b"values")
    if b"v" in shorter:
        before = sum(_length(shorter[key]) for key in _ITEM if key in shorter)
        for key in _ITEM:
            shorter.pop(key, None)
        excess -= before
    if isinstance(peers, list) and peers and excess > 0:
        listed = len(encode(peers[0]))  # of an IPv4 peer "6:" and six bytes
        shorter[b"values"] = peers[: max(0, len(peers) - -(-excess // listed))]
    for name, size in _FIELDS:
        nodes = shorter.get(name)
        if isinstance(nodes, bytes) and excess > 0:
            kept = max(0, len(nodes) // size - -(-excess // size))
            shorter[name] = nodes[: kept * size]
            excess -= len(nodes) - kept * size
    return shorter


def _length(value: object) -> int:
    """Return at least how many bytes less there are without a value."""
    return len(value) if isinstance(value, bytes) else 1
