"""The menu bar: every act of the window, with its key. Built once; the services' toggles follow the snapshots."""

import html
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QApplication, QMainWindow, QMenu, QWidget

from core.news.events import PeerSnapshot
from desktop.icons import icon
from desktop.models.safe import menu_text
from desktop.theme import Theme
from desktop.views.contract import BridgeLike

ABOUT = (
    "Grapevine shares a small service from behind a home router: peers find each other through grapes, "
    "punch a hole, and talk directly. Apache License 2.0."
)


@dataclass(frozen=True, slots=True)
class Acts:
    """What the menus call; the window fills it in."""

    copy_address: Callable[[], None]
    copy_id: Callable[[], None]
    show_identity: Callable[[], None]
    add_peer: Callable[[], None]
    share_something: Callable[[], object]
    damaged_list: Callable[[], None]
    pages: tuple[tuple[str, Callable[[], None]], ...]
    open_settings: Callable[[], None]
    close_window: Callable[[], None]
    quit: Callable[[], None]
    find: Callable[[], None]
    copy_timeline: Callable[[], None]
    copy_answer: Callable[[], None]
    newest: Callable[[], None]
    panes: tuple[Callable[[], None], ...]
    send: Callable[[], None]
    send_demo: Callable[[], None]
    request_peer: Callable[[], None]
    show_keys: Callable[[], None]
    show_about: Callable[[], None]


OTHER_KEYS = (
    ("Turn the switch that has the focus", "Space"),
    ("Address a request to the selected peer", "Enter"),
    ("Send a request of the history again", "Enter"),
    ("Go from part to part", "Tab"),
)
PANES = ("&Services", "&Consumers and workers", "&Timeline", "&Request")


class Menus:
    """Owns the actions. `actions` maps a short name to each action that the window or a test needs."""

    def __init__(self, window: QMainWindow, bridge: BridgeLike, acts: Acts) -> None:
        self._window = window
        self._bridge = bridge
        self._acts = acts
        self.actions: dict[str, QAction] = {}
        self._toggles: dict[str, tuple[QAction, QAction]] = {}
        self._peer_menu = self._menu("&Peer")
        self._edit_menu()
        self._view_menu()
        self._request_menu()
        self._help_menu()
        self._fill_peer_menu()

    def _menu(self, title: str) -> QMenu:
        return self._window.menuBar().addMenu(_tr(title))

    def _add(self, menu: QMenu, name: str, words: str, act: Callable[[], object], *keys: str) -> QAction:
        action = QAction(_tr(words), self._window)
        action.setShortcuts([QKeySequence(key) for key in keys])
        action.triggered.connect(lambda _checked=False: act())
        menu.addAction(action)
        self.actions[name] = action
        return action

    def _fill_peer_menu(self) -> None:
        menu = self._peer_menu
        self._before_services = menu.addSeparator()
        self._add(menu, "share_something", "S&hare something...", self._acts.share_something, "Ctrl+N")
        self._add(menu, "copy_id", "Copy &Peer ID", self._acts.copy_id, "Ctrl+K")
        self._add(menu, "copy_address", "Copy &address", self._acts.copy_address, "Ctrl+Shift+C")
        self._add(menu, "identity", "My &identity...", self._acts.show_identity, "Ctrl+I")
        self._add(menu, "add_peer", "A&dd a known peer...", self._acts.add_peer, "Ctrl+Shift+A")
        self._add(menu, "damaged_list", "Da&maged list of known peers...", self._acts.damaged_list).setEnabled(False)
        self._add(menu, "settings", "Se&ttings", self._acts.open_settings, "Ctrl+,")
        menu.addSeparator()
        self._add(menu, "close", "C&lose window", self._acts.close_window, "Ctrl+W")
        self._add(menu, "quit", "&Quit", self._acts.quit, "Ctrl+Q")

    def _edit_menu(self) -> None:
        menu = self._menu("&Edit")
        # Text fields take these keys before a menu does; the actions make them findable, and serve the tables.
        self._add(menu, "copy", "&Copy", lambda: _on_focus("copy"), "Ctrl+C")
        self._add(menu, "select_all", "Select &all", lambda: _on_focus("selectAll"), "Ctrl+A")
        menu.addSeparator()
        self._add(menu, "copy_timeline", "Copy the whole &timeline", self._acts.copy_timeline)
        self._add(menu, "copy_answer", "Copy the full ans&wer", self._acts.copy_answer)
        menu.addSeparator()
        self._add(menu, "find", "&Filter the timeline", self._acts.find, "Ctrl+F")

    def _view_menu(self) -> None:
        menu = self._menu("&View")
        for number, (words, act) in enumerate(self._acts.pages, start=1):
            self._add(menu, f"page{number}", words, act, f"Alt+{number}")
        menu.addSeparator()
        for number, (words, act) in enumerate(zip(PANES, self._acts.panes, strict=True), start=1):
            self._add(menu, f"pane{number}", words, act, f"Ctrl+{number}")
        menu.addSeparator()
        self._add(menu, "newest", "Go to the &newest line", self._acts.newest, "Ctrl+End")

    def _request_menu(self) -> None:
        menu = self._menu("&Request")
        self._add(menu, "send", "&Send", self._acts.send, "Ctrl+Return", "Ctrl+Enter")
        self._add(menu, "send_demo", "Send the &example request", self._acts.send_demo, "Ctrl+Shift+Return")
        self._add(menu, "request_peer", "&Address it to the selected peer", self._acts.request_peer)

    def _help_menu(self) -> None:
        menu = self._help = self._menu("&Help")
        self._add(menu, "keys", "&Keys", self._acts.show_keys, "F1")
        self._add(menu, "about", "&About Grapevine", self._acts.show_about)

    def add_to_peer(self, name: str, words: str, act: Callable[[], object], *keys: str) -> None:
        """Add an entry above the settings."""
        menu = self._peer_menu
        action = self._add(menu, name, words, act, *keys)
        menu.removeAction(action)
        menu.insertAction(self.actions["settings"], action)

    def add_to_help(self, name: str, words: str, act: Callable[[], object]) -> None:
        """Add an entry to the last menu."""
        self._add(self._help, name, words, act)

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Let the services' toggles say what is; there is a damaged list to look at, or not."""
        self.actions["damaged_list"].setEnabled(snapshot.trust_problem is not None)
        for service in snapshot.services:
            if service.name not in self._toggles:
                self._toggles[service.name] = self._add_toggles(service.name)
            share, consume = self._toggles[service.name]
            share.setChecked(service.sharing)
            consume.setChecked(service.consuming)

    def _add_toggles(self, name: str) -> tuple[QAction, QAction]:
        share_key, consume_key = ("", "") if self._toggles else ("Ctrl+Shift+S", "Ctrl+Shift+O")  # of the first service
        shown = menu_text(name)
        bridge, words = (
            self._bridge,
            (_tr("&Share {name}").format(name=shown), _tr("C&onsume {name}").format(name=shown)),
        )
        share = self._toggle(words[0], lambda on: bridge.set_sharing(name, on), share_key)
        consume = self._toggle(words[1], lambda on: bridge.set_consuming(name, on), consume_key)
        return share, consume

    def _toggle(self, words: str, act: Callable[[bool], None], keys: str) -> QAction:
        action = QAction(words, self._window)
        action.setCheckable(True)
        if keys:
            action.setShortcut(QKeySequence(keys))
        action.triggered.connect(act)
        self._peer_menu.insertAction(self._before_services, action)
        self.actions[words.replace("&", "").lower()] = action
        return action

    def retheme(self, theme: Theme) -> None:
        """Draw the icons in a theme's colours."""
        names = {
            "copy_address": "copy",
            "copy_id": "copy",
            "identity": "qr",
            "settings": "settings",
            "close": "window",
            "quit": "quit",
            "copy": "copy",
            "find": "search",
            "newest": "newest",
            "send": "send",
            "about": "info",
        }
        for action, name in names.items():
            self.actions[action].setIcon(icon(name, theme.text, theme.edge))

    def keyed(self) -> list[tuple[str, str]]:
        """Return every act that has a key: its words and the key as people write it."""
        menus = [menu for top in self._window.menuBar().actions() if isinstance(menu := top.menu(), QMenu)]
        found = [action for menu in menus for action in menu.actions() if not action.shortcut().isEmpty()]
        native = QKeySequence.SequenceFormat.NativeText
        return [(action.text().replace("&", ""), action.shortcut().toString(native)) for action in found]


def _tr(words: str) -> str:
    return QCoreApplication.translate("Menus", words)


def _on_focus(verb: str) -> None:
    """Call `copy` or `selectAll` of the widget that has the keyboard, if it can."""
    widget: QWidget | None = QApplication.focusWidget()
    act = getattr(widget, verb, None)
    if callable(act):
        act()


def keys_text(menus: Menus) -> str:
    """Return the keys as a table in rich text."""
    lines = [*menus.keyed(), *OTHER_KEYS]
    rows = "".join(
        f"<tr><td>{html.escape(words)}</td><td width=24></td><td><b>{html.escape(keys)}</b></td></tr>"
        for words, keys in ((_tr(each), keys) for each, keys in lines)
    )
    return f"<table cellspacing=3>{rows}</table>"
