"""How much each caller may ask: requests and bytes a second, and requests at the same time.

A caller that the owner trusts is known by its Peer ID. Any other caller counts as its host: IDs cost nothing to make.
Callers on this machine, and the owner's own peers, are not counted. Without I/O: time is handed in.
"""

from collections import Counter
from dataclasses import fields

from core.frozen import dataclass
from core.limits.bounds import CALLERS
from core.limits.rate import TokenBucket
from core.limits.table import BoundedTable
from core.peer_id import PeerId
from core.scope import Scope, network, scope
from core.serving.refusals import RateLimited
from core.values import Caller


@dataclass(frozen=True, slots=True)
class Allowance:
    """Rates with what may come at once. Raises ValueError for a number that is not above 0."""

    requests: float  # a second
    requests_at_once: float
    bytes: float  # a second, of requests and replies together
    bytes_at_once: float
    under_way: int  # requests that a handler works on

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"Allowance.{field.name} must be above 0")


# A service in a home answers some people and their programs: a person with a script stays far below, a flood does not.
STRANGER = Allowance(100.0, 1000.0, 4e6, 64e6, 64)  # 64 MB: four messages of the greatest size, then as a home's line
# The home's own network, and peers that its owner trusts: a sensor that reports, a program that works through a list.
TRUSTED = Allowance(5000.0, 20_000.0, 100e6, 1e9, 512)


class Account:
    """What one caller, or all strangers of one host, may still ask."""

    __slots__ = ("_allowed", "_bytes", "_quotas", "_requests", "under_way")

    def __init__(self, allowed: Allowance, quotas: "Quotas") -> None:
        self._allowed = allowed
        self._quotas = quotas
        self._requests = TokenBucket(allowed.requests, allowed.requests_at_once)
        self._bytes = TokenBucket(allowed.bytes, allowed.bytes_at_once)
        self.under_way = 0  # requests that a service works on

    def take(self, now: float) -> None:
        """Count a request. Raises RateLimited for one too many."""
        allowed, left = self._allowed, self._bytes.tokens(now)
        if self.under_way >= allowed.under_way:
            self._refuse("under way", f"{allowed.under_way} requests of yours are under way: wait for one to end")
        if left < 0.0:
            wait = -left / allowed.bytes
            self._refuse("bytes", f"you use more than {allowed.bytes / 1e6:g} MB a second: wait {wait:.2g} s")
        if not self._requests.take(now):
            wait = self._requests.wait(now)
            self._refuse("requests", f"you ask more than {allowed.requests:g} times a second: wait {wait:.2g} s")

    def charge(self, size: int, now: float) -> None:
        """Count the bytes of a request and its reply, once they are known."""
        self._bytes.charge(now, size)

    def _refuse(self, what: str, sentence: str) -> None:
        self._quotas.refused[what] += 1
        raise RateLimited(sentence)


Key = PeerId | str


class Quotas:
    """Accounts by caller. `trusted` is who the owner trusts with something."""

    def __init__(self, stranger: Allowance = STRANGER, trusted: Allowance = TRUSTED) -> None:
        self._stranger = stranger
        self._trusted = trusted
        self._accounts: BoundedTable[Key, Account] = BoundedTable(CALLERS)
        self.refused: Counter[str] = Counter()  # by what there was too much of

    def __len__(self) -> int:
        """Return how many callers are counted."""
        return len(self._accounts)

    def take(self, caller: Caller, trusted: bool, now: float) -> Account | None:
        """Count a request; return what it is charged to, None for callers on this machine. Raises RateLimited."""
        host = network(caller.address.host)
        if scope(caller.address.host) is Scope.LOOPBACK:
            return None
        key = caller.peer_id if trusted and caller.peer_id is not None else host
        account = self._accounts.use(key, lambda: Account(self._allowance(host, trusted), self))
        account.take(now)
        return account

    def _allowance(self, host: str, trusted: bool) -> Allowance:
        return self._trusted if trusted or scope(host) is Scope.PRIVATE else self._stranger
