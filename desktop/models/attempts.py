"""How we connected: the newest attempts as a table model, and a report of them that can be given away.

The report has no secrets: peers are numbered instead of named by their keys, and addresses lose what tells homes apart.
"""

import ipaddress
import re
from collections.abc import Hashable, Iterable

from core.news.events import PeerSnapshot
from core.news.seen import Attempt, Outcome, PathRow, Step
from core.peer_id import PeerId
from desktop.models.paths import lost, why
from desktop.models.safe import lines
from desktop.models.table import Column, Columns, RowsModel, Scene
from desktop.models.words import clock, count, trip

LONGEST = 20_000  # characters of a report
STEP_LINES = 40  # lines of the details of one attempt
_PLACE = re.compile(r"\b(\d{1,3}\.\d{1,3})\.\d{1,3}\.\d{1,3}(:\d+)?\b")
_SIX = re.compile(r"(?<![\w:.])([0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7})(?:%[\w.-]+)?(?![\w:])")


def target_of(attempt: Attempt, scene: Scene) -> str:
    """Return the other peer's name, or the address that was punched."""
    return scene.name_of(attempt.peer_id) if attempt.peer_id is not None else str(attempt.address)


def kind_of(attempt: Attempt) -> str:
    """Return what kind of attempt it was."""
    return "Search" if attempt.peer_id is not None else "Punches"


def packets_of(attempt: Attempt) -> str:
    """Return what was sent and what came."""
    if attempt.peer_id is not None:
        return ""
    return f"{attempt.sent:,} sent, {attempt.received:,} arrived"


def outcome_of(attempt: Attempt) -> str:
    """Return how it came out, in words."""
    again = f", {count(attempt.tries, 'time')} in a row" if attempt.tries > 1 else ""
    said = attempt.message or (attempt.steps[-1].message if attempt.steps else "")
    return f"{attempt.outcome.value.capitalize()}: {said}{again}" if said else f"{attempt.outcome.value}{again}"


class AttemptColumn(Columns):
    """What is shown of an attempt."""

    WHEN = Column[Attempt]("When", lambda row, _scene: clock(row.began)[:8], about="When it began")
    WHO = Column[Attempt]("To", target_of, about="The peer that was looked for, or the address that was punched")
    KIND = Column[Attempt](
        "What", lambda row, _scene: kind_of(row),
        about="A search finds a peer by its ID. Punches are packets that open the routers between both",
    )  # fmt: skip
    TOOK = Column[Attempt](
        "Took", lambda row, _scene: trip(row.seconds), sort=lambda row, _scene: row.seconds or 0.0, right=True,
        about="Until it was connected, or given up",
    )  # fmt: skip
    PACKETS = Column[Attempt]("Packets", lambda row, _scene: packets_of(row), about="Punches")
    OUTCOME = Column[Attempt]("Outcome", lambda row, _scene: outcome_of(row), about="What came of it")


class AttemptsModel(RowsModel[Attempt]):
    """Attempts, the newest first. STATE_ROLE: the outcome."""

    columns = AttemptColumn

    def key(self, row: Attempt) -> Hashable:
        """Return the attempt's number."""
        return row.number

    def hint(self, row: Attempt) -> str:
        """Return what happened, step by step."""
        return "\n".join(details(row))

    def state(self, row: Attempt) -> Outcome:
        """Return the outcome."""
        return row.outcome

    def sentence(self, row: Attempt) -> str:
        """Return an attempt as a screen reader should say it."""
        took = "" if row.seconds is None else f", after {trip(row.seconds)}"
        packets = f", {packets_of(row)}" if row.sent else ""
        what = f"{kind_of(row)} to {target_of(row, self.scene)} at {clock(row.began)[:8]}"
        return f"{what}{took}{packets}. {outcome_of(row)}"


def details(attempt: Attempt) -> list[str]:
    """Return the steps of an attempt, each with the seconds since it began."""
    return [_step(each, attempt.began) for each in attempt.steps[:STEP_LINES]]


def _step(step: Step, began: float) -> str:
    return f"{max(0.0, step.at - began):.2f} s  {step.message}"


class _Plain:
    """Takes out what tells peers and homes apart, the same one always in the same way."""

    def __init__(self, ids: Iterable[PeerId | None]) -> None:
        known = dict.fromkeys(each for each in ids if each is not None)
        self._numbers = {each: f"peer {number}" for number, each in enumerate(known, 1)}

    def name(self, peer_id: PeerId | None) -> str:
        """Return a number in the place of a peer's name."""
        return "a peer" if peer_id is None else self._numbers[peer_id]

    def text(self, text: str) -> str:
        """Return a text without Peer IDs, and with addresses cut to half."""
        for peer_id, name in self._numbers.items():
            text = text.replace(str(peer_id), name).replace(peer_id.short, name)
        return _SIX.sub(_cut_six, _PLACE.sub(r"\1.x.x\2", text))


def _cut_six(found: re.Match[str]) -> str:
    """Return an IPv6 address with what names the provider, and nothing of the home; a time of day as it is."""
    try:
        return ":".join(ipaddress.IPv6Address(found[1]).exploded.split(":")[:2]) + ":x:x"
    except ValueError:
        return found[0]


def report(snapshot: PeerSnapshot) -> str:
    """Return how this peer is connected and how that came about, as text to give away."""
    paths, attempts = snapshot.connections.paths, snapshot.connections.attempts
    plain = _Plain([*(each.peer_id for each in paths), *(each.peer_id for each in attempts)])
    nat = snapshot.nat
    network = " ".join(filter(None, (nat.message, nat.advice, nat.network, nat.port.words, nat.port_6.words)))
    told = ["How Grapevine is connected", network]
    told += ["", "Paths:" if paths else "Paths: none now"]
    told += [_path(each, plain) for each in paths]
    told += ["", "Attempts, the newest first:" if attempts else "Attempts: none yet"]
    for each in attempts:
        took = "" if each.seconds is None else f", {trip(each.seconds)}"
        packets = f", {packets_of(each)}" if packets_of(each) else ""
        target = plain.name(each.peer_id) if each.peer_id is not None else str(each.address)
        told.append(f"{clock(each.began)[:8]}  {kind_of(each)} to {target}{packets}{took}. {outcome_of(each)}")
        told += [f"    {line}" for line in details(each)]
    return lines(plain.text("\n".join(told)), LONGEST)


def _path(path: PathRow, plain: _Plain) -> str:
    how = f" ({path.how})" if path.how else ""
    gone = "" if path.loss is None else f", {lost(path.loss)} lost"
    relay = " by another peer" if path.relay else ""
    return f"{plain.name(path.peer_id)}: {path.via.value}{relay}{how}, {trip(path.round_trip)}{gone}. {why(path)}"
