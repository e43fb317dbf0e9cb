"""The way to each peer that is heard, with its reason: worked out from what is known, whenever somebody looks."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from core.nat.report import Mapping
from core.news.attempts import Attempts
from core.news.events import NatSnapshot, PeerRow
from core.news.hub import Hub
from core.news.seen import Attempt, Connections, Measured, PathRow, Via, Way
from core.peer_id import PeerId
from core.scope import Scope, is_six, scope, virtual
from core.values import Address


class _Heard(NamedTuple):
    """Somebody who is heard at an address. `punched`: punches went both ways."""

    address: Address
    peer_id: PeerId | None
    since: float
    last_seen: float
    trip: float | None = None
    punched: bool = False


class Paths:
    """Keeps the attempts, and finds the paths. `way(address)`: what a relay's lane knows, None where there is none.

    `hosts()`: this computer's own. `carried(address)`: packets to it go in a connection of TCP.
    """

    def __init__(
        self,
        hub: Hub,
        hosts: Callable[[], Sequence[str]] = tuple,
        way: Callable[[Address], Way | None] = lambda _: None,
        carried: Callable[[Address], bool] = lambda _: False,
    ) -> None:
        self._hosts = hosts
        self._hub = hub
        self._attempts = Attempts(hub)
        self._way, self._carried = way, carried
        self._since: dict[Address, float] = {}  # Unix seconds; of those that there are sessions with now

    def snapshot(
        self,
        peers: Iterable[PeerRow],
        sessions: Iterable[tuple[PeerId, Address]],
        measured: Iterable[tuple[Address, float | None, float]],
        nat: NatSnapshot,
    ) -> Connections:
        """Return how this peer is connected to those of `peers` that are heard, and to those with `sessions`.

        `measured` is of each connection: its remote, the round trip in seconds, the share of bytes lost.
        """
        best: dict[Address, Measured] = {}
        for each in itertools.starmap(Measured, measured):
            known = best.get(each.remote)
            if known is None or (each.round_trip or math.inf) < (known.round_trip or math.inf):
                best[each.remote] = each
        found: dict[Address, _Heard] = {}
        for heard in (*_of_rows(peers), *self._of_sessions(sessions)):
            found[heard.address] = _joined(found[heard.address], heard) if heard.address in found else heard
        opened, own = self._attempts.opened(), self._hosts()
        paths = [self._path(each, own, nat, opened.get(where), best.get(where)) for where, each in found.items()]
        return Connections(tuple(sorted(paths, key=lambda path: path.since)), self._attempts.rows())

    def _of_sessions(self, sessions: Iterable[tuple[PeerId, Address]]) -> Iterator[_Heard]:
        now, present = self._hub.now(), tuple(sessions)
        self._since = {address: self._since.get(address, now) for _, address in present}
        for peer_id, address in present:
            yield _Heard(address, peer_id, self._since[address], now)

    def _path(
        self, heard: _Heard, own: Sequence[str], nat: NatSnapshot, opened: Attempt | None, measured: Measured | None
    ) -> PathRow:
        way = self._way(heard.address)
        if heard.address.host in own:
            via = Via.COMPUTER
        else:
            via = Via.TCP if self._carried(heard.address) else _via(heard, nat, opened, way)
        how = opened.how if opened is not None and via is Via.PUNCHED else ""
        relay = way.relay if way is not None and via is Via.RELAYED else ""
        since = heard.since if opened is None or opened.ended is None else max(heard.since, opened.ended)
        trip = heard.trip if measured is None or measured.round_trip is None else measured.round_trip
        loss = None if measured is None else round(measured.loss, 3)
        trip = None if trip is None else round(trip, 4)
        reason, better = explained(via, how, relay, nat)
        seen = max(since, heard.last_seen)
        return PathRow(heard.address, via, how, relay, heard.peer_id, trip, loss, since, seen, reason, better)


def _of_rows(peers: Iterable[PeerRow]) -> Iterator[_Heard]:
    for row in peers:
        if row.replies or row.requests_served or row.punches_received:
            punched = bool(row.punches_sent and row.punches_received)
            yield _Heard(row.address, row.peer_id, row.since, row.last_seen, row.rtt, punched)


def _joined(first: _Heard, second: _Heard) -> _Heard:
    """Return both as one: a socket may be two rows, one that shares and one that asks, and have a session."""
    return _Heard(
        first.address,
        first.peer_id or second.peer_id,
        min(first.since, second.since),
        max(first.last_seen, second.last_seen),
        second.trip if first.trip is None else first.trip,
        first.punched or second.punched,
    )


def _via(heard: _Heard, nat: NatSnapshot, opened: Attempt | None, way: Way | None) -> Via:
    """Return the way of a peer's packets."""
    address = heard.address
    if way is not None and way.address is not None:
        address = way.address
    elif way is not None or virtual(address):
        return Via.RELAYED
    reach = scope(address.host)
    if reach is Scope.LOOPBACK:
        return Via.COMPUTER
    if reach is Scope.PRIVATE:
        return Via.LAN
    if is_six(address.host):
        return Via.IPV6
    if nat.report.open or nat.report.mapping is Mapping.NONE:
        return Via.DIRECT
    if nat.port.address is not None and not (opened is not None and opened.how not in ("", PLAIN)):
        return Via.MAPPED
    return Via.PUNCHED if opened is not None or heard.punched else Via.DIRECT


PLAIN = "plain punching"
RUNGS = {  # the words of `core.punch.rungs.Rung`
    "predicted port": "The next one was known beforehand",
    "predicted ports": "Both sides knew the other's next one beforehand",
    "rows of ports": "Both sides knew about where the other's next ones are",
    "birthday": "It was found by trying many ports at once",
    "port blocks": "It was found in the small range that the provider gives each home",
}


def explained(via: Via, how: str, relay: str, nat: NatSnapshot) -> tuple[str, str]:
    """Return why a path is as it is, and what would make it better, as sentences; the second may be ""."""
    match via:
        case Via.COMPUTER:
            return "It runs on this computer.", ""
        case Via.LAN:
            return "Both are in the same network: nothing leaves your home.", ""
        case Via.IPV6:
            return "Both have IPv6, so no router translates addresses.", ""
        case Via.DIRECT:
            return "Packets go straight there: no router had to be opened.", ""
        case Via.MAPPED:
            port = nat.port.address
            asked = f" by {nat.port.how}" if nat.port.how else ""
            where = f" port {port.port}" if port is not None else " a port"
            return f"Your router opened{where}{asked}, so packets go straight there.", ""
        case Via.PUNCHED:
            return _punched(how, nat)
        case Via.TCP:
            reason = "UDP does not get through between the two, so the packets go in a connection of TCP."
            return reason, "Let UDP through in the firewall of the network that blocks it: it is quicker."
        case Via.RELAYED:
            who = relay or "another peer"
            reason = f"No direct way was found yet, so {who} passes the packets on. It cannot read them."
            return reason, nat.advice or "Open a port on your router, or let it open one: see the settings."


def _punched(how: str, nat: NatSnapshot) -> tuple[str, str]:
    if how in ("", PLAIN):
        return "Both sides sent at the same time, and so opened their routers.", ""
    reason = f"A router uses a new port for each destination. {RUNGS.get(how, 'The right one was found')}."
    return reason, nat.advice or "An open port on either router makes it quicker to come back."
