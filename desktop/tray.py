"""The tray icon: an extra beside the window, never the only way in.

Whether there is a tray is asked of the system (`QSystemTrayIcon.isVisible` is true in any case), and asked again: at
login the panel may come later than we do, and a panel can crash. The icon is made when there is a tray and not sooner:
one made before never registers with a StatusNotifier panel that comes later (seen with PySide6 6.11.3). From then on Qt
follows the panel by itself.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from core.news.events import PeerSnapshot
from core.trust.entries import Pending
from desktop.bridge import Bridge
from desktop.icons import tray_icon
from desktop.models.lookalike import warning
from desktop.models.people import names
from desktop.models.safe import menu_text, shown, unmarked
from desktop.tray_shares import TrayShares
from desktop.tray_state import Reading, Steady, TrayState, read

LOGIN_SECONDS = 30.0  # how long a panel may come after us until `settled` says that there is none (DESKTOP 6)
LOOK_SECONDS = 0.5  # between two looks during that time; a look is one D-Bus call, 2 ms
WATCH_SECONDS = 5.0  # between two looks afterwards, and for the words to grow old ("with 1 peer")
TITLE = "Grapevine"
MAX_ASKING = 8  # requests offered in the menu, the newest; the window has all


@dataclass(frozen=True, slots=True)
class Asking:
    """A request in the menu: `name` is the owner's for that peer, `careful` who it could be taken for."""

    pending: Pending
    name: str
    careful: str

    def title(self) -> str:
        """Return what to call it."""
        return shown(self.name) or f"Stranger {self.pending.peer_id.short}"

    def __eq__(self, other: object) -> bool:
        """Compare what is shown: when it asked last is not."""
        return isinstance(other, Asking) and self._shown() == other._shown()

    def __hash__(self) -> int:
        return hash(self._shown())

    def _shown(self) -> tuple[object, ...]:
        return self.pending.key, self.name, self.careful


class Tray(QObject):
    """Icon, tooltip and menu. Menu and icon are built once and updated in place."""

    open_requested = Signal()
    request_requested = Signal()
    pending_requested = Signal()  # show who waits for an answer
    always_requested = Signal(object)  # Pending: let this peer in for good, after it was named
    copy_id_requested = Signal()
    quit_requested = Signal()
    settled = Signal(bool)  # once: a tray was found, or none within LOGIN_SECONDS
    vanished = Signal()  # the tray went away: show the window

    def __init__(self, bridge: Bridge, services: tuple[str, ...], *, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._icon: QSystemTrayIcon | None = None
        self._steady = Steady()
        self._shown: Reading | None = None
        self._message_clicked: Callable[[], None] = lambda: None
        self._settled = False
        self._there = False
        self._closed = False
        self._started = time.monotonic()
        self._build_menu(services)
        self._look_timer = QTimer(self)
        self._look_timer.timeout.connect(self._look)
        self._hold_timer = QTimer(self)
        self._hold_timer.setSingleShot(True)
        self._hold_timer.timeout.connect(self._update)
        bridge.snapshot_changed.connect(self._on_snapshot)

    # -- whether there is one ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Look for a tray now, and go on looking."""
        self._started = time.monotonic()
        self._look_timer.start(int(LOOK_SECONDS * 1000))
        self._update()
        self._look()

    def available(self) -> bool:
        """Return whether the user can see the icon, asked of the system at this moment."""
        return self._icon is not None and not self._closed and QSystemTrayIcon.isSystemTrayAvailable()

    def hide(self) -> None:
        """Take the icon away for good. Before the process ends: Windows leaves a ghost otherwise."""
        self._closed = True
        self._look_timer.stop()
        self._hold_timer.stop()
        if self._icon is not None:
            self._icon.hide()  # not deleted: it goes with this object

    def _look(self) -> None:
        if self._closed:
            return
        there = QSystemTrayIcon.isSystemTrayAvailable()
        if there and self._icon is None:
            self._make_icon()
        if there or time.monotonic() - self._started >= LOGIN_SECONDS:
            self._settle(there)
        if self._there and not there:
            self.vanished.emit()
        self._there = there
        self._update()

    def _settle(self, there: bool) -> None:
        if not self._settled:
            self._settled = True
            self._look_timer.start(int(WATCH_SECONDS * 1000))
            self.settled.emit(there)

    def _make_icon(self) -> None:
        icon = self._icon = QSystemTrayIcon(self)
        icon.setContextMenu(self._menu)
        icon.activated.connect(self._on_activated)
        icon.messageClicked.connect(self._on_message_clicked)
        if self._shown is not None:
            self._paint(icon, self._shown)
        icon.show()

    # -- what it shows -------------------------------------------------------------------------------------------

    def reading(self) -> Reading | None:
        """Return what the icon shows, or would show if there were a tray."""
        return self._shown

    def _on_snapshot(self, snapshot: PeerSnapshot) -> None:
        for service in snapshot.services:
            for actions, on in ((self._share, service.sharing), (self._consume, service.consuming)):
                if service.name in actions:
                    actions[service.name].setChecked(on)
        self._show_pending(snapshot)
        self.shares.show_snapshot(snapshot)
        self._update()

    def _update(self) -> None:
        now = time.monotonic()
        reading = self._steady.offer(read(self._bridge.snapshot(), time.time()), now)
        if (due := self._steady.due()) is not None and not self._closed:
            self._hold_timer.start(int(max(0.0, due - now) * 1000) + 1)
        if reading == self._shown:
            return
        before, self._shown = self._shown, reading
        self._state_line.setText(menu_text(reading.words))
        if self._icon is not None:
            self._paint(self._icon, reading, before.state if before else None)

    def _paint(self, icon: QSystemTrayIcon, reading: Reading, before: TrayState | None = None) -> None:
        if reading.state is not before:
            icon.setIcon(tray_icon(reading.state.value))
        icon.setToolTip(unmarked(f"{TITLE}: {reading.words}"))  # some panels read markup

    # -- what one can do with it ---------------------------------------------------------------------------------

    def _build_menu(self, services: tuple[str, ...]) -> None:
        menu = self._menu = QMenu()
        menu.setTitle(TITLE)
        self._state_line = menu.addAction("")
        self._state_line.setEnabled(False)
        menu.addSeparator()
        share, consume = self.tr("Share {name} service"), self.tr("Consume {name}")
        toggle, bridge = self._toggle, self._bridge
        self._share = {name: toggle(share.format(name=name), name, bridge.set_sharing) for name in services}
        self._consume = {name: toggle(consume.format(name=name), name, bridge.set_consuming) for name in services}
        self.shares = TrayShares(menu, bridge.sharing.switch)
        menu.addSeparator()
        self._waiting = menu.addMenu(self.tr("Requests waiting"))
        self._waiting.menuAction().setVisible(False)
        self._waiting_for: tuple[Asking, ...] = ()
        menu.addAction(self.tr("Copy my Peer ID")).triggered.connect(self.copy_id_requested)
        menu.addAction(self.tr("Send request")).triggered.connect(self.request_requested)
        menu.addAction(self.tr("Open Grapevine")).triggered.connect(self.open_requested)
        menu.addSeparator()
        menu.addAction(self.tr("Quit")).triggered.connect(self.quit_requested)

    def _show_pending(self, snapshot: PeerSnapshot) -> None:
        """Say who waits, and offer the answers; the menu is filled again only when it would say something else."""
        pending = snapshot.pending[-MAX_ASKING:]
        named = names(snapshot.known_peers)
        asking = tuple(
            Asking(each, named.get(each.peer_id, ""), warning(each.peer_id, snapshot.known_peers))
            for each in reversed(pending)
        )
        words = self.tr("Requests waiting ({number})")
        self._waiting.setTitle(words.format(number=f"{len(snapshot.pending):,}"))
        if asking == self._waiting_for:
            return
        self._waiting_for = asking
        self._waiting.clear()
        for each in asking:
            self._offer_answers(each)
        self._waiting.addSeparator()
        self._waiting.addAction(self.tr("Show all")).triggered.connect(self.pending_requested)
        self._waiting.menuAction().setVisible(bool(asking))

    def _offer_answers(self, asking: "Asking") -> None:
        """Add a submenu with the whole ID above the answers: nobody decides on a part of it."""
        asked = asking.pending
        person = self._waiting.addMenu(menu_text(f"{asking.title()}: {asked.service}"))
        groups = str(asked.peer_id).split("-")
        for words in ("-".join(groups[:4]), "-".join(groups[4:]), asking.careful):
            if words:
                person.addAction(menu_text(words)).setEnabled(False)
        person.addSeparator()
        for words, act in self._answers(asked):
            person.addAction(words).triggered.connect(act, Qt.ConnectionType.QueuedConnection)

    def _answers(self, asked: Pending) -> tuple[tuple[str, Callable[[], None]], ...]:
        bridge = self._bridge
        return (
            (self.tr("Refuse"), lambda: bridge.refuse(asked.peer_id, asked.service)),
            (self.tr("Accept once"), lambda: bridge.accept(asked.peer_id, asked.service, once=True)),
            (self.tr("Always accept..."), lambda: self.always_requested.emit(asked)),
            (self.tr("Block"), lambda: bridge.block(asked.peer_id)),
        )

    def _toggle(self, text: str, service: str, act: Callable[[str, bool], None]) -> QAction:
        action = self._menu.addAction(menu_text(text))
        action.setCheckable(True)
        # `triggered` is the user's click alone; `toggled` would answer our own setChecked
        action.triggered.connect(lambda on: act(service, on), Qt.ConnectionType.QueuedConnection)
        return action

    def menu(self) -> QMenu:
        """Return the one menu."""
        return self._menu

    def show_message(self, title: str, text: str, clicked: Callable[[], None]) -> bool:
        """Show a balloon where no notification service is; `clicked` runs when it is clicked. False: no tray for it."""
        if self._icon is None or not self.available() or not QSystemTrayIcon.supportsMessages():
            return False
        self._message_clicked = clicked
        self._icon.showMessage(
            unmarked(title), unmarked(text), tray_icon((self._shown.state if self._shown else TrayState.OFF).value)
        )
        return True

    def _on_message_clicked(self) -> None:
        self._message_clicked()

    def _on_activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if sys.platform == "darwin":  # a left click opens the menu there and says Trigger as well
            return
        if reason in (QSystemTrayIcon.ActivationReason.Trigger, QSystemTrayIcon.ActivationReason.DoubleClick):
            self.open_requested.emit()
