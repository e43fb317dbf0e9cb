"""How much each caller may ask: requests and bytes a second, and requests at the same time.

A caller whom the owner trusts is known by its Peer ID. Anybody else is its host: IDs cost nothing to make. Who calls
from this machine, and the owner's own peers, are not counted. Without I/O: time is handed in.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass, fields

from core.errors import LocalError
from core.peer_id import PeerId
from core.scope import Scope, scope
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
# The home's own network, and whom its owner trusts: a sensor that reports, a program that works through a list.
TRUSTED = Allowance(5000.0, 20_000.0, 100e6, 1e9, 512)
MAX_CALLERS = 4096  # counted at a time; full: the one that asked longest ago begins anew


class RateLimited(LocalError):
    """A caller asks too much; the sentence says when it may ask again."""

    name = "ERR_RATE_LIMITED"


@dataclass(slots=True)
class _Account:
    requests: float  # left
    bytes: float  # left; below 0 after something great
    at: float
    under_way: int = 0


Key = PeerId | str


class Quotas:
    """Accounts by caller. `trusted` is who the owner trusts with something."""

    def __init__(self, stranger: Allowance = STRANGER, trusted: Allowance = TRUSTED) -> None:
        self._stranger = stranger
        self._trusted = trusted
        self._accounts: OrderedDict[Key, _Account] = OrderedDict()
        self.refused: Counter[str] = Counter()  # by what there was too much of

    def __len__(self) -> int:
        """Return how many callers are counted."""
        return len(self._accounts)

    def take(self, caller: Caller, trusted: bool, now: float) -> None:
        """Count a request. Raises RateLimited for one too many."""
        if _is_here(caller):
            return
        allowed = self._allowance(caller, trusted)
        account = self._account(_key(caller, trusted), allowed, now)
        if account.under_way >= allowed.under_way:
            self._refuse("under way", f"{allowed.under_way} requests of yours are under way: wait for one to end")
        if account.requests < 1.0:
            wait = (1.0 - account.requests) / allowed.requests
            self._refuse("requests", f"you ask more than {allowed.requests:g} times a second: wait {wait:.2g} s")
        if account.bytes < 0.0:
            wait = -account.bytes / allowed.bytes
            self._refuse("bytes", f"you use more than {allowed.bytes / 1e6:g} MB a second: wait {wait:.2g} s")
        account.requests -= 1.0

    def charge(self, caller: Caller, trusted: bool, size: int, now: float) -> None:
        """Count the bytes of a request and its reply, once they are known."""
        if not _is_here(caller):
            self._account(_key(caller, trusted), self._allowance(caller, trusted), now).bytes -= size

    def begin(self, caller: Caller, trusted: bool, now: float) -> None:
        """Count a request that is worked on; `end` follows."""
        if not _is_here(caller):
            self._account(_key(caller, trusted), self._allowance(caller, trusted), now).under_way += 1

    def end(self, caller: Caller, trusted: bool) -> None:
        """Count it no more; an account that was forgotten meanwhile began anew."""
        account = self._accounts.get(_key(caller, trusted))
        if account is not None and account.under_way:
            account.under_way -= 1

    def _allowance(self, caller: Caller, trusted: bool) -> Allowance:
        at_home = scope(caller.address.host) is Scope.PRIVATE
        return self._trusted if trusted or at_home else self._stranger

    def _account(self, key: Key, allowed: Allowance, now: float) -> _Account:
        account = self._accounts.get(key)
        if account is None:
            if len(self._accounts) >= MAX_CALLERS:
                self._accounts.popitem(last=False)
            account = self._accounts[key] = _Account(allowed.requests_at_once, allowed.bytes_at_once, now)
            return account
        self._accounts.move_to_end(key)
        passed = max(0.0, now - account.at)
        account.at = max(now, account.at)
        account.requests = min(allowed.requests_at_once, account.requests + passed * allowed.requests)
        account.bytes = min(allowed.bytes_at_once, account.bytes + passed * allowed.bytes)
        return account

    def _refuse(self, what: str, sentence: str) -> None:
        self.refused[what] += 1
        raise RateLimited(sentence)


def _is_here(caller: Caller) -> bool:
    return caller.address.host.startswith("127.")


def _key(caller: Caller, trusted: bool) -> Key:
    return caller.peer_id if trusted and caller.peer_id is not None else caller.address.host
