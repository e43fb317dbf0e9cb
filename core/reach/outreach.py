"""The one rule for sending to an address that has not answered, whatever the source of the address.

A grape, a broker, a record, an invitation or a forged packet may name anybody. So what leaves for such an address is
bounded per host (RFC 9000 section 8.1 has the same idea), and nothing leaves for an address that nobody named.
`Outreach` counts in units of `UNIT` bytes: a punch or its acknowledgement is one, a SYN two. An address that answered
in a way that cannot be forged from elsewhere, as a uTP handshake does, is *validated* and not counted. Without I/O:
times are the caller's monotone seconds.
"""

import math
from collections.abc import Callable
from dataclasses import field

from core.frozen import dataclass
from core.limits.rate import TokenBucket
from core.limits.table import BoundedTable
from core.reach.probing import Probing
from core.reach.remotes import Remote, Remotes
from core.scope import Scope, network, scope, surroundings, usable, virtual
from core.values import Address

UNIT = 31  # bytes of an IPv4 packet with an acknowledgement of a punch; a punch is 30
SYN_UNITS = 2  # units of a uTP SYN: 20 bytes, what we say of ourselves, and 28 of IPv4 and UDP
VALIDATED_AGAIN = 1.0  # seconds; a hundredth of `validated_for`, and a busy peer answers a thousand times in it
LEAST_PORT = 1024  # below it are well-known services, which nobody shall have us send to (NAT.md 7.3)


@dataclass(frozen=True, slots=True)
class OutreachConfig:
    """Bounds, of one sharing peer."""

    row: float = 20.0  # packets to a host in a row: a meeting's 6 openers and 5 punches, 5 answers, and `kept`
    row_rate: float = 1.5  # packets a second after that
    burst: float = 20.0  # units to a host because it is named: a meeting, and the SYNs of a request
    unlent: int = 8  # packets of the row that the grape's own socket does not get: a meeting's punches, and two SYNs
    unanswered: int = 2  # packets of the row that answers leave to a host that is named: two SYNs of ours
    around: float = 64.0  # answers to all of a /24, or of a /48 of IPv6, that has not proved itself, at once ...
    around_rate: float = 8.0  # ... and a second: of a carrier's NAT each one that proves itself frees its host
    answers: float = 4000.0  # answers in all to those that have not proved themselves, at once ...
    answers_rate: float = 2000.0  # ... and a second: 0.8 Mbit/s. Fewer would let a flood keep all newcomers out
    kept: int = 4  # packets to a named host that only SYNs may take: who is met is also called
    rate: float = 0.2  # units a second after that, as long as somebody names the host: a meeting a minute
    heard: float = 3.0  # units for each packet that came from there, which may be forged: three times its bytes
    heard_rate: float = 0.5  # packets a second that count so, and `heard_burst` at once: a plain peer's series of 5
    heard_burst: float = 5.0
    told_for: float = 60.0  # seconds that a host counts as named after it was
    silent: int = 4  # addresses of one host that are tried at a time
    few: int = 3  # punches at a time to an address that is heard and named
    probes: int = 4  # single packets to an address that nobody has heard, before it counts as failed
    failed_for: float = 60.0  # seconds that a failure is remembered, whatever is listed: twice a NAT's 30 s
    heard_for: float = 30.0  # seconds that hearing counts: the shortest common UDP mapping time (NAT.md 2.1)
    validated_for: float = 180.0  # seconds after an answer that cannot be forged
    refills: float = 3.0  # of all this at once for a host that has proved itself: two programs there have moved ...
    refills_rate: float = 0.1  # ... and a second: 2 packets a second, where ports that nobody named get 100
    refills_in_all: float = 16.0  # at once, and `refills_all_rate` a second: twice as many hosts as move in a minute
    refills_all_rate: float = 1.0
    new_rate: float = 8.0  # addresses a second in all that are tried for the first time, and `new_burst` at once
    new_burst: float = 32.0
    meetings: float = 3.0  # with silent addresses of one host at once, and one more in `failed_for`: four a minute
    meetings_told: float = 48.0  # that one broker arranges at once, and a third of it more in that time
    hosts: int = 4096  # remembered
    permitted: int = 256  # addresses that the owner named; full: the one named longest ago is forgotten


@dataclass(slots=True)
class _Host:
    """What may still go to a host."""

    row: TokenBucket
    meetings: TokenBucket
    heard: TokenBucket
    refills: TokenBucket
    units: float = 0.0
    at: float = -math.inf  # when `units` was counted
    told_at: float = -math.inf
    proved_at: float = -math.inf
    trying: dict[Address, float] = field(default_factory=dict)  # not heard yet; until when each keeps its place


@dataclass(slots=True)
class _Tried:
    """Our note on a remote that has not answered."""

    unanswered: int = 0  # probes since it was heard
    failed_until: float = -math.inf


class Outreach:
    """Says how much may leave for an address. What it knows of addresses is in `remotes`."""

    def __init__(self, remotes: Remotes | None = None, config: OutreachConfig | None = None) -> None:
        self.config = config or OutreachConfig()
        self._remotes = Remotes() if remotes is None else remotes
        self._hosts: BoundedTable[str, _Host] = BoundedTable(self.config.hosts)
        self._permitted: BoundedTable[Address, None] = BoundedTable(self.config.permitted)
        self._new = TokenBucket(self.config.new_rate, self.config.new_burst)
        self._around: BoundedTable[str, TokenBucket] = BoundedTable(self.config.hosts)
        self._answers = TokenBucket(self.config.answers_rate, self.config.answers)
        self._brokers: BoundedTable[Address, TokenBucket] = BoundedTable(64)
        self._refills = TokenBucket(self.config.refills_all_rate, self.config.refills_in_all)
        self.counted: Callable[[str], str] = network  # whose a host is; of neighbours each is a host of its own
        self.probing = Probing()  # of ports that nobody named
        self._began = -math.inf
        self.held_back = 0  # packets and series that did not leave

    # -- what we hear ------------------------------------------------------------------------------------------------

    def permit(self, address: Address) -> None:
        """Take the owner's own word for an address: it is sent to freely."""
        self._permitted[address] = None

    def told(self, address: Address, now: float) -> None:
        """Note that somebody names this address at the moment."""
        host = self._host(address)
        if host.at == -math.inf:
            host.units = self.config.burst
        else:
            host.units = min(self.config.burst, host.units + (now - host.at) * self.config.rate)
        host.at = host.told_at = now

    def heard(self, address: Address, now: float) -> None:
        """Note a packet from there. Its sender may have forged the address."""
        remote, tried = self._known(address)
        remote.heard_at, tried.unanswered, tried.failed_until = now, 0, -math.inf
        host = self._host(address)
        host.trying.pop(address, None)
        if host.heard.take(now):
            host.units = min(self.config.burst, host.units + self.config.heard)

    def validated(self, address: Address, now: float) -> None:
        """Note an answer that nobody elsewhere can forge; more of one address within a second say nothing new."""
        known = self._remotes.get(address)
        if known is not None and now - known.validated_at < VALIDATED_AGAIN:
            return
        remote = self._remotes.keep(address)
        remote.heard_at = remote.validated_at = now
        tried = remote.note(_Tried)
        tried.unanswered, tried.failed_until = 0, -math.inf
        host = self._host(address)
        host.trying.pop(address, None)
        self._refill(host, now)  # this host is no bystander

    def proved(self, address: Address, now: float) -> None:
        """Note that a peer says, sealed, that it is at this host, and that others see it there (`Probing.proved`).

        Such a host is no bystander. Its router may have restarted in a meeting, and the next one need not wait.
        """
        self._host(address).proved_at = now

    def has_proved(self, address: Address, now: float) -> bool:
        """Return whether that was lately, or the address has answered lately."""
        return self.free(address, now) or self._proved(self._host(address), now)

    def _proved(self, host: _Host, now: float) -> bool:
        return now - host.proved_at < self.config.told_for

    def _refill(self, host: _Host, now: float) -> None:
        host.units, host.at = self.config.burst, now
        host.row.charge(now, -self.config.row)
        host.meetings.charge(now, -1.0)

    def begin_again(self, now: float) -> None:
        """Hold no failure of before against those that had answered: we slept, or are on another network.

        Who never answered gains nothing by it, so that a bystander gets no packet more.
        """
        self._began = now

    def failed(self, address: Address, now: float) -> None:
        """Note that a meeting came to nothing."""
        self._known(address)[1].failed_until = now + self.config.failed_for

    # -- what may leave ----------------------------------------------------------------------------------------------

    def free(self, address: Address, now: float) -> bool:
        """Return whether nothing sent to this address is counted: it is validated, the owner's choice, or here.

        Or it stands for a peer: what leaves for it goes where that peer asked (`core.relay`).
        """
        if address in self._permitted or virtual(address) or scope(address.host) is Scope.LOOPBACK:
            return True
        remote = self._remotes.get(address)
        return remote is not None and now - remote.validated_at < self.config.validated_for

    def packets(self, address: Address, now: float, most: int) -> int:
        """Return how many punches may leave now, at most `most`, and count them.

        One, until it is heard; then a few, if it is also named: a single one may be lost. All, when it is validated.
        """
        if self.free(address, now):
            return most
        remote, tried = self._known(address)
        if now - remote.heard_at < self.config.heard_for:
            few = min(most, self.config.few) if self._named(address, now) else 1
            return next((count for count in range(few, 0, -1) if self.take(address, now, count)), 0)
        if self._pauses(remote, tried, now) or not self._try(address, now) or not self.take(address, now):
            return 0
        tried.unanswered += 1
        if tried.unanswered >= self.config.probes:
            tried.unanswered = 0
            tried.failed_until = now + self.config.failed_for
        return 1

    def _pauses(self, remote: Remote, tried: _Tried, now: float) -> bool:
        forgiven = remote.validated_at > -math.inf and tried.failed_until < self._began + self.config.failed_for
        return now < tried.failed_until and not forgiven

    def take(self, address: Address, now: float, packets: int = 1) -> bool:
        """Count punches, or answers to some, and return True; or return False when that is too much."""
        if self.free(address, now):
            return True
        host = self._host(address)
        answers = not self._named(address, now)  # else the bound of new targets holds
        if not self._affords(host, now, packets) or (answers and not self._spares(address.host, now)):
            self.held_back += 1
            return False
        if answers:
            self._spend(address.host, now, packets)
        host.row.charge(now, packets)
        host.units -= packets
        return True

    def _affords(self, host: _Host, now: float, packets: int) -> bool:
        return self._has(host, now, packets) or (self._refilled(host, now) and self._has(host, now, packets))

    def _has(self, host: _Host, now: float, packets: int) -> bool:
        kept = self.config.kept if now - host.told_at < self.config.told_for else 0
        return host.units >= packets + kept * SYN_UNITS and host.row.tokens(now) >= packets + kept

    def _refilled(self, host: _Host, now: float) -> bool:
        """Give a host what it may get once more, and return True, where it has proved itself lately."""
        if not self._proved(host, now) or self._refills.tokens(now) < 1.0 or not host.refills.take(now):
            return False
        self._refills.charge(now, 1.0)
        self._refill(host, now)
        return True

    def lend(self, host: str, now: float) -> bool:
        """Take a packet to a host for another socket of this peer, its grape's, and return True; or return False.

        The last ones of the row are not lent: a friend whose address somebody forges is still called.
        """
        return self._lend(self._host(Address(host, 0)).row, self.config.unlent, host, now)

    def _lend(self, row: TokenBucket, left: int, host: str, now: float) -> bool:
        if row.tokens(now) < 1.0 + left or not self._spares(host, now):
            self.held_back += 1
            return False
        row.charge(now, 1.0)
        self._spend(host, now)
        return True

    def may_answer(self, source: Address, now: float) -> bool:
        """Count an answer to a packet from there, whatever it is, and return True; or return False.

        All that a forged source can draw comes here, or to `may_acknowledge` and `lend`: answers to SYNs, RESETs,
        checks of a path, "where do you see me", answers of either DHT, acknowledgements of punches. One bound has all.
        """
        if self.free(source, now):
            return True
        row, left = self._host(source).row, self.config.unanswered if self._named(source, now) else 0
        return self._lend(row, left, source.host, now)

    def may_acknowledge(self, source: Address, now: float) -> bool:
        """Note a punch from there, and return whether it is acknowledged; for the punch engine."""
        self.heard(source, now)
        return self.take(source, now)

    def _spares(self, host: str, now: float) -> bool:
        """Return whether the surroundings of a host, and all together, may be answered once more."""
        return self._all_around(host).tokens(now) >= 1.0 and self._answers.tokens(now) >= 1.0

    def _spend(self, host: str, now: float, packets: int = 1) -> None:
        self._all_around(host).charge(now, packets)
        self._answers.charge(now, packets)

    def _all_around(self, host: str) -> TokenBucket:
        config = self.config
        return self._around.use(surroundings(host), lambda: TokenBucket(config.around_rate, config.around))

    def may_dial(self, address: Address, now: float, syns: int) -> bool:
        """Return whether a connection may be tried, which sends so many SYNs at most, and count them."""
        if self.free(address, now):
            return True
        host = self._host(address)
        fresh = now - self._known(address)[0].heard_at < self.config.heard_for
        if not (fresh or self._try(address, now)) or host.units < syns * SYN_UNITS or not host.row.take(now, syns):
            self.held_back += 1
            return False
        host.units -= syns * SYN_UNITS
        return True

    def may_meet(self, address: Address, broker: Address, now: float, packets: int) -> bool:
        """Return whether a meeting that a broker arranges may begin, and count it; its packets are counted apart."""
        if self.free(address, now):
            return True
        config, host = self.config, self._host(address)
        told = self._brokers.use(
            broker, lambda: TokenBucket(config.meetings_told / 3 / config.failed_for, config.meetings_told)
        )
        once_more = host.meetings.tokens(now) >= 1.0 or self._refilled(host, now)
        if not once_more or not self._affords(host, now, packets) or not told.take(now):
            self.held_back += 1
            return False
        return host.meetings.take(now)

    def _try(self, address: Address, now: float) -> bool:
        """Return whether an unheard address has, or gets, one of its host's places; the first time is counted."""
        host = self._host(address)
        if not self._named(address, now):
            return False
        if address not in host.trying:
            for each in [each for each, until in host.trying.items() if until <= now]:
                del host.trying[each]
            if len(host.trying) >= self.config.silent or not self._new.take(now):
                self.held_back += 1
                return False
        # until its last probe is due, and a moment for the answer
        host.trying[address] = now + self.config.probes
        return True

    def _named(self, address: Address, now: float) -> bool:
        return now - self._host(address).told_at < self.config.told_for

    def _host(self, address: Address) -> _Host:
        config = self.config
        return self._hosts.use(
            self.counted(address.host),
            lambda: _Host(
                TokenBucket(config.row_rate, config.row),
                TokenBucket(1.0 / config.failed_for, config.meetings),
                TokenBucket(config.heard_rate, config.heard_burst),
                TokenBucket(config.refills_rate, config.refills),
            ),
        )

    def _known(self, address: Address) -> tuple[Remote, _Tried]:
        remote = self._remotes.use(address)
        return remote, remote.note(_Tried)


def refusal(target: Address, by: str | None, beside: Callable[[Address], bool]) -> str | None:
    """Say why nothing is sent to `target`, which somebody at the host `by` named; None when it may be.

    `beside(target)`: it is on a network of ours, with no router between. `by` None: it is not known who named it.
    """
    if not usable(target):
        return "it is no address that anything can be sent to"
    if target.port < LEAST_PORT:
        return "its port is one of well-known services"
    link = target.host.partition("%")[2]
    if link:  # this machine names it, for a neighbour there; nobody else can
        there = by is None or scope(by) is Scope.LOOPBACK or link == by.partition("%")[2]
        return None if there and beside(target) else "it is on one link of ours, which nobody else can name"
    reach = scope(target.host)
    if reach is Scope.PUBLIC:
        return None
    told_from = Scope.PUBLIC if by is None else scope(by)
    if reach is Scope.LOOPBACK:
        return None if told_from is Scope.LOOPBACK else "it is this machine itself"
    if reach is Scope.CARRIER and told_from in (Scope.CARRIER, Scope.LOOPBACK):
        return None
    return None if beside(target) else "it is on a private network that is not ours"
