"""One line of the timeline for each of the core's events: direction, kind, peer and result in words. No Qt."""

import enum
import functools
from dataclasses import dataclass

from core.ledger.record import outcome
from core.news.events import (
    Announced,
    BrokerChanged,
    Discovered,
    ErrorRaised,
    GrapeChanged,
    Listening,
    Lost,
    NatChanged,
    PeerEvent,
    PendingRequest,
    PunchEnded,
    PunchReceived,
    PunchSent,
    Registered,
    ReplyReceived,
    RequestSent,
    RequestServed,
    TrustChanged,
)
from core.news.joins import InvitationAccepted, JoinProgress, SearchProgress
from core.news.moves import PathMoved
from core.news.public import PublicDhtChanged
from core.news.web import WebPortMapped
from core.values import Address
from desktop.models.pretty import preview
from desktop.models.safe import shown
from desktop.models.words import REFUSALS, clock, count, trip

OTHERS = "of addresses that have no line of their own"
MAX_RESULT_CHARACTERS = 300  # an error text comes from a stranger; its beginning says enough


class Direction(enum.Enum):
    """Which way a packet went; a note is about this peer itself."""

    OUT = "Out"
    IN = "In"
    NOTE = "Note"


class Kind(enum.Enum):
    """The groups one can filter by; the value is what the filter box shows."""

    PUNCH = "Punches"
    REQUEST = "Requests"
    PEER = "Peers found and lost"
    TRUST = "Trust"
    BROKER = "Brokers"
    GRAPE = "Grape"
    PROBLEM = "Problems"


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """What one line shows. `at` is Unix seconds; `repeats` counts requests joined into this line.

    A line about punches counts what was `sent` and what `arrived`, as long as the peer and we go on.
    """

    at: float
    direction: Direction
    kind: Kind
    what: str
    peer: Address | None
    result: str
    repeats: int = 1
    until: float = 0.0  # when the last of `repeats`, or the last punch, was
    sent: int = 0
    arrived: int = 0
    important: bool = True  # shown when only what is important is

    @property
    def peer_text(self) -> str:
        """Return the peer's address, or nothing."""
        return str(self.peer) if self.peer is not None else ""

    @property
    def result_text(self) -> str:
        """Return the result, with how often it happened when more than once; of punches, their counts."""
        if self.sent or self.arrived:
            return self._punches_text()
        if self.repeats == 1:
            return self.result
        times = f"{self.repeats} times in {trip(max(0.0, self.until - self.at))}"
        return f"{self.result}, {times}" if self.result else times

    def _punches_text(self) -> str:
        counts = ((self.sent, "sent"), (self.arrived, "arrived"))
        counted = ", ".join(f"{number:,} {what}" for number, what in counts if number)
        if self.peer is None:
            return f"{counted}: {self.result}"
        return f"{'open' if self.arrived else 'knocking'} ({counted})"

    def as_text(self) -> str:
        """Return the line for the clipboard: columns divided by tabs, with nothing that a terminal takes wrong."""
        parts = (clock(self.at), self.direction.value, self.what, self.peer_text, shown(self.result_text))
        return "\t".join(parts)

    def sentence(self) -> str:
        """Return the line as a screen reader should say it."""
        way = {Direction.OUT: "to", Direction.IN: "from", Direction.NOTE: "about"}[self.direction]
        way = "with" if self.sent or self.arrived else way
        peer = f" {way} {self.peer_text}" if self.peer else ""
        return f"{self.what}{peer}: {self.result_text or self.direction.value}, at {clock(self.at)[:8]}"


def _short(text: str) -> str:
    return shown(" ".join(text[: MAX_RESULT_CHARACTERS + 1].split()), MAX_RESULT_CHARACTERS)


def punches(at: float, peer: Address | None, *, sent: int = 0, arrived: int = 0) -> TimelineRow:
    """Return the line of a peer's punches; with no peer, of those that found no line of their own."""
    result = "" if peer is not None else OTHERS
    return TimelineRow(at, Direction.NOTE, Kind.PUNCH, "Punches", peer, result, until=at, sent=sent, arrived=arrived)


@functools.singledispatch
def row_of(event: PeerEvent) -> TimelineRow:
    """Return the line of an event; one of a type not known here is shown by its `kind`."""
    return TimelineRow(event.at, Direction.NOTE, Kind.GRAPE, event.kind.capitalize(), None, "")


@row_of.register
def _listening(event: Listening) -> TimelineRow:
    return TimelineRow(event.at, Direction.NOTE, Kind.GRAPE, "Listening", None, f"on {event.address}")


@row_of.register
def _grape(event: GrapeChanged) -> TimelineRow:
    return TimelineRow(event.at, Direction.NOTE, Kind.GRAPE, "Grape", None, _short(event.grape.message))


@row_of.register
def _announced(event: Announced) -> TimelineRow:
    result = f"{_short(event.service)} is on {count(event.nodes, 'grape')}"
    return TimelineRow(event.at, Direction.OUT, Kind.GRAPE, "Announce", None, result)


@row_of.register
def _discovered(event: Discovered) -> TimelineRow:
    return TimelineRow(
        event.at, Direction.NOTE, Kind.PEER, "Discovered", event.peer, f"under {_short(event.service)}", important=False
    )


@row_of.register
def _lost(event: Lost) -> TimelineRow:
    return TimelineRow(event.at, Direction.NOTE, Kind.PEER, "Lost", event.peer, _short(event.reason), important=False)


@row_of.register
def _punch_sent(event: PunchSent) -> TimelineRow:
    return punches(event.at, event.peer, sent=1)


@row_of.register
def _punch_received(event: PunchReceived) -> TimelineRow:
    return punches(event.at, event.peer, arrived=1)


@row_of.register
def _request_sent(event: RequestSent) -> TimelineRow:
    return TimelineRow(event.at, Direction.OUT, Kind.REQUEST, "Request", event.peer, _short(event.service))


@row_of.register
def _request_served(event: RequestServed) -> TimelineRow:
    if event.error is None:
        whose = f" by peer {event.peer_id.short}" if event.peer_id else ""
        result = f"{_short(event.service)}{whose} answered in {trip(event.seconds)}"
    else:
        ended = "refused" if outcome(event.error) in REFUSALS else "answered with an error"
        result = f"{_short(event.service)} {ended}: {_short(event.error)}"
    return TimelineRow(event.at, Direction.IN, Kind.REQUEST, "Request", event.caller, result)


@row_of.register
def _reply(event: ReplyReceived) -> TimelineRow:
    result = f"after {trip(event.seconds)}: {preview(event.data)}"
    return TimelineRow(event.at, Direction.IN, Kind.REQUEST, "Reply", event.peer, result)


@row_of.register
def _pending(event: PendingRequest) -> TimelineRow:
    who = _short(event.name) if event.name else f"stranger {event.peer_id}"
    result = f"{who} asks for {_short(event.service)} and waits for your answer"
    return TimelineRow(event.at, Direction.IN, Kind.TRUST, "Asks", event.caller, result)


@row_of.register
def _trust(event: TrustChanged) -> TimelineRow:
    return TimelineRow(event.at, Direction.NOTE, Kind.TRUST, "Trust", None, _short(event.message))


@row_of.register
def _invitation_accepted(event: InvitationAccepted) -> TimelineRow:
    result = f"{_short(event.name)} has joined: peer {event.peer_id.short}"
    return TimelineRow(event.at, Direction.IN, Kind.TRUST, "Invitation", None, result)


@row_of.register
def _join(event: JoinProgress) -> TimelineRow:
    return TimelineRow(event.at, Direction.OUT, Kind.TRUST, "Joining", None, _short(event.message))


@row_of.register
def _search(event: SearchProgress) -> TimelineRow:
    result = f"{event.peer_id.short}: {_short(event.message)}"
    return TimelineRow(event.at, Direction.OUT, Kind.GRAPE, "Search", None, result)


@row_of.register
def _registered(event: Registered) -> TimelineRow:
    result = f"{'offers' if event.server else 'wants'} {_short(event.service)}"
    return TimelineRow(event.at, Direction.IN, Kind.BROKER, "Registered", event.peer, result)


@row_of.register
def _broker(event: BrokerChanged) -> TimelineRow:
    return TimelineRow(event.at, Direction.NOTE, Kind.BROKER, "Broker", None, _short(event.message))


@row_of.register
def _punch_ended(event: PunchEnded) -> TimelineRow:
    kind, what = (Kind.PUNCH, "Met") if event.open else (Kind.PROBLEM, "Not met")
    return TimelineRow(event.at, Direction.NOTE, kind, what, event.peer, _short(event.reason))


@row_of.register
def _nat(event: NatChanged) -> TimelineRow:
    return TimelineRow(event.at, Direction.NOTE, Kind.GRAPE, "Network", None, _short(event.nat.network))


@row_of.register
def _path(event: PathMoved) -> TimelineRow:
    what = f"{event.peer_id.short}: {event.message}"
    return TimelineRow(event.at, Direction.NOTE, Kind.PUNCH, "Path", event.direct, _short(what))


@row_of.register
def _public_dht(event: PublicDhtChanged) -> TimelineRow:
    return TimelineRow(event.at, Direction.NOTE, Kind.GRAPE, "Public DHT", None, _short(event.message))


@row_of.register
def _web_port(event: WebPortMapped) -> TimelineRow:
    place = event.opened.address
    return TimelineRow(event.at, Direction.NOTE, Kind.GRAPE, "HTTP port", place, _short(event.opened.words))


@row_of.register
def _error(event: ErrorRaised) -> TimelineRow:
    return TimelineRow(event.at, Direction.NOTE, Kind.PROBLEM, "Problem", event.peer, _short(event.message))
