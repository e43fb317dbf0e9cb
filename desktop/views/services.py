"""The services this peer can share or use: two switches for each, what it does now, and who may call."""

import json
from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from core.news.events import GrapeState, PeerRow, PeerSnapshot, Role, ServiceSnapshot
from core.trust.audience import Audience
from desktop.models.words import count, trip
from desktop.views.contract import BridgeLike
from desktop.views.switch import Switch

PATIENCE_MS = 5000  # milliseconds a click is believed before the core's state is shown again
UNKNOWN = "fibonacci"  # shown, switched off and disabled, until the first snapshot names the services


AUDIENCES = (Audience.TRUSTED, Audience.IDENTIFIED, Audience.ANYONE)  # off is the switch itself
MIN_AUDIENCE = 130  # pixels; in a narrow window the end of the words is cut, and the list it opens has them whole
AUDIENCE_HINTS = {
    Audience.TRUSTED: "Only peers that you know and let in. Others ask you first. Encrypted.",
    Audience.IDENTIFIED: "Whoever proves to be somebody, known or not. Encrypted.",
    Audience.ANYONE: "Plain Grenache peers too: what they say is not encrypted, and nobody knows who they are.",
}


def sharing_words(service: ServiceSnapshot, grape: GrapeState) -> str:
    """Return what sharing this service does at the moment."""
    if not service.sharing:
        return f"Off. Turn on to offer {service.description[:1].lower()}{service.description[1:]}."
    if service.announced_nodes:
        said = f"Announced on {count(service.announced_nodes, 'grape')}."
    elif grape is GrapeState.UNREACHABLE:
        said = "On. It will be announced when the grape is back."
    else:
        said = "On. Announcing it now."
    served = f"Served {count(service.served, 'request')}" if service.served else "No request served yet"
    return f"{said} {served}, {service.failed:,} failed." if service.failed else f"{said} {served}."


def consuming_words(service: ServiceSnapshot, peers: tuple[PeerRow, ...]) -> str:
    """Return what consuming this service does at the moment."""
    if not service.consuming:
        return f"Off. Turn on to find workers and ask one for {json.dumps(service.example)[:60]}."
    workers = [row for row in peers if row.role is Role.WORKER and row.service.startswith(service.name)]
    if not workers:
        return "On. Looking for workers; none found yet."
    answered = [row for row in workers if row.rtt is not None]
    said = f"{count(len(workers), 'worker')} found."
    if not answered:
        return f"{said} No reply yet."
    newest = max(answered, key=lambda row: row.last_seen)
    return f"{said} Last reply after {trip(newest.rtt)}."


class Toggle(QFrame):
    """One switch with its line. A click is shown at once, and taken back when the core says otherwise."""

    def __init__(self, text: str, act: Callable[[bool], None]) -> None:
        super().__init__()
        self.setObjectName("card")
        self.switch = Switch(text)
        self.switch.setAccessibleName(text.replace("&", ""))
        self.line = QLabel()
        self.line.setObjectName("muted")
        self.line.setWordWrap(True)
        self.line.setTextFormat(Qt.TextFormat.PlainText)
        self.line.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.line.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeading)
        self._act = act
        self._actual = False
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MS)
        self._patience.timeout.connect(self.settle)
        self.switch.clicked.connect(self._clicked)
        column = self._column = QVBoxLayout(self)
        column.setContentsMargins(14, 8, 14, 10)
        column.setSpacing(3)
        self._above = QHBoxLayout()
        self._above.setSpacing(10)
        self._above.addWidget(self.switch)
        self._above.addStretch(1)
        column.addLayout(self._above)
        self.add_below(self.line)

    def add_beside(self, widget: QWidget) -> None:
        """Put something beside the switch, on the other side."""
        self._above.addWidget(widget)

    def add_below(self, widget: QWidget) -> None:
        """Put something under the line."""
        row = QHBoxLayout()
        row.setContentsMargins(self.switch.words_offset(), 0, 0, 0)
        row.addWidget(widget)
        self._column.addLayout(row)

    def show_state(self, on: bool, words: str) -> None:
        """Show the core's state; a click that is still under way keeps its look for a while."""
        self._actual = on
        if not self._patience.isActive() or on == self.switch.isChecked():
            self.settle()
        if words != self.line.text():
            self.line.setText(words)
            self.switch.setAccessibleDescription(words)

    def settle(self) -> None:
        """Show what is, not what was asked for."""
        self._patience.stop()
        self.switch.show_state(self._actual)

    def _clicked(self, on: bool) -> None:
        self._patience.start()
        self._act(on)


class AudienceBox(QComboBox):
    """Who may call a service. The open one is marked for what it is.

    Signals:
        picked(Audience): by the user.
    """

    picked = Signal(object)

    def __init__(self, service: str) -> None:
        super().__init__()
        self.setAccessibleName(f"Who may call {service}")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(MIN_AUDIENCE)
        for audience in AUDIENCES:
            words = audience.sentence
            self.addItem(f"{words[:1].upper()}{words[1:]}")  # Qt would make plain text of an enumeration's value
            self.setItemData(self.count() - 1, AUDIENCE_HINTS[audience], Qt.ItemDataRole.ToolTipRole)
        self.activated.connect(lambda _number: self._pick())

    def show_audience(self, audience: Audience) -> None:
        """Show this one; off is what is shared with nobody: the box stays as it is."""
        if audience in AUDIENCES and audience is not self.audience() and not self.view().isVisible():
            self.setCurrentIndex(AUDIENCES.index(audience))
        self._explain()

    def _pick(self) -> None:
        self._explain()
        self.picked.emit(self.audience())

    def audience(self) -> Audience:
        """Return what is chosen."""
        return AUDIENCES[self.currentIndex()]

    def _explain(self) -> None:
        hint = AUDIENCE_HINTS[self.audience()]
        self.setToolTip(hint)
        self.setAccessibleDescription(hint)
        marked = self.audience() is Audience.ANYONE
        if self.property("open") != marked:
            self.setProperty("open", marked)
            self.style().unpolish(self)
            self.style().polish(self)


class ServicesView(QWidget):
    """A row of two switches for each service of the snapshot.

    Signals:
        audience_chosen(str, Audience): the user says who may call a service.
    """

    audience_chosen = Signal(str, object)

    def __init__(self, bridge: BridgeLike, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._toggles: dict[str, tuple[Toggle, Toggle]] = {}
        self._audiences: dict[str, AudienceBox] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(8)
        self._row(UNKNOWN)
        for toggle in self._toggles[UNKNOWN]:
            toggle.switch.setEnabled(False)
            toggle.show_state(False, "Starting.")
        bridge.failed.connect(self._failed)

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Show the services of a snapshot."""
        for service in snapshot.services:
            if service.name not in self._toggles:
                self._row(service.name)
            share, consume = self._toggles[service.name]
            share.switch.setEnabled(True)
            consume.switch.setEnabled(True)
            share.show_state(service.sharing, sharing_words(service, snapshot.grape.state))
            self._audiences[service.name].show_audience(service.audience)
            consume.show_state(service.consuming, consuming_words(service, snapshot.peers))

    def share_switch(self, service: str) -> Switch:
        """Return the switch that shares a service. Raises KeyError for an unknown one."""
        return self._toggles[service][0].switch

    def consume_switch(self, service: str) -> Switch:
        """Return the switch that consumes a service. Raises KeyError for an unknown one."""
        return self._toggles[service][1].switch

    def audience_box(self, service: str) -> AudienceBox:
        """Return the box that says who may call a service. Raises KeyError for an unknown one."""
        return self._audiences[service]

    def lines(self, service: str) -> tuple[str, str]:
        """Return the lines under both switches of a service."""
        share, consume = self._toggles[service]
        return share.line.text(), consume.line.text()

    def focus(self) -> None:
        """Put the keyboard on the first switch."""
        next(iter(self._toggles.values()))[0].switch.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _row(self, name: str) -> None:
        share = Toggle(f"Share {name} service", lambda on: self._bridge.set_sharing(name, on))
        consume = Toggle(f"Consume {name}", lambda on: self._bridge.set_consuming(name, on))
        self._toggles[name] = (share, consume)
        audience = self._audiences[name] = AudienceBox(name)
        audience.picked.connect(lambda chosen: self.audience_chosen.emit(name, chosen))
        share.add_beside(audience)
        row = QHBoxLayout()
        row.setSpacing(10)
        row.addWidget(share, 1)
        row.addWidget(consume, 1)
        self._column.addLayout(row)

    def _failed(self, message: str) -> None:
        """Take back what was shown too early; the banner says why."""
        del message
        for pair in self._toggles.values():
            for toggle in pair:
                toggle.settle()
