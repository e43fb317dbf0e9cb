"""The routing table (BEP 5) as pure data: no clock, no sending. `now` only marks when a node was last heard.

Bucket n holds the nodes whose distance to our own id has n + 1 bits, so it is the Kademlia tree in which only the
branch of our own id is ever split. Only nodes that answered a query of ours may enter.
"""

import heapq
from collections import Counter
from dataclasses import dataclass

from core.scope import Scope, network, scope, surroundings
from core.values import Address
from core.wire.compact import ID_BYTES, Contact

HOSTS_PER_NETWORK = 4  # hosts' worth of entries of one public /24 (or /48 of IPv6): who rents one has 256 addresses


def distance(left: bytes, right: bytes) -> int:
    """Return the XOR distance. Of unequal lengths: each byte that one of them lacks counts as 0xff, at the low end.

    So the Grenache network compares a service name of any length with 20-byte ids.
    """
    common = min(len(left), len(right))
    missing_bits = 8 * (max(len(left), len(right)) - common)
    head = int.from_bytes(left[:common]) ^ int.from_bytes(right[:common])
    return head << missing_bits | ((1 << missing_bits) - 1)


@dataclass(slots=True)
class Entry:
    """One known node. `heard_at`: when it last answered a query of ours."""

    contact: Contact
    heard_at: float


class RoutingTable:
    """Nodes that answered us: at most `bucket_size` per bucket, `max_per_host` per public IP, 4 times that around it.

    A full bucket keeps its old nodes (BEP 5: the longer one has been up, the longer it will stay).
    """

    def __init__(self, own_id: bytes, bucket_size: int, max_per_host: int) -> None:
        self.own_id = own_id
        self._bucket_size = bucket_size
        self._max_per_host = max_per_host
        self._buckets: list[dict[bytes, Entry]] = [{} for _ in range(8 * ID_BYTES)]
        self._entries: dict[Address, Entry] = {}  # one node per address, and the other way round
        self.generation = 0  # counts the nodes that entered or left: what was derived from the table is stale then
        self._hosts: Counter[str] = Counter()  # entries per public host, and per public network

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self._entries)

    def heard(self, contact: Contact, now: float) -> bool:
        """Note that `contact` answered; return whether it is in the table now.

        Another node at its address is gone: it leaves. The same id at another address stays where it is until that
        fails, or anybody could move a node away.
        """
        if contact.id == self.own_id:
            return False
        known = self._entries.get(contact.address)
        if known is not None:
            if known.contact.id == contact.id:
                known.heard_at = now
                return True
            self.remove(known.contact)
        bucket = self._bucket(contact.id)
        if contact.id in bucket or not self.has_room(contact):
            return False
        bucket[contact.id] = self._entries[contact.address] = Entry(contact, now)
        self.generation += 1
        if scope(contact.address.host) is Scope.PUBLIC:
            self._hosts.update(_places(contact.address.host))
        return True

    def has_room(self, contact: Contact) -> bool:
        """Say whether a node that is not known yet could enter."""
        if scope(contact.address.host) is Scope.PUBLIC:
            host, around = _places(contact.address.host)
            if self._hosts[host] >= self._max_per_host or self._hosts[around] >= HOSTS_PER_NETWORK * self._max_per_host:
                return False
        return contact.id != self.own_id and len(self._bucket(contact.id)) < self._bucket_size

    def remove(self, contact: Contact) -> None:
        """Forget `contact`, if it is known by this id at this address."""
        if self.id_at(contact.address) != contact.id:
            return
        self.generation += 1
        del self._entries[contact.address]
        del self._bucket(contact.id)[contact.id]
        host = contact.address.host
        if scope(host) is Scope.PUBLIC:
            for place in _places(host):
                self._hosts[place] -= 1
                if not self._hosts[place]:
                    del self._hosts[place]

    def ids(self) -> set[bytes]:
        """Return the ids of all nodes."""
        return {entry.contact.id for entry in self._entries.values()}

    def id_at(self, address: Address) -> bytes | None:
        """Return the id of the node known at `address`."""
        entry = self._entries.get(address)
        return None if entry is None else entry.contact.id

    def closest(self, target: bytes, count: int) -> list[Contact]:
        """Return up to `count` nodes, the one nearest to `target` (of any length) first."""
        contacts = [entry.contact for entry in self._entries.values()]
        if len(contacts) < 2:
            return contacts
        return heapq.nsmallest(count, contacts, key=lambda contact: distance(contact.id, target))

    def silent_since(self, before: float) -> list[Contact]:
        """Return the nodes last heard at or before that time."""
        return [entry.contact for entry in self._entries.values() if entry.heard_at <= before]

    def _bucket(self, node_id: bytes) -> dict[bytes, Entry]:
        return self._buckets[max(distance(node_id, self.own_id).bit_length() - 1, 0)]


def _places(host: str) -> tuple[str, str]:
    """Return a host as it is counted, and the network around it, as texts that differ."""
    return network(host), f"around {surroundings(host)}"
