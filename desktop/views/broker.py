"""The page of brokers: being one, with the peers registered here; and using some, with their state."""

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from core.news.events import BrokerSnapshot, BrokerUse, PeerSnapshot
from core.peer_id import PeerId
from core.trust.entries import KnownPeer
from core.values import Address
from desktop.models.broker import BrokerModel
from desktop.models.people import called
from desktop.models.words import count
from desktop.theme import ThemeSource
from desktop.views.columns import Pair
from desktop.views.fields import Lines, limit
from desktop.views.pages import PageView
from desktop.views.parts import heading
from desktop.views.services import SIDE_BY_SIDE, Toggle
from desktop.views.table import RowTable

SAMPLES = ("Anna's greenhouse", "Consumer", "fibonacci_worker", "203.0.113.200:65535", "9 h 59 min", "59 s ago")
TICK_MS = 1000  # milliseconds; "3 s ago" moves on
MAX_BROKERS = 500  # characters; some twenty addresses
OFF = "Nobody can register here: this peer is no broker."
EMPTY = "Nobody is registered now. Peers that use this broker appear here, and age out 15 s after they were last heard."
REASONS = {"ERR_BROKER_RATE": "too often", "ERR_BROKER_FULL": "full", "ERR_PAYLOAD": "made no sense"}


def acting_words(broker: BrokerSnapshot) -> str:
    """Return what it means to be a broker, or how it goes."""
    if not broker.acting:
        return "Off. Turn on to bring peers together that are both behind a router; only their addresses pass through."
    where = f"Announced on {count(broker.announced_nodes, 'grape')}." if broker.announced_nodes else "Announcing it."
    refused = ", ".join(f"{number:,} {REASONS.get(name, name)}" for name, number in broker.refused)
    here = f"{count(len(broker.entries), 'entry', 'entries')} now."
    return f"{where} {here} Refused: {refused}." if refused else f"{where} {here}"


def using_words(use: BrokerUse) -> str:
    """Return how it goes with the brokers that are used."""
    if not use.on:
        return "Off. Turn on when you and those you want to meet are all behind routers."
    peers = sum(row.peers for row in use.brokers)
    seen = f" {count(peers, 'other peer')} named." if any(row.registered for row in use.brokers) else ""
    refused = f" {count(use.refused, 'address', 'addresses')} not punched: private or reserved." if use.refused else ""
    return f"{use.message}{seen}{refused}"


class BrokerView(PageView):
    """Two switches, the brokers to use, and the table.

    Signals:
        acting_chosen(bool): be a broker, or be none.
        using_chosen(bool, tuple[str, ...]): use these brokers, or with none those that are announced; or none at all.
    """

    acting_chosen = Signal(bool)
    using_chosen = Signal(bool, object)

    def __init__(self, theme: ThemeSource, brokers: tuple[str, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        del theme  # nothing here has a colour of its own
        self._known: tuple[KnownPeer, ...] = ()
        self.acting = Toggle(self.tr("Act as a broker"), self.acting_chosen.emit)
        self.using = Toggle(self.tr("Use a broker"), self._choose_using)
        self.brokers = QLineEdit(", ".join(brokers))
        self._problem = Lines(1)  # its place is kept: nothing below moves when there is something to say
        self.model = BrokerModel(self, name_of=self._name_of)
        self.table = RowTable(self.tr("Registered with this broker"))
        self.table.setModel(self.model)
        self.table.set_samples(SAMPLES, fit_all=True)
        self.table.set_placeholder(OFF)
        self._lay_out()
        self._tick = QTimer(self)
        self._tick.setInterval(TICK_MS)
        self._tick.timeout.connect(lambda: self.model.tick() if self.isVisible() else None)
        self._tick.start()

    def _lay_out(self) -> None:
        self.brokers.setPlaceholderText(self.tr("host:port; empty: those that are announced on the grapes"))
        self.brokers.setAccessibleName(self.tr("Brokers to use"))
        limit(self.brokers, MAX_BROKERS)
        self.brokers.setToolTip(self.tr("One or more, separated by commas. Press Enter to apply a change."))
        self.brokers.editingFinished.connect(self._edited)
        self._problem.setProperty("problem", True)
        self.using.add_below(self.brokers)
        self.using.add_below(self._problem)
        cards = Pair(self.using, self.acting, SIDE_BY_SIDE)
        title = heading(self.tr("Registere&d here"), self.table)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(cards)
        column.addWidget(title)
        column.addWidget(self.table, 1)

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Show how it goes."""
        self._known = snapshot.known_peers
        self.acting.show_state(snapshot.broker.acting, acting_words(snapshot.broker))
        self.using.show_state(snapshot.broker_use.on, using_words(snapshot.broker_use))
        self.table.set_placeholder(EMPTY if snapshot.broker.acting else OFF)
        self.model.replace(snapshot.broker.entries)

    def tables(self) -> tuple[RowTable, ...]:
        """Return the table of registrations."""
        return (self.table,)

    def focus_filter(self) -> None:
        """Put the keyboard into the field of brokers."""
        self.brokers.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def chosen(self) -> tuple[str, ...]:
        """Return the brokers that are written down. Raises ValueError for one that is no host:port."""
        return tuple(str(Address.parse(text)) for text in self.brokers.text().split(",") if text.strip())

    def problem(self) -> str:
        """Return what is wrong with what is written, or nothing."""
        return self._problem.text()

    def _name_of(self, peer_id: PeerId) -> str:
        return called(peer_id, self._known)

    def _choose_using(self, on: bool) -> None:
        try:
            brokers = self.chosen()
        except ValueError as error:
            self._say(str(error))
            brokers = ()
            on = False
            self.using.settle()
        else:
            self._say("")
        self.using_chosen.emit(on, brokers)

    def _edited(self) -> None:
        if self.brokers.isModified():
            self.brokers.setModified(False)
            self._choose_using(self.using.switch.isChecked())

    def _say(self, problem: str) -> None:
        self._problem.setText(f"{problem[:1].upper()}{problem[1:]}." if problem else "")
