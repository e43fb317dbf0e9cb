"""The settings: takes the frozen record, checks in sentences what was typed, hands a new one back. Never `exec()`."""

import dataclasses
from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialogButtonBox,
    QFormLayout,
    QGroupBox,
    QSpinBox,
    QWidget,
)

from core.errors import LocalError
from core.profile.integration import State
from core.profile.settings import CloseAction, Said, Settings
from desktop.views.editor import Bounds, GuardedEditor
from desktop.views.fields import Lines, muted, roomy
from desktop.views.sheets import Sheet, primary, standard_buttons

CLOSE_WORDS: tuple[tuple[CloseAction, str], ...] = (
    ("ask", "Ask"),
    ("tray", "Keep sharing in the tray"),
    ("quit", "Quit"),
)
LIST_LINES = 2  # of the list editors
WIDTH = 560  # pixels; a URL on one line
LIST_BOUNDS = Bounds(characters=8_000, line=300, lines=64)  # of a list: far more than the entries that are allowed


class SettingsDialog(Sheet):
    """Edits settings.

    Signals:
        chosen(Settings): the user pressed Save and everything is valid.
        autostart_chosen(bool): and wants the start at login to be another than it was.
    """

    chosen = Signal(object)
    autostart_chosen = Signal(bool)

    def __init__(
        self,
        settings: Settings,
        services: Sequence[str],
        parent: QWidget | None = None,
        *,
        autostart: State | None = None,
    ) -> None:
        """`autostart` is the real state of the start at login; None: this system has none."""
        super().__init__(self.tr("Settings"), parent, width=WIDTH)
        self._settings = settings
        self.autostart = _check(self.tr("Start when I &log in, hidden in the tray"), bool(autostart and autostart.on))
        self._autostart_was = self.autostart.isChecked()
        self.autostart.setVisible(autostart is not None)
        self._autostart_note = muted(autostart.problem if autostart is not None else "")
        self._autostart_note.setVisible(bool(autostart and autostart.problem))
        self.setObjectName("settings")
        self.grapes = self._lines(settings.grapes, "http://192.0.2.7:30001")
        self.bootstrap = self._lines(settings.bootstrap, "192.0.2.7:20001")
        self.lan = _check(self.tr("&Find others on this network"), settings.lan)
        hint = self.tr("And be found: others learn that a Grapevine is here, by a random name that changes daily.")
        self.lan.setToolTip(hint)
        self.public_dht = _check(self.tr("Let friends find me &without a server"), settings.mainline == "on")
        hint = self.tr(
            "By the public DHT of BitTorrent. Your address becomes visible to its nodes; what you share does not, nor "
            "who your friends are. It takes 25 MB a day at the most while you call nobody."
        )
        self.public_dht.setToolTip(hint)
        self._public_dht_note = muted(hint)
        self.open_peer, self._open_peer_note = self._helping(settings)
        self.port_mapping = _check(self.tr("Ask the &router to open a port"), settings.port_mapping)
        self.port_mapping.setToolTip(self.tr("Friends then reach you directly. The port is given back at the end."))
        self.dht_port = _port(settings.dht_port)
        self.api_port = _port(settings.api_port)
        self.udp_port = _port(settings.udp_port)
        self.share = {
            name: _check(self.tr("Share {name} when Grapevine starts").format(name=name), name in settings.sharing)
            for name in dict.fromkeys((*services, *settings.sharing))
        }
        self.notify = _check(self.tr("&Notify me when a new peer gets through"), settings.notify_new_peers)
        self.close_action = QComboBox()
        for action, words in CLOSE_WORDS:
            self.close_action.addItem(self.tr(words), action)
        self.close_action.setCurrentIndex(self.close_action.findData(settings.close_action))
        self._problem = Lines(2)  # its place is kept: no field moves when there is something to say
        self._problem.setProperty("problem", True)
        self._lay_out()
        standard = QDialogButtonBox.StandardButton
        self.buttons = standard_buttons(self, standard.Save | standard.Cancel)
        primary(self.buttons.button(standard.Save))
        self.buttons.accepted.connect(self._save)
        self.buttons.rejected.connect(self.reject)
        self.calm(self.buttons.button(standard.Save))
        self.finished.connect(self.deleteLater)

    def _helping(self, settings: Settings) -> tuple[QCheckBox, QWidget]:
        """Return the switch that lets this peer help strangers, and what it means."""
        box = _check(self.tr("&Help strangers meet"), settings.open_peer)
        hint = self.tr(
            "While others reach this computer directly, strangers leave sealed letters here and wait for theirs. "
            "Everybody can then see that your Grapevine is at your address. It takes 350 MB a day at the very most."
        )
        box.setToolTip(hint)
        box.setEnabled(self.public_dht.isChecked())
        self.public_dht.toggled.connect(box.setEnabled)
        return box, muted(hint)

    def _lay_out(self) -> None:
        for box in (self._sharing(), self._window(), self._network()):
            self.body.addWidget(box)
        note = self.tr("When something under Network changes, this peer is opened again, and requests under way end.")
        self.body.addWidget(muted(note))
        self.body.addStretch()
        self.foot.addWidget(self._problem)

    def _sharing(self) -> QGroupBox:
        box = QGroupBox(self.tr("Sharing"))
        form = _form(box)
        for field in self.share.values():
            form.addRow(field)
        form.addRow(self.autostart)
        form.addRow(self._autostart_note)
        form.setRowVisible(self.autostart, not self.autostart.isHidden())
        form.setRowVisible(self._autostart_note, not self._autostart_note.isHidden())
        return box

    def _window(self) -> QGroupBox:
        box = QGroupBox(self.tr("Window"))
        form = _form(box)
        form.addRow(self.notify)
        _row(form, self.tr("When the window is &closed"), self.close_action)
        return box

    def _network(self) -> QGroupBox:
        box = QGroupBox(self.tr("Network"))
        form = _form(box)
        hint = self.tr("One URL on each line. With none, this computer runs a grape of its own.")
        _row(form, self.tr("&Grapes to use"), self.grapes, hint)
        hint = self.tr("One host:port on each line. This computer's own grape joins other grapes there.")
        _row(form, self.tr("&Bootstrap nodes"), self.bootstrap, hint)
        form.addRow(self.lan)
        form.addRow(self.public_dht)
        form.addRow(self._public_dht_note)
        form.addRow(self.open_peer)
        form.addRow(self._open_peer_note)
        form.addRow(self.port_mapping)
        ports = (
            (self.tr("&DHT port"), self.dht_port),
            (self.tr("HTTP &API port"), self.api_port),
            (self.tr("Peer's &UDP port"), self.udp_port),
        )
        for words, field in ports:
            _row(form, words, field)
        return box

    def _lines(self, values: Sequence[str], example: str) -> GuardedEditor:
        editor = GuardedEditor(LIST_BOUNDS)
        editor.setPlainText("\n".join(values))
        editor.setPlaceholderText(example)
        editor.setFixedHeight(LIST_LINES * editor.fontMetrics().lineSpacing() + 14)
        editor.refused.connect(self._refuse)
        return editor

    def _refuse(self, characters: int) -> None:
        words = self.tr("That text of {n} characters was not pasted: it is no list of addresses.")
        self._say(words.format(n=f"{characters:,}"))

    def _say(self, problem: str) -> None:
        self._problem.setText(problem)

    def settings(self) -> Settings:
        """Return what is typed. Raises LocalError with a sentence about the first thing that is wrong."""
        return dataclasses.replace(
            self._settings,
            grapes=_entries(self.grapes),
            bootstrap=_entries(self.bootstrap),
            lan=self.lan.isChecked(),
            mainline=self._said(),
            open_peer=self.open_peer.isChecked(),
            port_mapping=self.port_mapping.isChecked(),
            dht_port=self.dht_port.value(),
            api_port=self.api_port.value(),
            udp_port=self.udp_port.value(),
            sharing=tuple(name for name, box in self.share.items() if box.isChecked()),
            notify_new_peers=self.notify.isChecked(),
            close_action=self.close_action.currentData(),
        ).validate()

    def _said(self) -> Said:
        """Return what was said of the public DHT: nothing yet, if the box was left as it was."""
        on = self.public_dht.isChecked()
        return self._settings.mainline if on == (self._settings.mainline == "on") else "on" if on else "off"

    def problem(self) -> str:
        """Return the sentence shown, or nothing."""
        return self._problem.text()

    def _save(self) -> None:
        try:
            settings = self.settings()
        except LocalError as error:
            sentence = str(error)
            self._say(f"{sentence[:1].upper()}{sentence[1:]}.")
            return
        self.accept()
        self.chosen.emit(settings)
        if self.autostart.isChecked() != self._autostart_was:
            self.autostart_chosen.emit(self.autostart.isChecked())


def _entries(editor: GuardedEditor) -> tuple[str, ...]:
    """Return the lines that are not empty, each once."""
    return tuple(dict.fromkeys(line.strip() for line in editor.value().splitlines() if line.strip()))


def _port(value: int) -> QSpinBox:
    box = QSpinBox()
    box.setRange(0, 65535)
    box.setValue(value)
    box.setSpecialValueText(QCoreApplication.translate("settings", "any free port"))
    roomy(box)
    return box


def _check(words: str, on: bool) -> QCheckBox:
    box = QCheckBox(words)
    box.setAccessibleName(words.replace("&", ""))
    box.setChecked(on)
    return box


def _form(box: QGroupBox) -> QFormLayout:
    form = QFormLayout(box)
    form.setContentsMargins(14, 12, 14, 14)
    form.setHorizontalSpacing(16)
    form.setVerticalSpacing(8)
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def _row(form: QFormLayout, words: str, field: QWidget, hint: str = "") -> None:
    """Add a labelled field; the label is its buddy, and its accessible name."""
    form.addRow(words, field)
    field.setAccessibleName(words.replace("&", ""))
    if hint:
        form.addRow("", muted(hint))
        field.setAccessibleDescription(hint)
