"""The invitations that were made, as one value: its bounds, its changes, and how it is written as JSON. Pure."""

import json
import math
from dataclasses import dataclass, field, replace
from typing import Any, Final

from core.errors import LocalError
from core.invitations.entries import DAY, MAX_DAYS, MAX_USES, Invitation, Joined, State
from core.invitations.proof import VERIFIER_BYTES
from core.peer_id import PeerId
from core.trust.entries import EVERY, MAX_SERVICE, MAX_SERVICES, clean_name, is_service

SCHEMA: Final = 1
MAX_INVITATIONS: Final = 100  # that anybody would look through; 50 KB, or 1 MB when each was used a hundred times
NONE: Final = "ERR_INVITATION_UNKNOWN"


@dataclass(slots=True)
class Book:
    """Invitations by number, the oldest first. Numbers are used once."""

    held: dict[int, Invitation] = field(default_factory=dict)
    last: int = 0  # the number given last

    def copy(self) -> "Book":
        """Return one that can be changed apart from this one; entries never change."""
        return Book(dict(self.held), self.last)

    def find(self, verifier: bytes) -> Invitation | None:
        """Return the invitation with this verifier."""
        return next((each for each in self.held.values() if each.verifier == verifier), None)

    def any_open(self, now: float) -> bool:
        """Tell whether somebody may still join."""
        return any(each.state(now) is State.OPEN for each in self.held.values())

    # -- changes: each raises LocalError that says what cannot be ---------------------------------------------------

    def add(
        self, verifier: bytes, name: str, services: frozenset[str], now: float, *, uses: int, days: float, called: str
    ) -> Invitation:
        """Make an invitation; when there are too many, the oldest one that is over makes room."""
        name = clean_name(name)
        if not name:
            raise LocalError(
                "give the name of the person that you invite: the peer will be called so here", name="ERR_NAME"
            )
        if len(services) > MAX_SERVICES or not all(map(is_service, services)):
            raise LocalError(f"name at most {MAX_SERVICES} shares, each of 1 to {MAX_SERVICE} printable characters")
        if "*" in services and services != EVERY:
            raise LocalError("'*' means every share: name it alone")
        if not 1 <= uses <= MAX_USES:
            raise LocalError(f"an invitation is for 1 to {MAX_USES} people, not {uses}")
        if not 0 < days <= MAX_DAYS:  # NaN is neither
            raise LocalError(f"an invitation holds for at most {MAX_DAYS:g} days, not {days:g}")
        self._make_room(now)
        self.last += 1
        made = Invitation(self.last, name, services, verifier, now, now + days * DAY, uses, clean_name(called))
        self.held[made.number] = made
        return made

    def withdraw(self, number: int, now: float) -> Invitation:
        """Let nobody else join by an invitation. Idempotent; who has joined stays."""
        found = self.held.get(number)
        if found is None:
            raise LocalError(f"there is no invitation {number}: 'grapevine invitations' lists them", name=NONE)
        if found.state(now) is State.OPEN:
            found = self.held[number] = replace(found, withdrawn=now)
        return found

    def spend(self, verifier: bytes, peer_id: PeerId, now: float) -> Invitation | None:
        """Let a peer join: return the invitation with it, or None when it may not. A peer joins once."""
        found = self.find(verifier)
        if found is None or (found.by(peer_id) is None and found.state(now) is not State.OPEN):
            return None
        if found.by(peer_id) is None:
            found = replace(found, joined=(*found.joined, Joined(peer_id, now)))
            self.held[found.number] = found
        return found

    def settle(self, number: int, peer_id: PeerId) -> None:
        """Note that a peer that joined is in the list of known peers, or must not come into it any more."""
        found = self.held.get(number)
        if found is not None:
            joined = tuple(replace(each, settled=True) if each.peer_id == peer_id else each for each in found.joined)
            self.held[number] = replace(found, joined=joined)

    def settle_all(self, peer_id: PeerId) -> None:
        """Do so for every invitation that a peer joined by."""
        for number in list(self.held):
            self.settle(number, peer_id)

    def unsettled(self) -> list[tuple[Invitation, PeerId]]:
        """Return who joined when the program was ended before it wrote the list of known peers."""
        return [(each, joined.peer_id) for each in self.held.values() for joined in each.joined if not joined.settled]

    def _make_room(self, now: float) -> None:
        if len(self.held) < MAX_INVITATIONS:
            return
        over = next((each.number for each in self.held.values() if each.state(now) is not State.OPEN), None)
        if over is None:
            raise LocalError(
                f"{MAX_INVITATIONS} invitations are open, which is the most there can be: withdraw some first",
                name="ERR_INVITATIONS_FULL",
            )
        del self.held[over]

    # -- JSON ---------------------------------------------------------------------------------------------------------

    def dump(self) -> bytes:
        """Return it as a document with a line for each invitation."""
        rows = ",".join(f"\n  {json.dumps(_row(each), ensure_ascii=False)}" for each in self.held.values())
        return f'{{"schema": {SCHEMA}, "last": {self.last}, "invitations": [{rows}]}}\n'.encode()

    @classmethod
    def load(cls, data: bytes) -> "Book":
        """Read a document. Raises ValueError, with what is wrong, for anything but a whole and sound one."""
        try:
            document = json.loads(data)
            if not isinstance(document, dict) or document.get("schema") != SCHEMA:
                raise ValueError(f"it is no list of invitations of schema {SCHEMA}")
            rows = [_invitation(row) for row in document["invitations"]]
            book = cls({each.number: each for each in rows}, _count(document["last"]))
        except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"an entry is not what it should be: {error!r}") from None
        if len(rows) > MAX_INVITATIONS or len(book.held) != len(rows) or max(book.held, default=0) > book.last:
            raise ValueError(f"it has a number twice, one too high, or more than {MAX_INVITATIONS} invitations")
        if len({each.verifier for each in rows}) != len(rows):
            raise ValueError("it has an invitation twice")
        return book


def _row(each: Invitation) -> dict[str, Any]:
    return {
        "number": each.number,
        "name": each.name,
        "services": sorted(each.services),
        "verifier": each.verifier.hex(),
        "made": each.made,
        "expires": each.expires,
        "uses": each.uses,
        "called": each.called,
        "joined": [{"id": str(one.peer_id), "at": one.at, "settled": one.settled} for one in each.joined],
        "withdrawn": each.withdrawn,
    }


def _invitation(row: dict[str, Any]) -> Invitation:
    services, name, called = row["services"], row["name"], row["called"]
    verifier = bytes.fromhex(row["verifier"])
    joined = tuple(Joined(PeerId.parse(one["id"]), _time(one["at"]), _flag(one["settled"])) for one in row["joined"])
    uses, number = _count(row["uses"]), _count(row["number"])
    if not isinstance(services, list) or len(services) > MAX_SERVICES or not all(map(is_service, services)):
        raise ValueError("the shares of an invitation are not what they should be")
    if clean_name(name) != name or not name or clean_name(called) != called:
        raise ValueError("a name in it is not what it should be")
    if len(verifier) != VERIFIER_BYTES or not 1 <= uses <= MAX_USES or number < 1 or len(joined) > uses:
        raise ValueError("an invitation in it is not what it should be")
    withdrawn = None if row["withdrawn"] is None else _time(row["withdrawn"])
    return Invitation(
        number, name, frozenset(services), verifier, _time(row["made"]), _time(row["expires"]), uses, called, joined,
        withdrawn,
    )  # fmt: skip


def _time(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("a time is not a number")
    return float(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("a number is not a whole one")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("a flag is neither true nor false")
    return value
