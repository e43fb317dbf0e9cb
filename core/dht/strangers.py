"""How much a node may send to addresses that have never answered it.

Such addresses come from other nodes' answers, and from the source field of queries, which can be forged: either way
somebody may mean to have us send to a third party. So one host gets few packets until it answers, an address is asked
with one packet, and all that is sent at a node's word is at most three times as long as what that node has sent.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from core.limits.rate import TokenBucket
from core.limits.table import BoundedTable
from core.scope import Scope, network, scope
from core.values import Address

HOST_RATE: Final = 1.5  # packets a second to one host that has never answered ...
HOST_BURST: Final = 12  # ... and at once; a name's 8 grapes on one host are all asked (max_public_nodes_per_host)
NEW_RATE: Final = 50.0  # new targets a second at others' word, in all ...
NEW_BURST: Final = 500  # ... and at once: two or three whole searches in a network of thousands
FACTOR: Final = 3  # bytes sent at a node's word for each byte it has sent; as RFC 9000 section 8 for one address
CREDIT_MAX: Final = 64 << 10  # bytes that a node can save up: 600 queries
MIN_PORT: Final = 1024  # below are system services (RFC 6335), and no grapes
SILENT_FIRST: Final = 5.0  # seconds in which an address that did not answer is not asked again, four times as long ...
SILENT_LAST: Final = 80.0  # ... for each further time, up to this
HOSTS_MAX: Final = 4096  # hosts whose packets are counted, nodes whose bytes are, silent addresses: 1 MB each


Share: TypeAlias = Callable[[str, float], bool]
"""(host, seconds): take a packet to a host that has not answered, and return True; or return False."""


def whole(host: str, now: float) -> bool:
    """Share with nobody."""
    return True


class _Silence(NamedTuple):
    until: float
    next_pause: float


class Strangers:
    """Counts what is sent to those who have never answered. This machine's own addresses are not counted.

    `knows(address, now)` tells who has answered. `share(host, now)` takes a packet to a host that others count too: a
    peer with a grape of its own has two sockets, and a third party gets as little from both of them. Seconds.
    """

    def __init__(self, knows: Callable[[Address, float], bool], share: Share = whole) -> None:
        self._knows = knows
        self._share = share
        self._hosts: BoundedTable[str, TokenBucket] = BoundedTable(HOSTS_MAX)
        self._credit: BoundedTable[str, int] = BoundedTable(HOSTS_MAX)
        self._silent: BoundedTable[Address, _Silence] = BoundedTable(HOSTS_MAX)
        self._new = TokenBucket(NEW_RATE, NEW_BURST)

    def knows(self, address: Address, now: float) -> bool:
        """Return whether an address has answered us, or is this machine's."""
        return scope(address.host) is Scope.LOOPBACK or self._knows(address, now)

    def may_answer(self, address: Address, now: float) -> bool:
        """Take a packet to the source of a query, or return False: it has had its share."""
        return self.knows(address, now) or self._take(address.host, now)

    def scarce(self, address: Address, now: float) -> bool:
        """Return whether half of a host's packets are used up: it should be asked to prove itself."""
        return not self.knows(address, now) and self._bucket(address.host).tokens(now) < HOST_BURST / 2

    def may_ask(self, address: Address, named_by: str, size: int, now: float) -> bool:
        """Take a packet of `size` bytes to an address that the node at host `named_by` has named, or return False."""
        if self.knows(address, now):
            return True
        silence = self._silent.get(address)
        if address.port < MIN_PORT or scope(address.host) < scope(named_by):  # a home's network, said from outside
            return False
        if (silence is not None and now < silence.until) or self._credit.get(network(named_by), 0) < size:
            return False
        if self._new.tokens(now) < 1 or not self._take(address.host, now):
            return False
        self._new.charge(now, 1)
        self._credit[network(named_by)] -= size
        pause = SILENT_FIRST if silence is None else silence.next_pause
        self._silent[address] = _Silence(now + pause, min(SILENT_LAST, 4 * pause))  # unless it answers
        return True

    def sent_us(self, host: str, size: int) -> None:
        """Note the bytes of an answer: so much more may be sent at this node's word."""
        owner = network(host)
        self._credit[owner] = min(CREDIT_MAX, self._credit.get(owner, 0) + FACTOR * size)

    def answered(self, address: Address) -> None:
        """Note that an address answers."""
        self._silent.pop(address, None)

    def _take(self, host: str, now: float) -> bool:
        bucket = self._bucket(host)
        if bucket.tokens(now) < 1 or not self._share(host, now):
            return False
        bucket.charge(now, 1)
        return True

    def _bucket(self, host: str) -> TokenBucket:
        return self._hosts.use(network(host), lambda: TokenBucket(HOST_RATE, HOST_BURST))
