"""The request panel: the peer or service to ask, what to send, the answer, and what was asked before."""

import json
import time
from collections.abc import Callable

from PySide6.QtCore import QModelIndex, QSignalBlocker, Qt, QTimer
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QListView,
    QProgressBar,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from core.calling.target import peer_target
from core.errors import LocalError
from core.news.events import PeerSnapshot, Role
from core.values import Address, JsonValue
from desktop.icons import icon
from desktop.models.history import ENTRY_ROLE, Entry, HistoryModel
from desktop.models.peers import role_word
from desktop.theme import Theme, ThemeSource
from desktop.views.answer import AnswerView
from desktop.views.columns import share_out
from desktop.views.contract import BridgeLike, OutcomeLike
from desktop.views.fields import Lines, limit, plain_tip, roomy
from desktop.views.parts import PlainLabel
from desktop.views.payload import PayloadEditor

DEFAULT_TIMEOUT = 10.0  # seconds; PROTOCOL.md section 7, the demo's own
MAX_TIMEOUT = 600.0  # seconds
GRACE = 5.0  # seconds past the time-out after which the panel stops waiting for an outcome that got lost
FRAME_MS = 100  # milliseconds between steps of the progress line
MAX_TARGETS = 200  # peers offered in the list; any other can be typed
MAX_TARGET = 200  # characters: a Peer ID, a slash, and a service's name
MAX_ERROR = 500  # characters of an error that the history keeps: a tooltip, and what a screen reader says
SPAN = 1000  # steps of the progress line
START_TARGET, START_PAYLOAD = "fibonacci", '{"length": 10}'


class RequestView(QWidget):
    """Sends one request at a time through the bridge and shows how it ended."""

    def __init__(
        self,
        bridge: BridgeLike,
        theme: ThemeSource,
        parent: QWidget | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._clock = clock
        self._ticket: int | None = None
        self._sent_at = 0.0
        self._example: tuple[str, JsonValue] = (START_TARGET, json.loads(START_PAYLOAD))
        self._targets: list[tuple[str, str]] = []
        self.target = QComboBox()
        self.target_problem = Lines(1)  # why the target cannot be asked; its place is kept
        self.payload = PayloadEditor(theme)
        self.timeout = QDoubleSpinBox()
        self.send_button = QPushButton(self.tr("&Send"))
        self._stands_in: QWidget | None = None  # has the keyboard while Send is disabled
        self.progress = QProgressBar()
        self.answer = AnswerView(theme)
        self.history = HistoryModel(self)
        self.history_list = QListView()
        self._set_up()
        self._lay_out()
        self._frame = QTimer(self)
        self._frame.setInterval(FRAME_MS)
        self._frame.timeout.connect(self._step)
        self.payload.checked.connect(self._update)
        self.target.editTextChanged.connect(lambda _text: self._update())
        self.answer.cancel_wanted.connect(self.cancel)
        self._escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), self)
        self._escape.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self._escape.setEnabled(False)
        self._escape.activated.connect(self.cancel)
        bridge.request_finished.connect(self._finished)
        theme.changed.connect(self._retheme)
        self._retheme(theme.theme)
        theme.laid.connect(self._keep_width)
        self._keep_width()
        self.payload.set_text(START_PAYLOAD)

    def _keep_width(self) -> None:
        """Let the button be as wide as the longer of its words, whichever it shows: it never changes its width."""
        shown = self.send_button.text()
        self.send_button.setText(self.tr("Sending"))
        self.send_button.ensurePolished()
        self.send_button.setMinimumWidth(self.send_button.sizeHint().width())
        self.send_button.setText(shown)

    def _set_up(self) -> None:
        self.target.setEditable(True)
        self.target.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        # what is typed is a target as it stands, not the beginning of another
        self.target.setCompleter(None)  # type: ignore[arg-type]  # None takes it off, as Qt says
        self.target.setAccessibleName(self.tr("Send to"))
        self.target.setToolTip(self.tr("A service name, a discovered peer, any host:port, or PEER-ID/service"))
        self.target.setMinimumContentsLength(14)
        self.target.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.target.setMaxVisibleItems(16)
        editor = self.target.lineEdit()
        if editor is not None:
            editor.setPlaceholderText(self.tr("fibonacci, host:port, or PEER-ID/fibonacci"))
            editor.setAccessibleName(self.tr("Send to"))
        limit(self.target, MAX_TARGET)
        self.target.addItem(START_TARGET)
        self.target_problem.setProperty("problem", True)
        self.timeout.setRange(0.5, MAX_TIMEOUT)
        self.timeout.setValue(DEFAULT_TIMEOUT)
        self.timeout.setDecimals(1)
        self.timeout.setSuffix(self.tr(" s"))
        roomy(self.timeout)
        self.timeout.setAccessibleName(self.tr("Wait up to, in seconds"))
        self.send_button.setObjectName("primary")
        self.send_button.setToolTip(self.tr("Send the request (Ctrl+Enter)"))
        self.send_button.clicked.connect(self.send)
        self.progress.setObjectName("waiting")
        self.progress.setTextVisible(False)
        self.progress.setRange(0, SPAN)
        self.progress.setAccessibleName(self.tr("Time waited for the answer"))
        self.history_list.setModel(self.history)
        self.history_list.setAccessibleName(self.tr("Requests sent before"))
        self.history_list.setUniformItemSizes(True)
        self.history_list.setMinimumHeight(2 * self.history_list.fontMetrics().height() + 20)
        self.history_list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.history_list.clicked.connect(self._recall)
        self.history_list.activated.connect(self._repeat)

    def _lay_out(self) -> None:
        top = QWidget()
        column = QVBoxLayout(top)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        title = _label(self.tr("Re&quest to"), self.target)
        title.setObjectName("heading")
        column.addWidget(title)
        column.addWidget(self.target)
        column.addWidget(self.target_problem)
        column.addWidget(_label(self.tr("&JSON payload"), self.payload.editor))
        column.addWidget(self.payload, 1)
        act = QHBoxLayout()
        act.setSpacing(8)
        act.addWidget(_label(self.tr("&Wait up to"), self.timeout))
        act.addWidget(self.timeout)
        act.addStretch()
        act.addWidget(self.send_button)
        column.addLayout(act)
        column.addWidget(self.progress)
        before = QWidget()
        below = QVBoxLayout(before)
        below.setContentsMargins(0, 4, 0, 0)
        below.setSpacing(4)
        below.addWidget(_label(self.tr("Sent &before"), self.history_list))
        below.addWidget(self.history_list, 1)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        self.splitter.setChildrenCollapsible(False)
        share_out(self.splitter, (top, 2), (self.answer, 4), (before, 2))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.splitter)

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Offer the services and peers of a snapshot as targets; what is typed stays."""
        if snapshot.services:
            self._example = (snapshot.services[0].name, snapshot.services[0].example)
        peers = sorted(snapshot.peers, key=lambda row: (row.role is not Role.WORKER, row.address))[:MAX_TARGETS]
        wanted = [(service.name, service.description) for service in snapshot.services]
        wanted += [(str(row.address), f"{role_word(row.role)}, found as {row.service}") for row in peers]
        if wanted != self._targets and not self.target.view().isVisible():
            self._targets = wanted
            self._offer()

    def _offer(self) -> None:
        typed = self.target.currentText()
        with QSignalBlocker(self.target):
            self.target.clear()
            for name, words in self._targets:
                self.target.addItem(name)
                self.target.setItemData(self.target.count() - 1, plain_tip(words), Qt.ItemDataRole.ToolTipRole)
            self.target.setEditText(typed)

    def set_target(self, target: str | Address) -> None:
        """Put a target into the panel."""
        self.target.setEditText(str(target))

    def focus(self) -> None:
        """Put the keyboard into the payload."""
        self.payload.editor.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def busy(self) -> bool:
        """Return whether a request is under way."""
        return self._ticket is not None

    def send(self) -> None:
        """Send what the panel holds; where it is wrong, go there instead."""
        if self.busy():
            return
        target, checked = self.target.currentText().strip(), self.payload.check()
        if not target or _target_problem(target):
            self.target.setFocus(Qt.FocusReason.OtherFocusReason)
        elif checked.problem is not None:
            self.payload.show_problem()
        else:
            self._sent_at = self._clock()
            self.answer.waiting(target)
            self._ticket = self._bridge.send_request(target, checked.value, self.timeout.value())
            self._frame.start()
            self._update()

    def cancel(self) -> None:
        """Wait no longer for the request that is under way."""
        if self._ticket is not None:
            self._bridge.cancel_request(self._ticket)

    def send_demo(self) -> None:
        """Fill in the first service and its example, and send that."""
        target, payload = self._example
        self.set_target(target)
        self.payload.set_text(json.dumps(payload))
        self.send()

    def remember(self, outcome: OutcomeLike) -> None:
        """Put a request that was sent from elsewhere, such as the tray, into the history."""
        ended = outcome.seconds, outcome.error, outcome.ending
        self.history.add(Entry(self._clock() - outcome.seconds, outcome.target, outcome.payload, *ended))

    def _finished(self, outcome: OutcomeLike) -> None:
        if outcome.ticket != self._ticket:
            return
        self._stop()
        self.answer.show_outcome(outcome)
        error = outcome.error[:MAX_ERROR] if outcome.error is not None else None
        ended = outcome.seconds, error, outcome.ending
        self.history.add(Entry(self._sent_at, outcome.target, outcome.payload, *ended))

    def _stop(self) -> None:
        self._ticket = None
        self._frame.stop()
        self.progress.setValue(0)
        self._update()

    def _step(self) -> None:
        waited, allowed = self._clock() - self._sent_at, self.timeout.value()
        self.progress.setValue(min(SPAN, round(SPAN * waited / allowed)))
        if waited > allowed + GRACE:
            self._stop()
            self.answer.lost(self.target.currentText())

    def _update(self) -> None:
        busy = self.busy()
        target = self.target.currentText().strip()
        problem = _target_problem(target)
        if problem != self.target_problem.text():
            self.target_problem.setText(problem)
            self.target.setAccessibleDescription(problem)
        ready = bool(target) and not problem and self.payload.check_result().problem is None
        self._enable_send(ready and not busy)
        self.send_button.setText(self.tr("Sending") if busy else self.tr("&Send"))
        self.timeout.setEnabled(not busy)
        self._escape.setEnabled(busy)

    def _enable_send(self, on: bool) -> None:
        """Have the keyboard come back to Send: Qt takes it from a button that is disabled, and gives it to the next."""
        window, had = self.window(), self.send_button.hasFocus()
        self.send_button.setEnabled(on)
        if had and not on:
            self._stands_in = window.focusWidget()
        elif on and self._stands_in is not None:
            if window.focusWidget() is self._stands_in:  # the user has not gone on
                self.send_button.setFocus(Qt.FocusReason.OtherFocusReason)
            self._stands_in = None

    def _recall(self, index: QModelIndex) -> Entry | None:
        entry = index.data(ENTRY_ROLE)
        if not isinstance(entry, Entry):
            return None
        self.set_target(entry.target)
        self.payload.set_text(entry.payload_text())
        return entry

    def _repeat(self, index: QModelIndex) -> None:
        if self._recall(index) is not None:
            self.send()

    def _retheme(self, theme: Theme) -> None:
        self.send_button.setIcon(icon("send", theme.on_accent, theme.muted))


def _label(text: str, buddy: QWidget) -> QLabel:
    label = PlainLabel(text)
    label.setBuddy(buddy)
    return label


def _target_problem(target: str) -> str:
    """Return what is wrong with a target that is meant to be a Peer ID, as a sentence; empty for any other."""
    try:
        peer_target(target)
    except LocalError as error:
        sentence = str(error)
        return f"{sentence[:1].upper()}{sentence[1:]}."
    return ""
