"""Who is known: one bounded table of other peers, fed by lookups, punches and requests."""

from collections.abc import Iterable
from dataclasses import dataclass

from core.events import Discovered, Lost, PeerRow, Role
from core.hub import Hub
from core.values import Address

MAX_PEERS = 1024  # rows; far over a home's network, and a table of this size still redraws within one frame
KEEP_SILENT = 15.0  # seconds a peer that left the listing stays after its last sign of life; the broker's entry age
MISSED_LOOKUPS = 3  # lookups without it before a peer counts as unlisted: the DHT samples, so one miss says little


@dataclass(slots=True)
class Entry:
    """One row while it is being written; `PeerRow` is what leaves."""

    address: Address
    role: Role
    service: str
    since: float
    last_seen: float
    missed: int = 0
    listed: bool = False
    punches_sent: int = 0
    punches_received: int = 0
    requests_served: int = 0
    replies: int = 0
    rtt: float | None = None

    def row(self) -> PeerRow:
        """Freeze this entry."""
        return PeerRow(
            self.address, self.role, self.service, self.since, self.last_seen, self.listed, self.punches_sent,
            self.punches_received, self.requests_served, self.replies, self.rtt,
        )  # fmt: skip


class Roster:
    """Peers by address and role. When full, the peer silent for longest makes room, unlisted ones first."""

    def __init__(self, hub: Hub, limit: int = MAX_PEERS) -> None:
        self._hub = hub
        self._limit = limit
        self._entries: dict[tuple[Address, Role], Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def rows(self) -> tuple[PeerRow, ...]:
        """Return all rows, oldest first."""
        return tuple(entry.row() for entry in self._entries.values())

    def has(self, address: Address, role: Role) -> bool:
        """Return whether this peer is known in this role."""
        return (address, role) in self._entries

    def note_listing(self, service: str, role: Role, listing: Iterable[Address]) -> None:
        """Take the newest lookup of `service`: new peers are discovered, silent ones that left are lost."""
        now = self._hub.now()
        present = dict.fromkeys(listing)  # in its order, and quick to ask
        for address in present:
            entry = self._entries.get((address, role)) or self._discover(address, role, service, now)
            entry.listed, entry.missed = True, 0
        for entry in list(self._entries.values()):
            if entry.role is role and entry.service == service and entry.address not in present:
                self._note_missing(entry, now)
        self._hub.touch()

    def forget(self, service: str, reason: str) -> None:
        """Drop every peer found under `service`: its role has ended."""
        for entry in [e for e in self._entries.values() if e.service == service]:
            self._lose(entry, reason)

    def note_punch_sent(self, address: Address) -> None:
        """Count one punch that left."""
        for entry in self._of(address):
            entry.punches_sent += 1
        self._hub.touch()

    def note_punch_received(self, address: Address, role: Role, service: str) -> bool:
        """Count one punch that arrived. Returns True when nothing had been heard from there before."""
        known = self._of(address) or [self._discover(address, role, service, self._hub.now())]
        first = all(entry.punches_received == 0 for entry in known)
        for entry in known:
            entry.punches_received += 1
        self._touch(known)
        return first

    def note_served(self, address: Address, service: str) -> None:
        """Count a request of theirs that we answered; the caller becomes known as a consumer."""
        entry = self._entries.get((address, Role.CONSUMER)) or self._discover(
            address, Role.CONSUMER, service, self._hub.now()
        )
        entry.requests_served += 1
        self._touch([entry])

    def note_reply(self, address: Address, service: str, seconds: float) -> None:
        """Count a reply to a request of ours; who answers is a worker."""
        entry = self._entries.get((address, Role.WORKER)) or self._discover(
            address, Role.WORKER, service, self._hub.now()
        )
        entry.replies += 1
        entry.rtt = seconds
        self._touch([entry])

    def _of(self, address: Address) -> list[Entry]:
        return [self._entries[key] for role in Role if (key := (address, role)) in self._entries]

    def _touch(self, entries: Iterable[Entry]) -> None:
        now = self._hub.now()
        for entry in entries:
            entry.last_seen = now
        self._hub.touch()

    def _discover(self, address: Address, role: Role, service: str, now: float) -> Entry:
        if len(self._entries) >= self._limit:
            self._lose(min(self._entries.values(), key=lambda e: (e.listed, e.last_seen)), "made room for newer peers")
        entry = self._entries[address, role] = Entry(address, role, service, now, now)
        self._hub.emit(Discovered(now, service, address))
        return entry

    def _note_missing(self, entry: Entry, now: float) -> None:
        entry.missed += 1
        if entry.missed >= MISSED_LOOKUPS:
            entry.listed = False
            if now - entry.last_seen >= KEEP_SILENT:
                self._lose(entry, "left the listing and went silent")

    def _lose(self, entry: Entry, reason: str) -> None:
        del self._entries[entry.address, entry.role]
        self._hub.touch()
        self._hub.emit(Lost(self._hub.now(), entry.service, entry.address, reason))
