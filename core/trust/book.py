"""The list of known peers and pending requests as one value: its bounds, and how it is written as JSON."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from core.errors import LocalError
from core.limits.fair import FairTable
from core.peer_id import PeerId
from core.scope import network
from core.trust.entries import (
    MAX_GROUPS,
    MAX_SERVICE,
    MAX_SERVICES,
    Group,
    Key,
    KnownPeer,
    Pending,
    clean_name,
    is_service,
)
from core.trust.groups import group_form, same_group
from core.values import Address

SCHEMA: Final = 1
MAX_PEERS: Final = 10_000  # far over the people one knows; 2 MB of JSON, written in 0.1 s
MAX_PENDING: Final = 100  # that anybody would look through
MAX_PENDING_PER_HOST: Final = 20  # of one address: new IDs cost nothing, and must not push out everybody else


@dataclass(slots=True)
class Book:
    """`grants` and `refused` say until when (Unix seconds); `dropped` counts pending requests that made room."""

    peers: dict[PeerId, KnownPeer] = field(default_factory=dict)
    pending: dict[Key, Pending] = field(default_factory=dict)  # who asked last is last
    grants: dict[Key, float] = field(default_factory=dict)  # one request each
    refused: dict[Key, float] = field(default_factory=dict)  # not shown again before
    dropped: int = 0
    groups: dict[str, Group] = field(default_factory=dict)  # by name; who is in them, the peers say

    def keep(self, peer: KnownPeer) -> None:
        """Add a peer, or replace what is known of it. Raises LocalError when the list is full."""
        if peer.peer_id not in self.peers and len(self.peers) >= MAX_PEERS:
            raise LocalError(f"{MAX_PEERS} peers are known, which is the most there can be: remove some first")
        self.peers[peer.peer_id] = peer

    def keep_group(self, group: Group) -> None:
        """Add a group, or replace it, for its members too. Raises LocalError when there are too many."""
        if group.name not in self.groups and len(self.groups) >= MAX_GROUPS:
            raise LocalError(f"there are {MAX_GROUPS} groups, which is the most there can be: remove one first")
        self.groups[group.name] = group
        self._regroup(group.name, {group})

    def drop_group(self, name: str) -> None:
        """Forget a group; its members may not call what was opened to it."""
        self.groups.pop(name, None)
        self._regroup(name, set())

    def _regroup(self, name: str, instead: set[Group]) -> None:
        for peer in [peer for peer in self.peers.values() if peer.in_group(name)]:
            others = frozenset(each for each in peer.groups if each.name != name)
            self.peers[peer.peer_id] = replace(peer, groups=others | instead)

    def settle(self) -> None:
        """Forget requests for what those who asked may call now."""
        for key in list(self.pending):
            known = self.peers.get(key[0])
            if known is not None and known.may_call(key[1]):
                del self.pending[key]

    def wait(self, pending: Pending) -> None:
        """Put a request last; for too many of them the one silent for longest goes, of the host or site with most."""
        self.pending.pop(pending.key, None)
        waiting: FairTable[Key, None, str] = FairTable(MAX_PENDING, MAX_PENDING_PER_HOST)
        for key, other in (*self.pending.items(), (pending.key, pending)):
            for gone in waiting.put(key, None, network(other.address.host)):
                self._drop(gone.key)
        self.pending[pending.key] = pending

    def _drop(self, key: Key) -> None:
        del self.pending[key]
        self.dropped += 1

    def copy(self) -> "Book":
        """Return one that can be changed apart from this one; entries never change."""
        return Book(
            dict(self.peers), dict(self.pending), dict(self.grants), dict(self.refused), self.dropped, dict(self.groups)
        )

    def expire(self, now: float) -> None:
        """Forget what held until now."""
        for table in (self.grants, self.refused):
            for key in [key for key, until in table.items() if until <= now]:
                del table[key]

    # -- JSON -----------------------------------------------------------------------------------------------------

    def dump(self) -> bytes:
        """Return it as a document with a line for each entry: for people to read, and quick to write."""
        head = f'{{"schema": {SCHEMA}, "dropped": {self.dropped}'
        parts = {
            **({"groups": group_rows(self)} if self.groups else {}),
            "peers": [peer_row(peer) for peer in self.peers.values()],
            "pending": [_pending_row(pending) for pending in self.pending.values()],
            "grants": [_until_row(key, until) for key, until in self.grants.items()],
            "refused": [_until_row(key, until) for key, until in self.refused.items()],
        }
        body = "".join(f',\n"{name}": [{_lines(rows)}]' for name, rows in parts.items())
        return f"{head}{body}}}\n".encode()

    @classmethod
    def load(cls, data: bytes) -> "Book":
        """Read a document. Raises ValueError, with what is wrong, for anything but a whole and sound one."""
        try:
            document = json.loads(data)
            if not isinstance(document, dict) or document.get("schema") != SCHEMA:
                raise ValueError(f"it is not a list of known peers of schema {SCHEMA}")
            book = cls(dropped=_whole(document["dropped"]))
            book.groups = groups_from_rows(document.get("groups", []))  # a file of earlier versions has none
            peers = [peer_from_row(row, book.groups) for row in document["peers"]]
            pending = [_pending(row) for row in document["pending"]]
            book.peers = {peer.peer_id: peer for peer in peers}
            if len(peers) > MAX_PEERS or len(book.peers) != len(peers):
                raise ValueError(f"it names a peer twice, or more than {MAX_PEERS}")
            book.pending = {each.key: each for each in pending[-MAX_PENDING:]}
            book.grants = dict(_until(row) for row in document["grants"][-MAX_PENDING:])
            book.refused = dict(_until(row) for row in document["refused"][-MAX_PENDING:])
        except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"an entry is not what it should be: {error!r}") from None
        return book


def _lines(rows: list[dict[str, Any]]) -> str:
    return ",".join(f"\n  {json.dumps(row, ensure_ascii=False)}" for row in rows)


def group_rows(book: Book) -> list[dict[str, Any]]:
    """Return the groups as objects of JSON."""
    return [{"group": each.name, "services": sorted(each.services)} for each in book.groups.values()]


def groups_from_rows(rows: list[dict[str, Any]]) -> dict[str, Group]:
    """Read what `group_rows` returned. Raises ValueError, KeyError or TypeError for anything else."""
    if not isinstance(rows, list) or len(rows) > MAX_GROUPS:
        raise ValueError(f"it has more than {MAX_GROUPS} groups, or no list of them")
    found: dict[str, Group] = {}
    for row in rows:
        name, services = _text(row["group"]), row["services"]
        if not name or name != group_form(name) or same_group(name, found) is not None:
            raise ValueError(f"{name[:MAX_SERVICE]!r} is no group's name, or that of two")
        if not isinstance(services, list) or len(services) > MAX_SERVICES:
            raise ValueError(f"the services of the group {name} are of the wrong kind")
        found[name] = Group(name, frozenset(_service(each) for each in services))
    return found


def peer_row(peer: KnownPeer) -> dict[str, Any]:
    """Return a peer as an object of JSON."""
    groups = {"groups": sorted(each.name for each in peer.groups)} if peer.groups else {}
    return {
        "id": str(peer.peer_id),
        "name": peer.name,
        "since": peer.since,
        "last_seen": peer.last_seen,
        "services": sorted(peer.services),
        **groups,
        "blocked": peer.blocked,  # last: what is cut off a line is found again by `core.trust.recovery`
    }


def peer_from_row(row: dict[str, Any], groups: Mapping[str, Group] | None = None) -> KnownPeer:
    """Read what `peer_row` returned. Raises ValueError, KeyError or TypeError for anything else.

    Without `groups` those of the peer are not known, and it is in none.
    """
    services, blocked = row["services"], row["blocked"]
    if not isinstance(services, list) or len(services) > MAX_SERVICES or type(blocked) is not bool:
        raise ValueError(f"services or blocked of {row['id']} is of the wrong kind")
    last_seen = None if row["last_seen"] is None else _time(row["last_seen"])
    return KnownPeer(
        PeerId.parse(_text(row["id"])), clean_name(_text(row["name"])), _time(row["since"]), last_seen,
        frozenset(_service(name) for name in services), blocked,
        frozenset() if groups is None or blocked else _groups_of(row, groups),
    )  # fmt: skip


def _groups_of(row: dict[str, Any], groups: Mapping[str, Group]) -> frozenset[Group]:
    names = row.get("groups", [])
    if not isinstance(names, list) or not all(_text(name) in groups for name in names):
        raise ValueError(f"{row['id']} is in a group that there is not")
    return frozenset(groups[name] for name in names)


def _pending_row(pending: Pending) -> dict[str, Any]:
    return {
        "id": str(pending.peer_id),
        "service": pending.service,
        "address": str(pending.address),
        "first": pending.first,
        "last": pending.last,
        "times": pending.times,
    }


def _pending(row: dict[str, Any]) -> Pending:
    return Pending(
        PeerId.parse(_text(row["id"])), _service(row["service"]), Address.parse(_text(row["address"])),
        _time(row["first"]), _time(row["last"]), _whole(row["times"]),
    )  # fmt: skip


def _until_row(key: Key, until: float) -> dict[str, Any]:
    return {"id": str(key[0]), "service": key[1], "until": until}


def _until(row: dict[str, Any]) -> tuple[Key, float]:
    return (PeerId.parse(_text(row["id"])), _service(row["service"])), _time(row["until"])


def _text(value: object) -> str:
    if not isinstance(value, str) or any("\ud800" <= each <= "\udfff" for each in value):  # which no file can hold
        raise ValueError(f"{value!r} is no text")
    return value


def _service(value: object) -> str:
    text = _text(value)
    if not is_service(text):
        raise ValueError(f"{text[:MAX_SERVICE]!r} is no service's name")
    return text


def _time(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no time in seconds")
    return float(value)


def _whole(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value
