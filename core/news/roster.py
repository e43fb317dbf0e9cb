"""Known addresses: one bounded table of other peers, fed by lookups, punches and requests."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter

from core.news.events import Discovered, Lost, PeerRow, Role
from core.news.hub import Hub
from core.peer_id import PeerId
from core.values import Address

MAX_PEERS = 1024  # rows; far over a home's network, and a table of this size still redraws within one frame
KEEP_SILENT = 15.0  # seconds a peer that is not listed stays after its last sign of life; the broker's entry age
KEEP_ANSWERED = 120.0  # the same for one that answered us: a person may want to ask again; a grape's listing age
ROLES = tuple(Role)  # an enum is iterated over in Python
_STALENESS = attrgetter("listed", "last_seen")  # a lie of many addresses asks it of each row, for each of them
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
    peer_id: PeerId | None = None

    def row(self) -> PeerRow:
        """Freeze this entry."""
        return PeerRow(
            self.address, self.role, self.service, self.since, self.last_seen, self.listed, self.punches_sent,
            self.punches_received, self.requests_served, self.replies, self.rtt, self.peer_id,
        )  # fmt: skip


class Roster:
    """Peers by address and role. When full, the peer silent for longest makes room, unlisted ones first."""

    def __init__(
        self, hub: Hub, limit: int = MAX_PEERS, *, is_self: Callable[[Address], bool] = lambda address: False
    ) -> None:
        """`is_self(address)`: this is our own socket, which is no other peer."""
        self._hub = hub
        self._is_self = is_self
        self._limit = limit
        self._entries: dict[tuple[Address, Role], Entry] = {}
        self._crowded_until = 0.0  # Unix seconds; see there

    def __len__(self) -> int:
        return len(self._entries)

    def rows(self) -> tuple[PeerRow, ...]:
        """Return all rows, oldest first."""
        return tuple(entry.row() for entry in self._entries.values())

    def seen_since(self, address: Address, at: float) -> bool:
        """Return whether this peer was found, or gave a sign of life, since `at` (Unix seconds)."""
        return any(entry.last_seen >= at for entry in self._of(address))

    def note_listing(self, service: str, role: Role, listing: Iterable[Address]) -> None:
        """Take the newest lookup of `service`: new peers are discovered, silent ones that left are lost."""
        now = self._hub.now()
        present = dict.fromkeys(each for each in listing if not self._is_self(each))  # in its order, and quick to ask
        for address in present:
            entry = self._entries.get((address, role)) or self._discover(address, role, service, now)
            entry.listed, entry.missed = True, 0
        for entry in self._entries.values():
            if entry.role is role and entry.service == service and entry.address not in present:
                entry.missed += 1
                entry.listed = entry.listed and entry.missed < MISSED_LOOKUPS
        self._hub.touch()
        self.sweep()

    def sweep(self) -> None:
        """Lose everyone who is neither listed nor was heard lately. Call it now and then: not all are looked up."""
        now = self._hub.now()
        for entry in list(self._entries.values()):
            keep = KEEP_ANSWERED if entry.replies else KEEP_SILENT
            if not entry.listed and now - entry.last_seen >= keep:
                self._lose(entry, "is no longer listed and went silent")

    def forget(self, service: str, reason: str) -> None:
        """Drop every peer found under `service`: its role has ended."""
        for entry in [e for e in self._entries.values() if e.service == service]:
            self._lose(entry, reason)

    def note_punch_sent(self, address: Address) -> None:
        """Count one punch that left."""
        for entry in self._of(address):
            entry.punches_sent += 1
        self._hub.touch()

    def note_punch_received(self, address: Address, found_as: tuple[Role, str] | None) -> bool | None:
        """Count one punch that arrived. Returns True when this peer had not punched us before, None for a stranger.

        A stranger becomes known as `found_as`: its role, and the name it would be announced under. It stays a stranger
        without that, and when the table is full of peers that are listed or were seen lately: sources can be forged.
        """
        known = self._of(address)
        if not known:
            if found_as is None or self._is_self(address) or self._crowded():
                return None
            known = [self._discover(address, *found_as, self._hub.now())]
        first = all(entry.punches_received == 0 for entry in known)
        for entry in known:  # both of its rows, if it has two: it is one socket, and one punch is for both roles
            entry.punches_received += 1
        self._touch(known)
        return first

    def note_alive(self, address: Address) -> None:
        """Note another sign of life than those that are counted."""
        self._touch(self._of(address))

    def note_served(self, address: Address, service: str, peer_id: PeerId | None = None) -> None:
        """Count a request of theirs that we answered; the caller becomes known as a consumer, and who it is."""
        if self._is_self(address):
            return
        entry = self._entries.get((address, Role.CONSUMER)) or self._discover(
            address, Role.CONSUMER, service, self._hub.now()
        )
        entry.requests_served += 1
        entry.peer_id = peer_id
        entry.last_seen = self._hub.now()
        self._hub.touch()

    def note_reply(self, address: Address, service: str, seconds: float, peer_id: PeerId | None = None) -> None:
        """Count a reply to a request of ours; who answers is a worker, and known from then on."""
        if self._is_self(address):
            return
        entry = self._entries.get((address, Role.WORKER)) or self._discover(
            address, Role.WORKER, service, self._hub.now()
        )
        entry.replies += 1
        entry.rtt = seconds
        entry.peer_id = peer_id
        entry.last_seen = self._hub.now()
        self._hub.touch()

    def _of(self, address: Address) -> list[Entry]:
        return [self._entries[key] for role in ROLES if (key := (address, role)) in self._entries]

    def _touch(self, entries: Iterable[Entry]) -> None:
        now = self._hub.now()
        for entry in entries:
            entry.last_seen = now
        self._hub.touch()

    def _discover(self, address: Address, role: Role, service: str, now: float) -> Entry:
        if len(self._entries) >= self._limit:
            self._lose(self._stalest(), "made room for newer peers")
        entry = self._entries[address, role] = Entry(address, role, service, now, now)
        self._hub.emit(Discovered(now, service, address))
        return entry

    def _stalest(self) -> Entry:
        return min(self._entries.values(), key=_STALENESS)

    def _crowded(self) -> bool:
        """Return whether no row can be spared. Found once, it holds until the stalest has been silent long enough."""
        if len(self._entries) < self._limit:
            return False
        now = self._hub.now()
        if now >= self._crowded_until:
            stalest = self._stalest()
            self._crowded_until = now + KEEP_SILENT if stalest.listed else stalest.last_seen + KEEP_SILENT
        return now < self._crowded_until

    def _lose(self, entry: Entry, reason: str) -> None:
        del self._entries[entry.address, entry.role]
        self._hub.touch()
        self._hub.emit(Lost(self._hub.now(), entry.service, entry.address, reason))
