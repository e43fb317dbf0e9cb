"""The main window: header, what waits for an answer, the pages and traffic; it holds no state of the core.

The window decides nothing about closing: its close event is refused and told as `close_requested`. It closes for good
with `shut()`.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6.QtCore import QByteArray, QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QSplitter, QVBoxLayout, QWidget

from core.errors import LocalError
from core.news.events import PeerSnapshot
from core.peer_id import PeerId
from core.profile.integration import Integration
from core.profile.settings import Settings, WindowState
from core.trust.audience import Audience
from core.trust.entries import Pending
from core.values import Address
from desktop.icons import app_icon
from desktop.theme import Theme, ThemeSource
from desktop.views.banner import Banner
from desktop.views.calls import CallsView
from desktop.views.columns import Columns, share_out
from desktop.views.contract import BridgeLike
from desktop.views.header import HeaderView
from desktop.views.identity_dialog import Acts as IdentityActsLike
from desktop.views.menus import ABOUT, Acts, Menus, keys_text
from desktop.views.network import NetworkView
from desktop.views.notice import NoticePlace
from desktop.views.pages import Page, Pages
from desktop.views.peers import PeersView
from desktop.views.pending_strip import PendingStrip
from desktop.views.people import PeopleView
from desktop.views.request import RequestView
from desktop.views.services import ServicesView
from desktop.views.sharing import SharingView
from desktop.views.sheets import Scrolled, Scrolling, Words, reveal
from desktop.views.table import RowTable
from desktop.views.timeline import TimelineView
from desktop.views.traffic import TrafficView
from desktop.views.using import UsingView
from desktop.views.window_dialogs import WindowDialogs
from desktop.views.window_state import application, packed, unpack, within_screen

MIN_SIZE = QSize(360, 200)  # pixels; 800 x 480 at 200 %, less a frame and a panel: everything scrolls there
START_SIZE = QSize(1220, 780)  # pixels; fits a 1280 x 800 screen with a panel
ONE_COLUMN = 860  # pixels of width; below that the request stands under the tables, and cards under one another
SHORT_LINES = 620  # pixels of width; below that the words at the top take three lines
PEERS_HEIGHT, TIMELINE_HEIGHT = 150, 180  # pixels; title, header and three or four rows
PAGE_HEIGHT = 320  # pixels; a page that is less high scrolls
REQUEST_WIDTH = 310  # pixels
TITLE = "Grapevine"


class MainWindow(QMainWindow):
    """Shows what the bridge tells, and tells the bridge what the user does.

    Signals:
        close_requested(): the user closed the window; nothing has happened yet.
        quit_requested(): the user wants the program to end.
        settings_changed(Settings): saved in the settings dialog, or by a control that is remembered; valid.
    """

    close_requested = Signal()
    quit_requested = Signal()
    settings_changed = Signal(object)

    def __init__(
        self, bridge: BridgeLike, settings: Settings, theme: ThemeSource | None = None, *,
        identity: IdentityActsLike | None = None, integration: Integration | None = None,
    ) -> None:  # fmt: skip
        """`identity` acts on the key, `integration` on the start at login; without them neither can be changed here."""
        super().__init__()
        self._bridge = bridge
        self._settings = settings
        self._shut = False
        self._theme = theme if theme is not None else ThemeSource(application(), parent=self)
        self._integration = integration
        self.dialogs = WindowDialogs(self, bridge, identity, integration, self.show_message)
        self.setWindowTitle(QGuiApplication.applicationDisplayName() or TITLE)  # names the profile; Qt adds it else
        self.setWindowIcon(app_icon())
        self.setMinimumSize(MIN_SIZE)
        self.resize(within_screen(self, START_SIZE))
        with self._theme.laid_later():
            self._put_together(bridge)
        self._theme.changed.connect(self._retheme)
        self.peers.request_wanted.connect(self._address_request)
        self.peers.path_wanted.connect(lambda address: self._on("network", lambda: self.network.reveal(address))())
        self.header.identity_wanted.connect(self.open_identity)
        self.pending.all_wanted.connect(self.reveal_pending)
        self.pages.chosen.connect(lambda key: self.pending.set_aside(key == "people"))
        self.pending.answers.always_wanted.connect(self.people.accept_always)
        self.people.call_wanted.connect(self._call)
        self.calls.call_wanted.connect(self._call)
        self.using.call_wanted.connect(self._call)
        self.sharing.demo_wanted.connect(self._on_live(self.services.focus))
        self.calls.known_wanted.connect(self._add_known)
        self.services.audience_chosen.connect(self._choose_audience)
        self.network.broker.acting_chosen.connect(self._choose_acting)
        self.network.broker.using_chosen.connect(self._choose_using)
        bridge.snapshot_changed.connect(self._show_snapshot)
        bridge.events_arrived.connect(self.timeline.add)
        bridge.events_arrived.connect(self.network.on_events)
        bridge.failed.connect(self.show_message)
        snapshot = bridge.snapshot()
        if snapshot is not None:
            self._show_snapshot(snapshot)

    def _put_together(self, bridge: BridgeLike) -> None:
        self.header = HeaderView(self._theme)
        self.banner = Banner(self._theme)
        self.services = ServicesView(bridge)
        self.peers = PeersView(self._theme)
        self.timeline = TimelineView(self._theme)
        self.request = RequestView(bridge, self._theme)
        self.traffic = TrafficView(bridge)
        self.pending = PendingStrip(bridge, self._theme)
        self.people = PeopleView(bridge, self._theme)
        self.calls = CallsView(bridge, self._theme)
        self.network = NetworkView(self._theme, self._settings.brokers, bridge, self._remember)
        self.sharing = SharingView(bridge, self._theme)
        self.using = UsingView(bridge, self._theme)
        self.pages = Pages()
        self._lay_out()
        self.menus = Menus(self, bridge, self._acts())
        self.menus.retheme(self._theme.theme)

    def _live_page(self) -> QWidget:
        """Put the first page together: the services over who is there, what happens, and the request."""
        self._left = QSplitter(Qt.Orientation.Vertical)
        self._across = Columns(ONE_COLUMN)
        self._left.setChildrenCollapsible(False)
        for splitter in (self._left, self._across):
            splitter.setHandleWidth(14)
        for pane, height in ((self.peers, PEERS_HEIGHT), (self.timeline, TIMELINE_HEIGHT)):
            pane.setMinimumHeight(height)
        share_out(self._left, (self.peers, 4), (self.timeline, 5))
        share_out(self._across, (self._left, 4), (self.request, 1))
        self._across.setSizes([START_SIZE.width() - 330, 310])
        self.request.setMinimumWidth(REQUEST_WIDTH)
        live = QWidget()
        upper = QVBoxLayout(live)
        upper.setContentsMargins(0, 0, 0, 0)
        upper.setSpacing(10)
        upper.addWidget(self.services)
        upper.addWidget(self._across, 1)
        return live

    def _lay_out(self) -> None:
        self.pages.register(
            (
                Page("live", self.tr("Live"), self._live_page),
                Page("sharing", self.tr("Sharing"), lambda: self.sharing),
                Page("using", self.tr("Using"), lambda: self.using),
                Page("people", self.tr("People"), lambda: self.people, lambda snapshot: len(snapshot.pending)),
                Page("calls", self.tr("Calls"), lambda: self.calls),
                Page("network", self.tr("Network"), lambda: self.network),
            )
        )
        for page in (self.sharing, self.using, self.people, self.calls, self.network):
            page.setMinimumHeight(PAGE_HEIGHT)
        self.notice = NoticePlace(self.header.details, self.pending, self.banner)
        self._theme.laid.connect(self.notice.restyle)
        self.pending.shape_changed.connect(self.notice.restyle)
        middle = Scrolled()
        column = self._column = QVBoxLayout(middle)
        column.setContentsMargins(14, 8, 14, 6)
        column.setSpacing(8)
        column.addWidget(self.header)
        column.addWidget(self.notice)
        column.addWidget(self.pages, 1)
        self.scrolling = Scrolling(middle)
        self.scrolling.setMinimumSize(QSize(0, 0))
        whole = QWidget()
        whole.setAccessibleName(TITLE)
        outer = QVBoxLayout(whole)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self.scrolling, 1)
        bottom = QHBoxLayout()
        bottom.setContentsMargins(14, 2, 14, 6)
        bottom.addWidget(self.traffic)
        outer.addLayout(bottom)
        self.setCentralWidget(whole)
        whole.setFocus()  # no ring until the user goes somewhere; Tab goes to the first control
        application().focusChanged.connect(self._follow_focus)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the words more lines where these are short."""
        super().resizeEvent(event)
        narrow = self.width() < ONE_COLUMN
        for place in (self.notice, self.banner, self.header):
            place.set_lines(3 if self.width() < SHORT_LINES else 2)
        self.pending.set_narrow(narrow)

    def _follow_focus(self, old: QWidget | None, now: QWidget | None) -> None:
        """Scroll to what has the keyboard now; not under a mouse that is pressed on it, or has just pressed `old`."""
        inner = self.scrolling.widget()
        pressed = QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton or (old is not None and not old.isEnabled())
        if now is not None and inner is not None and inner.isAncestorOf(now) and not pressed:
            reveal(self.scrolling, now)

    def _acts(self) -> Acts:
        focus = Qt.FocusReason.ShortcutFocusReason
        return Acts(
            copy_address=self.header.copy_address,
            copy_id=self.header.copy_id,
            show_identity=self.open_identity,
            add_peer=self._on("people", self.people.add),
            share_something=self._on("sharing", self.sharing.share),
            damaged_list=self.dialogs.trust.ask,
            pages=tuple((page.title, partial(self.pages.choose, page.key)) for page in self.pages.pages()),
            open_settings=self.open_settings,
            close_window=self.close_requested.emit,
            quit=self.quit_requested.emit,
            find=self._find,
            copy_timeline=self.timeline.copy_all,
            copy_answer=self.request.answer.copy,
            newest=self.timeline.go_to_newest,
            panes=(
                self._on_live(self.services.focus),
                self._on_live(lambda: self.peers.table.setFocus(focus)),
                self._on_live(lambda: self.timeline.table.setFocus(focus)),
                self._on_live(self.request.focus),
            ),
            send=self.request.send,
            send_demo=self.send_demo_request,
            request_peer=self.peers.request_action.trigger,
            show_keys=lambda: self._tell(self.tr("Keys"), keys_text(self.menus)),
            show_about=lambda: self._tell(self.tr("About Grapevine"), self.tr(ABOUT)),
        )

    def put_above_pages(self, widget: QWidget) -> None:
        """Show something between the words at the top and the pages, until it hides."""
        self._column.insertWidget(self._column.indexOf(self.pages), widget)
        widget.show()

    # -- what the bridge tells -----------------------------------------------------------------------------------

    def _show_snapshot(self, snapshot: PeerSnapshot) -> None:
        self.header.show_snapshot(snapshot)
        self.services.show_snapshot(snapshot)
        self.peers.show_snapshot(snapshot)
        self.request.show_snapshot(snapshot)
        self.menus.show_snapshot(snapshot)
        self.pending.show_snapshot(snapshot)
        self.pages.show_snapshot(snapshot)
        self.timeline.show_snapshot(snapshot)
        self.dialogs.show_identity(snapshot.identity)
        self.dialogs.trust.show_snapshot(snapshot)

    # -- what the program asks -----------------------------------------------------------------------------------

    def reveal(self) -> None:
        """Bring the window before the user, from the tray, an icon or behind others."""
        if self.isMinimized():
            self.showNormal()
        self.show()
        self.raise_()
        self.activateWindow()

    def reveal_peer(self, address: Address) -> None:
        """Bring the window up with this peer's row selected; a peer that left is said to have left."""
        self.reveal()
        self.pages.choose("live")
        if not self.peers.reveal(address):
            words = self.tr("{address} is no longer in the table: it left, and has been silent.")
            self.show_message(words.format(address=address))

    def reveal_pending(self) -> None:
        """Bring the window up with those who wait for an answer."""
        self.reveal()
        self.pages.choose("people")
        self.people.reveal_pending()

    def accept_always(self, asked: Pending) -> None:
        """Bring the window up to let a peer that waits in for good."""
        self.reveal_pending()
        self.people.accept_always(asked)

    def open_identity(self) -> None:
        """Show who this peer is."""
        self.dialogs.open_identity()

    def show_message(self, text: str) -> None:
        """Show a sentence above the content until it is dismissed or replaced."""
        self.banner.show_message(text)

    def send_demo_request(self) -> None:
        """Send the first service's example to a peer that shares it."""
        self.request.send_demo()

    def set_settings(self, settings: Settings) -> None:
        """Take settings that were changed elsewhere; the next dialog shows them."""
        self._settings = settings

    def open_settings(self) -> None:
        """Open the settings dialog, or bring the one that is open to the front."""
        self.dialogs.open_settings(self._settings, self._settings_chosen, self._set_autostart)

    def save_state(self) -> WindowState:
        """Return where the window and its parts are."""
        parts = [part.saveState() for part in self._splitters()]
        parts += [table.header_state() for table in self._tables()]
        return packed(self.saveGeometry(), [*parts, QByteArray(self.pages.current().encode())])

    def restore_state(self, state: WindowState) -> None:
        """Put the window and its parts back; what cannot be read is left as it is."""
        keepers: list[Callable[[QByteArray], object]] = [part.restoreState for part in self._splitters()]
        keepers += [each.restore_header for each in self._tables()]
        keepers.append(lambda key: self.pages.choose(bytes(key.data()).decode(errors="replace")))
        unpack(state, self.restoreGeometry, keepers)

    def shut(self) -> None:
        """Close for good; the program is ending."""
        self._shut = True
        self.close()

    # -- the rest ------------------------------------------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent) -> None:
        """Refuse, and tell: whether a window closes is the program's decision."""
        if self._shut:
            super().closeEvent(event)
            return
        event.ignore()
        self.close_requested.emit()

    def _splitters(self) -> tuple[QSplitter, ...]:
        return self._across, self._left, self.request.splitter

    def _tables(self) -> tuple[RowTable, ...]:
        return self.peers.table, self.timeline.table, *self.pages.tables()

    def _on(self, page: str, act: Callable[[], None]) -> Callable[[], None]:
        def go() -> None:
            self.pages.choose(page)
            act()

        return go

    def _on_live(self, act: Callable[[], None]) -> Callable[[], None]:
        return self._on("live", act)

    def _find(self) -> None:
        """Put the keyboard into the filter of the page that is shown."""
        if not self.pages.focus_filter():
            self._on_live(self.timeline.focus_filter)()

    def _add_known(self, peer_id: PeerId) -> None:
        self.pages.choose("people")
        self.people.make_known(peer_id)

    def _call(self, target: str) -> None:
        """Offer a request to somebody chosen on another page."""
        self.pages.choose("live")
        self._address_request(target)

    def _choose_audience(self, service: str, audience: Audience) -> None:
        self._remember({"audiences": {**self._settings.audiences, service: audience}})

    def _choose_acting(self, on: bool) -> None:
        self._remember({"act_as_broker": on})
        self._bridge.act_as_broker(on)

    def _choose_using(self, on: bool, brokers: tuple[str, ...]) -> None:
        self._remember({"use_broker": on, "brokers": brokers})
        self._bridge.use_broker(on, brokers)

    def _remember(self, fields: dict[str, Any]) -> None:
        self._settings_chosen(dataclasses.replace(self._settings, **fields))

    def _address_request(self, target: Address | str) -> None:
        self.request.set_target(target)
        self.request.focus()

    def _settings_chosen(self, settings: Settings) -> None:
        self._settings = settings
        self.settings_changed.emit(settings)

    def _set_autostart(self, on: bool) -> None:
        if self._integration is not None:
            try:
                self._integration.set_autostart(on)
            except LocalError as error:
                self.show_message(self.tr("The start at login was not changed: {error}.").format(error=error))

    def _tell(self, title: str, text: str) -> None:
        Words(self, title, text).open()

    def _retheme(self, theme: Theme) -> None:
        self.menus.retheme(theme)
