"""The peers that were heard of on our networks, and which of their grapes is asked when. Without I/O.

Anybody on a network may publish anything, also in the name of another host. So the table is bounded in all and for each
host, and each address is asked with one packet, ever more rarely while it does not answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from core.frozen import frozen
from core.lan.instance import Instance
from core.limits.rate import Backoff
from core.scope import is_six
from core.values import Address

_KEPT = "kept"  # no instance has such a name


@frozen
class NeighboursConfig:
    """Bounds, and pauses in seconds."""

    rows: int = 64  # addresses in all; full: one that never answered makes room, else the new one is refused
    per_host: int = 4  # addresses of one host; more peers on one computer find each other over loopback
    first: float = 0.5  # until the second question: its first packet met a firewall that ours opens meanwhile, say
    most: float = 300.0  # between questions to one that does not answer
    told: int = 3  # questions without an answer after which one counts as silent: 2 to 3 s
    again: float = 10.0  # until one that has answered is looked at again: it may have left
    six_after: float = (
        0.25  # until a peer's IPv6 address is asked, and each further one: RFC 8305 section 8 has so much
    )


@dataclass(slots=True)
class _Row:
    """One address, and who named it. `at`: when it is due."""

    names: dict[tuple[str, str], None]  # (the host of ours where it was heard, the instance)
    backoff: Backoff
    at: float
    heard: bool = False  # it answered at least once
    spare: bool = False  # another address of that peer comes first, and is enough


class Neighbours:
    """`known(address)`: that grape answers ours. `may_ask(address, now)`: one packet may go there, which is counted."""

    def __init__(
        self,
        known: Callable[[Address], bool],
        may_ask: Callable[[Address, float], bool],
        random: Random,
        config: NeighboursConfig | None = None,
    ) -> None:
        self._known = known
        self._may_ask = may_ask
        self._random = random
        self._config = config or NeighboursConfig()
        self._rows: dict[Address, _Row] = {}  # the one added first comes first
        self.refused = 0  # addresses that found no place

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, instance: Instance, via: str, now: float) -> None:
        """Take an instance heard of on our host `via`. If it has other addresses than before, it has those only."""
        key = (via, instance.name)
        for address in [each for each in self._rows if each not in instance.grapes]:
            self._forget(key, address)
        for turn, address in enumerate(instance.grapes):
            later = turn + is_six(address.host)
            row = self._rows.get(address)
            if row is not None:
                if len(row.names) < self._config.per_host:
                    row.names[key] = None
            elif self._has_room(address.host):
                backoff = Backoff(self._config.first, self._config.most, self._random)
                self._rows[address] = _Row({key: None}, backoff, now + later * self._config.six_after, spare=later > 0)
            else:
                self.refused += 1

    def recall(self, grape: Address, via: str, now: float) -> None:
        """Take a grape that answered on a network before; that nobody is there now says nothing of a firewall."""
        self.add(Instance(f"{_KEPT} {grape}", (grape,), grape.port), via, now)

    def begin_again(self, now: float) -> None:
        """Have all be asked now, however often they did not answer."""
        for row in self._rows.values():
            row.backoff.succeeded()
            row.at = min(row.at, now)

    def remove(self, name: str, via: str) -> None:
        """Forget an instance that has left."""
        for address in list(self._rows):
            self._forget((via, name), address)

    def leave(self, via: str) -> None:
        """Forget all that was heard on a host of ours: that network is gone."""
        for address, row in list(self._rows.items()):
            for key in [each for each in row.names if each[0] == via]:
                self._forget(key, address)

    def due(self, now: float) -> list[Address]:
        """Return which grapes are to be asked now, once each."""
        asked = []
        for address, row in self._rows.items():
            if row.at > now:
                continue
            if self._known(address):
                row.heard = True
                row.backoff.succeeded()
                row.at = now + self._config.again
                continue
            if row.spare and self._is_known_elsewhere(row):
                row.at = now + self._config.again
                continue
            row.at = now + row.backoff.failed()
            if self._may_ask(address, now):
                asked.append(address)
        return asked

    def deadline(self) -> float | None:
        """Return when `due` has something to do next; None: never."""
        return min((row.at for row in self._rows.values()), default=None)

    def answering(self) -> list[Address]:
        """Return the grapes that answer."""
        return [address for address in self._rows if self._known(address)]

    def counts(self) -> tuple[int, int]:
        """Return how many peers answer, and how many did not though asked often. A peer with two addresses is one."""
        answering = {each: row for each, row in self._rows.items() if self._known(each)}
        named = {name for row in answering.values() for _, name in row.names}
        others = (row for each, row in self._rows.items() if each not in answering)
        waiting = [row for row in others if row.backoff.failures > self._config.told]
        silent = {name for row in waiting for _, name in row.names if not name.startswith(_KEPT)} - named
        # many names for one address are one peer
        return min(len(answering), len(named)), min(len(waiting), len(silent))

    def _forget(self, key: tuple[str, str], address: Address) -> None:
        row = self._rows[address]
        row.names.pop(key, None)
        if not row.names:
            del self._rows[address]

    def _is_known_elsewhere(self, row: _Row) -> bool:
        """Return whether a peer of this address answers at another one."""
        names = {name for _, name in row.names}
        others = (each for at, each in self._rows.items() if each is not row and self._known(at))
        return any(name in names for each in others for _, name in each.names)

    def _has_room(self, host: str) -> bool:
        """Return whether a new address of this host has a place, which another may have to leave."""
        if sum(each.host == host for each in self._rows) >= self._config.per_host:
            return False
        if len(self._rows) < self._config.rows:
            return True
        for address, row in self._rows.items():
            if not row.heard and not self._known(address) and row.backoff.failures > 1:
                del self._rows[address]
                return True
        return False
