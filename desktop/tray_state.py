"""What the tray icon says: the worst of grape, link and share, as one of seven states and in words. No Qt here."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from core.news.events import AWAY, GrapeState, PeerRow, PeerSnapshot, Role, ServiceSnapshot, ShareRow

ACTIVE_SECONDS = 60.0  # a consumer heard within a minute counts as there; its loop asks and punches every second
MAX_NAMES = 3  # of what is shared, in the words beside the icon
HOLD_SECONDS = 2.0  # a state stays at least so long: flicker tells nobody anything (DESKTOP 11, R6)


class TrayState(enum.StrEnum):
    """The icon's states; each has a shape and a colour of its own."""

    OFF = "off"  # no peer is open
    CONNECTING = "connecting"  # the grape starts, or the service is not announced yet
    READY = "ready"  # connected, nothing shared
    SHARING = "sharing"
    ACTIVE = "active"  # sharing, and somebody is there
    ASKING = "asking"  # somebody waits for the owner's answer
    PROBLEM = "problem"  # the grape cannot be reached, so nobody finds us


@dataclass(frozen=True, slots=True)
class Reading:
    """A state and the sentence that belongs to it."""

    state: TrayState
    words: str


def read(snapshot: PeerSnapshot | None, now: float) -> Reading:
    """Return what the tray shows for a snapshot. `now` is in Unix seconds."""
    if snapshot is None:
        return Reading(TrayState.OFF, "Not running yet")
    grape = snapshot.grape
    if grape.state in AWAY:
        return Reading(TrayState.PROBLEM, grape.message or "The grape cannot be reached")
    if snapshot.pending:
        waiting = len(snapshot.pending)
        who = "1 request waits" if waiting == 1 else f"{waiting} requests wait"
        return Reading(TrayState.ASKING, f"{who} for your answer")
    if grape.state is GrapeState.STARTING:
        return Reading(TrayState.CONNECTING, grape.message or "Connecting")
    shared = [service for service in snapshot.services if service.sharing]
    if not shared and not _shares(snapshot):
        return Reading(TrayState.READY, _sentences("Ready, nothing is shared", _consuming(snapshot)))
    unannounced = [service for service in shared if service.announced_nodes == 0]
    if unannounced:
        return Reading(TrayState.CONNECTING, f"Announcing {_listed(each.name for each in unannounced)}")
    return _sharing(snapshot, shared, now)


def _sharing(snapshot: PeerSnapshot, shared: list[ServiceSnapshot], now: float) -> Reading:
    users = {user for share in _shares(snapshot) for user in share.users}
    others = {row.peer_id or row.address for row in snapshot.peers if shared and _active(row, now)}
    there = len(users | others)
    what = f"Sharing {_listed([*(each.name for each in shared), *(each.name for each in _shares(snapshot))])}"
    if not there:
        return Reading(TrayState.SHARING, _sentences(f"{what}, no peer is there now", _consuming(snapshot)))
    peers = "1 peer" if there == 1 else f"{there} peers"
    return Reading(TrayState.ACTIVE, _sentences(f"{what} with {peers}", _consuming(snapshot)))


def _active(row: PeerRow, now: float) -> bool:
    heard = row.punches_received + row.requests_served > 0
    return row.role is Role.CONSUMER and heard and now - row.last_seen < ACTIVE_SECONDS


def _consuming(snapshot: PeerSnapshot) -> str:
    wanted = [service for service in snapshot.services if service.consuming]
    return f"Consuming {_listed(each.name for each in wanted)}" if wanted else ""


def _shares(snapshot: PeerSnapshot) -> list[ShareRow]:
    return [share for share in snapshot.shares if share.on]


def _listed(names: Iterable[str]) -> str:
    """Return names, the first of many only: a tooltip has one line."""
    names = list(names)
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"{', '.join(names[:MAX_NAMES])}{more}"


def _sentences(*parts: str) -> str:
    return ". ".join(part for part in parts if part)


class Steady:
    """Keeps a reading on show for `HOLD_SECONDS`, except that a problem shows at once. Times: monotone seconds."""

    def __init__(self, hold: float = HOLD_SECONDS) -> None:
        self._hold = hold
        self._shown: Reading | None = None
        self._since = 0.0
        self._next: Reading | None = None

    def offer(self, reading: Reading, now: float) -> Reading:
        """Take the newest reading; return the one to show."""
        shown = self._shown
        changed = shown is None or reading.state is not shown.state
        if not changed or shown is None or reading.state is TrayState.PROBLEM or now >= self._since + self._hold:
            self._since = now if changed else self._since
            self._shown, self._next = reading, None
            return reading
        self._next = reading
        return shown

    def due(self) -> float | None:
        """Return when a reading that waits may be shown: call `offer` then. None while none waits."""
        return None if self._next is None else self._since + self._hold
