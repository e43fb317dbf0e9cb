"""The settings: takes the frozen record, checks in sentences what was typed, hands a new one back. Never `exec()`."""

import dataclasses
from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QGroupBox,
    QLabel,
    QPlainTextEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from core.errors import LocalError
from core.profile.integration import State
from core.profile.settings import CloseAction, Settings
from desktop.views.fields import roomy

CLOSE_WORDS: tuple[tuple[CloseAction, str], ...] = (
    ("ask", "Ask"),
    ("tray", "Keep sharing in the tray"),
    ("quit", "Quit"),
)
LIST_LINES = 3  # of the list editors
MIN_WIDTH = 520  # pixels; a URL on one line


class SettingsDialog(QDialog):
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
        super().__init__(parent)
        self._settings = settings
        self.autostart = _check(self.tr("Start when I &log in, hidden in the tray"), bool(autostart and autostart.on))
        self._autostart_was = self.autostart.isChecked()
        self.autostart.setVisible(autostart is not None)
        self._autostart_note = QLabel(autostart.problem if autostart is not None else "")
        self._autostart_note.setObjectName("muted")
        self._autostart_note.setWordWrap(True)
        self._autostart_note.setVisible(bool(autostart and autostart.problem))
        self.setObjectName("settings")
        self.setWindowTitle(self.tr("Settings"))
        self.setMinimumWidth(MIN_WIDTH)
        self.grapes = _lines(settings.grapes, "http://192.0.2.7:30001")
        self.bootstrap = _lines(settings.bootstrap, "192.0.2.7:20001")
        self.dht_port = _port(settings.dht_port)
        self.api_port = _port(settings.api_port)
        self.udp_port = _port(settings.udp_port)
        self.share = {
            name: _check(self.tr("Share {name} at start").format(name=name), name in settings.share_at_start)
            for name in dict.fromkeys((*services, *settings.share_at_start))
        }
        self.notify = _check(self.tr("&Notify when a new peer's first punch arrives"), settings.notify_new_peers)
        self.close_action = QComboBox()
        for action, words in CLOSE_WORDS:
            self.close_action.addItem(self.tr(words), action)
        self.close_action.setCurrentIndex(self.close_action.findData(settings.close_action))
        self._problem = QLabel()
        self._problem.setProperty("problem", True)
        self._problem.setWordWrap(True)
        self._problem.setTextFormat(Qt.TextFormat.PlainText)
        self._problem.hide()
        standard = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(standard.Save | standard.Cancel)
        self.buttons.button(standard.Save).setObjectName("primary")
        self.buttons.accepted.connect(self._save)
        self.buttons.rejected.connect(self.reject)
        self._lay_out()
        self.finished.connect(self.deleteLater)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 14)
        column.setSpacing(12)
        column.addWidget(self._network())
        column.addWidget(self._behaviour())
        note = QLabel(self.tr("After a change of grapes or ports, the peer is opened again; requests under way end."))
        note.setObjectName("muted")
        note.setWordWrap(True)
        column.addWidget(note)
        column.addWidget(self._problem)
        column.addStretch()
        column.addWidget(self.buttons)

    def _network(self) -> QGroupBox:
        box = QGroupBox(self.tr("Network"))
        form = _form(box)
        _row(form, self.tr("&Grapes to use"), self.grapes, self.tr("One URL a line. Empty: a grape of our own starts."))
        _row(form, self.tr("&Bootstrap nodes"), self.bootstrap, self.tr("One host:port a line, for our own grape."))
        ports = (
            (self.tr("&DHT port"), self.dht_port),
            (self.tr("HTTP &API port"), self.api_port),
            (self.tr("Peer's &UDP port"), self.udp_port),
        )
        for words, field in ports:
            _row(form, words, field)
        return box

    def _behaviour(self) -> QGroupBox:
        box = QGroupBox(self.tr("Behaviour"))
        form = _form(box)
        for field in (*self.share.values(), self.notify):
            form.addRow(field)
        form.addRow(self.autostart)
        form.addRow(self._autostart_note)
        _row(form, self.tr("When the window is &closed"), self.close_action)
        return box

    def settings(self) -> Settings:
        """Return what is typed. Raises LocalError with a sentence about the first thing that is wrong."""
        return dataclasses.replace(
            self._settings,
            grapes=_entries(self.grapes),
            bootstrap=_entries(self.bootstrap),
            dht_port=self.dht_port.value(),
            api_port=self.api_port.value(),
            udp_port=self.udp_port.value(),
            share_at_start=tuple(name for name, box in self.share.items() if box.isChecked()),
            notify_new_peers=self.notify.isChecked(),
            close_action=self.close_action.currentData(),
        ).validate()

    def problem(self) -> str:
        """Return the sentence shown, or nothing."""
        return "" if self._problem.isHidden() else self._problem.text()

    def _save(self) -> None:
        try:
            settings = self.settings()
        except LocalError as error:
            sentence = str(error)
            self._problem.setText(sentence[:1].upper() + sentence[1:])
            self._problem.show()
            return
        self.accept()
        self.chosen.emit(settings)
        if self.autostart.isChecked() != self._autostart_was:
            self.autostart_chosen.emit(self.autostart.isChecked())


def _lines(values: Sequence[str], example: str) -> QPlainTextEdit:
    editor = QPlainTextEdit("\n".join(values))
    editor.setPlaceholderText(example)
    editor.setTabChangesFocus(True)
    editor.setFixedHeight(LIST_LINES * editor.fontMetrics().lineSpacing() + 14)
    return editor


def _entries(editor: QPlainTextEdit) -> tuple[str, ...]:
    """Return the lines that are not empty, each once."""
    return tuple(dict.fromkeys(line.strip() for line in editor.toPlainText().splitlines() if line.strip()))


def _port(value: int) -> QSpinBox:
    box = QSpinBox()
    box.setRange(0, 65535)
    box.setValue(value)
    box.setSpecialValueText("any free port")
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
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def _row(form: QFormLayout, words: str, field: QWidget, hint: str = "") -> None:
    """Add a labelled field; the label is its buddy, and its accessible name."""
    form.addRow(words, field)
    field.setAccessibleName(words.replace("&", ""))
    if hint:
        below = QLabel(hint)
        below.setObjectName("muted")
        below.setWordWrap(True)
        form.addRow("", below)
        field.setAccessibleDescription(hint)
