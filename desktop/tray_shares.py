"""The tray's menus about shares: every permanent one as a toggle, and what is used of others to be shown or copied.

Both are submenus, so that the rest of the tray's menu stays where it is; they are filled again only when they would
say something else.
"""

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QMenu

from core.news.events import PeerSnapshot, ShareRow, UseRow
from desktop.models.safe import menu_text
from desktop.models.shares import PAGES
from desktop.views.browse import browse

MAX_SHOWN = 20  # of each; the window has all


class TrayShares:
    """`switch(name, on)` hears a toggle."""

    def __init__(self, menu: QMenu, switch: Callable[[str, bool], None]) -> None:
        """Put both submenus at the end of a menu; each is there only while it has something to say."""
        self._switch = switch
        self.shares = menu.addMenu(_tr("Shares"))
        self.uses = menu.addMenu(_tr("Open"))
        self._toggles: dict[str, QAction] = {}
        self._used: tuple[tuple[str, str], ...] = ()
        for each in (self.shares, self.uses):
            each.menuAction().setVisible(False)

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Show what is shared for good, and what is used."""
        permanent = [share for share in snapshot.shares if share.permanent][:MAX_SHOWN]
        if [share.name for share in permanent] != list(self._toggles):
            self._fill_shares(permanent)
        for share in permanent:
            self._toggles[share.name].setChecked(share.on)
        used = tuple((use.where, _title(use)) for use in snapshot.uses[:MAX_SHOWN])
        if used != self._used:
            self._used = used
            self._fill_uses(snapshot.uses[:MAX_SHOWN])

    def _fill_shares(self, shares: list[ShareRow]) -> None:
        self.shares.clear()
        self._toggles = {share.name: self._toggle(share.name) for share in shares}
        self.shares.menuAction().setVisible(bool(shares))

    def _toggle(self, name: str) -> QAction:
        action = self.shares.addAction(menu_text(name))
        action.setCheckable(True)
        # `triggered` is the user's click alone; `toggled` would answer our own setChecked
        action.triggered.connect(lambda on: self._switch(name, on), Qt.ConnectionType.QueuedConnection)
        return action

    def _fill_uses(self, uses: tuple[UseRow, ...]) -> None:
        self.uses.clear()
        for use in uses:
            action = self.uses.addAction(menu_text(_title(use)))
            where, page = use.where, use.kind in PAGES
            action.triggered.connect(lambda _on, where=where, page=page: _open(where, page=page))
        self.uses.menuAction().setVisible(bool(uses))


def _open(where: str, *, page: bool) -> None:
    """Show a page in the browser; of a port, the address goes to the clipboard."""
    if page:
        browse(where)
    else:
        QGuiApplication.clipboard().setText(where)


def _title(use: UseRow) -> str:
    words = _tr("{service} of {peer}") if use.kind in PAGES else _tr("Copy the address of {service} of {peer}")
    return words.format(service=use.service, peer=use.peer)


def _tr(words: str) -> str:
    return QCoreApplication.translate("TrayShares", words)
