"""The services that this peer can share or use: two switches for each, its state, and its audience."""

import json
from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from core.news.events import AWAY, GrapeState, PeerRow, PeerSnapshot, Role, ServiceSnapshot
from core.trust.audience import Audience
from desktop.models.words import count, trip
from desktop.views.columns import Pair
from desktop.views.contract import BridgeLike
from desktop.views.fields import Lines
from desktop.views.flow import FlowRow
from desktop.views.sheets import Question
from desktop.views.switch import Switch

PATIENCE_MS = 5000  # milliseconds a click is believed before the core's state is shown again
UNKNOWN = "fibonacci"  # shown, switched off and disabled, until the first snapshot names the services
AUDIENCES = (Audience.TRUSTED, Audience.IDENTIFIED, Audience.ANYONE)  # off is the switch itself
SIDE_BY_SIDE = 620  # pixels of width; below that the cards stand one under the other
LINES = 2  # kept free for the words under a switch, so that nothing below moves when they change
AUDIENCE_WORDS = {
    Audience.TRUSTED: "Peers that I trust",
    Audience.IDENTIFIED: "Anyone with a Peer ID",
    Audience.ANYONE: "Anyone, unencrypted",
}
AUDIENCE_HINTS = {
    Audience.TRUSTED: "Only peers that you know and let in. Others ask you first. Encrypted.",
    Audience.IDENTIFIED: "Any peer that proves its Peer ID, known to you or not. Encrypted.",
    Audience.ANYONE: "Plain Grenache peers too: their requests are not encrypted, and nobody knows who they are.",
}


def _tr(text: str) -> str:
    return QCoreApplication.translate("services", text)


def sharing_words(service: ServiceSnapshot, grape: GrapeState) -> str:
    """Return what sharing this service does at the moment."""
    if not service.sharing:
        offer = f"{service.description[:1].lower()}{service.description[1:]}"
        return _tr("Off. Turn on to offer {what}.").format(what=offer)
    if grape in AWAY and not service.announced_nodes:
        said = _tr("On. It will be announced when the grape is back.")
    elif not service.announced_nodes:
        said = _tr("On. Announcing it now.")
    elif grape is GrapeState.ALONE or grape in AWAY:
        said = _tr("On, but announced on this computer's own grape only.")
    else:
        said = _tr("Announced on {grapes}.").format(grapes=count(service.announced_nodes, _tr("grape"), _tr("grapes")))
    if not service.served:
        served = _tr("No request served yet")
    else:
        served = _tr("Served {requests}").format(requests=count(service.served, _tr("request"), _tr("requests")))
    failed = _tr(", {n} failed").format(n=f"{service.failed:,}") if service.failed else ""
    return f"{said} {served}{failed}."


def consuming_words(service: ServiceSnapshot, peers: tuple[PeerRow, ...]) -> str:
    """Return what consuming this service does at the moment."""
    if not service.consuming:
        asked = json.dumps(service.example)[:60]
        return _tr("Off. Turn on to find workers, and ask one of them for {example}.").format(example=asked)
    workers = [row for row in peers if row.role is Role.WORKER and row.service.startswith(service.name)]
    if not workers:
        return _tr("On. Looking for workers; none found yet.")
    answered = [row for row in workers if row.rtt is not None]
    said = _tr("{workers} found.").format(workers=count(len(workers), _tr("worker"), _tr("workers")))
    if not answered:
        return said + _tr(" No reply yet.")
    newest = max(answered, key=lambda row: row.last_seen)
    return said + _tr(" Last reply after {time}.").format(time=trip(newest.rtt))


class Toggle(QFrame):
    """One switch with its line. A click is shown at once, and taken back when the core says otherwise."""

    def __init__(self, text: str, act: Callable[[bool], None]) -> None:
        super().__init__()
        self.setObjectName("card")
        self.switch = Switch(text)
        self.switch.setAccessibleName(text.replace("&", ""))
        self.line = Lines(LINES)
        self.line.setObjectName("muted")
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
        self._above = FlowRow()
        self._above.setSpacing(10)
        self._above.addWidget(self.switch)
        self._above.addStretch()
        self._above.set_indent(self.switch.words_offset())
        column.addLayout(self._above)
        column.addStretch()
        self.add_below(self.line)

    def add_beside(self, widget: QWidget) -> None:
        """Put something beside the switch, on the other side."""
        self._above.addWidget(widget)

    def add_below(self, widget: QWidget) -> None:
        """Put something under the line."""
        row = QHBoxLayout()
        row.setContentsMargins(self.switch.words_offset(), 0, 0, 0)
        row.addWidget(widget)
        self._column.insertLayout(self._column.count() - 1, row)

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


class AsHigh(QWidget):
    """Nothing to see: a line is as high as another widget would make it, and the words of both cards stand level."""

    def __init__(self, other: QWidget) -> None:
        super().__init__()
        self._other = other
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return the other's height, and no width."""
        return QSize(0, self._other.sizeHint().height())

    minimumSizeHint = sizeHint


class AudienceBox(QComboBox):
    """Chooses who may call a service. The open choice is marked for what it is.

    Signals:
        picked(Audience): by the user.
    """

    picked = Signal(object)

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service
        self._actual = AUDIENCES[0]
        self.question: Question | None = None  # open: whether to let anyone in
        self.setAccessibleName(self.tr("Who may call {service}").format(service=service))
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        for audience in AUDIENCES:
            self.addItem(self.tr(AUDIENCE_WORDS[audience]))  # Qt would make plain text of an enumeration's value
            self.setItemData(self.count() - 1, self.tr(AUDIENCE_HINTS[audience]), Qt.ItemDataRole.ToolTipRole)
        self.activated.connect(lambda _number: self._pick())

    def show_audience(self, audience: Audience) -> None:
        """Show this one; off is what is shared with nobody: the box stays as it is."""
        if audience in AUDIENCES:
            self._actual = audience
            if audience is not self.audience() and not self.view().isVisible() and self.question is None:
                self.setCurrentIndex(AUDIENCES.index(audience))
        self._explain()

    def _pick(self) -> None:
        """Take a choice; one that opens the service to more is asked about first."""
        chosen = self.audience()
        if chosen is self._actual or self.question is not None:
            return
        if AUDIENCES.index(chosen) > AUDIENCES.index(self._actual):
            self._ask(chosen)
            return
        self._choose(chosen)

    def _ask(self, chosen: Audience) -> None:
        anyone = chosen is Audience.ANYONE
        question = (
            self.tr("Let anyone call {service}?") if anyone else self.tr("Let everybody with an ID call {service}?")
        )
        self.question = Question(
            self.window(),
            self.tr("Open to anyone") if anyone else self.tr("Open to more people"),
            question.format(service=self._service),
            self.tr(AUDIENCE_HINTS[chosen]),
            self.tr("Let anyone call it") if anyone else self.tr("Let them call it"),
            lambda: self._choose(chosen),
        )
        self.question.finished.connect(self._answered)
        self.question.open()

    def _answered(self, _result: int) -> None:
        """Show what is, unless the answer has changed it."""
        self.question = None
        self.setCurrentIndex(AUDIENCES.index(self._actual))
        self._explain()

    def _choose(self, audience: Audience) -> None:
        self._actual = audience
        self.setCurrentIndex(AUDIENCES.index(audience))
        self._explain()
        self.picked.emit(audience)

    def audience(self) -> Audience:
        """Return what is chosen."""
        return AUDIENCES[self.currentIndex()]

    def _explain(self) -> None:
        hint = self.tr(AUDIENCE_HINTS[self.audience()])
        self.setToolTip(f"{self.currentText()}. {hint}")
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
            toggle.show_state(False, self.tr("Starting."))
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
        share = Toggle(self.tr("Share {name} service").format(name=name), lambda on: self._bridge.set_sharing(name, on))
        consume = Toggle(self.tr("Consume {name}").format(name=name), lambda on: self._bridge.set_consuming(name, on))
        self._toggles[name] = (share, consume)
        audience = self._audiences[name] = AudienceBox(name)
        audience.picked.connect(lambda chosen: self.audience_chosen.emit(name, chosen))
        for toggle in (share, consume):
            toggle.add_beside(AsHigh(audience))
        share.add_beside(audience)
        self._column.addWidget(Pair(share, consume, SIDE_BY_SIDE))

    def _failed(self, message: str) -> None:
        """Take back what was shown too early; the banner says why."""
        del message
        for pair in self._toggles.values():
            for toggle in pair:
                toggle.settle()
