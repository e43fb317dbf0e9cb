"""Names of the Grenache DHT that strangers announce at an open peer: each at the address that it comes from. No I/O."""

from typing import Final

from core.limits.fair import FairTable
from core.scope import network
from core.values import Address

NAMES: Final = 1024  # announces in all; 200 bytes each
NAMES_HOST: Final = 16
NAMES_KEPT: Final = 128  # for trusted peers
AGE: Final = 1800.0  # seconds; as nodes of the public DHT keep announces
TOLD: Final = 32  # addresses of one answer


class Names:
    """Times are the caller's monotone seconds."""

    def __init__(self) -> None:
        self._kept: FairTable[tuple[str, Address], float, str] = FairTable(NAMES, NAMES_HOST, kept=NAMES_KEPT)
        self._of: dict[str, dict[Address, None]] = {}  # bounded by the table

    def __len__(self) -> int:
        return len(self._kept)

    def announce(self, name: str, source: Address, trusted: bool, now: float) -> None:
        """Note that somebody is to be found under a name, at the address that its request came from."""
        for gone in self._kept.put((name, source), now, network(source.host), kept=trusted):
            self._forget(*gone.key)
        if (name, source) in self._kept:
            self._of.setdefault(name, {})[source] = None

    def lookup(self, name: str, now: float) -> list[Address]:
        """Return who is announced under a name, the newest first."""
        found = []
        for address in reversed(list(self._of.get(name, ()))):
            at = self._kept.get((name, address))
            if at is not None and now - at < AGE:
                found.append(address)
            else:
                self._kept.pop((name, address))
                self._forget(name, address)
        return found[:TOLD]

    def _forget(self, name: str, address: Address) -> None:
        listed = self._of.get(name)
        if listed is not None:
            listed.pop(address, None)
            if not listed:
                del self._of[name]
