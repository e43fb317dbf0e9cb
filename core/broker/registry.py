"""A broker's entries: peers that offer or want a service, at the address it saw. Without I/O: time is handed in."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import TypeAlias

from core.errors import LocalError
from core.frozen import frozen
from core.limits.fair import FairTable, Level, crowded, site_limit
from core.limits.rate import HostRates
from core.limits.table import BoundedTable
from core.peer_id import PeerId
from core.scope import Scope, is_six, listed_peer, network, scope, usable
from core.values import Address
from core.wire.broker_message import Listed, Registration


@frozen
class BrokerConfig:
    """Bounds of a broker. Raises ValueError when one of them makes no sense."""

    age: float = 15.0  # seconds an entry is kept after its last registration (PROTOCOL section 7)
    entries: int = 500  # in all (PROTOCOL section 7); full: the host that has most loses its oldest, or is refused
    entries_each: int = 64  # of one host: an office or a carrier's NAT, each peer with a role or two
    rate_each: float = 50.0  # registrations a second of one host, twice that at once: 100 peers that come every 2 s
    hosts: int = 1024  # whose rate is remembered; full: the one silent for longest is forgotten
    waiting: int = 512  # answers that wait for news; more are answered at once, and come again 2 s later
    names: int = 500  # services whose news are counted; full: the one without news for longest starts from 0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"BrokerConfig.{field.name} must be above 0")


class BrokerBusy(LocalError):
    """This address registers too often."""

    name = "ERR_BROKER_RATE"


class BrokerFull(LocalError):
    """There is no room for another entry of this address."""

    name = "ERR_BROKER_FULL"


@frozen
class Entry:
    """One registration. Times are the caller's seconds; `peer_id` is None for a plain Grenache peer."""

    service: str
    server: bool
    address: Address  # as the broker saw it: after its NAT
    peer_id: PeerId | None
    since: float
    renewed_at: float
    local: Address | None = None  # where it says that it is at home; shown only to peers that come from the same host
    mail: Mapping[PeerId, str] | None = None  # what it leaves for others; None: it is of no ladder
    away: float | None = None  # seconds; its round trip to us, as it says
    born: int = 0  # the number of the news that it was


Key: TypeAlias = tuple[str, bool, Address]  # of an entry: service, role, source


class BrokerRegistry:
    """Entries by service, role and address. What is refused raises LocalError, and is counted by the error's name."""

    def __init__(self, config: BrokerConfig | None = None) -> None:
        self.config = config or BrokerConfig()
        self.refused: Counter[str] = Counter()
        self._entries: dict[Key, Entry] = {}  # least recently renewed first
        self._of_host: FairTable[Key, None, str] = FairTable(self.config.entries, self.config.entries_each)
        self._per_site = site_limit(self.config.entries_each, self.config.entries)
        self._rates = HostRates(self.config.rate_each, 2 * self.config.rate_each, self.config.hosts)
        self._news: BoundedTable[str, int] = BoundedTable(self.config.names)  # by service, rises with every new entry
        self._news_total = 0
        self._told: dict[Key, int] = {}  # the newest news that each has heard, or hears at this moment

    def __len__(self) -> int:
        return len(self._entries)

    def register(self, wanted: Registration, source: Address, peer_id: PeerId | None, now: float) -> bool:
        """Note or renew an entry; return whether it is new. Raises BrokerBusy, BrokerFull.

        What is new, also where somebody is at home, changes `news`.
        """
        self.sweep(now)
        try:
            self._take_turn(network(source.host), now)
            key = (wanted.service, wanted.server, source)
            known = self._entries.get(key)
            if known is None:
                self._make_room(network(source.host))
        except LocalError as error:
            self.refused[error.name] += 1
            raise
        since = now if known is None else known.since
        local = _at_home(wanted.local) or (known.local if known else None)  # one registration of several says none
        self._entries.pop(key, None)
        mail = wanted.mail if peer_id is not None else None
        if known is None or known.local != local or known.mail != mail:
            self._tell(wanted.service)
        born = self.news(wanted.service) if known is None else known.born
        self._entries[key] = Entry(
            wanted.service, wanted.server, source, peer_id, since, now, local, mail, wanted.away, born
        )
        self._of_host.put(key, None, network(source.host))
        return known is None

    def renew(self, wanted: Registration, source: Address, now: float) -> None:
        """Note that one is still there: its answer waits for news."""
        key = (wanted.service, wanted.server, source)
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._entries[key] = replace(entry, renewed_at=now)

    def told(self, wanted: Registration, source: Address) -> None:
        """Note that a peer is told the newest news of a service now."""
        key = (wanted.service, wanted.server, source)
        if key in self._entries:
            self._told[key] = self.news(wanted.service)

    def news(self, service: str) -> int:
        """Return a number that changes whenever somebody new registers for a service."""
        return self._news.get(service, 0)

    def listing(
        self, wanted: Registration, requester: Address, now: float, shown_as: Callable[[Address], Address | None]
    ) -> list[Listed]:
        """Return who registered for a service, as the requester can reach them: first those of the other role, newest
        first. `shown_as` says where an entry of this machine itself is reached by the requester.
        """
        self.sweep(now)
        reach = scope(requester.host)
        own = self._entries.get((wanted.service, wanted.server, requester))
        found: list[Listed] = []
        for entry in reversed(self._entries.values()):
            if entry.service != wanted.service or (wanted.wait is None and is_six(entry.address.host)):
                continue  # a plain Grenache peer knows IPv4 only
            if scope(entry.address.host) is Scope.LOOPBACK:
                address = shown_as(entry.address)
            else:  # a home's own addresses mean something else, or nothing, outside of it
                address = entry.address if scope(entry.address.host) >= reach else None
            if address is not None:
                shown = entry.peer_id if wanted.mail is not None and entry.mail is not None else None
                away = self._away(entry, own) if wanted.wait is not None else None
                found.append(Listed(entry.service, entry.server, address, shown, away))
            # both behind one NAT: where it does not turn packets round, they meet at home or nowhere
            if entry.local and wanted.wait is not None and entry.address.host == requester.host:
                found.append(Listed(entry.service, entry.server, entry.local))
        found.sort(key=lambda listed: listed.server == wanted.server)  # stable
        return found

    def _away(self, entry: Entry, reader: Entry | None) -> float | None:
        """Return how far a peer is from us, if it has heard of the reader: then both know when the other begins."""
        heard = self._told.get((entry.service, entry.server, entry.address), -1)
        return entry.away if reader is not None and heard >= reader.born else None

    def mail(self, wanted: Registration, peer_id: PeerId | None) -> dict[PeerId, str]:
        """Return what those of the other role have left for a peer."""
        if peer_id is None or wanted.mail is None:
            return {}
        others = (
            entry for entry in self._entries.values() if entry.service == wanted.service
            and entry.server != wanted.server and entry.peer_id is not None and entry.mail
        )  # fmt: skip
        left = {entry.peer_id: entry.mail[peer_id] for entry in others if entry.mail and peer_id in entry.mail}
        return {sender: text for sender, text in left.items() if sender is not None}

    def entries(self) -> tuple[Entry, ...]:
        """Return all entries, the most recently renewed last."""
        return tuple(self._entries.values())

    def sweep(self, now: float) -> bool:
        """Forget who did not come again in time; return whether anybody was forgotten."""
        before = len(self._entries)
        while self._entries:
            key, entry = next(iter(self._entries.items()))
            if now - entry.renewed_at < self.config.age:
                break
            self._drop(key)
        return len(self._entries) != before

    def _take_turn(self, host: str, now: float) -> None:
        if not self._rates.take(host, now):
            each = self.config.rate_each
            raise BrokerBusy(f"{host} registers more than {each:g} times a second: come again later")

    def _make_room(self, host: str) -> None:
        level = crowded(host, self.config.entries_each, self._per_site, self._of_host)
        if level is not None:
            who = host if level is Level.OWNER else f"the network around {host}"
            raise BrokerFull(
                f"{who} has {self._of_host.count(host, level)} entries here already; they end {self._ages()}"
            )
        oldest = self._of_host.would_evict(host)
        if oldest is None:
            return
        if self._of_site(network(oldest[2].host)) <= self._of_site(host) + 1:
            raise BrokerFull(f"this broker is full: {self.config.entries} entries; they end {self._ages()}")
        self._drop(oldest)

    def _of_site(self, host: str) -> int:
        return self._of_host.count(host, Level.SITE)

    def _ages(self) -> str:
        return f"{self.config.age:g} s after their last registration"

    def _drop(self, key: Key) -> None:
        del self._entries[key]
        self._told.pop(key, None)
        self._of_host.pop(key)

    def _tell(self, service: str) -> None:
        self._news_total += 1  # never a number that this service had before, also when it was forgotten
        self._news[service] = self._news_total


def _at_home(address: Address | None) -> Address | None:
    """Return an address on a private network that can be one. A false one leads nowhere."""
    private = address is not None and usable(address) and scope(address.host) is Scope.PRIVATE
    return address if private else None


def shown_to(requester: Address, local: str | None, observed: str | None) -> Callable[[Address], Address | None]:
    """Return how entries of this machine are shown to a requester: at its own, or at our address toward it."""
    return lambda peer: listed_peer(peer, requester.host, local, observed)
