"""The four answers to a peer that asks for a service: the same buttons in the strip and on the page."""

from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from core.trust.entries import Pending
from desktop.models.safe import shown
from desktop.views.contract import BridgeLike
from desktop.views.flow import FlowRow


class Answers(QWidget):
    """Answers one pending request through the bridge.

    Signals:
        always_wanted(Pending): let it in for good; nothing has happened yet, it may want a name first.
    """

    always_wanted = Signal(object)

    def __init__(self, bridge: BridgeLike, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._pending: Pending | None = None
        row = FlowRow(self)
        self.once = self._button("Accept &once", "Let its next request in, within ten minutes", row)
        self.always = self._button("&Always", "Let this peer call this service from now on", row)
        self.refuse = self._button("Re&fuse", "Forget this request; the peer may ask again", row)
        self.block = self._button("Block", "Let this peer call nothing, and do not let it ask again", row)
        self.always.clicked.connect(self._accept_always)
        self.once.clicked.connect(lambda: self._answer(lambda asked: self._accept(asked, once=True)))
        self.refuse.clicked.connect(lambda: self._answer(lambda asked: bridge.refuse(*asked.key)))
        self.block.clicked.connect(lambda: self._answer(lambda asked: bridge.block(asked.peer_id)))
        self.show_request(None)

    def show_request(self, pending: Pending | None) -> None:
        """Say which request the buttons answer; none: they are off."""
        self._pending = pending
        about = f"Peer ID {pending.peer_id}, asking for {shown(pending.service)}" if pending else ""
        for button in (self.always, self.once, self.refuse, self.block):
            button.setEnabled(pending is not None)
            button.setAccessibleDescription(about)

    def _button(self, words: str, hint: str, row: FlowRow) -> QPushButton:
        button = QPushButton(self.tr(words))
        button.setToolTip(self.tr(hint))
        button.setAutoDefault(False)
        button.setAccessibleName(words.replace("&", ""))
        row.addWidget(button)
        return button

    def _answer(self, act: Callable[[Pending], None]) -> None:
        if self._pending is not None:
            act(self._pending)

    def _accept(self, asked: Pending, *, once: bool) -> None:
        self._bridge.accept(asked.peer_id, asked.service, once=once)

    def _accept_always(self) -> None:
        if self._pending is not None:
            self.always_wanted.emit(self._pending)
