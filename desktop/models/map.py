"""The map of what this peer is connected to: spots and lines, worked out without a pixel; and as a table, for a list.

This peer stands at the left with its network, its router in the middle, everybody else at the right. Coordinates are
shares of the picture, 0 to 1. Only the first spots of each group have a place; the list has
more. People that the owner knows come first: strangers, however many, push none of them out.
"""

import enum
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import QCoreApplication

from core.news.events import AWAY, PeerSnapshot
from core.news.seen import Attempt, Outcome, PathRow, Via
from core.values import Address
from desktop.models.paths import NOT_KNOWN, lost, who, why
from desktop.models.table import Column, Columns, RowsModel, Scene
from desktop.models.words import count, span, trip

NEAR_PLACES = 4  # spots of our own network that are drawn; more would stand over one another at 800 x 480
FAR_PLACES = 7  # others that are drawn
LISTED = 128  # peers that the list names; 1,000 took 50 ms of the window's time, ten times a second
HERE_X, ROUTER_X, RELAY_X, FAR_X = 0.12, 0.38, 0.56, 0.72


class Kind(enum.Enum):
    """What a spot is. Each has a shape of its own."""

    SELF = "this peer"
    ROUTER = "router"
    NEAR = "on this network"
    RELAY = "relay"
    PEER = "peer"
    BROKER = "broker"
    GRAPES = "grapes"
    OTHERS = "others"


class Line(enum.Enum):
    """How the way to a spot stands. Each is drawn in another way, not only in another colour."""

    OPEN = "open"
    TRYING = "trying"
    RELAYED = "relayed"
    IDLE = "known"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Spot:
    """Something on the map. `badge` is the way there in a word or two, `text` says it in sentences.

    `place`: its share of the width and height; None: it is in the list alone. `through`: the spots on the way there.
    """

    key: str
    kind: Kind
    name: str
    badge: str
    text: str
    line: Line = Line.NONE
    path: PathRow | None = None
    address: Address | None = None
    place: tuple[float, float] | None = None
    through: tuple[str, ...] = ()


def _tr(text: str) -> str:
    return QCoreApplication.translate("map", text)


def spots(snapshot: PeerSnapshot, scene: Scene) -> list[Spot]:
    """Return everything on the map: this peer first, then its router, its network, other peers, brokers and grapes."""
    router = _router(snapshot)
    paths = _known_first(snapshot)
    listed, left = paths[:LISTED], max(0, len(paths) - LISTED)
    far = [*_peers(snapshot, listed, scene), *_brokers(snapshot), *_open_peers(snapshot), *_grapes(snapshot)]
    near = [_of_path(path, Kind.NEAR, scene) for path in listed if path.via in NEAR_WAYS]
    relays = [_relay(name) for name in _relays(far)]
    drawn = _spread(_cut(near, NEAR_PLACES, "near"), HERE_X, skip_middle=True)
    right = _spread(_cut(far, FAR_PLACES, "far", left), FAR_X)
    drawn += [*_before(relays, right), *right]
    placed = {each.key for each in drawn}
    rest = [each for each in (*near, *far) if each.key not in placed]
    through = () if router is None else (router.key,)
    drawn = [_routed(each, through) for each in drawn]
    own = [_ourselves(snapshot)] + ([] if router is None else [router])
    return [*own, *drawn, *rest]


NEAR_WAYS = (Via.COMPUTER, Via.LAN)


def _ourselves(snapshot: PeerSnapshot) -> Spot:
    at = str(snapshot.address) if snapshot.address is not None else _tr("not open yet")
    seen = f" {_tr('Others see it at {where}.').format(where=snapshot.observed)}" if snapshot.observed else ""
    words = _tr("This computer, at {where}.").format(where=at)
    return Spot("self", Kind.SELF, _tr("This computer"), at, f"{words}{seen}", Line.OPEN, place=(HERE_X, 0.5))


def _router(snapshot: PeerSnapshot) -> Spot | None:
    nat = snapshot.nat
    if nat.report.mapping.value == "none":
        return None
    port = nat.port.address
    badge = _tr("port {port} open").format(port=port.port) if port is not None else _tr("not known yet")
    if port is None and nat.report.mapping.value != "unknown":
        badge = _tr("lets friends in") if nat.reachable else _tr("lets nobody in")
    words = (nat.message, nat.advice, nat.network, nat.port.words, nat.port_6.words)
    text = " ".join(filter(None, words)) or _tr("What your router does is known once somebody outside has answered.")
    line = Line.OPEN if nat.reachable or port is not None else Line.IDLE
    return Spot("router", Kind.ROUTER, _tr("Your router"), badge, text, line, place=(ROUTER_X, 0.5))


def _known_first(snapshot: PeerSnapshot) -> list[PathRow]:
    """Return the ways to people that the owner knows, then to those with an ID, which costs nothing, then to others."""
    known = {each.peer_id for each in snapshot.known_peers if not each.blocked}
    return sorted(
        snapshot.connections.paths, key=lambda path: (path.peer_id not in known, path.peer_id is None, path.since)
    )


def _peers(snapshot: PeerSnapshot, listed: Sequence[PathRow], scene: Scene) -> list[Spot]:
    there = {each.address for each in snapshot.connections.paths}
    found = [_of_path(path, Kind.PEER, scene) for path in listed if path.via not in NEAR_WAYS]
    return found + [_tried(each) for each in snapshot.connections.attempts if _goes_on(each, there)]


def _goes_on(attempt: Attempt, there: set[Address]) -> bool:
    return attempt.outcome is Outcome.GOING_ON and attempt.address is not None and attempt.address not in there


def _tried(attempt: Attempt) -> Spot:
    sent = count(attempt.sent, "punch", "punches")
    text = _tr("The way to {peer} is being opened: {sent} so far.").format(peer=attempt.address, sent=sent)
    return Spot(
        f"peer {attempt.address}", Kind.PEER, str(attempt.address), _tr("knocking"), text, Line.TRYING,
        address=attempt.address,
    )  # fmt: skip


def _of_path(path: PathRow, kind: Kind, scene: Scene) -> Spot:
    line = Line.RELAYED if path.via is Via.RELAYED else Line.OPEN
    return Spot(
        f"peer {path.address}", kind, who(path, scene), path.badge, why(path), line, path, path.address,
    )  # fmt: skip


def _brokers(snapshot: PeerSnapshot) -> list[Spot]:
    return [
        Spot(
            f"broker {row.address}", Kind.BROKER, _tr("Broker {where}").format(where=row.address),
            _tr("brings peers together") if row.registered else _tr("does not answer"), row.message,
            Line.IDLE if row.registered else Line.TRYING, address=row.address,
        )
        for row in snapshot.broker_use.brokers
    ]  # fmt: skip


def _grapes(snapshot: PeerSnapshot) -> list[Spot]:
    grape, public = snapshot.grape, snapshot.public_dht
    found = []
    if grape.nodes or not grape.embedded:
        name = count(grape.nodes, _tr("grape"), _tr("grapes")) if grape.nodes else _tr("Grape")
        line = Line.TRYING if grape.state in AWAY else Line.IDLE
        found.append(Spot("grapes", Kind.GRAPES, name, _tr("list who shares what"), grape.message, line))
    if public.on:
        name = _tr("Public DHT")
        nodes = count(public.nodes, _tr("node"), _tr("nodes"))
        text = " ".join(each for each in (public.message, public.open_peers.words) if each)
        found.append(Spot("public DHT", Kind.GRAPES, name, nodes, text, Line.IDLE))
    return found


def _open_peers(snapshot: PeerSnapshot) -> list[Spot]:
    seen = snapshot.public_dht.open_peers
    if not seen.found:
        return []
    name = count(seen.found, _tr("open peer"), _tr("open peers"))
    return [Spot("open peers", Kind.BROKER, name, _tr("help strangers meet"), seen.words, Line.IDLE)]


def _relay(name: str) -> Spot:
    text = _tr("It passes on what peers without a direct way send, and cannot read it.")
    return Spot(f"relay {name}", Kind.RELAY, name, _tr("passes packets on"), text, Line.RELAYED)


def _relays(far: Iterable[Spot]) -> list[str]:
    names = [each.path.relay for each in far if each.path is not None and each.path.via is Via.RELAYED]
    return [name for name in dict.fromkeys(names) if name]


def _cut(found: Sequence[Spot], most: int, key: str, left: int = 0) -> list[Spot]:
    """Return as many as there are places for; the last place is for all others, `left` that are not listed too."""
    if len(found) <= most and not left:
        return list(found)
    most = min(most, len(found) + 1)
    more = count(len(found) - most + 1 + left, _tr("other"), _tr("others"))
    others = Spot(f"more {key}", Kind.OTHERS, _tr("and {others}").format(others=more), "", "", Line.IDLE)
    text = (
        _tr("The list names the people you know, and the first of the others.")
        if left
        else _tr("The list names all of them.")
    )
    return [*found[: most - 1], replace(others, text=text)]


def _spread(found: Sequence[Spot], x: float, *, skip_middle: bool = False) -> list[Spot]:
    """Give each a place in a column, from top to bottom."""
    if not skip_middle:
        return [replace(each, place=(x, (at + 0.5) / len(found))) for at, each in enumerate(found)]
    heights = (0.86, 0.14, 0.68, 0.32)
    return [replace(each, place=(x, y)) for each, y in zip(found, heights, strict=False)]


def _before(relays: Iterable[Spot], right: Sequence[Spot]) -> list[Spot]:
    """Put each relay before the peers that it passes packets on for."""
    found = []
    for each in relays:
        behind = [spot.place[1] for spot in right if spot.place and spot.path and spot.path.relay == each.name]
        if behind:
            found.append(replace(each, place=(RELAY_X, sum(behind) / len(behind))))
    return found


def _routed(spot: Spot, router: tuple[str, ...]) -> Spot:
    """Say what is on the way to a spot."""
    if spot.kind is Kind.NEAR or (spot.kind is Kind.OTHERS and spot.key.endswith("near")):
        return spot
    relay = spot.path.relay if spot.path is not None and spot.path.via is Via.RELAYED else ""
    return replace(spot, through=(*router, f"relay {relay}") if relay else router)


def _name(spot: Spot, _scene: Scene) -> str:
    return spot.name


def _loss(spot: Spot, _scene: Scene) -> str:
    return NOT_KNOWN if spot.path is None else lost(spot.path.loss)


def _since(spot: Spot, scene: Scene) -> str:
    return NOT_KNOWN if spot.path is None else span(scene.now - spot.path.since)


class SpotColumn(Columns):
    """What the list shows of a spot."""

    NAME = Column[Spot]("Who", _name, about="A peer, your router, a broker or the grapes")
    PATH = Column[Spot]("Path", lambda spot, _scene: spot.badge, about="How packets get there")
    TRIP = Column[Spot](
        "Round trip", lambda spot, _scene: trip(spot.path.round_trip if spot.path else None), right=True,
        about="How long a packet takes there and back",
    )  # fmt: skip
    LOSS = Column[Spot](
        "Lost", _loss, right=True, about="The share of what was sent lately that did not get there"
    )  # fmt: skip
    SINCE = Column[Spot]("Since", _since, right=True, about="How long this way has been open")


class SpotsModel(RowsModel[Spot]):
    """The list beside the map. STATE_ROLE: the `Line`."""

    columns = SpotColumn

    def key(self, row: Spot) -> Hashable:
        """Return what a spot is, whatever is known of it."""
        return row.key

    def hint(self, row: Spot) -> str:
        """Return why it is as it is."""
        return row.text

    def state(self, row: Spot) -> Line:
        """Return how the way there stands."""
        return row.line

    def sentence(self, row: Spot) -> str:
        """Return a spot as a screen reader should say it."""
        said = f"{row.name}: {row.badge}" if row.badge else row.name
        if row.path is not None:
            took = "" if row.path.round_trip is None else f", {_tr('round trip')} {trip(row.path.round_trip)}"
            said += f"{took}, {_tr('for {time}').format(time=span(self.scene.now - row.path.since))}"
        return f"{said}. {row.text}".rstrip()

    def row_of(self, key: str) -> int | None:
        """Return the row of a spot."""
        return next((at for at, row in enumerate(self._rows) if row.key == key), None)
