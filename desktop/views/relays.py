"""The part of the network's page about passing on: for friends here, and by friends for us, with what passes now."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from PySide6.QtWidgets import QVBoxLayout, QWidget

from core.news.events import PeerSnapshot
from core.news.relays import PassingSnapshot, RelaysSnapshot
from core.peer_id import PeerId
from core.trust.entries import KnownPeer
from desktop.models.people import called
from desktop.models.relays import PassedModel
from desktop.models.words import count, size
from desktop.views.columns import Pair
from desktop.views.pages import PageView
from desktop.views.parts import heading
from desktop.views.services import SIDE_BY_SIDE, Toggle
from desktop.views.table import RowTable

SAMPLES = ("Anna's greenhouse", "Bert's old laptop", "888 MB")
OFF = "Nothing is passed on."
EMPTY = "Nothing is passed on now. Two friends who cannot reach each other appear here when they use this computer."

Remember: TypeAlias = Callable[[dict[str, Any]], None]


class Acts(Protocol):
    """What is needed of the bridge."""

    def pass_on(self, passes: str) -> None: ...
    def use_relays(self, on: bool) -> None: ...


def passing_words(passing: PassingSnapshot) -> str:
    """Return what it means to pass packets on, or how it goes, and within which bounds."""
    if passing.chosen == "off":
        return "Off. Turn on to help friends reach each other. You never see what they say."
    if passing.policy == "off":
        return "Nothing passes at the moment: others do not reach this computer directly."
    who = "anyone" if passing.policy == "everyone" else "friends"
    here = count(passing.guests, "peer waits here", "peers wait here")
    today = f"{size(passing.bytes_today)} of {size(passing.day_bytes)} today"
    return f"For {who}. {here}. {today}, at most {size(passing.rate)} a second."


def using_words(relays: RelaysSnapshot) -> str:
    """Return who may pass packets on for us, and for which peers somebody does."""
    if not relays.uses:
        return "Off. Peers that cannot be reached directly are not reached."
    relayed = sum(each.direct is None for each in relays.peers)
    now = f"{count(relayed, 'peer is', 'peers are')} reached that way now. " if relayed else ""
    if not relays.ready:
        return f"{now}No friend who could is there at the moment."
    return f"{now}{_listed(relays.ready)} can."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


class RelaysView(PageView):
    """Two switches, and a table of the pairs. `remember(fields)` takes what the user changed of the settings."""

    def __init__(self, acts: Acts, remember: Remember, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._acts, self._remember = acts, remember
        self._known: tuple[KnownPeer, ...] = ()
        self.passing = Toggle(self.tr("Pass on packets for friends"), self._choose_passing)
        self.using = Toggle(self.tr("Let friends pass packets on for me"), self._choose_using)
        hint = self.tr("Who passes packets on sees who is in touch and how much passes, never what is said.")
        for toggle in (self.passing, self.using):
            toggle.switch.setToolTip(hint)
        self.model = PassedModel(self, name_of=self._name_of)
        self.table = RowTable(self.tr("Pairs that packets are passed on for"))
        self.table.setModel(self.model)
        self.table.set_samples(SAMPLES, fit_all=True)
        self.table.set_placeholder(OFF)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(Pair(self.passing, self.using, SIDE_BY_SIDE))
        column.addWidget(heading(self.tr("Passed on here"), self.table))
        column.addWidget(self.table, 1)

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Show how it goes."""
        relays = snapshot.relays
        self._known = snapshot.known_peers
        self.passing.show_state(relays.passing.chosen != "off", passing_words(relays.passing))
        self.using.show_state(relays.uses, using_words(relays))
        self.table.set_placeholder(OFF if relays.passing.policy == "off" else EMPTY)
        self.model.replace(relays.passing.pairs)

    def tables(self) -> tuple[RowTable, ...]:
        """Return the table of pairs."""
        return (self.table,)

    def focus_start(self) -> None:
        """Put the keyboard on the first switch."""
        self.passing.switch.setFocus()

    def _name_of(self, peer_id: PeerId) -> str:
        return called(peer_id, self._known)

    def _choose_passing(self, on: bool) -> None:
        passes = "auto" if on else "off"
        self._remember({"relay": passes})
        self._acts.pass_on(passes)

    def _choose_using(self, on: bool) -> None:
        self._remember({"use_relays": on})
        self._acts.use_relays(on)
