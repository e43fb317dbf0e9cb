"""The self-test of the first start: whether UDP goes out, what the router does, where friends meet us."""

import enum
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

from core.news.events import NOT_LOOKED_FOR, GrapeState, PeerSnapshot
from core.scope import Scope, scope
from desktop.models.words import count


class Verdict(enum.Enum):
    """How a part of the test stands."""

    GOOD = "good"
    UNKNOWN = "unknown"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Line:
    """One part of the test, in a sentence or two."""

    verdict: Verdict
    words: str


def _tr(text: str) -> str:
    return QCoreApplication.translate("self-test", text)


def self_test(snapshot: PeerSnapshot | None) -> tuple[Line, Line, Line]:
    """Return the three lines; nothing is sent for them. None: before the first snapshot."""
    if snapshot is None or snapshot.address is None:
        waiting = Line(Verdict.UNKNOWN, _tr("Grapevine is starting."))
        return waiting, Line(Verdict.UNKNOWN, ""), Line(Verdict.UNKNOWN, "")
    return _sending(snapshot), _router(snapshot), _meeting(snapshot)


def _sending(snapshot: PeerSnapshot) -> Line:
    grape, own = snapshot.grape, snapshot.address
    if snapshot.nat.report.blocked:
        return Line(Verdict.BAD, _tr("UDP leaves this computer, and no answer comes back."))
    if own is not None and scope(own.host) is Scope.LOOPBACK:
        return Line(Verdict.BAD, _tr("This computer is on no network."))
    if snapshot.observed is not None or (grape.embedded and grape.state is GrapeState.CONNECTED):
        return Line(Verdict.GOOD, _tr("UDP gets out, and answers come back."))
    return Line(Verdict.UNKNOWN, _tr("UDP: nobody has answered yet, as no other Grapevine is known so far."))


def _router(snapshot: PeerSnapshot) -> Line:
    nat = snapshot.nat
    if nat.network and nat.report.mapping.value != "unknown":
        return Line(Verdict.GOOD if nat.reachable else Verdict.UNKNOWN, f"{nat.network} {nat.message}".strip())
    seen = snapshot.observed
    if seen is not None and scope(seen.host) is Scope.PUBLIC:
        return Line(Verdict.UNKNOWN, _tr("Router: others see you at {address}.").format(address=seen))
    return Line(Verdict.UNKNOWN, _tr("Router: what it does is known once somebody outside your home has answered."))


def _meeting(snapshot: PeerSnapshot) -> Line:
    grape = snapshot.grape
    registered = sum(row.registered for row in snapshot.broker_use.brokers)
    ways = []
    looks = grape.nearby != NOT_LOOKED_FOR
    if looks and snapshot.address is not None and scope(snapshot.address.host) is Scope.PRIVATE:
        ways.append(_tr("on this network"))
    if grape.state is GrapeState.CONNECTED and grape.nodes:
        ways.append(_tr("through {grapes}").format(grapes=count(grape.nodes, _tr("grape"), _tr("grapes"))))
    if registered:
        ways.append(_tr("through {brokers}").format(brokers=count(registered, _tr("broker"), _tr("brokers"))))
    if not ways:
        return Line(Verdict.BAD, _nowhere(snapshot, looks=looks))
    told = _tr("Friends can meet you {ways}.").format(ways=_tr(", and ").join(ways))
    wall = grape.nearby if "firewall" in grape.nearby else ""
    if wall:
        return Line(Verdict.BAD, f"{told} {wall}")
    if len(ways) > 1:
        return Line(Verdict.GOOD, told)
    more = _tr(
        "For friends elsewhere, name a grape or broker that you both use: in the settings, or on the page Network."
    )
    return Line(Verdict.UNKNOWN, f"{told} {more}")


def _nowhere(snapshot: PeerSnapshot, *, looks: bool) -> str:
    """Return why friends cannot meet us yet. `looks`: others on this network are looked for."""
    own = snapshot.address
    if own is None or scope(own.host) is Scope.LOOPBACK:
        return _tr("Friends cannot meet you yet: connect this computer to a network.")
    why = _tr("Friends cannot meet you yet: no other Grapevine is known so far.")
    if not looks:
        off = _tr("Others on this network are not looked for: switch that on in the settings.")
        why = f"{why} {off}"
    more = _tr("For friends elsewhere, name a grape or broker that you both use.")
    return f"{why} {more}"
