"""The page of the network: what our router does, the live map with its list, how we connected, brokers, and relays."""

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QHideEvent, QIcon, QShowEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from core.news.events import NatSnapshot, PeerEvent, PeerSnapshot
from core.peer_id import PeerId
from core.values import Address
from desktop.icons import icon
from desktop.models.map import Line, SpotColumn, SpotsModel, spots
from desktop.models.people import called
from desktop.models.table import STATE_ROLE
from desktop.theme import Theme, ThemeSource
from desktop.views.attempts import AttemptsView
from desktop.views.broker import BrokerView
from desktop.views.columns import Columns, share_out
from desktop.views.fields import Lines
from desktop.views.map import MapView
from desktop.views.pages import Page, Pages, PageView
from desktop.views.parts import heading
from desktop.views.relays import Acts, RelaysView, Remember
from desktop.views.table import ICON_ROOM, CellDelegate, Index, RowTable

SAMPLES = ("Anna's greenhouse", f"{ICON_ROOM}relayed by Bert", "888 ms", "99.9 %", "9 h 59 min")
TICK_MS = 1000  # milliseconds; "3 s" moves on, while somebody can see it
BESIDE = 1100  # pixels of width; below that the list stands under the map
NETWORK_LINES, WHY_LINES = 3, 3  # the longest words take that many at 800 pixels
SIZES = (640, 540)  # pixels of width of map and list, where they stand side by side
LIST_HEIGHT = 120  # pixels; the header and three rows


def network_words(nat: NatSnapshot, *, known: bool) -> str:
    """Return what is known of our network, whether others get in, and what to do."""
    if not known:
        return "Nobody was asked yet where this peer is seen from outside. A broker, or a grape elsewhere, can say."
    lines = dict.fromkeys((nat.message, nat.advice, nat.network, nat.port.words, nat.port_6.words, nat.web_port.words))
    return " ".join(line for line in lines if line)


class MapPage(PageView):
    """The map, the same as a list, and why the chosen spot is as it is."""

    def __init__(self, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._snapshot: PeerSnapshot | None = None
        self.map = MapView(theme)
        self.model = SpotsModel(self, name_of=self._name_of)
        self.table = RowTable(self.tr("Everything on the map, as a list"))
        self.table.setModel(self.model)
        self.table.set_samples(SAMPLES, fit_all=True)
        self.table.setMinimumHeight(LIST_HEIGHT)
        self.table.setItemDelegateForColumn(SpotColumn.PATH, CellDelegate(self._dress, self.table))
        self.table.selectionModel().selectionChanged.connect(self._row_chosen)
        self.why = Lines(WHY_LINES)
        self.across = Columns(BESIDE)
        self.across.setHandleWidth(14)
        share_out(self.across, (self.map, 1), (self.table, 0))
        self.across.setSizes(SIZES)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.across, 1)
        column.addWidget(self.why)
        self.map.chosen.connect(self.choose)
        self._tick = QTimer(self)
        self._tick.setInterval(TICK_MS)
        self._tick.timeout.connect(self.model.tick)
        theme.changed.connect(self._retheme)
        self._retheme(theme.theme)

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Show the newest state, if somebody can see it."""
        self._snapshot = snapshot
        if self.isVisible():
            self._show(snapshot)

    def _show(self, snapshot: PeerSnapshot) -> None:
        chosen = self.map.current()
        found = spots(snapshot, self.model.scene)
        self.model.replace(found)
        self.map.show_spots(found)
        row = self.model.row_of(chosen)
        if row is not None and self.table.selected_rows() != [row]:
            self.table.selectRow(row)
        self._explain()

    def choose(self, key: str) -> None:
        """Choose a spot, in the list and on the map."""
        row = self.model.row_of(key)
        if row is not None:
            self.table.selectRow(row)
            self.table.scrollTo(self.model.index(row, 0))

    def reveal(self, address: Address) -> None:
        """Choose the spot of a peer at this address, if there is one."""
        self.choose(f"peer {address}")

    def tables(self) -> tuple[RowTable, ...]:
        """Return the list."""
        return (self.table,)

    def focus_start(self) -> None:
        """Put the keyboard on the map."""
        self.map.setFocus(Qt.FocusReason.OtherFocusReason)

    def showEvent(self, event: QShowEvent) -> None:
        """Show what was told meanwhile."""
        super().showEvent(event)
        self._tick.start()
        if self._snapshot is not None:
            self._show(self._snapshot)

    def hideEvent(self, event: QHideEvent) -> None:
        """Rest."""
        super().hideEvent(event)
        self._tick.stop()

    def _row_chosen(self) -> None:
        rows = self.table.selected_rows()
        if rows:
            self.map.choose(self.model.row_at(rows[0]).key)
            self._explain()

    def _explain(self) -> None:
        row = self.model.row_of(self.map.current())
        spot = self.model.row_at(row) if row is not None else None
        self.why.setText("" if spot is None else f"{spot.name}: {spot.text}" if spot.text else spot.name)

    def _name_of(self, peer_id: PeerId) -> str:
        return called(peer_id, () if self._snapshot is None else self._snapshot.known_peers)

    def _dress(self, index: Index) -> tuple[QIcon | None, str]:
        return self._dresses.get(index.data(STATE_ROLE), (None, ""))

    def _retheme(self, theme: Theme) -> None:
        looks = {
            Line.OPEN: ("path-open", theme.good),
            Line.TRYING: ("path-punching", theme.info),
            Line.RELAYED: ("path-punching", theme.warn),
            Line.IDLE: ("path-listed", theme.muted),
        }
        self._dresses = {state: (icon(name, colour), colour) for state, (name, colour) in looks.items()}
        self.table.viewport().update()


class NetworkView(PageView):
    """What our router does in words, and four parts under it."""

    def __init__(
        self,
        theme: ThemeSource,
        brokers: tuple[str, ...],
        acts: Acts,
        remember: Remember,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.words = Lines(NETWORK_LINES)
        self.map_page = MapPage(theme)
        self.attempts = AttemptsView(theme)
        self.broker = BrokerView(theme, brokers)
        self.relays = RelaysView(acts, remember)
        self.parts = Pages()
        self.parts.bar.setAccessibleName(self.tr("Parts of the page Network"))
        self.parts.register(
            (
                Page("map", self.tr("Map"), lambda: self.map_page),
                Page("attempts", self.tr("How we connected"), lambda: self.attempts),
                Page("broker", self.tr("Brokers"), lambda: self.broker),
                Page("relays", self.tr("Passing on"), lambda: self.relays),
            )
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(heading(self.tr("Your network")))
        column.addWidget(self.words)
        column.addWidget(self.parts, 1)

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Show the newest state."""
        self.words.setText(network_words(snapshot.nat, known=bool(snapshot.nat.message)))
        self.parts.show_snapshot(snapshot)

    def on_events(self, events: tuple[PeerEvent, ...]) -> None:
        """Let punches fly."""
        self.map_page.map.on_events(events)

    def reveal(self, address: Address) -> None:
        """Show how we are connected to this address."""
        self.parts.choose("map")
        self.map_page.reveal(address)

    def tables(self) -> tuple[RowTable, ...]:
        """Return the tables of all parts."""
        return self.parts.tables()

    def focus_start(self) -> None:
        """Put the keyboard on the part that is shown."""
        page = self.parts.widget(self.parts.current())
        if isinstance(page, PageView):
            page.focus_start()

    def focus_filter(self) -> None:
        """Put the keyboard into the field of the part that is shown, or to its start."""
        self.parts.focus_filter()
