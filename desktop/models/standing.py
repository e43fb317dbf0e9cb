"""Where this peer stands, in words that hold: who can find it, by which addresses, and what to do about it."""

from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

from core.news.events import GrapeState, PeerSnapshot
from core.scope import Scope, scope
from core.values import Address
from desktop.models.words import count


@dataclass(frozen=True, slots=True)
class Standing:
    """`title` says what is so in a few words, `text` why and what to do; `state` chooses icon and colour."""

    title: str
    text: str
    state: GrapeState


@dataclass(frozen=True, slots=True)
class Place:
    """An address, and where it can be used from. `address` None: there is none, and `words` say why.

    `hint` says what has to be so for it to work.
    """

    name: str
    address: Address | None
    words: str
    hint: str

    def shown(self) -> str:
        """Return the address, or the words in its place."""
        return str(self.address) if self.address is not None else self.words


def _tr(text: str) -> str:
    return QCoreApplication.translate("standing", text)


def standing(snapshot: PeerSnapshot | None) -> Standing:
    """Return where the peer of a snapshot stands; None: before the first."""
    if snapshot is None or (snapshot.address is None and snapshot.grape.state is GrapeState.STARTING):
        text = snapshot.grape.message if snapshot is not None else ""
        return Standing(_tr("Starting"), text or _tr("This peer is opening its UDP port."), GrapeState.STARTING)
    grape = snapshot.grape
    if snapshot.address is not None and scope(snapshot.address.host) is Scope.LOOPBACK and snapshot.observed is None:
        return Standing(_tr("Only this computer can reach this peer"), _no_network(), GrapeState.NO_NETWORK)
    match grape.state:
        case GrapeState.STARTING if grape.returning:
            return Standing(_tr("Back in a moment"), grape.message, GrapeState.STARTING)
        case GrapeState.STARTING:
            return Standing(_tr("Looking for others"), grape.message, GrapeState.STARTING)
        case GrapeState.NO_NETWORK:
            return Standing(_tr("This computer has no network"), grape.message, GrapeState.NO_NETWORK)
        case GrapeState.UNREACHABLE if grape.embedded:
            return _unreachable(snapshot)
        case GrapeState.UNREACHABLE:
            return Standing(_tr("The grape does not answer"), grape.message, GrapeState.UNREACHABLE)
        case GrapeState.ALONE:
            return _alone(snapshot)
        case _:
            title = _connected(snapshot)
            said = grape.embedded and title == _grapes(grape.nodes)  # then the message says the same once more
            return Standing(title, grape.nearby if said else grape.message, GrapeState.CONNECTED)


def _connected(snapshot: PeerSnapshot) -> str:
    """Return whether friends get in, as far as is known, else how many grapes there are."""
    nat = snapshot.nat
    if nat.reachable and (nat.report.open or nat.report.mapping.value == "none"):
        return _tr("Ready. Friends can reach you directly")
    if nat.reachable:
        return _tr("Ready, behind a router")
    if nat.report.local:
        return _tr("Ready, on this network")
    return _grapes(snapshot.grape.nodes)


def _grapes(nodes: int) -> str:
    return _tr("Connected to {grapes}").format(grapes=count(nodes, _tr("grape"), _tr("grapes")))


def _no_network() -> str:
    return _tr(
        "Grapevine knows no address of this computer that others can use. "
        "To be found by others: connect this computer to a network."
    )


def _through_brokers(snapshot: PeerSnapshot) -> Standing | None:
    registered = [row for row in snapshot.broker_use.brokers if row.registered]
    if not snapshot.broker_use.on or not registered:
        return None
    title = _tr("Found through {brokers}").format(brokers=count(len(registered), _tr("broker"), _tr("brokers")))
    text = _tr("No other grape is known. {message}").format(message=snapshot.broker_use.message)
    return Standing(title, text, GrapeState.CONNECTED)


def _unreachable(snapshot: PeerSnapshot) -> Standing:
    """Return what is so when the grapes that the owner named do not answer."""
    found = _through_brokers(snapshot)
    return found or Standing(_tr("The grapes do not answer"), snapshot.grape.message, GrapeState.UNREACHABLE)


def _alone(snapshot: PeerSnapshot) -> Standing:
    found = _through_brokers(snapshot)
    if found is not None:
        return found
    if any(_elsewhere(row.address, snapshot.address) for row in snapshot.peers):
        return Standing(_tr("No other grape is known"), snapshot.grape.message, GrapeState.ALONE)
    text = _tr(
        "To be found by others: add a bootstrap node or a grape that they use too (Settings), "
        "or use a broker that you both know (Network)."
    )
    text = f"{snapshot.grape.nearby} {text}".strip()
    return Standing(_tr("Only this computer can find this peer"), text, GrapeState.ALONE)


def _elsewhere(address: Address, own: Address | None) -> bool:
    """Return whether this address is another computer's, as far as it shows."""
    return scope(address.host) is not Scope.LOOPBACK and (own is None or address.host != own.host)


def places(snapshot: PeerSnapshot | None) -> tuple[Place, Place]:
    """Return where others reach this peer: in its own network, and from the Internet."""
    near, far = _tr("In your network"), _tr("From the Internet")
    own = snapshot.address if snapshot is not None else None
    seen = snapshot.observed if snapshot is not None else None
    hosts = [each for each in (own, seen) if each is not None]
    inside = next((each for each in hosts if scope(each.host) is Scope.PRIVATE), None)
    outside = next((each for each in hosts if scope(each.host) is Scope.PUBLIC), None)
    if outside is None:
        outside = next((each for each in hosts if scope(each.host) is Scope.CARRIER), None)
        far = _tr("From your provider") if outside is not None else far
    if inside is None and outside is not None and own == outside:
        inside_words = _tr("the same address")  # this computer is on the Internet itself
    else:
        inside_words = _tr("not known yet") if own is None or scope(own.host) is Scope.INVALID else _tr("none")
    near_hint = _tr("For computers in the same home or office network.")
    far_hint = _tr(
        "As other grapes see this computer. Behind a router, it works for peers that this one punches to; "
        "others need a forwarded port."
    )
    return Place(near, inside, inside_words, near_hint), Place(far, outside, _tr("not known yet"), far_hint)


def best_address(snapshot: PeerSnapshot | None) -> Address | None:
    """Return the address that most others can use, or None."""
    near, far = places(snapshot)
    return far.address or near.address
